//! `POST /v1/sessions`.

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Answer, Client, Partner, User, new_partner, secrets, stack};
use serde_json::json;

/// The problem without its request id, which differs in every response.
fn without_request_id(answer: &Answer) -> serde_json::Value {
    let mut body = answer.json.clone();
    body.as_object_mut().unwrap().remove("request_id");
    body
}

#[tokio::test]
async fn signing_in_returns_tokens_and_the_user() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;

    let answer = Client::new().sign_in(&ann.email, &ann.password).await.expect(200);

    let mut fields: Vec<_> = answer.json.as_object().unwrap().keys().collect();
    fields.sort_unstable();
    assert_eq!(fields, ["access_token", "expires_in", "refresh_token", "token_type", "user"]);
    assert_eq!(answer.json["token_type"], "Bearer");
    assert_eq!(answer.json["expires_in"], 3600);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(
        answer.header("set-cookie").starts_with("__Host-device="),
        "the refresh token must not be in a cookie: {answer}"
    );
    assert_eq!(answer.json["user"]["email"], ann.email);
    assert_eq!(answer.json["user"]["partner_id"], partner.id);
    assert!(answer.json["user"]["last_sign_in_at"].is_string(), "the user includes the time of this sign-in: {answer}");
    assert_eq!(answer.json["user"]["last_active_at"], answer.json["user"]["last_sign_in_at"]);
    assert_eq!(answer.json["user"]["version"], 1, "signing in does not change the version");
}

#[tokio::test]
async fn an_email_is_case_insensitive() {
    let partner = Partner::new().await;
    Client::new().sign_in(&partner.owner().email.to_uppercase(), &partner.owner().password).await.expect(200);
}

#[tokio::test]
async fn in_cookie_mode_the_refresh_token_is_only_in_a_secure_cookie() {
    let partner = Partner::new().await;
    let owner = partner.owner();

    let answer = Client::new().sign_in_with_cookie(&owner.email, &owner.password).await.expect(200);

    assert!(answer.json["refresh_token"].is_null(), "{answer}");
    assert!(answer.json["access_token"].is_string());
    let cookie = answer.header("set-cookie");
    let mut parts: Vec<_> = cookie.split(';').map(str::trim).collect();
    let token = parts.remove(0).strip_prefix("__Host-refresh=").expect("the cookie has this name");
    assert!(!token.is_empty());
    assert!(!answer.text.contains(token), "the token must not be in the body");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(parts.contains(&attribute), "{attribute} in {cookie}");
    }
    assert!(parts.contains(&"Max-Age=2592000"), "the cookie lives for 30 days, as the token does: {cookie}");
    assert!(!parts.iter().any(|part| part.to_ascii_lowercase().starts_with("domain")), "__Host- allows no Domain");
}

#[tokio::test]
async fn another_origin_cannot_sign_in_with_a_cookie_or_read_a_response() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let body = json!({ "email": owner.email, "password": owner.password, "refresh_token_in": "cookie" });
    let answer = Client::new().post("/v1/sessions", &body).origin("https://evil.example").await;
    answer.problem(401, "unauthenticated");
    for name in ["set-cookie", "access-control-allow-origin", "access-control-allow-credentials"] {
        assert_eq!(answer.header(name), "", "{name}: {answer}");
    }
    // An unreadable origin does not count as a missing one.
    let unreadable = Client::new().post("/v1/sessions", &body).header_bytes("origin", b"https://evil.\xe9xample");
    unreadable.await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_get_the_same_response() {
    let partner = Partner::new().await;
    let wrong = Client::new().sign_in(&partner.owner().email, &secrets::password()).await;
    let unknown = Client::new().sign_in(&secrets::email("unknown"), &secrets::password()).await;
    let elsewhere = Client::new();
    let elsewhere = elsewhere.sign_in_at(&partner.id, &secrets::email("unknown"), &secrets::password()).await;

    wrong.problem(401, "unauthenticated");
    assert_eq!(without_request_id(&wrong), without_request_id(&unknown));
    assert_eq!(without_request_id(&wrong), without_request_id(&elsewhere));
}

#[tokio::test]
async fn an_email_at_two_partners_signs_in_at_the_matching_one() {
    let ready = &stack().ready;
    let email = secrets::email("both");
    let one = new_partner(ready, &email, Some(&secrets::password())).await;
    let two = new_partner(ready, &email, Some(&secrets::password())).await;
    let client = Client::new();
    for user in [&one, &two] {
        let answer = client.sign_in_at(&user.partner_id, &email, &user.password).await.expect(200);
        assert_eq!(answer.json["user"]["id"], user.id);
        let answer = client.sign_in(&email, &user.password).await.expect(200);
        assert_eq!(answer.json["user"]["id"], user.id);
    }
    client.sign_in_at(&one.partner_id, &email, &two.password).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_user_signs_in_at_their_own_partner_only() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    let client = Client::new();
    client.sign_in_at(&other.id, &owner.email, &owner.password).await.problem(401, "unauthenticated");
    client.sign_in_at("no-such-partner", &owner.email, &owner.password).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_gets_415() {
    let partner = Partner::new().await;
    let body = json!({ "email": partner.owner().email, "password": partner.owner().password }).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = Client::new().call("POST", "/v1/sessions").body(content_type, body.clone()).await;
        answer.problem(415, "unsupported_media_type");
    }
    let charset = Client::new().call("POST", "/v1/sessions").body("application/json; charset=utf-8", body).await;
    charset.expect(200);
}

