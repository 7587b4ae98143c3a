//! `POST /v1/me/passkeys/options`.

use portal_tests::rows::Rows;
use portal_tests::{Device, Partner, stack};
use serde_json::json;

#[tokio::test]
async fn the_options_are_for_a_discoverable_passkey_that_verifies_its_user() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = Device::new(&stack().ready);
    ann.added_passkey(&mut device).await;

    let options = ann.start_passkey().await.expect(200).json;
    assert_eq!(options["rp"], json!({ "id": "localhost", "name": "Partner Portal" }));
    assert_eq!(options["user"]["name"], format!("{} (Acme Agency)", ann.email));
    assert_eq!(options["user"]["displayName"], "Nora Newcomer");
    assert_eq!(options["user"]["id"].as_str().unwrap().len(), 43);
    assert_eq!(
        options["authenticatorSelection"],
        json!({ "residentKey": "required", "requireResidentKey": true, "userVerification": "required" })
    );
    assert_eq!((&options["attestation"], &options["timeout"]), (&json!("none"), &json!(300_000)));
    assert_eq!(options["excludeCredentials"][0]["id"], device.id());
    assert_ne!(options["challenge"], ann.start_passkey().await.expect(200).json["challenge"]);
}

#[tokio::test]
async fn it_needs_a_fresh_session_and_no_body() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.start_passkey().json(&json!({ "name": "Phone" })).await.problem(400, "invalid_request");
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.start_passkey().await.problem(403, "reauthentication_required");
}
