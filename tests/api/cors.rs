//! Pages of other origins, if the deployment allows some. The gateway responds to their preflights and lets them read the
//! responses of functions, but never with cookies.

use portal_tests::{Answer, Call, Client, Stack};

const PAGE: &str = "https://one.example";

/// The CORS headers of a response, sorted by name.
fn cors(answer: &Answer) -> Vec<(&str, &str)> {
    let names = answer.headers.keys().map(reqwest::header::HeaderName::as_str);
    let mut found: Vec<_> = names.filter(|name| name.starts_with("access-control-")).collect();
    found.sort_unstable();
    found.into_iter().map(|name| (name, answer.header(name))).collect()
}

fn preflight(client: &Client, path: &str, origin: &str, method: &str, headers: &str) -> Call {
    let call = client.call("OPTIONS", path).origin(origin).header("access-control-request-method", method);
    if headers.is_empty() { call } else { call.header("access-control-request-headers", headers) }
}

/// Starts a stack: about 2 s.
#[tokio::test]
async fn only_pages_of_allowed_origins_may_call_the_api() {
    let stack = Stack::start(
        "cors",
        &["--ephemeral", "--parameter", "AllowedOrigins=https://one.example,https://two.example:8443"],
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let (client, login) = (Client::of(&stack.ready), &stack.ready.primary_admin);

    // A preflight needs no token and no route.
    for (path, method) in
        [("/v1/users", "GET"), ("/v1/users/usr_1", "PATCH"), ("/v1/sessions", "POST"), ("/none", "PUT")]
    {
        for origin in [PAGE, "https://two.example:8443"] {
            let answer = preflight(&client, path, origin, method, "authorization, If-Match").await.expect(204);
            assert_eq!(
                cors(&answer),
                [
                    ("access-control-allow-headers", "authorization,content-type,if-match,idempotency-key"),
                    ("access-control-allow-methods", "GET,POST,PUT,PATCH,DELETE"),
                    ("access-control-allow-origin", origin),
                    ("access-control-max-age", "600"),
                ],
                "{answer}"
            );
        }
    }
    for (origin, method, headers) in [
        ("https://evil.example", "GET", ""),
        ("https://one.example.evil.example", "GET", ""),
        ("http://one.example", "GET", ""),
        ("null", "GET", ""),
        (PAGE, "TRACE", ""),
        (PAGE, "GET", "authorization,x-other"),
    ] {
        let answer = preflight(&client, "/v1/users", origin, method, headers).await.expect(204);
        assert_eq!(cors(&answer), [], "{answer}");
    }
    assert_eq!(cors(&client.call("OPTIONS", "/v1/users").await.expect(204)), []);
    assert_eq!(
        cors(&client.call("OPTIONS", "/v1/users").origin(PAGE).await.expect(204)),
        [],
        "a preflight without a requested method gets no CORS headers"
    );

    // The page can read every response of a function, including errors.
    let readable = [
        ("access-control-allow-origin", PAGE),
        ("access-control-expose-headers", "etag,link,location,retry-after,idempotent-replayed"),
    ];
    let answer = client.sign_in(&login.email, &login.password).origin(PAGE).await.expect(200);
    assert_eq!(cors(&answer), readable, "{answer}");
    let token = answer.text_at("/access_token");
    let refused = client.sign_in(&login.email, "wrong").origin(PAGE).await;
    refused.problem(401, "unauthenticated");
    assert_eq!(cors(&refused), readable);
    let me = || client.get("/v1/me").bearer(token);
    assert_eq!(cors(&me().origin(PAGE).await.expect(200)), readable);
    assert_eq!(cors(&me().origin("https://evil.example").await.expect(200)), []);
    assert_eq!(cors(&me().await.expect(200)), []);
    // A response of the gateway itself has no CORS headers.
    let unsigned = client.get("/v1/me").origin(PAGE).await;
    unsigned.gateway(401, "Unauthorized");
    assert_eq!(cors(&unsigned), []);

    // Only the portal's own page can use the cookie.
    let body = serde_json::json!({ "email": login.email, "password": login.password, "refresh_token_in": "cookie" });
    client.post("/v1/sessions", &body).origin(PAGE).await.problem(401, "unauthenticated");
    stack.end("TERM");
}

#[tokio::test]
async fn without_allowed_origins_a_preflight_gets_404() {
    let client = Client::new();
    let answer = preflight(&client, "/v1/users", PAGE, "GET", "").await;
    answer.gateway(404, "Not Found");
    assert_eq!(cors(&answer), []);
    let partner = portal_tests::Partner::new().await;
    let answer = partner.owner().call("GET", "/v1/me").origin(PAGE).await.expect(200);
    assert_eq!(cors(&answer), []);
}