#[tokio::test]
async fn all_invalid_fields_are_named_at_once() {
    let answer = Client::new().post("/v1/sessions", &json!({})).await;
    answer.problem(422, "validation_failed").names_fields(&["email", "password"]);
    let answer = Client::new().post("/v1/sessions", &json!({ "email": 5, "password": ["x"] })).await;
    answer.problem(422, "validation_failed").names_fields(&["email", "password"]);
    let body = json!({ "email": secrets::email("a"), "password": "x", "refresh_token_in": "pocket" });
    let answer = Client::new().post("/v1/sessions", &body).await;
    answer.problem(422, "validation_failed").names_field("refresh_token_in");
}

#[tokio::test]
async fn a_sixth_attempt_from_one_address_gets_429_and_other_addresses_do_not() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let guesser = Client::new();
    for _ in 0..5 {
        guesser.sign_in(&owner.email, &secrets::password()).await.problem(401, "unauthenticated");
    }

    let blocked = guesser.sign_in(&owner.email, &owner.password).await;

    blocked.problem(429, "too_many_requests");
    assert!((1..=900).contains(&blocked.retry_after()), "{blocked}");
    let again = guesser.sign_in(&owner.email, &owner.password).await;
    again.problem(429, "too_many_requests");
    assert!(again.retry_after() <= blocked.retry_after(), "a blocked attempt does not extend the wait");
    Client::new().sign_in(&owner.email, &owner.password).await.expect(200);
    guesser.sign_in_at(&partner.id, &owner.email, &owner.password).await.expect(200);
    guesser.sign_in(&secrets::email("other"), &secrets::password()).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_unknown_email_is_counted_like_a_known_one() {
    let (guesser, email) = (Client::new(), secrets::email("unknown"));
    for _ in 0..5 {
        guesser.sign_in(&email, &secrets::password()).await.problem(401, "unauthenticated");
    }
    guesser.sign_in(&email, &secrets::password()).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn parallel_guesses_are_counted_one_by_one() {
    let partner = Partner::new().await;
    let guesser = Client::new();
    let attempts = (0..15).map(|_| guesser.sign_in(&partner.owner().email, &secrets::password()).into_future());
    let answers = join_all(attempts).await;
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(checked, 5, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
}

#[tokio::test]
async fn successful_sign_ins_are_not_counted() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let client = Client::new();
    for _ in 0..4 {
        client.sign_in(&owner.email, &secrets::password()).await.problem(401, "unauthenticated");
        client.sign_in(&owner.email, &owner.password).await.expect(200);
        client.sign_in(&owner.email, &owner.password).await.expect(200);
    }
}

/// Hashes 51 passwords: about 2 s.
#[tokio::test]
async fn an_address_has_fifty_attempts_for_all_emails_in_total() {
    let client = Client::new();
    for _ in 0..10 {
        let email = secrets::email("many");
        let attempts = (0..5).map(|_| client.sign_in(&email, &secrets::password()).into_future());
        for answer in join_all(attempts).await {
            answer.problem(401, "unauthenticated");
        }
    }
    let answer = client.sign_in(&secrets::email("one-more"), &secrets::password()).await;
    answer.problem(429, "too_many_requests");
    assert!((1..=900).contains(&answer.retry_after()), "{answer}");
}

#[tokio::test]
async fn a_user_who_must_change_the_password_gets_a_challenge_and_no_token() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let session = Client::new().challenged(&ann).await;
    assert!(!session.is_empty());
}

#[tokio::test]
async fn an_expired_initial_password_does_not_sign_in() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    Rows::of(&stack().ready).expire_initial_password(&ann).await;

    let client = Client::new();
    client.sign_in(&ann.email, &ann.password).await.problem(403, "initial_password_expired");
    client.sign_in(&ann.email, &secrets::password()).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_removed_user_cannot_sign_in() {
    let partner = Partner::new().await;
    let ann: User = partner.owner().add("Ann", "Lee").created().await;
    partner.owner().remove(&ann).await.expect(204);
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
}

/// Signs in 21 times: about 2 s.
#[tokio::test]
async fn the_oldest_session_ends_when_there_are_more_than_twenty() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let second = ann.elsewhere().await;
    for _ in 0..18 {
        ann.client.sign_in(&ann.email, &ann.password).await.expect(200);
    }
    ann.is_signed_in().await;

    let last = ann.elsewhere().await;

    ann.is_signed_out().await;
    second.is_signed_in().await;
    last.is_signed_in().await;
}
