//! `DELETE /v1/me/passkeys/{passkey_id}`.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Mailbox, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn the_removal_of_the_last_factor_ends_all_other_sessions_and_voids_the_recovery_codes() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let answer = client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    let elsewhere = Actor::from_answer(client, (*ann).clone(), &answer);

    ann.remove_passkey(&device.id()).await.expect(204);
    elsewhere.is_signed_out().await;
    ann.is_signed_in().await;
    let none = ann.factors().await.expect(200).json;
    assert_eq!((&none["second_factor"], &none["recovery_codes_left"]), (&json!("none"), &json!(0)));
    assert_eq!(partner.owner().see(&ann).await["second_factor"], "none");
    ann.remove_passkey(&device.id()).await.problem(404, "not_found");
    Client::new().signed_in(&ann).await.is_signed_in().await;
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let late = device.answer(&options).await;
    client.sign_in_with_passkey(&session, &late).await.problem(401, "unauthenticated");
    let events = partner.owner().get("/v1/audit-events?action=second_factor.removed").await.expect(200);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 1);
    let mail = Mailbox::new().wait_for(&ann.email, 2).await;
    assert!(mail.iter().any(|mail| mail.subject.starts_with("The second factor of your account")), "{mail:?}");
}

#[tokio::test]
async fn a_required_last_factor_can_be_replaced_and_not_removed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let device = owner.with_passkey().await;
    owner.require_factors("everyone").await.expect(200);
    owner.remove_passkey(&device.id()).await.problem(409, "factor_required");
    owner.with_passkey().await;
    owner.remove_passkey(&device.id()).await.expect(204);
    let left = owner.factors().await.expect(200).json;
    assert_eq!((&left["second_factor"], &left["recovery_codes_left"]), (&json!("passkey"), &json!(10)));
}

#[tokio::test]
async fn another_users_passkey_does_not_exist_and_the_session_is_fresh() {
    let partner = Partner::new().await;
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let device = ann.with_passkey().await;
    bob.with_passkey().await;
    bob.remove_passkey(&device.id()).await.problem(404, "not_found");
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.remove_passkey(&device.id()).await.problem(403, "reauthentication_required");
    ann.is_signed_in().await;
    assert_eq!(ann.factors().await.expect(200).json["second_factor"], "passkey");
}

#[tokio::test]
async fn a_reset_removes_passkeys() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.with_passkey().await;
    partner.owner().reset_factors(&ann).await.expect(204);
    ann.is_signed_out().await;
    let again = Client::new().signed_in(&ann).await;
    assert_eq!(again.factors().await.expect(200).json["passkeys"], json!([]));
}
