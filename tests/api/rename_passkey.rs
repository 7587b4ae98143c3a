//! `PATCH /v1/me/passkeys/{passkey_id}`.

use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn a_passkey_gets_another_name_and_open_challenges_stay_valid() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    let renamed = ann.rename_passkey(&device.id(), " Tablet ").await.expect(200);
    assert_eq!((&renamed.json["id"], &renamed.json["name"]), (&json!(device.id()), &json!("Tablet")));
    ann.rename_passkey(&device.id(), "Tablet").await.expect(200);
    assert_eq!(ann.factors().await.expect(200).json["passkeys"], json!([renamed.json]));
    let answer = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey(asked.text_at("/session"), &answer).await.expect(200);
    assert_eq!(partner.owner().see(&ann).await["version"], 2, "only the addition changed the user");
}

#[tokio::test]
async fn only_a_passkey_of_the_caller_can_be_renamed_in_a_fresh_session() {
    let partner = Partner::new().await;
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let device = ann.with_passkey().await;
    bob.with_passkey().await;
    for id in [device.id().as_str(), "no-such-passkey", "a.b"] {
        bob.rename_passkey(id, "Mine").await.problem(404, "not_found");
    }
    for name in ["", "  ", "a\u{7}b", &"x".repeat(101)] {
        ann.rename_passkey(&device.id(), name).await.problem(422, "validation_failed").names_field("name");
    }
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.rename_passkey(&device.id(), "Tablet").await.problem(403, "reauthentication_required");
    assert_eq!(ann.factors().await.expect(200).json["passkeys"][0]["name"], "Phone");
}
