//! `POST /v1/me/factors/totp`.

use portal_tests::rows::Rows;
use portal_tests::{Authenticator, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn another_start_makes_the_previous_secret_invalid() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let first = Authenticator::of(&ann.start_totp().await.expect(200).json);
    let second = Authenticator::of(&ann.start_totp().await.expect(200).json);
    assert_ne!(first.code(), second.code());
    ann.confirm_totp(&first.code()).await.problem(422, "validation_failed").names_field("code");
    ann.confirm_totp(&second.code()).await.expect(200);
}

#[tokio::test]
async fn nothing_counts_before_the_code_is_confirmed_and_only_in_this_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    let app = Authenticator::of(&ann.start_totp().await.expect(200).json);
    assert_eq!(ann.factors().await.expect(200).json["second_factor"], "none");
    elsewhere.elsewhere().await.is_signed_in().await;
    elsewhere.confirm_totp(&app.code()).await.problem(422, "validation_failed").names_field("code");
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
}

#[tokio::test]
async fn it_needs_a_fresh_session_and_no_body() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.start_totp().json(&json!({ "secret": "x" })).await.problem(400, "invalid_request");
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.start_totp().await.problem(403, "reauthentication_required");
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.expect(204);
    ann.start_totp().await.expect(200);
}
