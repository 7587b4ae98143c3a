//! Users cannot flood the history, which is never deleted, with changes of their own accounts. Other users cannot exhaust this
//! limit for them.

use std::time::Duration;

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Authenticator, Call, Client, Device, Partner, Stack, secrets, stack};
use serde_json::json;

/// The maximum number of changes of one kind in a window of 15 minutes.
const MOST: usize = 20;

/// 2026-12-01T08:00:00Z.
const BEGINNING: u64 = 1_796_112_000_000;

fn rename(actor: &Actor, number: usize) -> Call {
    actor.edit(actor, &json!({ "first_name": format!("Ann-{}", "x".repeat(number + 1)) }))
}

#[tokio::test]
async fn edits_of_a_users_own_profile_are_limited_and_other_changes_are_not() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("manager").await;
    for number in 0..MOST {
        rename(&ann, number).await.expect(200);
    }
    let events = Rows::of(&stack().ready).audit(&partner.id).await.len();
    for number in MOST..MOST + 3 {
        let answer = rename(&ann, number).await;
        answer.problem(429, "too_many_requests");
        assert!((1..=900).contains(&answer.retry_after()), "{answer}");
    }
    assert_eq!(Rows::of(&stack().ready).audit(&partner.id).await.len(), events);

    // Requests without a change, changes of this user by others, and changes of other users are not limited.
    ann.edit(&ann, &json!({})).await.expect(200);
    owner.edit(&ann, &json!({ "first_name": "Ann" })).await.expect(200);
    let bo = ann.add("Bo", "Day").role("viewer").created().await;
    ann.edit(&bo, &json!({ "first_name": "Bob" })).await.expect(200);
    // The user can still secure their account.
    let elsewhere = ann.elsewhere().await;
    ann.end_session(&ann, &elsewhere.session_id().await).await.expect(204);
    let new = ann.with_password(&secrets::password());
    ann.set_own_password(&ann.password, &new.password).await.expect(204);
    Client::new().signed_in(&new).await.sign_out().await.expect(204);
    ann.force_logout(&ann).await.expect(200);
    Client::new().signed_in(&new).await.is_signed_in().await;
}

#[tokio::test]
async fn changes_by_others_and_rejected_changes_do_not_count() {
    let partner = Partner::new().await;
    let ann = partner.new_user("manager").await;
    for number in 0..=MOST {
        let name = format!("Ann-{}", "y".repeat(number + 1));
        partner.owner().edit(&ann, &json!({ "first_name": name })).await.expect(200);
    }
    // Rejected requests do not count either.
    let body = json!({ "first_name": "" });
    for _ in 0..=MOST {
        ann.edit(&ann, &body).await.problem(422, "validation_failed");
    }
    rename(&ann, 0).await.expect(200);
}

/// Hashes 40 passwords: about 3 s.
#[tokio::test]
async fn changes_of_a_users_own_password_are_limited() {
    let partner = Partner::new().await;
    let mut ann = partner.new_user("viewer").await;
    for _ in 0..MOST {
        let new = secrets::password();
        ann.set_own_password(&ann.password, &new).await.expect(204);
        ann.user = ann.with_password(&new);
    }
    let new = secrets::password();
    ann.set_own_password(&ann.password, &new).await.problem(429, "too_many_requests");
    // An admin can still set the password.
    partner.owner().set_password(&ann, &new, &json!({ "must_change": false })).await.expect(204);
    Client::new().signed_in(&ann.with_password(&new)).await.is_signed_in().await;
}

/// Signs in 22 times: about 2 s.
#[tokio::test]
async fn ending_own_sessions_is_limited_and_signing_out_is_not() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut last = None;
    for number in 0..=MOST {
        let elsewhere = ann.elsewhere().await;
        let answer = ann.end_session(&ann, &elsewhere.session_id().await).await;
        if number < MOST {
            answer.expect(204);
        } else {
            answer.problem(429, "too_many_requests");
            last = Some(elsewhere);
        }
    }
    let last = last.unwrap();
    partner.owner().end_session(&ann, &last.session_id().await).await.expect(204);
    ann.end_session(&ann, &ann.session_id().await).await.expect(204);
}

#[tokio::test]
async fn changes_of_own_factors_and_of_the_settings_are_limited() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (_, codes) = owner.enrolled().await;
    for number in 1..MOST {
        owner.renew_recovery_codes().await.expect(200);
        owner.require_factors(["admins", "everyone"][number % 2]).await.expect(200);
    }
    owner.require_factors("optional").await.expect(200);
    owner.require_factors("admins").await.problem(429, "too_many_requests");
    owner.renew_recovery_codes().await.problem(429, "too_many_requests");
    owner.remove_totp().await.problem(429, "too_many_requests");
    let app = Authenticator::of(&owner.start_totp().await.expect(200).json);
    owner.confirm_totp(&app.code()).await.problem(429, "too_many_requests");
    owner.reauthenticate(&json!({ "code": codes[0] })).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn changes_of_own_passkeys_are_limited() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let device = ann.with_passkey().await;
    let options = ann.start_passkey().await.expect(200);
    let created = Device::new(&stack().ready).create(&options.json).await;
    for number in 1..MOST {
        ann.rename_passkey(&device.id(), &format!("Phone {number}")).await.expect(200);
    }
    ann.rename_passkey(&device.id(), "Phone").await.problem(429, "too_many_requests");
    ann.add_passkey("Tablet", &created).await.problem(429, "too_many_requests");
    ann.remove_passkey(&device.id()).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn concurrent_changes_do_not_exceed_the_limit() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for number in 0..MOST - 2 {
        rename(&ann, number).await.expect(200);
    }
    let answers = join_all((MOST..MOST + 6).map(|number| rename(&ann, number).into_future())).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(made <= 2, "{made} were made");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!([409, 429].contains(&answer.status), "{answer}");
    }
}

#[tokio::test]
async fn the_limit_ends_with_its_window() {
    let started = Stack::start_at(BEGINNING, "own-changes", &["--ephemeral"]);
    let (stack, clock) = started.unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let owner = partner.owner();
    rename(owner, 0).await.expect(200);
    clock.advance(Duration::from_secs(1));
    for number in 1..MOST {
        rename(owner, number).await.expect(200);
    }
    assert_eq!(rename(owner, MOST).await.retry_after(), 899);
    clock.advance(Duration::from_secs(898));
    let answer = rename(owner, MOST).await;
    answer.problem(429, "too_many_requests");
    assert_eq!(answer.retry_after(), 1);
    clock.advance(Duration::from_secs(1));
    // The access token has also expired, so the session needs a new one.
    rename(&owner.refreshed().await, MOST).await.expect(200);
}
