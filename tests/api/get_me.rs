//! `GET /v1/me`.
//!
//! Also runs with moto.

use portal_tests::{Client, Partner};

#[tokio::test]
async fn me_returns_the_caller_regardless_of_permissions() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let me = ann.get("/v1/me").await.expect(200);
    assert_eq!(me.me()["id"], ann.id);
    assert_eq!(me.me()["first_name"], "Ann");
    assert_eq!(me.me()["permissions"], serde_json::json!([]));
    assert_eq!(me.header("content-type"), "application/json");
}

#[tokio::test]
async fn me_returns_every_permission_for_the_primary_admin() {
    let partner = Partner::new().await;
    let me = partner.owner().get("/v1/me").await.expect(200);
    assert_eq!(me.me()["role"], "primary_admin");
    assert_eq!(me.me()["status"], "active");
    assert_eq!(me.me()["partner_id"], partner.id);
    let mut held: Vec<_> =
        me.json["permissions"].as_array().unwrap().iter().map(|held| held.as_str().unwrap()).collect();
    held.sort_unstable();
    assert_eq!(held, crate::set_permissions::ALL);
}

#[tokio::test]
async fn me_names_the_partner() {
    let partner = Partner::new().await;
    let me = partner.new_user("viewer").await.get("/v1/me").await.expect(200);
    assert_eq!(me.json["partner"], serde_json::json!({ "id": partner.id, "name": "Acme Agency" }));
    assert!(me.json["mail"].is_boolean(), "{me}");
    assert_eq!(me.header("etag"), "\"1\"");
}

#[tokio::test]
async fn without_a_token_the_gateway_responds() {
    let client = Client::new();
    client.get("/v1/me").await.gateway(401, "Unauthorized");
    client.get("/v1/me").bearer("nonsense").await.gateway(401, "Unauthorized");
    client.get("/v1/nothing").await.gateway(404, "Not Found");
}

#[tokio::test]
async fn a_token_with_a_changed_signature_is_rejected() {
    let partner = Partner::new().await;
    let (content, signature) = partner.owner().token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    partner.owner().client.get("/v1/me").bearer(&format!("{content}.{turned}")).await.gateway(401, "Unauthorized");
    partner.owner().client.get("/v1/me").bearer(&format!("{content}.")).await.gateway(401, "Unauthorized");
}
