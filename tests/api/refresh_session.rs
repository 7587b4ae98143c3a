//! `POST /v1/sessions/refresh`.

use std::time::Duration;

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, Stack, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_refresh_token_in_the_body_gives_a_new_access_token() {
    let partner = Partner::new().await;
    let owner = partner.owner();

    let answer = owner.client.refresh(&owner.refresh_token).await.expect(200);

    let mut fields: Vec<_> = answer.json.as_object().unwrap().keys().collect();
    fields.sort_unstable();
    assert_eq!(fields, ["access_token", "expires_in", "token_type"]);
    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.json["expires_in"], 3600);
    owner.refreshed().await.is_signed_in().await;
    owner.is_signed_in().await;
}

#[tokio::test]
async fn a_refresh_token_in_the_cookie_works_from_our_own_origin_only() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let url = &stack().ready.url;

    let answer = owner.client.refresh_with_cookie(&owner.refresh_token, Some(url)).await.expect(200);
    assert!(answer.json["access_token"].is_string());
    for origin in [None, Some("https://evil.example"), Some("null"), Some(&format!("{url}.evil.example"))] {
        let answer = owner.client.refresh_with_cookie(&owner.refresh_token, origin).await;
        answer.problem(401, "unauthenticated");
    }
    let body = owner.client.post("/v1/sessions/refresh", &json!({})).cookie(&owner.refresh_token).origin(url);
    body.await.expect(200);
}

#[tokio::test]
async fn an_invalid_refresh_token_is_rejected() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let client = Client::new();
    for token in ["", "nonsense", &owner.token, &owner.refresh_token[1..], &"x".repeat(5000)] {
        let answer = client.refresh(token).await;
        answer.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_refresh_without_a_token_is_rejected() {
    let client = Client::new();
    client.call("POST", "/v1/sessions/refresh").await.problem(401, "unauthenticated");
    client.post("/v1/sessions/refresh", &json!({})).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_signed_out_session_is_not_refreshed() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.sign_out().await.expect(204);
    ann.client.refresh(&ann.refresh_token).await.problem(401, "session_ended");
}

#[tokio::test]
async fn a_session_that_was_ended_by_an_admin_is_not_refreshed() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().force_logout(&ann).await.expect(200);
    ann.cannot_refresh().await;
}

#[tokio::test]
async fn a_session_of_a_removed_user_is_not_refreshed() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().remove(&ann).await.expect(204);
    ann.cannot_refresh().await;
}

#[tokio::test]
async fn a_session_that_ended_with_a_password_change_elsewhere_is_not_refreshed() {
    let partner = Partner::new().await;
    let here = partner.new_user("viewer").await;
    let elsewhere = here.elsewhere().await;
    here.set_own_password(&here.password, &secrets::password()).await.expect(204);
    elsewhere.cannot_refresh().await;
    here.refreshed().await.is_signed_in().await;
}

#[tokio::test]
async fn a_refresh_token_that_is_not_a_text_is_invalid() {
    let answer = Client::new().post("/v1/sessions/refresh", &json!({ "refresh_token": 5 })).await;
    answer.problem(422, "validation_failed").names_field("refresh_token");
}

/// Starts a stack.
#[tokio::test]
async fn the_first_refresh_of_a_day_moves_the_time_of_the_last_activity() {
    const HOUR: Duration = Duration::from_hours(1);
    // 2027-01-15T08:00:00Z.
    let (stack, clock) =
        Stack::start_at(1_800_000_000_000, "activity", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.new_user("viewer").await;
    let signed_in = ann.see(&ann).await;
    assert_eq!(signed_in["last_sign_in_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!(signed_in["last_active_at"], signed_in["last_sign_in_at"]);

    // The hours after the sign-in, and the time that the user then shows.
    let steps = [
        (15, "2027-01-15T08:00:00.000Z"),
        (16, "2027-01-16T00:00:00.000Z"),
        (17, "2027-01-16T00:00:00.000Z"),
        (39, "2027-01-16T00:00:00.000Z"),
        (41, "2027-01-17T01:00:00.000Z"),
    ];
    let mut hours = 0;
    for (after, expected) in steps {
        clock.advance(HOUR * (after - hours));
        hours = after;
        let ann = ann.refreshed().await;
        let mut user = ann.see(&ann).await;
        assert_eq!(user["last_active_at"], expected, "after {after} hours");
        user["last_active_at"] = signed_in["last_active_at"].clone();
        assert_eq!(user, signed_in, "a refresh changes neither the version nor another field");
    }

    let again = ann.elsewhere().await;
    let user = again.see(&again).await;
    assert_eq!((&user["last_sign_in_at"], &user["last_active_at"]), (&json!(CLOCK), &json!(CLOCK)));
    clock.advance(HOUR * 24);
    ann.refreshed().await;
    let edited = ann.refreshed().await.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    assert_eq!(edited.json["last_active_at"], "2027-01-18T01:00:00.000Z", "a change keeps it: {edited}");
}

/// The time of the second sign-in.
const CLOCK: &str = "2027-01-17T01:00:00.000Z";

#[tokio::test]
async fn a_user_without_a_recorded_refresh_was_active_at_the_last_sign_in() {
    const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).set_last_sign_in(&ann, LONG_AGO).await;
    assert_eq!(partner.owner().see(&ann).await["last_active_at"], LONG_AGO);
}

#[tokio::test]
async fn of_concurrent_refreshes_one_records_the_activity() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).set_last_sign_in(&ann, "2020-01-01T00:00:00.000Z").await;
    let refreshes = (0..4).map(async |_| {
        ann.refreshed().await;
        partner.owner().see(&ann).await["last_active_at"].clone()
    });
    let seen = join_all(refreshes).await;
    assert!(seen.iter().all(|at| *at == seen[0] && at.as_str() > Some("2026")), "{seen:?}");
}

#[tokio::test]
async fn a_refused_refresh_is_no_activity() {
    const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).set_last_sign_in(&ann, LONG_AGO).await;
    partner.owner().force_logout(&ann).await.expect(200);
    ann.cannot_refresh().await;
    assert_eq!(partner.owner().see(&ann).await["last_active_at"], LONG_AGO);
}
