//! A request as an action reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt as _};

use super::deadline::time_left;
use super::format::prefers_gzip;
use super::{Accepts, CsvSchema, CsvUpload, DeviceCookie, Fields, Format, FromField, Query, condition, cookie};
use crate::App;
use crate::edge::{Edge, Sender};
use crate::error::{Failure, FieldError};
use crate::models::UserId;
use crate::origin::Origin;

/// An HTTP API request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Request {
    inner: Arc<Inner>,
    is_retry: bool,
}

#[derive(Debug)]
struct Inner {
    request: lambda_http::Request,
    id: String,
    address: String,
    /// The name of the portal that the client used.
    host: Option<String>,
    claims: BTreeMap<String, String>,
    /// When the function's time is up, in milliseconds since 1970.
    deadline: u64,
}

/// A request that did not come through the edge, where there is one.
#[derive(Debug)]
pub(super) struct BypassedEdge;

impl Request {
    pub(super) fn new(request: lambda_http::Request, edge: &Edge) -> Result<Self, BypassedEdge> {
        let (id, address, claims) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => (
                context.request_id.clone().unwrap_or_default(),
                context.http.source_ip.clone().unwrap_or_default(),
                context
                    .authorizer
                    .as_ref()
                    .and_then(|authorizer| authorizer.jwt.as_ref())
                    .map(|jwt| jwt.claims.clone().into_iter().collect())
                    .unwrap_or_default(),
            ),
            Some(_) | None => <_>::default(),
        };
        let (address, host) = match edge.sender(request.headers()) {
            Sender::Client => {
                let host = request.headers().get("host").and_then(|host| host.to_str().ok());
                (address, host.map(str::to_owned))
            }
            Sender::Edge(viewer) => (viewer.address, Some(viewer.host)),
            Sender::Untrusted => return Err(BypassedEdge),
        };
        let deadline = request.lambda_context_ref().map_or(0, |context| context.deadline);
        Ok(Self { is_retry: false, inner: Arc::new(Inner { request, id, address, host, claims, deadline }) })
    }

    /// # Errors
    /// When the request has something that the route does not accept.
    pub(super) fn check(&self, accepts: &Accepts) -> Result<(), Failure> {
        accepts.check(&self.inner.request)
    }

    /// Whether an earlier attempt at this request failed on stale data. Limits count a request once.
    pub fn is_retry(&self) -> bool {
        self.is_retry
    }

    pub(super) fn attempt(&self, is_retry: bool) -> Self {
        Self { inner: self.inner.clone(), is_retry }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.inner.deadline
    }

    /// How long this request can still be worked on before it must be answered.
    pub fn time_left(&self, app: &App) -> Duration {
        time_left(app.base(), self.inner.deadline)
    }

    /// Names this request in logs, problems and audit events.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The client's address.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Where a change comes from, for the audit trail and the limits.
    pub fn origin(&self) -> Origin<'_> {
        Origin { address: self.address(), request_id: self.id(), is_retry: self.is_retry }
    }

    /// The claims that the API's authorizer has checked; none on a public route.
    pub fn claims(&self) -> &BTreeMap<String, String> {
        &self.inner.claims
    }

    /// What the client calls itself, cut to a sensible length.
    pub fn user_agent(&self) -> String {
        self.header("user-agent").unwrap_or_default().chars().take(256).collect()
    }

    /// The user that the path names. `None` for a malformed id, which looks like any user that does not exist.
    pub fn user_id(&self) -> Option<UserId> {
        self.inner.request.path_parameters_ref()?.first("user_id").and_then(|id| UserId::parse(id).ok())
    }

    /// The session that the path names. `None` for what is no name of a session (Cognito's are UUIDs), which looks like any
    /// session that does not exist.
    pub fn session_id(&self) -> Option<String> {
        let is_name =
            |id: &String| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        self.path_parameter("session_id").filter(is_name)
    }

    /// A part of the path by its name in the route, percent-decoded.
    pub fn path_parameter(&self, name: &str) -> Option<String> {
        self.inner.request.path_parameters_ref()?.first(name).map(str::to_owned)
    }

    /// The route of the request in the template, such as `GET /v1/me`.
    pub fn route(&self) -> &str {
        match self.inner.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or_default(),
            Some(_) | None => "",
        }
    }

    /// Whether the client takes a body compressed with gzip.
    pub fn accepts_gzip(&self) -> bool {
        prefers_gzip(&self.header("accept-encoding").unwrap_or_default())
    }

    /// In which form the client takes a list.
    pub fn format(&self) -> Format {
        Format::accepted(&self.header("accept").unwrap_or_default())
    }

    /// Where the page of this list is that begins at `cursor`.
    pub(super) fn at_cursor(&self, cursor: &str) -> String {
        let uri = self.inner.request.uri();
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(query.filter(|(name, _)| name != "cursor")).append_pair("cursor", cursor);
        format!("{}?{}", uri.path(), next.finish())
    }

    /// The query.
    pub fn query(&self) -> Query {
        Query::parse(self.inner.request.uri().query().unwrap_or_default())
    }

    /// The body of a route that needs one.
    ///
    /// # Errors
    /// [`Failure::UnsupportedMediaType`], [`Failure::InvalidRequest`].
    pub fn body(&self) -> Result<Fields, Failure> {
        if !self.has("application/json") {
            return Err(Failure::UnsupportedMediaType("The body must be application/json in UTF-8."));
        }
        Fields::parse(self.inner.request.body())
    }

    /// The body of a route that takes a table.
    ///
    /// # Errors
    /// [`Failure::UnsupportedMediaType`].
    pub fn sheet(&self, shape: &CsvSchema) -> Result<CsvUpload, Failure> {
        if !self.has("text/csv") {
            return Err(Failure::UnsupportedMediaType("The body must be text/csv in UTF-8."));
        }
        Ok(CsvUpload::parse(self.inner.request.body(), shape))
    }

    /// The body of a route that can do without: an empty one is an empty object.
    ///
    /// # Errors
    /// As [`body`](Self::body).
    pub fn body_or_empty(&self) -> Result<Fields, Failure> {
        match self.inner.request.body() {
            Body::Empty => Fields::parse(b"{}"),
            body if body.iter().all(u8::is_ascii_whitespace) => Fields::parse(b"{}"),
            _ => self.body(),
        }
    }

    /// For routes that take no body: accepts an empty one, or an empty object.
    ///
    /// # Errors
    /// As [`body`](Self::body).
    pub fn no_body(&self) -> Result<(), Failure> {
        self.body_or_empty()?.finish(|| Some(()))
    }

    /// `If-Match`, compared with the present version. The route must [accept](Accepts::if_match) it.
    ///
    /// # Errors
    /// [`Failure::VersionMismatch`].
    pub fn expects(&self, version: u64) -> Result<(), Failure> {
        let headers = self.inner.request.headers();
        let is_met = !headers.contains_key("if-match")
            || condition::tags(headers, "if-match").is_some_and(|tags| tags.hold_for(version));
        if is_met { Ok(()) } else { Err(Failure::VersionMismatch) }
    }

    /// `Idempotency-Key`, if there is one.
    ///
    /// # Errors
    /// [`Failure::InvalidRequest`].
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Failure> {
        let Some(value) = self.inner.request.headers().get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse);
        key.map(Some).ok_or_else(|| {
            let error = FieldError::new("Idempotency-Key", "invalid", IdempotencyKey::RULE);
            Failure::InvalidRequest("The idempotency key is not acceptable.", vec![error])
        })
    }

    /// The refresh token of the cookie, when a page of our own sends it.
    pub fn refresh_cookie(&self) -> Option<String> {
        if self.page_origin() != PageOrigin::Own {
            return None;
        }
        self.header("cookie").as_deref().and_then(cookie::refresh).map(str::to_owned)
    }

    /// What the client calls its device.
    pub fn devices(&self) -> DeviceCookie {
        self.header("cookie").as_deref().map(DeviceCookie::read).unwrap_or_default()
    }

    /// Whether a page of another origin sends this.
    pub fn is_cross_origin(&self) -> bool {
        self.page_origin() == PageOrigin::Foreign
    }

    fn page_origin(&self) -> PageOrigin {
        match (self.header("origin").as_deref(), self.inner.host.as_deref()) {
            (None, _) => PageOrigin::Unknown,
            // One origin with the API: the page's host is the host that it calls.
            (Some(origin), Some(host)) if is_origin_of(origin, host) => PageOrigin::Own,
            (Some(_), _) => PageOrigin::Foreign,
        }
    }

    fn has(&self, media_type: &str) -> bool {
        self.header("content-type").is_some_and(|header| is_in_utf_8(&header, media_type))
    }

    /// A header's value. Bytes that are not UTF-8 become U+FFFD: a header that cannot be read is not one that is absent.
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.inner.request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }
}

