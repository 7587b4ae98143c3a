//! A request in the form that actions read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt as _};

use super::csv_upload::Charset;
use super::deadline::time_left;
use super::{Accepts, Coding, CsvSchema, CsvUpload, Fields, Format, FromField, Query, condition, cookie, format};
use crate::App;
use crate::edge::{Edge, Sender};
use crate::error::{Failure, FieldError};
use crate::models::UserId;
use crate::origin::Origin;
use crate::session::{Client, Devices};

/// A request of the HTTP API. It is cheap to clone.
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
    /// The portal's host name that the client used.
    host: Option<String>,
    claims: BTreeMap<String, String>,
    /// The time at which Lambda stops the function, in milliseconds since 1970.
    deadline: u64,
}

/// A request did not come through the edge, although there is one.
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

    /// Checks that the route accepts the request.
    ///
    /// # Errors
    /// Returns a failure if the request has input that the route does not accept.
    pub(super) fn check(&self, accepts: &Accepts) -> Result<(), Failure> {
        accepts.check(&self.inner.request)
    }

    /// Returns whether an earlier attempt at this request failed on stale data. Rate limits count a request once.
    pub fn is_retry(&self) -> bool {
        self.is_retry
    }

    pub(super) fn attempt(&self, is_retry: bool) -> Self {
        Self { inner: self.inner.clone(), is_retry }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.inner.deadline
    }

    /// Returns the time that is left for this request before it must have a response.
    pub fn time_left(&self, app: &App) -> Duration {
        time_left(app.base(), self.inner.deadline)
    }

    /// Returns the request's id in logs, problems and audit events.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Returns the client's address.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Returns where a change comes from, for the audit trail and the limits.
    pub fn origin(&self) -> Origin<'_> {
        let user_agent = self.inner.request.headers().get("user-agent").and_then(|value| value.to_str().ok());
        Origin {
            address: self.address(),
            user_agent: user_agent.unwrap_or_default(),
            request_id: self.id(),
            is_retry: self.is_retry,
        }
    }

    /// Returns the claims that the API's authorizer has verified. They are empty on a public route.
    pub fn claims(&self) -> &BTreeMap<String, String> {
        &self.inner.claims
    }

    /// Returns the client's `User-Agent`, cut to 256 characters.
    fn user_agent(&self) -> String {
        self.header("user-agent").unwrap_or_default().chars().take(256).collect()
    }

    /// Returns the user in the path. A malformed id is `None`, and has the same response as a user who does not exist.
    pub fn user_id(&self) -> Option<UserId> {
        self.inner.request.path_parameters_ref()?.first("user_id").and_then(|id| UserId::parse(id).ok())
    }

    /// Returns the session in the path. A malformed id is `None` (Cognito's are UUIDs), and has the same response as a
    /// session that does not exist.
    pub fn session_id(&self) -> Option<String> {
        let is_valid =
            |id: &String| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        self.path_parameter("session_id").filter(is_valid)
    }

    /// Returns a path parameter by its name in the route, percent-decoded.
    pub fn path_parameter(&self, name: &str) -> Option<String> {
        self.inner.request.path_parameters_ref()?.first(name).map(str::to_owned)
    }

    /// Returns the route of the request in the template, such as `GET /v1/me`.
    pub fn route(&self) -> &str {
        match self.inner.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or_default(),
            Some(_) | None => "",
        }
    }

    /// Returns the compression that the client prefers for a body.
    pub fn coding(&self) -> Coding {
        Coding::accepted(&self.header("accept-encoding").unwrap_or_default())
    }

    /// Returns the language among these codes that the user has chosen on the page, or else that the browser prefers. The page
    /// selects its language by the same rule.
    pub fn language<'a>(&self, languages: &[&'a str]) -> Option<&'a str> {
        let stored = self.header("cookie").and_then(|header| cookie::language(&header, languages));
        stored.or_else(|| format::language(&self.header("accept-language").unwrap_or_default(), languages))
    }

    /// Returns the format in which the client accepts a list.
    pub fn format(&self) -> Format {
        Format::accepted(&self.header("accept").unwrap_or_default())
    }

    /// Returns the address of the page of this list at `cursor`.
    pub(super) fn at_cursor(&self, cursor: &str) -> String {
        let uri = self.inner.request.uri();
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(query.filter(|(name, _)| name != "cursor")).append_pair("cursor", cursor);
        format!("{}?{}", uri.path(), next.finish())
    }

    /// Returns the query.
    pub fn query(&self) -> Query {
        Query::parse(self.inner.request.uri().query().unwrap_or_default())
    }

    /// Reads the body of a route that requires one.
    ///
    /// # Errors
    /// Returns [`Failure::UnsupportedMediaType`] or [`Failure::InvalidRequest`].
    pub fn body(&self) -> Result<Fields, Failure> {
        if !self.has("application/json") {
            return Err(Failure::UnsupportedMediaType("The body must be application/json in UTF-8."));
        }
        Fields::parse(self.inner.request.body())
    }

    /// Reads the body of a route that takes a CSV file.
    ///
    /// # Errors
    /// Returns [`Failure::UnsupportedMediaType`] if the body is not CSV, or declares an unknown charset, and otherwise the
    /// errors of [`CsvUpload::parse`].
    pub fn sheet(&self, schema: &CsvSchema) -> Result<CsvUpload, Failure> {
        let header = self.header("content-type").unwrap_or_default();
        let declared = charsets(&header, "text/csv")
            .ok_or(Failure::UnsupportedMediaType("The body must be text/csv, in any common charset."))?;
        let declared = match declared.as_slice() {
            [] => None,
            [label] => Some(Charset::for_label(label).ok_or(Failure::UnsupportedMediaType("The charset is unknown."))?),
            _ => return Err(Failure::UnsupportedMediaType("The content type declares more than one charset.")),
        };
        CsvUpload::parse(self.inner.request.body(), declared, schema)
    }

    /// Reads the body of a route that does not require one. An empty body and `null` count as an empty object.
    ///
    /// # Errors
    /// Returns the same errors as [`body`](Self::body).
    pub fn body_or_empty(&self) -> Result<Fields, Failure> {
        match self.inner.request.body() {
            Body::Empty => Fields::parse(b"{}"),
            body if matches!(body.trim_ascii(), b"" | b"null") => Fields::parse(b"{}"),
            _ => self.body(),
        }
    }

    /// Checks that the body is empty, `null` or an empty object, for routes that take no body.
    ///
    /// # Errors
    /// Returns the same errors as [`body`](Self::body).
    pub fn no_body(&self) -> Result<(), Failure> {
        self.body_or_empty()?.finish(|| Some(()))
    }

    /// Compares `If-Match` with the current version. The route must [accept](Accepts::if_match) it.
    ///
    /// # Errors
    /// Returns [`Failure::VersionMismatch`] if they differ.
    pub fn expects(&self, version: u64) -> Result<(), Failure> {
        let headers = self.inner.request.headers();
        let is_met = !headers.contains_key("if-match")
            || condition::tags(headers, "if-match").is_some_and(|tags| tags.hold_for(version));
        if is_met { Ok(()) } else { Err(Failure::VersionMismatch) }
    }

    /// Returns whether the client has the representation with this entity tag (`If-None-Match`), which contains no comma. A
    /// proxy may have made the tag weak.
    pub fn has_representation(&self, tag: &str) -> bool {
        let values =
            self.inner.request.headers().get_all("if-none-match").iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    }

    /// Returns the `Idempotency-Key`, if there is one.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] if it is malformed.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Failure> {
        let Some(value) = self.inner.request.headers().get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse);
        key.map(Some).ok_or_else(|| {
            let error = FieldError::new("Idempotency-Key", "invalid", IdempotencyKey::RULE);
            Failure::InvalidRequest("The idempotency key is not acceptable.", vec![error])
        })
    }

    /// Returns the refresh token in the cookie, if a page of the portal's own origin sends the request.
    pub fn refresh_cookie(&self) -> Option<String> {
        if self.page_origin() != PageOrigin::Own {
            return None;
        }
        self.header("cookie").as_deref().and_then(cookie::refresh).map(str::to_owned)
    }

    /// Returns the identifiers of the client's device.
    pub fn devices(&self) -> Devices {
        self.header("cookie").as_deref().map(cookie::devices).unwrap_or_default()
    }

    /// Returns the client of a sign-in that asks for the refresh token in `refresh_token_in`.
    pub fn client(&self, refresh_token_in: RefreshTokenIn) -> Client {
        Client {
            devices: self.devices(),
            user_agent: self.user_agent(),
            keeps_cookies: refresh_token_in == RefreshTokenIn::Cookie,
        }
    }

    /// Returns whether a page of another origin sends the request.
    pub fn is_cross_origin(&self) -> bool {
        self.page_origin() == PageOrigin::Foreign
    }

    fn page_origin(&self) -> PageOrigin {
        match (self.header("origin").as_deref(), self.inner.host.as_deref()) {
            (None, _) => PageOrigin::Unknown,
            // The page and the API have the same origin: the page's host is the host that it calls.
            (Some(origin), Some(host)) if is_origin_of(origin, host) => PageOrigin::Own,
            (Some(_), _) => PageOrigin::Foreign,
        }
    }

    fn has(&self, media_type: &str) -> bool {
        self.header("content-type").is_some_and(|header| is_in_utf_8(&header, media_type))
    }

    /// Returns a header's value. Bytes that are not UTF-8 become U+FFFD, so that a malformed header does not count as
    /// absent.
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.inner.request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }
}

