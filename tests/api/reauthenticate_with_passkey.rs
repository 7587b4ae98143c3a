//! `POST /v1/me/reauthentication/passkey`.

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Partner, stack};
use serde_json::json;

#[tokio::test]
async fn a_passkey_makes_the_session_fresh() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let rows = Rows::of(&stack().ready);
    rows.age_sessions(&ann).await;
    ann.start_passkey().await.problem(403, "reauthentication_required");
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.problem(422, "validation_failed");
    let options = ann.start_passkey_reauthentication().await.expect(200);
    let answer = device.answer(&options.json).await;
    ann.reauthenticate_with_passkey(&answer).await.expect(204);
    ann.start_passkey().await.expect(200);
    assert!(ann.factors().await.expect(200).json["passkeys"][0]["last_used_at"].is_string());
    ann.reauthenticate_with_passkey(&answer).await.problem(422, "validation_failed").names_field("credential");
}

#[tokio::test]
async fn an_answer_counts_once_in_its_own_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    let mut device = ann.with_passkey().await;
    ann.reauthenticate_with_passkey(&json!({})).await.problem(422, "validation_failed").names_field("credential");
    let options = ann.start_passkey_reauthentication().await.expect(200);
    let answer = device.answer(&options.json).await;
    elsewhere.reauthenticate_with_passkey(&answer).await.problem(422, "validation_failed").names_field("credential");
    elsewhere.start_passkey_reauthentication().await.expect(200);
    elsewhere.reauthenticate_with_passkey(&answer).await.problem(422, "validation_failed").names_field("credential");
    let missing = ann.post("/v1/me/reauthentication/passkey", &json!({})).await;
    missing.problem(422, "validation_failed").names_field("credential");
    let answers = join_all((0..10).map(|_| ann.reauthenticate_with_passkey(&answer).into_future())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    let refused = partner.owner().get("/v1/audit-events?action=second_factor.refused").await.expect(200);
    assert_eq!(refused.json["items"].as_array().unwrap().len(), 1, "{refused}");
    assert_eq!(refused.json["items"][0]["actor"]["id"], ann.id);
}
