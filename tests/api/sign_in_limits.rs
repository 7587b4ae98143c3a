//! Limits on sign-ins. Each stops an attacker, and none lets an attacker lock a user out.

use std::time::Duration;

use futures::future::join_all;
use portal_tests::{Actor, Client, Partner, Stack, User, secrets, stack};
use serde_json::{Value, json};

/// Guesses a user's password this many times, from so many networks that every guess is compared.
async fn guess(user: &User, ready: &portal_tests::Ready, times: usize) {
    for _ in 0..times.div_ceil(5) {
        let guesser = Client::of(ready);
        let attempts =
            (0..5).map(|_| guesser.sign_in_at(&user.partner_id, &user.email, &secrets::password()).into_future());
        for answer in join_all(attempts).await {
            answer.problem(401, "unauthenticated");
        }
    }
}

async fn sign_in(client: &Client, user: &User) -> portal_tests::Answer {
    client.sign_in_at(&user.partner_id, &user.email, &user.password).await
}

/// The events of this action that concern this user.
async fn history(owner: &Actor, user: &User, action: &str) -> Vec<Value> {
    let page = owner.get(&format!("/v1/audit-events?user_id={}&action={action}", user.id)).await.expect(200);
    page.json["items"].as_array().unwrap().clone()
}

/// Hashes about 60 passwords.
#[tokio::test]
async fn fifty_wrong_passwords_block_unknown_sources_but_not_known_ones() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    guess(&ann, &stack().ready, 50).await;

    // From a blocked source, the correct password gets the same response as a wrong one, with and without a partner.
    let shut = Client::new();
    let answer = sign_in(&shut, &ann).await;
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.json["detail"], shut.sign_in(&ann.email, "wrong").await.json["detail"]);
    shut.sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");

    // Other users are not blocked.
    sign_in(&partner.owner().client, partner.owner()).await.expect(200);
    sign_in(&Client::new(), partner.owner()).await.expect(200);
    let refused = history(partner.owner(), &ann, "sign_in.refused").await;
    let blocked = history(partner.owner(), &ann, "sign_in.blocked").await;
    assert_eq!(blocked.len(), 1, "{blocked:?}");
    assert_eq!(blocked[0]["address"], shut.address);
    assert_eq!(blocked[0]["actor"], json!({ "kind": "anonymous", "id": null, "name": null }));
    assert!((1..=2).contains(&refused.len()), "one event is recorded in 15 minutes: {refused:?}");

    // A sign-in by the user from a known source resets the count.
    sign_in(&ann.client, &ann).await.expect(200);
    sign_in(&Client::new(), &ann).await.expect(200);
}

/// Hashes about 60 passwords.
#[tokio::test]
async fn a_password_reset_by_an_admin_unblocks_unknown_sources() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    guess(&ann, &stack().ready, 55).await;
    sign_in(&Client::new(), &ann).await.problem(401, "unauthenticated");

    let ann = ann.with_password(&secrets::password());
    partner.owner().set_password(&ann, &ann.password, &json!({ "must_change": false })).await.expect(204);
    sign_in(&Client::new(), &ann).await.expect(200);
}

/// Hashes about 60 passwords.
#[tokio::test]
async fn a_generated_password_is_never_blocked() {
    let partner = Partner::new().await;
    let add = partner.owner().add("Ann", "Lee").without("password").without("must_change");
    let ann = add.created().await;
    guess(&ann, &stack().ready, 55).await;
    Client::new().challenged(&ann).await;
}

/// Hashes about 70 passwords.
#[tokio::test]
async fn a_user_with_the_same_email_at_another_partner_clears_no_count() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let twin = other.owner().add("Twin", "Lee").with("email", ann.email.clone()).created().await;
    for number in 0..13 {
        let guesser = Client::new();
        for _ in 0..4 {
            let answer = guesser.sign_in_at(&partner.id, &ann.email, &secrets::password()).await;
            answer.problem(401, "unauthenticated");
        }
        sign_in(&guesser, &twin).await.expect(200);
        if number == 0 {
            let answer = guesser.sign_in_at(&partner.id, &ann.email, &secrets::password()).await;
            answer.problem(401, "unauthenticated");
            guesser.sign_in_at(&partner.id, &ann.email, "wrong").await.problem(429, "too_many_requests");
        }
    }
    sign_in(&Client::new(), &ann).await.problem(401, "unauthenticated");
}

/// Hashes about 25 passwords.
#[tokio::test]
async fn a_known_device_signs_in_while_others_in_its_network_guess() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let office = Client::new();
    let device = office.sign_in_at(&partner.id, &ann.email, &ann.password).await.expect(200).cookie("__Host-device");
    let with_device = |password: &str| {
        let call = office.sign_in_at(&partner.id, &ann.email, password);
        call.header("cookie", &format!("__Host-device={device}"))
    };

    // The network is also known, until ten consecutive passwords are wrong.
    for _ in 0..10 {
        let answer = office.sign_in_at(&partner.id, &ann.email, &secrets::password()).await;
        answer.problem(401, "unauthenticated");
    }
    office.sign_in_at(&partner.id, &ann.email, &ann.password).await.problem(429, "too_many_requests");
    with_device(&ann.password).await.expect(200);

    // The device is also known until its limit is reached. Then it counts as an unknown device.
    for _ in 0..20 {
        let answer = with_device(&secrets::password()).await;
        assert!([401, 429].contains(&answer.status), "{answer}");
    }
    with_device(&ann.password).await.problem(429, "too_many_requests");
}

/// Hashes about 60 passwords.
#[tokio::test]
async fn correct_passwords_that_lead_to_a_challenge_do_not_count() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    for _ in 0..52 {
        Client::new().challenged(&ann).await;
    }
}

