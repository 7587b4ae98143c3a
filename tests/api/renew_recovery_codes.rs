//! `POST /v1/me/recovery-codes`.

use portal_tests::authenticator::recovery_codes;
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, stack};

#[tokio::test]
async fn new_codes_replace_the_previous_ones() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.renew_recovery_codes().await.problem(404, "not_found");
    let (_, old) = ann.enrolled().await;
    let new = recovery_codes(&ann.renew_recovery_codes().await.expect(200));
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &old[0]).await.problem(422, "validation_failed");
    client.use_factor(&session, &new[0]).await.expect(200);
    let events = partner.owner().get("/v1/audit-events?action=recovery_codes.renewed").await.expect(200);
    assert_eq!(events.json["items"][0]["summary"], "Nora Newcomer replaced the recovery codes");
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.renew_recovery_codes().await.problem(403, "reauthentication_required");
}
