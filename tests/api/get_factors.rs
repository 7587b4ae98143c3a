//! `GET /v1/me/factors`.

use portal_tests::Partner;
use serde_json::json;

#[tokio::test]
async fn a_user_sees_their_own_factors_without_a_secret() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let none = json!({
        "second_factor": "none", "is_required": false, "totp": null, "recovery_codes_left": 0, "passkeys": [],
    });
    assert_eq!(ann.factors().await.expect(200).json, none);
    ann.enrolled().await;
    let mut found = ann.factors().await.expect(200).json;
    assert!(found["totp"]["added_at"].is_string());
    found["totp"] = json!(null);
    let expected = json!({
        "second_factor": "totp", "is_required": false, "totp": null, "recovery_codes_left": 10, "passkeys": [],
    });
    assert_eq!(found, expected);
    assert_eq!(partner.owner().see(&ann).await["second_factor"], "totp");
    assert_eq!(partner.owner().factors().await.expect(200).json, none, "another user's are not shown");
}
