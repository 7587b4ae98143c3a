//! `POST /v1/password-resets/confirm`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

async fn ann(partner: &Partner) -> User {
    partner.owner().add("Ann", "Lee").role("viewer").created().await
}

async fn events(owner: &Actor, user: &User, action: &str) -> Vec<Value> {
    let path = format!("/v1/audit-events?user_id={}&action={action}", user.id);
    owner.get(&path).await.expect(200).json["items"].as_array().unwrap().clone()
}

#[track_caller]
fn is_invalid(answer: &portal_tests::Answer) {
    answer.problem(422, "invalid_link");
    assert!(answer.json.get("errors").is_none(), "{answer}");
}

#[tokio::test]
async fn a_link_sets_a_password_ends_all_sessions_and_signs_nobody_in() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let signed_in = partner.new_user("viewer").await;
    let elsewhere = signed_in.elsewhere().await;
    let before = owner.see(&signed_in).await;
    let token = rows.put_link(&signed_in, LinkKind::PasswordReset).await;
    let (client, password) = (Client::new(), secrets::password());

    let answer = client.confirm_reset(&token, &password).await.expect(204);

    assert!(answer.cookie("__Host-device").starts_with(&signed_in.id), "{answer}");
    signed_in.is_signed_out().await;
    elsewhere.is_signed_out().await;
    signed_in.cannot_refresh().await;
    client.sign_in(&signed_in.email, &signed_in.password).await.problem(401, "unauthenticated");
    let new = client.signed_in(&signed_in.with_password(&password)).await;
    let after = owner.see(&new).await;
    assert_eq!(after["version"], before["version"].as_u64().unwrap() + 1);
    assert_eq!((&after["pending"], &after["must_change_password"]), (&Value::Null, &json!(false)));
    let events = events(owner, &signed_in, "password.reset").await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["actor"]["id"], &events[0]["target"]["id"]), (&json!(new.id), &json!(new.id)));
    assert_eq!(events[0]["summary"], "Nora Newcomer chose a new password with a mailed link");
    assert!(rows.cognito_users(&signed_in).await.len() == 1, "only the new generation has a Cognito user");
}

#[tokio::test]
async fn a_link_is_used_once_and_voids_all_others() {
    let partner = Partner::new().await;
    let (ann, rows) = (ann(&partner).await, rows());
    let first = rows.put_link(&ann, LinkKind::PasswordReset).await;
    let second = rows.put_link(&ann, LinkKind::PasswordReset).await;
    Client::new().look_up(&first).await.expect(200);
    Client::new().confirm_reset(&second, &secrets::password()).await.expect(204);
    for token in [&second, &first] {
        is_invalid(&Client::new().confirm_reset(token, &secrets::password()).await);
        is_invalid(&Client::new().look_up(token).await);
    }
}

#[tokio::test]
async fn of_concurrent_uses_one_succeeds() {
    let partner = Partner::new().await;
    let (ann, rows) = (ann(&partner).await, rows());
    let tokens =
        [rows.put_link(&ann, LinkKind::PasswordReset).await, rows.put_link(&ann, LinkKind::PasswordReset).await];
    let confirm = async |token: &str| Client::new().confirm_reset(token, &secrets::password()).await.status;
    let (one, other, third) = futures::join!(confirm(&tokens[0]), confirm(&tokens[0]), confirm(&tokens[1]));
    let mut found = [one, other, third];
    found.sort_unstable();
    assert_eq!(found, [204, 422, 422]);
}

#[tokio::test]
async fn a_rejected_password_does_not_use_a_link() {
    let partner = Partner::new().await;
    let (ann, rows) = (ann(&partner).await, rows());
    let token = rows.put_link(&ann, LinkKind::PasswordReset).await;
    let client = Client::new();
    for (password, code) in
        [("short", "too_short"), (ann.password.as_str(), "reused"), ("passwordpassword", "guessable")]
    {
        let answer = client.confirm_reset(&token, password).await;
        answer.problem(422, "password_rejected").names_field("new_password");
        assert_eq!(answer.json["errors"][0]["code"], code, "{answer}");
    }
    let named = json!({ "token": token, "new_password": "violet zebulon stone 31", "first_name": "Zebulon" });
    let answer = client.post("/v1/password-resets/confirm", &named).await;
    answer.problem(422, "password_rejected").names_field("new_password");
    let unnamed = json!({ "token": token, "new_password": secrets::password(), "first_name": "" });
    let answer = client.post("/v1/password-resets/confirm", &unnamed).await;
    answer.problem(422, "validation_failed").names_field("first_name");
    client.sign_in(&ann.email, &ann.password).await.expect(200);
    client.confirm_reset(&token, &secrets::password()).await.expect(204);
}

#[tokio::test]
async fn a_client_without_a_valid_link_learns_nothing_else() {
    let client = Client::new();
    for token in ["no-token", &"A".repeat(68), ""] {
        is_invalid(&client.confirm_reset(token, "short").await);
    }
    let answer = client.post("/v1/password-resets/confirm", &json!({ "new_password": secrets::password() })).await;
    answer.problem(422, "validation_failed").names_field("token");
}

