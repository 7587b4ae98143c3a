//! One user's browser: an HTTP client with its own network address, because attempts are counted by address.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::faults::Trace;
use crate::{Actor, Answer, Ready, User, contract, secrets, stack};

/// An HTTP client without a session.
#[derive(Debug, Clone)]
pub struct Client {
    /// The network address that it calls from.
    pub address: String,
    http: reqwest::Client,
    pub(crate) ready: Ready,
}

impl Client {
    /// A client of the shared stack.
    pub fn new() -> Self {
        Self::of(&stack().ready)
    }

    /// A client of this stack.
    pub fn of(ready: &Ready) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // 127.1.0.0 and above. Each test binary has its own stack, so addresses do not collide between binaries.
        let [_, high, middle, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, high + 1, middle, low));
        let http = reqwest::Client::builder().local_address(address).build().unwrap();
        Self { address: address.to_string(), http, ready: ready.clone() }
    }

    /// A call, sent when it is awaited.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.ready.url));
        Call { request }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// `POST` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call("POST", path).json(body)
    }

    /// Tries to sign in without naming a partner.
    pub fn sign_in(&self, email: &str, password: &str) -> Call {
        self.post("/v1/sessions", &json!({ "email": email, "password": password }))
    }

    /// Tries to sign in at a partner.
    pub fn sign_in_at(&self, partner_id: &str, email: &str, password: &str) -> Call {
        self.post("/v1/sessions", &json!({ "partner_id": partner_id, "email": email, "password": password }))
    }

    /// Tries to sign in, with the refresh token in a cookie.
    pub fn sign_in_with_cookie(&self, email: &str, password: &str) -> Call {
        let body = json!({ "email": email, "password": password, "refresh_token_in": "cookie" });
        self.post("/v1/sessions", &body).origin(&self.ready.url)
    }

    /// Tries to continue a sign-in at one of several partners.
    pub fn choose_partner(&self, session: &str, partner_id: &str) -> Call {
        let body = json!({ "challenge": "choose_partner", "session": session, "partner_id": partner_id });
        self.post("/v1/sessions/challenge", &body)
    }

    /// Tries to finish a sign-in with a new password.
    pub fn answer_challenge(&self, session: &str, new_password: &str) -> Call {
        let body = json!({ "challenge": "new_password_required", "session": session, "new_password": new_password });
        self.post("/v1/sessions/challenge", &body)
    }

    /// Requests a mail to reset the password for an email.
    pub fn request_reset(&self, email: &str) -> Call {
        self.post("/v1/password-resets", &json!({ "email": email }))
    }

    /// Tries to look up the link with this token.
    pub fn look_up(&self, token: &str) -> Call {
        self.post("/v1/password-resets/lookup", &json!({ "token": token }))
    }

    /// Tries to choose a password with the link with this token.
    pub fn confirm_reset(&self, token: &str, new_password: &str) -> Call {
        self.post("/v1/password-resets/confirm", &json!({ "token": token, "new_password": new_password }))
    }

    /// Tries to refresh with a token in the body.
    pub fn refresh(&self, refresh_token: &str) -> Call {
        self.post("/v1/sessions/refresh", &json!({ "refresh_token": refresh_token }))
    }

    /// Tries to refresh with a token in the cookie, from this origin.
    pub fn refresh_with_cookie(&self, refresh_token: &str, origin: Option<&str>) -> Call {
        let call = self.call("POST", "/v1/sessions/refresh").cookie(refresh_token);
        match origin {
            Some(origin) => call.origin(origin),
            None => call,
        }
    }

    /// Signs in a user who must succeed.
    pub async fn signed_in(self, user: &User) -> Actor {
        let answer = self.sign_in_at(&user.partner_id, &user.email, &user.password).await.expect(200);
        Actor::from_answer(self, user.clone(), &answer)
    }

    /// Starts the sign-in of a user who must choose a new password first. Returns the challenge's session.
    pub async fn challenged(&self, user: &User) -> String {
        let answer = self.sign_in_at(&user.partner_id, &user.email, &user.password).await.expect(200);
        assert_eq!(answer.json["challenge"], "new_password_required", "{answer}");
        assert_eq!(
            answer.json.as_object().unwrap().len(),
            2,
            "the response has only a challenge and its session: {answer}"
        );
        secrets::remembered(answer.text_at("/session"))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// A call that is being built; `.await` sends it.
#[derive(Debug)]
pub struct Call {
    request: reqwest::RequestBuilder,
}

impl Call {
    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self { request: self.request.json(body) }
    }

    /// With any body.
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header("content-type", content_type).body(body) }
    }

    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value) }
    }

    /// With a header of any bytes.
    pub fn header_bytes(self, name: &str, value: &[u8]) -> Self {
        Self { request: self.request.header(name, value) }
    }

    /// Adds the idempotency key that this request and its retries share.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Makes the request conditional: the user must still have this version.
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", etag)
    }

    /// Adds the origin of the page that sends the request.
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// With the refresh token's cookie.
    pub fn cookie(self, refresh_token: &str) -> Self {
        self.header("cookie", &format!("__Host-refresh={refresh_token}"))
    }

    /// Makes the call part of a trace.
    pub fn within(self, trace: &Trace) -> Self {
        self.header("x-amzn-trace-id", &trace.header())
    }

    /// With an access token.
    pub fn bearer(self, token: &str) -> Self {
        Self { request: self.request.bearer_auth(token) }
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (http, request) = self.request.build_split();
            let request = request.unwrap();
            let call = format!("{} {}", request.method(), request.url());
            let sent = request.try_clone().expect("a body that is not a stream");
            let response = http.execute(request).await.unwrap_or_else(|error| panic!("{call}: {error:?}"));
            let answer = Answer::read(call, response).await;
            contract::check(&sent, &answer);
            answer
        })
    }
}
