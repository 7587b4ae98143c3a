//! The events for `sam local invoke`. Every function has one, and each gets a successful response.

use std::collections::BTreeSet;
use std::fs;

use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::template::{Function, functions};
use portal_tests::{Authenticator, Client, Device, Partner, Stack, invoke, secrets, workspace};
use serde_json::{Value, json};

use crate::folder;

#[test]
fn every_function_has_an_event_file_and_every_event_file_a_function() {
    let named: BTreeSet<_> = functions().iter().map(|function| format!("{}.json", folder(function))).collect();
    let found: BTreeSet<_> = fs::read_dir(workspace().join("tests/events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, found);
}

#[test]
fn an_event_names_a_route_of_its_function_and_contains_no_token() {
    for function in functions() {
        let text = function.event();
        let event: Value = serde_json::from_str(&text).unwrap();
        match event["routeKey"].as_str() {
            Some(key) => assert!(function.routes.iter().any(|route| route.name == key), "{key}"),
            None => assert!(function.routes.is_empty(), "{}", function.logical_id),
        }
        assert!(!text.contains("eyJ"), "{}", function.logical_id);
    }
}

/// The event with the values of this stack in its placeholders, as `tests/events/fill` does it.
async fn filled(function: &Function, stack: &Stack, partner: &Partner) -> Value {
    let session = partner.owner().elsewhere().await;
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(&session.token).unwrap().claims;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let next_admin = partner.owner().add("Bea", "Next").signed_in().await;
    let challenge = Client::of(&stack.ready).challenged(&ann).await;
    let email = secrets::email("new");
    let rows = Rows::of(&stack.ready);
    let text = function.event();
    // A request changes the state of the caller, so only the functions that need links make them.
    let link = if text.contains("{{link}}") {
        let cat = partner.owner().add("Cat", "Fox").invited().await;
        rows.put_link(&cat, LinkKind::Invitation).await
    } else {
        String::new()
    };
    let email_link = if text.contains("{{email_link}}") {
        partner.owner().edit(partner.owner(), &json!({ "email": email })).await.expect(200);
        rows.put_link(partner.owner(), LinkKind::EmailChange).await
    } else {
        String::new()
    };
    let removed_user_id = if text.contains("{{removed_user_id}}") {
        let dan = partner.owner().add("Dan", "Orr").created().await;
        partner.owner().remove(&dan).await.expect(204);
        dan.id
    } else {
        String::new()
    };
    let app = if text.contains("{{new_code}}") {
        Some(Authenticator::of(&session.start_totp().await.expect(200).json))
    } else if text.contains("{{enrolled_") {
        Some(session.enrolled().await.0)
    } else {
        None
    };
    let mut device = Device::new(&stack.ready);
    let (mut new_passkey, mut passkey_answer, mut passkey_session) = (Value::Null, Value::Null, String::new());
    if text.contains("{{new_passkey}}") {
        new_passkey = device.create(&session.start_passkey().await.expect(200).json).await;
    } else if text.contains("{{passkey_") {
        session.added_passkey(&mut device).await;
        let client = Client::of(&stack.ready);
        if text.contains("{{passkey_challenge}}") {
            let asked = client.asked_for("second_factor", &session).await;
            asked.text_at("/session").clone_into(&mut passkey_session);
            passkey_answer = device.answer(&asked.json["passkey"]).await;
        } else if text.contains("{{passkey_session}}") {
            let (started, options) = client.started_passkey().await;
            passkey_session = started;
            passkey_answer = device.answer(&options).await;
        } else if text.contains("{{passkey_answer}}") {
            let options = session.start_passkey_reauthentication().await.expect(200);
            passkey_answer = device.answer(&options.json).await;
        }
    }
    // The body of an event is a string, so quotes in a JSON value are escaped.
    let [new_passkey, passkey_answer] =
        [new_passkey, passkey_answer].map(|value| value.to_string().replace('"', "\\\""));
    let passkey_id = if text.contains("{{passkey_id}}") { device.id() } else { String::new() };
    let new_code = app.map(|app| app.code()).unwrap_or_default();
    let mut filled = text;
    for (name, value) in [
        ("email", session.email.as_str()),
        ("password", &session.password),
        ("current_password", &session.password),
        ("partner_id", &partner.id),
        ("new_email", &email),
        ("access_token", &session.token),
        ("refresh_token", &session.refresh_token),
        ("username", claims["username"].as_str().unwrap()),
        ("origin_jti", claims["origin_jti"].as_str().unwrap()),
        ("caller_id", &session.id),
        ("user_id", &ann.id),
        ("removed_user_id", &removed_user_id),
        ("next_admin_id", &next_admin.id),
        ("challenge", &challenge),
        ("link", &link),
        ("email_link", &email_link),
        ("new_code", &new_code),
        ("enrolled_access_token", &session.token),
        ("new_passkey", &new_passkey),
        ("passkey_answer", &passkey_answer),
        ("passkey_challenge", &passkey_session),
        ("passkey_session", &passkey_session),
        ("passkey_id", &passkey_id),
        ("passkey_access_token", &session.token),
    ] {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    assert!(!filled.contains("{{"), "{} has an unknown placeholder", function.binary);
    serde_json::from_str(&filled).unwrap()
}

/// Invokes every function. It starts its own stack, because one function ends all sessions. Takes about 5 s.
#[tokio::test]
async fn every_event_gets_a_successful_response() {
    let stack = Stack::start("events", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    for function in functions() {
        // Each function gets a new partner, because some change the password that others need.
        let partner = Partner::of(&stack.ready).await;
        let input = filled(&function, &stack, &partner).await;
        let answer = invoke(&stack.ready, &function.logical_id, &input).await.worked();
        if !function.routes.is_empty() {
            let status = answer["statusCode"].as_u64().unwrap();
            assert!((200..300).contains(&status), "{}: {answer}", function.logical_id);
        }
    }
    stack.end("TERM");
}
