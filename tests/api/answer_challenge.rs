//! `POST /v1/sessions/challenge`.

use portal_tests::{Actor, Client, Partner, User, secrets};
use serde_json::json;

/// A user who must choose a password at the first sign-in.
async fn newcomer(partner: &Partner) -> User {
    partner.owner().add("Ann", "Lee").without("must_change").created().await
}

#[tokio::test]
async fn a_new_password_completes_the_sign_in() {
    let partner = Partner::new().await;
    let ann = newcomer(&partner).await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    let password = secrets::password();

    let answer = client.answer_challenge(&session, &password).await.expect(200);

    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.json["expires_in"], 3600);
    assert_eq!(answer.json["user"]["must_change_password"], false);
    let signed_in = Actor::from_answer(client, ann.with_password(&password), &answer);
    signed_in.is_signed_in().await;
    signed_in.elsewhere().await.is_signed_in().await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    assert_eq!(partner.owner().see(&ann).await["version"], 2, "the new password increments the version");
}

#[tokio::test]
async fn the_refresh_token_is_in_a_cookie_on_request() {
    let partner = Partner::new().await;
    let client = Client::new();
    let session = client.challenged(&newcomer(&partner).await).await;
    let body = json!({
        "challenge": "new_password_required",
        "session": session,
        "new_password": secrets::password(),
        "refresh_token_in": "cookie",
    });
    let answer =
        client.post("/v1/sessions/challenge", &body).origin(&portal_tests::stack().ready.url).await.expect(200);
    assert!(answer.json["refresh_token"].is_null(), "{answer}");
    assert!(answer.header("set-cookie").starts_with("__Host-refresh="), "{answer}");
}

#[tokio::test]
async fn a_challenge_can_be_answered_once() {
    let partner = Partner::new().await;
    let client = Client::new();
    let session = client.challenged(&newcomer(&partner).await).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_rejected_new_password_does_not_use_the_challenge_up() {
    let partner = Partner::new().await;
    let ann = newcomer(&partner).await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    for rejected in ["short", &ann.password] {
        let answer = client.answer_challenge(&session, rejected).await;
        answer.problem(422, "password_rejected").names_field("new_password");
    }
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn an_invalid_challenge_is_rejected_before_the_password_is_checked() {
    let partner = Partner::new().await;
    let session = Client::new().challenged(&newcomer(&partner).await).await;
    let mut changed = session.clone().into_bytes();
    let last = changed.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for session in ["", "nonsense", &changed, &session[..session.len() / 2], &"x".repeat(5000)] {
        Client::new().answer_challenge(session, "short").await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn an_unknown_kind_of_challenge_is_rejected() {
    let partner = Partner::new().await;
    let client = Client::new();
    let session = client.challenged(&newcomer(&partner).await).await;
    let body = json!({ "challenge": "riddle", "session": session, "new_password": secrets::password() });
    client.post("/v1/sessions/challenge", &body).await.problem(422, "validation_failed").names_field("challenge");
}

#[tokio::test]
async fn a_force_logout_voids_a_challenge() {
    let partner = Partner::new().await;
    let ann = newcomer(&partner).await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    partner.owner().force_logout(&ann).await.expect(200);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    client.challenged(&ann).await;
}

#[tokio::test]
async fn a_password_change_voids_a_challenge() {
    let partner = Partner::new().await;
    let ann = newcomer(&partner).await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    partner.owner().set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_removal_voids_a_challenge() {
    let partner = Partner::new().await;
    let ann = newcomer(&partner).await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    partner.owner().remove(&ann).await.expect(204);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
}
