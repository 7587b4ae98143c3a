//! `POST /v1/sessions/refresh`.

use portal_tests::{Client, Partner, secrets, stack};
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
    assert_eq!(answer.json["expires_in"], 900);
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
