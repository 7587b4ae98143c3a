//! `GET /v1/settings`.

use portal_tests::Partner;
use serde_json::json;

#[tokio::test]
async fn every_user_reads_the_settings_of_their_own_partner() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    partner.owner().enrolled().await;
    partner.owner().require_factors("admins").await.expect(200);
    let viewer = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    assert_eq!(viewer.settings().await.expect(200).json, json!({ "second_factor": "admins" }));
    assert_eq!(other.owner().settings().await.expect(200).json, json!({ "second_factor": "optional" }));
}