/// Whether `header` is this media type, and names no other charset than UTF-8.
fn is_in_utf_8(header: &str, media_type: &str) -> bool {
    let mut parts = header.split(';').map(str::trim);
    let is_of_type = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(media_type));
    is_of_type
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            let charset = value.trim_matches('"');
            !name.eq_ignore_ascii_case("charset")
                || ["utf-8", "utf8"].iter().any(|utf_8| charset.eq_ignore_ascii_case(utf_8))
        })
}

#[derive(Debug, PartialEq, Eq)]
enum PageOrigin {
    Own,
    Foreign,
    Unknown,
}

/// Over TLS, or on this very machine.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_local = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    match origin.split_once("://") {
        Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
        Some(("http", authority)) => is_local && authority.eq_ignore_ascii_case(host),
        Some(_) | None => false,
    }
}

/// What a client calls a request, so that a retry of it is known as one: 1 to 255 printable ASCII characters.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    const RULE: &str = "The key must be 1 to 255 printable ASCII characters.";

    fn parse(text: &str) -> Option<Self> {
        let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        ((1..=255).contains(&text.len()) && text.bytes().all(is_printable)).then(|| Self(text.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromField for IdempotencyKey {
    fn from_field(name: &str, value: &serde_json::Value) -> Result<Self, FieldError> {
        let text = value.as_str().ok_or_else(|| FieldError::new(name, "wrong_type", "This field must be a string."))?;
        Self::parse(text).ok_or_else(|| FieldError::new(name, "invalid", Self::RULE))
    }
}

/// Where a client wants its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokenIn {
    /// In the answer.
    Body,
    /// Only in a cookie that scripts cannot read.
    Cookie,
}

impl FromField for RefreshTokenIn {
    fn from_field(name: &str, value: &serde_json::Value) -> Result<Self, FieldError> {
        match value.as_str() {
            Some("body") => Ok(Self::Body),
            Some("cookie") => Ok(Self::Cookie),
            Some(_) => Err(FieldError::new(name, "invalid", "This field must be body or cookie.")),
            None => Err(FieldError::new(name, "wrong_type", "This field must be a string.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_in_utf_8, is_origin_of};

    #[test]
    fn only_a_page_of_the_same_host_over_tls_or_on_this_machine_is_our_own() {
        assert!(is_origin_of("https://portal.example", "portal.example"));
        assert!(is_origin_of("http://localhost:3000", "localhost:3000"));
        assert!(is_origin_of("http://127.0.0.1:3000", "127.0.0.1:3000"));
        assert!(!is_origin_of("http://portal.example", "portal.example"));
        assert!(!is_origin_of("https://evil.example", "portal.example"));
        assert!(!is_origin_of("http://localhost:3001", "localhost:3000"));
        assert!(!is_origin_of("null", "portal.example"));
        assert!(!is_origin_of("https://portal.example\u{fffd}", "portal.example"));
    }

    #[test]
    fn a_media_type_is_in_utf_8_unless_it_says_otherwise() {
        for header in [
            "application/json",
            "Application/JSON ; Charset=\"UTF-8\"",
            "application/json;charset=utf8;a=b",
            "application/json;",
        ] {
            assert!(is_in_utf_8(header, "application/json"), "{header}");
        }
        for header in [
            "",
            "text/csv",
            "application/jsonx",
            "application/json, text/csv",
            "application/json;charset=utf-16",
            "application/json; charset=utf-8; charset=latin1",
            "application/json;charset=",
            "application/json\u{fffd}",
        ] {
            assert!(!is_in_utf_8(header, "application/json"), "{header}");
        }
    }
}