/// Hashes about 110 passwords.
#[tokio::test]
async fn many_users_behind_one_address_can_sign_in_at_once() {
    let partner = Partner::new().await;
    let emails: Vec<String> = (0..55).map(|_| secrets::email("ann")).collect();
    let mut table = vec!["first_name,last_name,email,role".to_owned()];
    table.extend(emails.iter().map(|email| format!("Ann,Lee,{email},viewer")));
    let added = partner.owner().import(table.join("\n"), false).await.expect(200);
    let office = Client::new();
    let sign_ins = added.json["results"].as_array().unwrap().iter().zip(&emails).map(|(result, email)| {
        let password = secrets::remembered(result["generated_password"].as_str().unwrap());
        office.sign_in_at(&partner.id, email, &password).into_future()
    });
    for answer in join_all(sign_ins).await {
        assert_eq!(answer.expect(200).json["challenge"], "new_password_required");
    }
}

#[tokio::test]
async fn guessed_tokens_block_no_user() {
    let partner = Partner::new().await;
    let (owner, client) = (partner.owner(), &partner.owner().client);
    let session = client.challenged(&owner.add("Ann", "Lee").without("must_change").created().await).await;
    let elsewhere = owner.elsewhere().await;
    let (mut names, secret): (Vec<&str>, _) = (elsewhere.refresh_token.splitn(4, '.').collect(), &owner.refresh_token);
    names[3] = secret.splitn(4, '.').nth(3).unwrap();
    let foreign = names.join(".");
    for number in 0..60 {
        let junk = format!("{}{number}", owner.refresh_token);
        client.refresh(&junk).await.problem(401, "unauthenticated");
        client.answer_challenge(&format!("{session}{number}"), "short").await.problem(401, "unauthenticated");
    }
    client.refresh(&foreign).await.problem(401, "unauthenticated");
    client.refresh(&owner.refresh_token).await.expect(200);
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_stolen_session_cannot_prevent_a_password_change() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let stolen = ann.elsewhere().await;
    for _ in 0..5 {
        let answer = stolen.set_own_password(&secrets::password(), &secrets::password()).await;
        answer.problem(422, "validation_failed").names_field("current_password");
    }
    stolen.set_own_password(&ann.password, &secrets::password()).await.problem(429, "too_many_requests");
    ann.set_own_password(&ann.password, &secrets::password()).await.expect(204);
    stolen.is_signed_out().await;
}

#[tokio::test]
async fn a_password_change_by_the_user_keeps_the_device_known() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let device = ann.client.sign_in_with_cookie(&ann.email, &ann.password).await.expect(200).cookie("__Host-device");
    let cookie = format!("__Host-device={device}");
    let changed = ann.with_password(&secrets::password());
    ann.set_own_password(&ann.password, &changed.password).header("cookie", &cookie).await.expect(204);
    guess(&changed, &stack().ready, 55).await;

    sign_in(&ann.client, &changed).await.problem(401, "unauthenticated");
    let call = Client::new().sign_in_at(&partner.id, &changed.email, &changed.password);
    call.header("cookie", &cookie).await.expect(200);
}

/// Starts a stack, and hashes about 130 passwords.
#[tokio::test]
async fn counts_expire_after_their_window_and_known_sources_after_30_days() {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    const SECOND: Duration = Duration::from_secs(1);
    let (stack, clock) =
        Stack::start_at(1_800_000_000_000, "limits", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let (home, guesser) = (Client::of(&stack.ready), Client::of(&stack.ready));

    // The window allows five attempts. It ends 15 minutes after the first one.
    for _ in 0..5 {
        guesser.sign_in_at(&partner.id, &ann.email, "wrong").await.problem(401, "unauthenticated");
    }
    clock.advance(Duration::from_secs(15 * 60 - 1));
    let blocked = sign_in(&guesser, &ann).await;
    blocked.problem(429, "too_many_requests");
    assert_eq!(blocked.retry_after(), 1);
    clock.advance(Duration::from_secs(1));
    sign_in(&guesser, &ann).await.expect(200);

    // A network is known for 30 days after a sign-in.
    sign_in(&home, &ann).await.expect(200);
    guess(&ann, &stack.ready, 55).await;
    clock.advance(MONTH.saturating_sub(SECOND));
    sign_in(&home, &ann).await.expect(200);
    guess(&ann, &stack.ready, 55).await;
    clock.advance(MONTH);
    sign_in(&home, &ann).await.problem(401, "unauthenticated");
}

/// Starts a stack.
#[tokio::test]
async fn a_challenge_expires_after_ten_minutes_and_a_password_after_seven_days() {
    let (stack, clock) =
        Stack::start_at(1_800_000_000_000, "challenges", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let client = Client::of(&stack.ready);
    let (early, late) = (client.challenged(&ann).await, client.challenged(&ann).await);
    clock.advance(Duration::from_millis(10 * 60 * 1000 - 1));
    client.answer_challenge(&early, "short").await.problem(422, "password_rejected");
    clock.advance(Duration::from_millis(1));
    client.answer_challenge(&late, &secrets::password()).await.problem(401, "unauthenticated");

    let bo = partner.owner().add("Bo", "Lee").without("must_change").created().await;
    clock.advance(Duration::from_secs(7 * 24 * 60 * 60 - 1));
    let session = client.challenged(&bo).await;
    clock.advance(Duration::from_secs(1));
    client.answer_challenge(&session, &secrets::password()).await.problem(403, "initial_password_expired");
    sign_in(&client, &bo).await.problem(403, "initial_password_expired");
}
