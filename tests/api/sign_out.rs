//! `DELETE /v1/sessions/current`.
//!
//! Also runs with moto.

use portal_tests::{Partner, stack};
use serde_json::json;

#[tokio::test]
async fn signing_out_ends_only_the_current_session() {
    let partner = Partner::new().await;
    let here = partner.new_user("viewer").await;
    let (refreshed, elsewhere) = (here.refreshed().await, here.elsewhere().await);

    here.sign_out().await.expect(204);

    here.is_signed_out().await;
    refreshed.is_signed_out().await;
    elsewhere.is_signed_in().await;
    elsewhere.refreshed().await.is_signed_in().await;
    here.sign_out().await.problem(401, "session_ended");
    here.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn a_refresh_token_in_the_body_is_revoked() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.sign_out().json(&json!({ "refresh_token": ann.refresh_token })).await.expect(204);
    ann.cannot_refresh().await;
    ann.is_signed_out().await;
}

#[tokio::test]
async fn the_cookie_is_deleted_with_the_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;

    let answer = ann.sign_out().cookie(&ann.refresh_token).origin(&stack().ready.url).await.expect(204);

    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-refresh=;"), "{cookie}");
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} is not in {cookie}, so a browser ignores it");
    }
    ann.cannot_refresh().await;
}

#[tokio::test]
async fn a_session_does_not_end_with_a_refresh_token_that_is_not_a_text() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let answer = ann.sign_out().json(&json!({ "refresh_token": 5 })).await;
    answer.problem(422, "validation_failed").names_field("refresh_token");
    ann.is_signed_in().await;
}
