//! `POST /v1/me/reauthentication/passkey/options`.

use portal_tests::Partner;
use serde_json::json;

#[tokio::test]
async fn the_options_list_the_passkeys_of_the_caller() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.start_passkey_reauthentication().await.problem(404, "not_found");
    let device = ann.with_passkey().await;
    let options = ann.start_passkey_reauthentication().await.expect(200).json;
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(options["allowCredentials"][0]["id"], device.id());
    ann.start_passkey_reauthentication().json(&json!({ "code": "1" })).await.problem(400, "invalid_request");
}
