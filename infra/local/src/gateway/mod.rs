//! The HTTP API: routes, the JWT authorizer, limits, and the events and responses of payload format 2.0. It behaves as
//! API Gateway does, including the gateway's own error responses.

mod answer;
mod authorizer;
mod cors;
mod event;
mod keys;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(crate) use self::keys::Keys;
use self::routes::{Matched, Routes};
use crate::lambda::body::{self, BodyError};
use crate::lambda::{InvokeError, Lambda, Root, clock, log, random};
use crate::plan;

/// Quotas of HTTP APIs. None of them can be raised.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
const HEAD_LIMIT: usize = 10_240;
const TIME_LIMIT: Duration = Duration::from_secs(30);

struct Gateway {
    routes: Routes,
    cors: Option<plan::Cors>,
    lambda: Lambda,
    keys: Keys,
}

/// The whole API. Serve it with `into_make_service_with_connect_info::<SocketAddr>`: the events contain the client's
/// address.
pub(crate) fn router(routes: Vec<plan::Route>, cors: Option<plan::Cors>, lambda: Lambda, keys: Keys) -> Router {
    let gateway = Gateway { routes: Routes::new(routes), cors, lambda, keys };
    Router::new().fallback(handle).with_state(Arc::new(gateway))
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let begun = Instant::now();
    let request_id = BASE64_STANDARD.encode(random::bytes::<11>());
    let (parts, body) = request.into_parts();
    let matched = gateway.routes.find(parts.method.as_str(), parts.uri.path());
    let mut response = gateway.answer(&parts, body, matched.as_ref(), &request_id).await;
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", request_id);
    }
    // Log neither the path, which names users, nor anything else that the client sent.
    let route = matched.map_or("no route", |matched| matched.route.path.as_str());
    let (method, status) = (&parts.method, response.status().as_u16());
    log::line("gateway", &format!("{method} {route} {status} {} ms", begun.elapsed().as_millis()));
    response
}

impl Gateway {
    async fn answer(&self, parts: &Parts, body: Body, matched: Option<&Matched<'_>>, request_id: &str) -> Response {
        let trace = Root::of(&parts.headers);
        match self.invocation(parts, body, matched, request_id, &trace).await {
            Ok((function, event)) => {
                let mut response = self.invoke(function, event, trace).await;
                if let Some(cors) = &self.cors {
                    cors::add(cors, &parts.headers, response.headers_mut());
                }
                response
            }
            Err(response) => response,
        }
    }

    /// The function and its event, or the gateway's own response if no function is invoked.
    async fn invocation<'a>(
        &self,
        parts: &Parts,
        body: Body,
        matched: Option<&'a Matched<'_>>,
        request_id: &str,
        trace: &Root,
    ) -> Result<(&'a str, Bytes), Response> {
        let admitted = self.admit(parts, matched).await;
        let awaits_permission = parts.headers.contains_key(header::EXPECT);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(response) => {
                // A client that sent `Expect` is still waiting before it sends its body.
                if !awaits_permission {
                    body::discard(body).await;
                }
                return Err(response);
            }
        };
        let too_large = || answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        if awaits_permission && announced_length(parts) > BODY_LIMIT {
            return Err(too_large());
        }
        let body = body::read(body, BODY_LIMIT).await.map_err(|error| match error {
            BodyError::TooLarge { .. } => too_large(),
            BodyError::Incomplete => answer::message(StatusCode::BAD_REQUEST, "Bad Request"),
        })?;
        let facts = event::Facts {
            domain_name: &admitted.domain_name,
            port: admitted.port,
            client: admitted.client,
            request_id,
            trace_id: &trace.as_header(),
            now: clock::since_1970(),
            claims: admitted.claims.as_ref(),
        };
        let event = event::event(parts, &body, admitted.matched, &facts);
        Ok((&admitted.matched.route.function, Bytes::from(event.to_string())))
    }

    /// Makes all decisions that need only the request line and the headers.
    async fn admit<'a, 'r>(
        &self,
        parts: &Parts,
        matched: Option<&'a Matched<'r>>,
    ) -> Result<Admitted<'a, 'r>, Response> {
        if head_length(parts) > HEAD_LIMIT {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(answer::message(status, "Request Header Fields Too Large"));
        }
        let (domain_name, port) = host(parts).ok_or_else(|| answer::message(StatusCode::BAD_REQUEST, "Bad Request"))?;
        if let Some(response) = self.cors.as_ref().and_then(|cors| cors::preflight(cors, parts)) {
            return Err(response);
        }
        let matched = matched.ok_or_else(|| answer::message(StatusCode::NOT_FOUND, "Not Found"))?;
        let claims = match &matched.route.authorizer {
            None => None,
            Some(authorizer) => match authorizer::claims(&parts.headers, authorizer, &self.keys).await {
                Ok(claims) => Some(claims),
                Err(refusal) => return Err(refusal.into_response()),
            },
        };
        let Some(ConnectInfo(client)) = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied() else {
            log::line("gateway", "cannot handle a request: the router is not served with the client's address");
            return Err(internal_server_error());
        };
        Ok(Admitted { matched, domain_name, port, client, claims })
    }

    async fn invoke(&self, function: &str, event: Bytes, trace: Root) -> Response {
        // After the timeout the function continues, as on AWS.
        let Ok(invoked) = tokio::time::timeout(TIME_LIMIT, self.lambda.invoke_within(function, event, trace)).await
        else {
            return service_unavailable();
        };
        match invoked {
            Ok(invoked) if invoked.function_error.is_some() => internal_server_error(),
            Ok(invoked) => answer::response(&invoked.payload).unwrap_or_else(|error| {
                log::line("gateway", &format!("cannot send the response of {function}: {error}"));
                internal_server_error()
            }),
            Err(InvokeError::PayloadTooLarge) => {
                answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
            }
            Err(InvokeError::Stopped) => service_unavailable(),
            Err(error @ InvokeError::UnknownFunction(_)) => {
                log::line("gateway", &error.to_string());
                internal_server_error()
            }
        }
    }
}

/// A request whose line and headers passed all checks.
struct Admitted<'a, 'r> {
    matched: &'a Matched<'r>,
    domain_name: String,
    port: u16,
    client: SocketAddr,
    claims: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The bytes that the quota counts: the request line and the headers' values.
fn head_length(parts: &Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.to_string().len() + " HTTP/1.1\r\n".len() + 1;
    parts.headers.values().fold(line, |length, value| length + value.len())
}

fn announced_length(parts: &Parts) -> usize {
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or_default()
}

/// The name and port by which the client calls this gateway; `None` if they cannot be part of a URL.
fn host(parts: &Parts) -> Option<(String, u16)> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    let url = reqwest::Url::parse(&format!("http://{host}/")).ok()?;
    // The header must hold only a name and a port. The parser would put anything else into the user, the path or the
    // query.
    let is_plain = url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
    if !is_plain {
        return None;
    }
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn internal_server_error() -> Response {
    answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

fn service_unavailable() -> Response {
    answer::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
}
