//! The edge in front of the API, if the deployment has one. The API accepts only requests with the secret of the edge, and
//! trusts the headers of those.

use portal_tests::rows::Rows;
use portal_tests::template::functions;
use portal_tests::{Answer, Call, Client, Partner, Stack, User, secrets};
use serde_json::json;

const SECRET: &str = "the-edges-secret";
const DIGEST: &str = "7156c162d6ada4b858389c7eb8ffc84f40e8285b51fdf3b65e56301bd09d991f";

fn through_the_edge(call: Call, address: &str) -> Call {
    call.header("x-origin-secret", SECRET).header("x-viewer-address", address).header("x-viewer-host", "portal.example")
}

#[track_caller]
fn is_forbidden(answer: &Answer) {
    assert_eq!((answer.status, &answer.json), (403, &json!({ "message": "Forbidden" })), "{answer}");
}

/// Starts a stack: about 2 s.
#[tokio::test]
async fn only_the_edge_is_accepted_and_determines_the_client_address() {
    let digest = format!("OriginSecretDigests={DIGEST}");
    let stack =
        Stack::start("edge", &["--ephemeral", "--parameter", &digest]).unwrap_or_else(|error| panic!("{error}"));
    let (client, login) = (Client::of(&stack.ready), &stack.ready.primary_admin);
    let sign_in = || client.sign_in(&login.email, &login.password);

    let viewer = "198.51.100.7";
    let answer = through_the_edge(sign_in(), viewer).await.expect(200);
    let token = answer.text_at("/access_token").to_owned();
    let me = || client.get("/v1/me").bearer(&token);
    through_the_edge(me(), viewer).await.expect(200);
    through_the_edge(client.get("/"), viewer).await.expect(200);

    for past in [sign_in(), me(), client.get("/"), client.get("/v1/users").bearer(&token)] {
        is_forbidden(&past.header("x-viewer-address", viewer).header("x-viewer-host", "portal.example").await);
    }
    for route in functions().into_iter().flat_map(|function| function.routes) {
        let (method, path) = route.name.split_once(' ').unwrap();
        let answer = client.call(method, path).bearer(&token).await;
        if method == "HEAD" {
            answer.expect(403);
        } else {
            is_forbidden(&answer);
        }
    }
    let guessed = me().header("x-origin-secret", "guessed").header("x-viewer-address", viewer);
    is_forbidden(&guessed.header("x-viewer-host", "portal.example").await);
    is_forbidden(&me().header("x-origin-secret", SECRET).await);

    // The origin is compared with the host that the client used, and attempts are counted by the client's address.
    let with_cookie = |origin: &str| {
        let body = json!({ "email": login.email, "password": login.password, "refresh_token_in": "cookie" });
        through_the_edge(client.post("/v1/sessions", &body).origin(origin), viewer)
    };
    with_cookie("https://portal.example").await.expect(200);
    with_cookie("https://evil.example").await.problem(401, "unauthenticated");
    for _ in 0..5 {
        through_the_edge(client.sign_in("unknown@example.com", "wrong"), viewer).await.problem(401, "unauthenticated");
    }
    let again = through_the_edge(client.sign_in("unknown@example.com", "wrong"), viewer);
    again.await.problem(429, "too_many_requests");
    let another = through_the_edge(client.sign_in("unknown@example.com", "wrong"), "198.51.100.8");
    another.await.problem(401, "unauthenticated");

    let user = User {
        id: answer.text_at("/user/id").to_owned(),
        partner_id: stack.ready.partner_id.clone(),
        email: login.email.clone(),
        password: login.password.clone(),
    };
    for session in Rows::of(&stack.ready).sessions(&user).await {
        assert_eq!(session["address"].as_s().unwrap(), viewer);
    }
    stack.end("TERM");
}

#[tokio::test]
async fn without_an_edge_the_headers_of_the_edge_are_ignored() {
    let partner = Partner::new().await;
    let ready = &portal_tests::stack().ready;
    let owner = &partner.owner().user;
    through_the_edge(Client::new().sign_in(&owner.email, &owner.password), "198.51.100.7").await.expect(200);
    for session in Rows::of(ready).sessions(owner).await {
        assert!(session["address"].as_s().unwrap().starts_with("127."));
    }
}

/// The firewall decodes paths, so the spelling of a path must not change the limits of the functions either.
#[tokio::test]
async fn an_encoded_path_is_the_same_route_with_the_same_limits() {
    let partner = Partner::new().await;
    let (client, owner) = (Client::new(), partner.owner());
    let paths = ["/v1/sessions", "/v1/%73essions", "/v1/sess%69ons"];
    let sign_in = |path: &str| {
        client.post(path, &json!({ "partner_id": partner.id, "email": owner.email, "password": secrets::password() }))
    };
    for attempt in 0..5 {
        sign_in(paths[attempt % paths.len()]).await.problem(401, "unauthenticated");
    }
    for path in paths {
        sign_in(path).await.problem(429, "too_many_requests");
    }
}
