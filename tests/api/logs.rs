//! The logs contain no secrets. These tests search all logs of the stack and its functions up to their end, so they also find
//! the secrets of other tests.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, Ready, Stack, secrets, stack};
use serde_json::json;

/// Adds a user, makes all kinds of successful and failing requests, and removes the user. Returns every secret.
async fn life(partner: &Partner, ready: &Ready) -> (Actor, Vec<String>) {
    let rows = Rows::of(ready);
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").without("must_change").without("password").created().await;
    let client = Client::of(ready);
    client.sign_in(&ann.email, &secrets::password()).await.problem(401, "unauthenticated");
    client.sign_in(&secrets::email("unknown"), &secrets::password()).await.problem(401, "unauthenticated");
    let session = client.challenged(&ann).await;
    client.answer_challenge(&session, &ann.password).await.problem(422, "password_rejected");
    let password = secrets::password();
    client.answer_challenge(&session, &password).await.expect(200);
    let ann = Client::of(ready).signed_in(&ann.with_password(&password)).await;
    let cookie = ann.client.sign_in_with_cookie(&ann.email, &ann.password).await.expect(200);
    let cookie =
        cookie.header("set-cookie").split(';').next().unwrap().trim_start_matches("__Host-refresh=").to_owned();
    ann.client.refresh_with_cookie(&cookie, Some(&ready.url)).await.expect(200);
    ann.refreshed().await.is_signed_in().await;
    owner.get(&format!("/v1/users?search={}", ann.email)).await.expect(200);
    owner.add("Bob", "Ray").email(&ann.email).send().await.problem(409, "email_taken");
    owner.edit(&ann, &json!({ "email": secrets::email("anna") })).await.expect(200);
    ann.set_own_password(&ann.password, &secrets::password()).await.expect(204);
    let mut hidden = rows.hidden(&ann).await;
    hidden.push(secrets::remembered(cookie));
    let table = format!("first_name,last_name,email,role\nBob,Ray,{},viewer\n", secrets::email("bob"));
    let imported = owner.import(table, false).await.expect(200);
    hidden.push(secrets::remembered(imported.text_at("/results/0/generated_password")));
    owner.force_logout(&ann).await.expect(200);
    ann.cannot_refresh().await;
    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    hidden.extend(rows.hidden(&ann).await);
    owner.remove(&ann).await.expect(204);
    (ann, hidden)
}

/// Whether the text has a word with the start of a JSON object in base64url, as tokens have. Request ids are also base64, and
/// among thousands of them one contains these three characters, but an id has only 16 characters.
fn holds_a_token(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    words.filter(|word| word.len() > 16).any(|word| word.contains("eyJ"))
}

#[test]
fn a_token_is_distinguished_from_a_request_id() {
    assert!(holds_a_token(r#"{"token":"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"}"#));
    assert!(holds_a_token("authorization: Bearer eyJhbGciOiJSUzI1NiJ9"));
    assert!(!holds_a_token(r#"{"request_id":"3s5Q3VVueyJEz+o="}"#));
}

#[tokio::test]
async fn no_log_holds_a_password_a_token_a_secret_a_digest_or_an_email() {
    nothing_is_shown(stack()).await;
}

/// Starts a stack: about 2 s.
#[tokio::test]
async fn no_debug_log_holds_a_secret_either() {
    let stack = Stack::start("debug", &["--ephemeral", "--parameter", "LogLevel=DEBUG"])
        .unwrap_or_else(|error| panic!("{error}"));
    nothing_is_shown(&stack).await;
    assert!(stack.logged().contains(r#""level":"DEBUG""#), "the stack logs at this level");
    stack.end("TERM");
}

async fn nothing_is_shown(stack: &Stack) {
    let partner = Partner::of(&stack.ready).await;
    let (ann, hidden) = life(&partner, &stack.ready).await;
    let last = partner.owner().get(&ann.path()).await;
    last.problem(404, "not_found");

    // The last request is in it.
    let logged = stack.logged_until(last.text_at("/request_id")).await;
    assert!(hidden.len() >= 3, "the list includes the digests and the machine secret");
    for secret in secrets::known().into_iter().chain(hidden) {
        if let Some(position) = logged.find(&secret) {
            let start = logged[..position].rfind('\n').map_or(0, |newline| newline + 1);
            panic!("{secret:?} is in the log: {}", logged[start..].lines().next().unwrap());
        }
    }
    assert!(!holds_a_token(&logged), "the log contains a token");
    assert!(!logged.contains(secrets::EMAIL_DOMAIN), "the log contains an email");
    assert!(!logged.contains("$argon2"), "the log contains a digest");
}
