//! `POST /v1/sessions/passkey`.

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Device, Partner, new_partner, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_passkey_replaces_the_password_and_the_second_factor() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let mut own = owner.with_passkey().await;
    owner.require_factors("everyone").await.expect(200);

    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let answer = device.answer(&options).await;
    let signed_in = client.sign_in_with_passkey(&session, &answer).await.expect(200);
    assert_eq!(signed_in.json["user"]["second_factor"], "passkey");
    let again = Actor::from_answer(client.clone(), (*ann).clone(), &signed_in);
    again.is_signed_in().await;
    again.refreshed().await.is_signed_in().await;
    assert!(again.factors().await.expect(200).json["passkeys"][0]["last_used_at"].is_string());
    client.sign_in_with_passkey(&session, &answer).await.problem(401, "unauthenticated");

    // The session has used a second factor and is fresh, so it may change the settings.
    let (session, options) = client.started_passkey().await;
    let signed_in = client.sign_in_with_passkey(&session, &own.answer(&options).await).await.expect(200);
    let again = Actor::from_answer(client, (**owner).clone(), &signed_in);
    again.require_factors("admins").await.expect(200);
    let events = again.get("/v1/audit-events?action=session.started").await.expect(200);
    assert_eq!(events.json["items"][0]["actor"]["id"], owner.id);
}

#[tokio::test]
async fn the_refresh_token_can_be_in_a_cookie_of_the_own_origin() {
    let partner = Partner::new().await;
    let mut device = partner.new_user("viewer").await.with_passkey().await;
    let client = Client::new();
    for (origin, status) in [("https://evil.example", 401), (stack().ready.url.as_str(), 200)] {
        let (session, options) = client.started_passkey().await;
        let credential = device.answer(&options).await;
        let body = json!({ "session": session, "credential": credential, "refresh_token_in": "cookie" });
        let answer = client.post("/v1/sessions/passkey", &body).origin(origin).await.expect(status);
        if status == 200 {
            assert_eq!(answer.json["refresh_token"], json!(null));
            secrets::remembered(answer.cookie("__Host-refresh"));
        }
    }
}

#[tokio::test]
async fn the_passkey_decides_between_two_partners_with_the_same_email() {
    let (email, password) = (secrets::email("both"), secrets::password());
    let mut users = Vec::new();
    for _ in 0..2 {
        let user = new_partner(&stack().ready, &email, Some(&password)).await;
        let client = Client::new();
        let owner = if users.is_empty() {
            client.signed_in(&user).await
        } else {
            let choice = client.sign_in(&email, &password).await.expect(200);
            let session = secrets::remembered(choice.text_at("/session"));
            let answer = client.choose_partner(&session, &user.partner_id).await.expect(200);
            Actor::from_answer(client, user, &answer)
        };
        let device = owner.with_passkey().await;
        users.push((owner, device));
    }
    for (owner, device) in &mut users {
        let client = Client::new();
        let (session, options) = client.started_passkey().await;
        let answer = client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
        assert_eq!(answer.json["user"]["id"], owner.id);
        assert_eq!(answer.json["user"]["partner_id"], owner.partner_id);
    }
    // A passkey of one partner's user does not exist at the other partner.
    let (one, other) = (users[0].1.clone(), users[1].1.clone());
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let answer = one.with_user_of(&other).answer(&options).await;
    client.sign_in_with_passkey(&session, &answer).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn one_answer_sent_in_parallel_gives_one_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for mut device in [Device::new(&stack().ready), Device::counting(&stack().ready)] {
        ann.added_passkey(&mut device).await;
        let before = ann.sessions(&ann).await.expect(200).json["items"].as_array().unwrap().len();
        let client = Client::new();
        let (session, options) = client.started_passkey().await;
        let answer = device.answer(&options).await;
        let answers = join_all((0..20).map(|_| client.sign_in_with_passkey(&session, &answer).into_future())).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        let after = ann.sessions(&ann).await.expect(200).json["items"].as_array().unwrap().len();
        assert_eq!(after, before + 1);
    }
}

#[tokio::test]
async fn every_refusal_has_the_same_response() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let mut device = ann.with_passkey().await;
    let mut suspended = bob.with_passkey().await;
    owner.suspend(&bob).await.expect(200);
    let client = Client::new();
    let mut details = Vec::new();
    let (session, options) = client.started_passkey().await;
    details.push(client.sign_in_with_passkey(&session, &json!({})).await);
    details.push(client.sign_in_with_passkey(&session, &suspended.answer(&options).await).await);
    details.push(client.sign_in_with_passkey("no-such-session", &device.answer(&options).await).await);
    details.push(client.sign_in_with_passkey(&session, &device.with_key_of(&suspended).answer(&options).await).await);
    let mut other = device.with_user_of(&suspended);
    details.push(client.sign_in_with_passkey(&session, &other.answer(&options).await).await);
    ann.remove_passkey(&device.id()).await.expect(204);
    details.push(client.sign_in_with_passkey(&session, &device.answer(&options).await).await);
    owner.remove(&ann).await.expect(204);
    details.push(client.sign_in_with_passkey(&session, &device.answer(&options).await).await);
    for answer in &details {
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.json["detail"], details[0].json["detail"], "{answer}");
    }
    let missing = client.post("/v1/sessions/passkey", &json!({ "session": session })).await;
    missing.problem(422, "validation_failed").names_field("credential");
}

#[tokio::test]
async fn an_initial_password_has_to_be_changed_and_can_expire() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    partner.owner().set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    let client = Client::new();
    let (session, options) = client.started_passkey().await;
    let asked = client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    assert_eq!(asked.json["challenge"], "new_password_required");
    let session = secrets::remembered(asked.text_at("/session"));
    client.answer_challenge(&session, &secrets::password()).await.expect(200);

    partner.owner().set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    Rows::of(&stack().ready).expire_initial_password(&ann).await;
    let (session, options) = client.started_passkey().await;
    let answer = client.sign_in_with_passkey(&session, &device.answer(&options).await).await;
    answer.problem(403, "initial_password_expired");
}