/// Returns whether `header` is this media type, and names no charset other than UTF-8.
fn is_in_utf_8(header: &str, media_type: &str) -> bool {
    let is_utf_8 = |charset: &&str| ["utf-8", "utf8"].iter().any(|utf_8| charset.eq_ignore_ascii_case(utf_8));
    charsets(header, media_type).is_some_and(|charsets| charsets.iter().all(is_utf_8))
}

/// Returns the charsets that `header` names, or `None` if it is not this media type.
fn charsets<'a>(header: &'a str, media_type: &str) -> Option<Vec<&'a str>> {
    let mut parts = header.split(';').map(str::trim);
    parts.next().filter(|kind| kind.eq_ignore_ascii_case(media_type))?;
    let parameters = parts.filter_map(|parameter| parameter.split_once('='));
    let charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    Some(charsets.map(|(_, charset)| charset.trim().trim_matches('"')).collect())
}

#[derive(Debug, PartialEq, Eq)]
enum PageOrigin {
    Own,
    Foreign,
    Unknown,
}

/// Returns whether `origin` belongs to `host`, over TLS or on the local machine.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_local = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    match origin.split_once("://") {
        Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
        Some(("http", authority)) => is_local && authority.eq_ignore_ascii_case(host),
        Some(_) | None => false,
    }
}

/// A key by which a client identifies a request and its retries: 1 to 255 printable ASCII characters.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    const RULE: &str = "The key must be 1 to 255 printable ASCII characters.";

    fn parse(text: &str) -> Option<Self> {
        let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        ((1..=255).contains(&text.len()) && text.bytes().all(is_printable)).then(|| Self(text.to_owned()))
    }

    /// Returns the key.
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

/// The place in which a client wants its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokenIn {
    /// The body of the response.
    Body,
    /// Only a cookie, which scripts cannot read.
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
    fn an_origin_belongs_to_the_same_host_over_tls_or_on_the_local_machine() {
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
    fn a_media_type_is_in_utf_8_unless_it_names_another_charset() {
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
