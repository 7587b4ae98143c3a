//! `DELETE /v1/me/factors/totp`.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Mailbox, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn the_removal_ends_all_other_sessions_and_voids_the_recovery_codes() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (_, codes) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    let answer = client.use_factor(&session, &codes[0]).await.expect(200);
    let elsewhere = Actor::from_answer(client, (*ann).clone(), &answer);

    ann.remove_totp().await.expect(204);
    elsewhere.is_signed_out().await;
    ann.is_signed_in().await;
    let none = ann.factors().await.expect(200);
    assert_eq!((&none.json["second_factor"], &none.json["recovery_codes_left"]), (&json!("none"), &json!(0)));
    Client::new().signed_in(&ann).await.is_signed_in().await;
    ann.remove_totp().await.problem(404, "not_found");
    let events = partner.owner().get("/v1/audit-events?action=second_factor.removed").await.expect(200);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 1);
    let mail = Mailbox::new().wait_for(&ann.email, 3).await;
    assert!(mail.iter().any(|mail| mail.subject.starts_with("The second factor of your account")), "{mail:?}");
}

#[tokio::test]
async fn it_needs_a_fresh_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (_, codes) = ann.enrolled().await;
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.remove_totp().await.problem(403, "reauthentication_required");
    ann.reauthenticate(&json!({ "code": codes[0] })).await.expect(204);
    ann.remove_totp().await.expect(204);
}
