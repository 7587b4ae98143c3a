//! `POST /v1/me/passkeys`.

use futures::future::join_all;
use portal_tests::authenticator::recovery_codes;
use portal_tests::device::Forged;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Authenticator, Client, Device, Mailbox, Partner, stack};
use serde_json::{Value, json};

fn device() -> Device {
    Device::new(&stack().ready)
}

#[tokio::test]
async fn the_first_factor_returns_recovery_codes_and_ends_no_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    let mut device = device();
    let options = ann.start_passkey().await.expect(200);
    let created = device.create(&options.json).await;
    ann.add_passkey("My\u{7}phone", &created).await.problem(422, "validation_failed").names_field("name");
    let added = ann.add_passkey("  My phone ", &created).await.expect(201);
    recovery_codes(&added);
    assert_eq!(added.json["passkey"]["id"], device.id());
    assert_eq!(added.json["passkey"]["name"], "My phone");
    assert_eq!(added.json["passkey"]["last_used_at"], json!(null));
    elsewhere.is_signed_in().await;

    let factors = ann.factors().await.expect(200).json;
    assert_eq!((&factors["second_factor"], &factors["recovery_codes_left"]), (&json!("passkey"), &json!(10)));
    assert_eq!(factors["passkeys"], json!([added.json["passkey"]]));
    let after = partner.owner().see(&ann).await;
    assert_eq!((&after["second_factor"], &after["version"]), (&json!("passkey"), &json!(2)));
    let events = partner.owner().get("/v1/audit-events?action=second_factor.added").await.expect(200);
    assert_eq!(events.json["items"][0]["after"], json!({ "second_factor": "passkey" }));
    let mail = Mailbox::new().message(&ann.email).await;
    assert_eq!(mail.subject, "A second factor was added to your account in the partner portal");
    ann.add_passkey("Phone", &created).await.problem(422, "validation_failed").names_field("credential");
}

#[tokio::test]
async fn further_factors_are_added_without_recovery_codes_and_end_no_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.enrolled().await;
    let first = ann.added_passkey(&mut device()).await;
    assert_eq!(first.json["recovery_codes"], json!(null));
    let second = ann.added_passkey(&mut device()).await;
    assert_eq!(second.json["recovery_codes"], json!(null));
    assert_eq!(ann.factors().await.expect(200).json["passkeys"].as_array().unwrap().len(), 2);

    let bob = partner.new_user("viewer").await;
    bob.with_passkey().await;
    let elsewhere = device_session(&bob).await;
    let app = Authenticator::of(&bob.start_totp().await.expect(200).json);
    let confirmed = bob.confirm_totp(&app.code()).await.expect(200);
    assert_eq!(confirmed.json["recovery_codes"], json!(null));
    elsewhere.is_signed_in().await;
    let events = partner.owner().get("/v1/audit-events?action=second_factor.added").await.expect(200);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 6, "{events}");
}

/// Another session of a user, who adds one more passkey to sign in with.
async fn device_session(user: &Actor) -> Actor {
    let mut device = user.with_passkey().await;
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let answer = client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    Actor::from_answer(client, (**user).clone(), &answer)
}

#[tokio::test]
async fn a_user_has_at_most_ten_passkeys() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for _ in 0..9 {
        ann.with_passkey().await;
    }
    let options = ann.start_passkey().await.expect(200);
    let (mut tenth, mut eleventh) = (device(), device());
    let late = eleventh.create(&options.json).await;
    ann.add_passkey("Tenth", &tenth.create(&options.json).await).await.expect(201);
    ann.start_passkey().await.problem(422, "passkey_limit_reached");
    ann.add_passkey("Eleventh", &late).await.problem(422, "passkey_limit_reached");
    assert_eq!(ann.factors().await.expect(200).json["passkeys"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn options_add_one_passkey_in_their_own_session_only() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    let earlier = ann.start_passkey().await.expect(200);
    let options = ann.start_passkey().await.expect(200);
    let mut devices: Vec<Device> = (0..8).map(|_| device()).collect();
    let mut created: Vec<Value> = Vec::new();
    for device in &mut devices {
        created.push(device.create(&options.json).await);
    }
    let replaced = device().create(&earlier.json).await;
    ann.add_passkey("Phone", &replaced).await.problem(422, "validation_failed").names_field("credential");
    elsewhere.add_passkey("Phone", &created[0]).await.problem(422, "validation_failed").names_field("credential");
    let answers = join_all(created.iter().map(|created| ann.add_passkey("Phone", created).into_future())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    assert_eq!(ann.factors().await.expect(200).json["passkeys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_passkey_that_is_not_valid_is_rejected() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let options = ann.start_passkey().await.expect(200).json;
    let right = device().right("webauthn.create", &options);
    for forged in [
        Forged { kind: "webauthn.get", ..right.clone() },
        right.with_another_challenge(),
        Forged { origin: "https://evil.example".to_owned(), ..right.clone() },
        Forged { origin: "http://localhost:1".to_owned(), ..right.clone() },
        Forged { party: "evil.example".to_owned(), ..right.clone() },
        Forged { is_verified: false, ..right.clone() },
    ] {
        let created = device().forge_creation(&options, &forged).await;
        let answer = ann.add_passkey("Phone", &created).await;
        answer.problem(422, "validation_failed").names_field("credential");
    }
    let mut created = device().forge_creation(&options, &right).await;
    for (name, value) in [("response", json!({})), ("rawId", json!(1)), ("type", json!(null))] {
        let mut broken = created.clone();
        broken[name] = value;
        ann.add_passkey("Phone", &broken).await.problem(422, "validation_failed").names_field("credential");
    }
    let unsupported = with_algorithm_of_ed25519(&created["response"]["attestationObject"]);
    let supported = std::mem::replace(&mut created["response"]["attestationObject"], unsupported);
    ann.add_passkey("Phone", &created).await.problem(422, "validation_failed").names_field("credential");
    created["response"]["attestationObject"] = supported;
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
    ann.add_passkey("Phone", &created).await.expect(201);
}

/// The attestation with the algorithm -8 in place of -7 in its key. A browser that ignores the options could send it.
fn with_algorithm_of_ed25519(attestation: &Value) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = URL_SAFE_NO_PAD.decode(attestation.as_str().unwrap()).unwrap();
    // The beginning of the key in CBOR: a map of five, {1: 2, 3: -7, …}.
    let start = bytes.windows(5).position(|bytes| bytes == [0xa5, 1, 2, 3, 0x26]).unwrap();
    bytes[start + 4] = 0x27;
    URL_SAFE_NO_PAD.encode(bytes).into()
}

#[tokio::test]
async fn it_needs_a_fresh_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let options = ann.start_passkey().await.expect(200);
    let created = device().create(&options.json).await;
    Rows::of(&stack().ready).age_sessions(&ann).await;
    ann.add_passkey("Phone", &created).await.problem(403, "reauthentication_required");
}

#[tokio::test]
async fn changes_of_the_factors_void_the_options() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    ann.enrolled().await;
    let options = ann.start_passkey().await.expect(200);
    let created = device().create(&options.json).await;
    ann.renew_recovery_codes().await.expect(200);
    ann.add_passkey("Phone", &created).await.problem(422, "validation_failed").names_field("credential");
}