#[tokio::test]
async fn every_change_of_the_user_voids_links() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let voids = async |change: &str| {
        let ann = ann(&partner).await;
        let token = rows.put_link(&ann, LinkKind::PasswordReset).await;
        match change {
            "logout" => drop(owner.force_logout(&ann).await.expect(200)),
            "password" => drop(owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204)),
            "email" => drop(owner.edit(&ann, &json!({ "email": secrets::email("ann") })).await.expect(200)),
            "suspension" => drop(owner.suspend(&ann).await.expect(200)),
            "reactivation" => {
                owner.suspend(&ann).await.expect(200);
                owner.reactivate(&ann).await.expect(200);
            }
            "removal" => drop(owner.remove(&ann).await.expect(204)),
            _ => drop(owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200)),
        }
        let answer = Client::new().look_up(&token).await;
        if change == "name" {
            answer.expect(200);
            Client::new().confirm_reset(&token, &secrets::password()).await.expect(204);
        } else {
            is_invalid(&answer);
            is_invalid(&Client::new().confirm_reset(&token, &secrets::password()).await);
        }
    };
    for change in ["logout", "password", "email", "suspension", "reactivation", "removal", "name"] {
        voids(change).await;
    }
}

#[tokio::test]
async fn an_expired_link_and_a_link_for_another_purpose_are_not_valid() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let ann = ann(&partner).await;
    let expired = rows.put_expired_link(&ann, LinkKind::PasswordReset).await;
    owner.edit(owner, &json!({ "email": secrets::email("owner") })).await.expect(200);
    let email = rows.put_link(owner, LinkKind::EmailChange).await;
    for token in [&expired, &email] {
        is_invalid(&Client::new().look_up(token).await);
        is_invalid(&Client::new().confirm_reset(token, &secrets::password()).await);
    }
    assert_eq!(owner.confirm_email(&email).await.expect(200).json["version"], 3);
}

/// The secret of a valid link, in tokens that name another kind, partner or user.
#[tokio::test]
async fn a_token_is_valid_for_its_own_kind_partner_and_user_only() {
    const ID: usize = 16;
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let (ann, bob, rows) = (ann(&partner).await, ann(&partner).await, rows());
    let token = rows.put_link(&ann, LinkKind::PasswordReset).await;
    let bytes = |token: &str| BASE64_URL_SAFE_NO_PAD.decode(token).unwrap();
    let valid = bytes(&token);
    let bobs = bytes(&rows.put_link(&bob, LinkKind::PasswordReset).await);
    let invitation =
        bytes(&rows.put_link(&other.owner().add("Ann", "Lee").invited().await, LinkKind::Invitation).await);
    let secret = 1 + 2 * ID;
    let forged = [
        [&invitation[..1], &valid[1..]].concat(),
        [&valid[..1], &invitation[1..=ID], &valid[1 + ID..]].concat(),
        [&valid[..=ID], &bobs[1 + ID..secret], &valid[secret..]].concat(),
        [&valid[..secret], &bobs[secret..]].concat(),
    ];
    for bytes in forged {
        let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        is_invalid(&Client::new().look_up(&token).await);
        is_invalid(&Client::new().confirm_reset(&token, &secrets::password()).await);
    }
    for text in [format!("{token}="), format!("{token}A"), token[1..].to_owned(), token.to_lowercase()] {
        is_invalid(&Client::new().look_up(&text).await);
    }
    Client::new().confirm_reset(&token, &secrets::password()).await.expect(204);
}

#[tokio::test]
async fn an_invited_user_chooses_a_password_and_corrects_the_name() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let ann = owner.add("Anne", "Lee").role("viewer").invited().await;
    let token = rows.put_link(&ann, LinkKind::Invitation).await;
    let password = secrets::password();
    let body = json!({ "token": token, "new_password": password, "first_name": "Ann", "last_name": null });
    Client::new().post("/v1/password-resets/confirm", &body).await.expect(204);

    let ann = Client::new().signed_in(&ann.with_password(&password)).await;
    let me = ann.get("/v1/me").await.expect(200);
    assert_eq!((&me.json["first_name"], &me.json["last_name"]), (&json!("Ann"), &Value::Null));
    assert_eq!((&me.json["pending"], &me.json["must_change_password"]), (&Value::Null, &json!(false)));
    let events = events(owner, &ann, "invitation.accepted").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["before"]["first_name"], &events[0]["after"]["first_name"]),
        (&json!("Anne"), &json!("Ann"))
    );
    owner.invite(&ann).await.problem(409, "cannot_be_invited");
}

#[tokio::test]
async fn an_invitation_that_has_expired_is_not_valid() {
    let partner = Partner::new().await;
    let (ann, rows) = (partner.owner().add("Ann", "Lee").invited().await, rows());
    let token = rows.put_expired_link(&ann, LinkKind::Invitation).await;
    is_invalid(&Client::new().confirm_reset(&token, &secrets::password()).await);
}

#[tokio::test]
async fn a_reset_lets_a_blocked_user_sign_in_at_once() {
    let partner = Partner::new().await;
    let (ann, rows) = (ann(&partner).await, rows());
    let client = Client::new();
    for _ in 0..5 {
        client.sign_in(&ann.email, "wrong").await.problem(401, "unauthenticated");
    }
    client.sign_in(&ann.email, &ann.password).await.problem(429, "too_many_requests");
    let token = rows.put_link(&ann, LinkKind::PasswordReset).await;
    let password = secrets::password();
    client.confirm_reset(&token, &password).await.expect(204);
    client.sign_in(&ann.email, &password).await.expect(200);
    Client::new().sign_in(&ann.email, &password).await.expect(200);
}

#[tokio::test]
async fn links_of_one_email_at_two_partners_are_independent() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let (ann, rows) = (ann(&partner).await, rows());
    let same = other.owner().add("Ann", "Lee").role("viewer").email(&ann.email).created().await;
    let tokens =
        [rows.put_link(&ann, LinkKind::PasswordReset).await, rows.put_link(&same, LinkKind::PasswordReset).await];
    Client::new().confirm_reset(&tokens[0], &secrets::password()).await.expect(204);
    Client::new().sign_in_at(&other.id, &same.email, &same.password).await.expect(200);
    Client::new().confirm_reset(&tokens[1], &secrets::password()).await.expect(204);
}
