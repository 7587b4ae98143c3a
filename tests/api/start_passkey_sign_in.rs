//! `POST /v1/sessions/passkey/options`.

use portal_tests::{Client, NO_MAIL, Partner, Stack};
use serde_json::json;

#[tokio::test]
async fn the_options_name_no_user_and_no_passkey() {
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    assert_eq!(session.len(), 43);
    assert_eq!(options["allowCredentials"], json!([]));
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("localhost"), &json!("required")));
    let (other, more) = client.started_passkey().await;
    assert!(other != session && more["challenge"] != options["challenge"]);
    let path = "/v1/sessions/passkey/options";
    client.post(path, &json!({ "email": "ann@example.com" })).await.problem(400, "invalid_request");
}

/// Passkeys need a domain that the operator has configured: a header of a request decides nothing.
#[tokio::test]
async fn without_a_domain_passkeys_are_off() {
    let stack = Stack::start("passkeys-off", &["--ephemeral", NO_MAIL, "--parameter", "PortalUrl="])
        .unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.new_user("viewer").await;
    let client = Client::of(&stack.ready);
    let call = client.call("POST", "/v1/sessions/passkey/options").header("origin", "https://portal.example");
    call.await.problem(422, "passkeys_off");
    client.sign_in_with_passkey("x", &json!({})).await.problem(422, "passkeys_off");
    ann.start_passkey().await.problem(422, "passkeys_off");
    ann.add_passkey("Phone", &json!({})).await.problem(422, "passkeys_off");
    ann.start_passkey_reauthentication().await.problem(422, "passkeys_off");
    ann.reauthenticate_with_passkey(&json!({})).await.problem(422, "passkeys_off");
    let (_, codes) = ann.enrolled().await;
    let asked = client.asked_for("second_factor", &ann).await;
    assert_eq!((&asked.json["factors"], &asked.json["passkey"]), (&json!(["totp", "recovery_code"]), &json!(null)));
    client.answer_with_passkey(asked.text_at("/session"), &json!({})).await.problem(422, "passkeys_off");
    client.use_factor(asked.text_at("/session"), &codes[0]).await.expect(200);
    stack.end("TERM");
}
