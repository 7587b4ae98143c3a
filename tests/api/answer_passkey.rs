//! `POST /v1/sessions/challenge/passkey`.

use futures::future::join_all;
use portal_tests::{Actor, Client, Device, Partner, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_passkey_follows_the_password() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (_, codes) = ann.enrolled().await;
    let mut device = ann.with_passkey().await;
    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    assert_eq!(asked.json["factors"], json!(["totp", "passkey", "recovery_code"]));
    let options = &asked.json["passkey"];
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("localhost"), &json!("required")));
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(options["allowCredentials"][0]["id"], device.id());

    let answer = device.answer(options).await;
    let session = asked.text_at("/session");
    let signed_in = client.answer_with_passkey(session, &answer).await.expect(200);
    let again = Actor::from_answer(client.clone(), (*ann).clone(), &signed_in);
    again.is_signed_in().await;
    again.refreshed().await.is_signed_in().await;
    assert!(again.factors().await.expect(200).json["passkeys"][0]["last_used_at"].is_string());
    client.answer_with_passkey(session, &answer).await.problem(401, "unauthenticated");
    client.use_factor(session, &codes[0]).await.problem(401, "unauthenticated");
    assert_eq!(partner.owner().see(&ann).await["version"], 3, "the use of a factor does not change the user");
}

#[tokio::test]
async fn a_wrong_answer_leaves_the_challenge_and_is_recorded() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    let session = asked.text_at("/session");
    for credential in [json!({}), json!({ "rawId": device.id() })] {
        let answer = client.answer_with_passkey(session, &credential).await;
        answer.problem(422, "validation_failed").names_field("credential");
    }
    for (credential, field) in [(json!(null), "credential"), (json!("x"), "credential")] {
        let answer = client.answer_with_passkey(session, &credential).await;
        answer.problem(422, "validation_failed").names_field(field);
    }
    let right = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey("no-such-challenge", &right).await.problem(401, "unauthenticated");
    client.answer_with_passkey(session, &right).await.expect(200);
    let refused = partner.owner().get("/v1/audit-events?action=second_factor.refused").await.expect(200);
    assert_eq!(refused.json["items"].as_array().unwrap().len(), 1, "once in 15 minutes: {refused}");
}

/// Each of these answers is right. The challenge is used once, and so is the counter.
#[tokio::test]
async fn one_answer_sent_in_parallel_gives_one_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = Device::counting(&stack().ready);
    ann.added_passkey(&mut device).await;
    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    let answer = device.answer(&asked.json["passkey"]).await;
    let session = asked.text_at("/session");
    let answers = join_all((0..20).map(|_| client.answer_with_passkey(session, &answer).into_future())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    assert_eq!(ann.sessions(&ann).await.expect(200).json["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_password_follows_the_passkey_and_a_changed_basis_voids_the_challenge() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let temporary = secrets::password();
    owner.set_password(&ann, &temporary, &json!({})).await.expect(204);
    let ann = ann.with_password(&temporary);

    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    owner.force_logout(&ann).await.expect(200);
    let late = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey(asked.text_at("/session"), &late).await.problem(401, "unauthenticated");

    let asked = client.asked_for("second_factor", &ann).await;
    let answer = device.answer(&asked.json["passkey"]).await;
    let next = client.answer_with_passkey(asked.text_at("/session"), &answer).await.expect(200);
    assert_eq!(next.json["challenge"], "new_password_required");
    let session = secrets::remembered(next.text_at("/session"));
    client.answer_with_passkey(&session, &answer).await.problem(401, "unauthenticated");
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_suspended_user_is_rejected() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    let answer = device.answer(&asked.json["passkey"]).await;
    partner.owner().suspend(&ann).await.expect(200);
    client.answer_with_passkey(asked.text_at("/session"), &answer).await.problem(401, "unauthenticated");
}
