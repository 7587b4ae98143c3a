//! `POST /v1/me/factors/totp/confirm`.

use portal_tests::rows::Rows;
use portal_tests::{Authenticator, Client, Mailbox, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn the_first_factor_returns_recovery_codes_and_ends_no_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    let (_, codes) = ann.enrolled().await;
    assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), 10);
    elsewhere.is_signed_in().await;
    let after = partner.owner().see(&ann).await;
    assert_eq!((&after["second_factor"], &after["version"]), (&json!("totp"), &json!(2)));
    let events = partner.owner().get("/v1/audit-events?action=second_factor.added").await.expect(200);
    assert_eq!(events.json["items"][0]["summary"], "Nora Newcomer added a second factor");
    assert_eq!(events.json["items"][0]["after"], json!({ "second_factor": "totp" }));
    let mail = Mailbox::new().message(&ann.email).await;
    assert_eq!(mail.subject, "A second factor was added to your account in the partner portal");
}

#[tokio::test]
async fn a_replaced_factor_keeps_the_recovery_codes_and_ends_all_other_sessions() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (old, codes) = ann.enrolled().await;
    let elsewhere = Client::new();
    let session = elsewhere.asked_for_factor(&ann).await;
    let answer = elsewhere.use_factor(&session, &codes[0]).await.expect(200);
    let elsewhere = portal_tests::Actor::from_answer(elsewhere, (*ann).clone(), &answer);

    let new = Authenticator::of(&ann.start_totp().await.expect(200).json);
    let confirmed = ann.confirm_totp(&new.code()).await.expect(200);
    assert_eq!(confirmed.json, json!({ "recovery_codes": null }));
    elsewhere.is_signed_out().await;
    ann.is_signed_in().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &old.code_after(1)).await.problem(422, "validation_failed");
    client.use_factor(&session, &codes[1]).await.expect(200);
    let events = partner.owner().get("/v1/audit-events?action=second_factor.replaced").await.expect(200);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_code_a_missing_start_and_an_old_session_are_rejected() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.confirm_totp("123456").await.problem(422, "validation_failed").names_field("code");
    ann.post("/v1/me/factors/totp/confirm", &json!({})).await.problem(422, "validation_failed").names_field("code");
    let app = Authenticator::of(&ann.start_totp().await.expect(200).json);
    ann.confirm_totp(&app.wrong_code()).await.problem(422, "validation_failed").names_field("code");
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.confirm_totp(&app.code()).await.problem(403, "reauthentication_required");
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
}
