//! Lets pages of other origins call the API: responses to their preflight requests, and the headers that let them read
//! the functions' responses. The module does no I/O.
//!
//! The API Gateway developer guide describes it in "Configuring CORS for HTTP APIs". The gateway handles every
//! `OPTIONS` request by itself, without a route or an authorizer. In the response of an integration it replaces the
//! integration's CORS headers with its own. Its other responses get no CORS headers.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::plan;

/// All CORS response headers.
const HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The response to an `OPTIONS` request, which reaches no function. `None` for other methods.
pub(crate) fn preflight(cors: &plan::Cors, parts: &Parts) -> Option<Response> {
    if parts.method != Method::OPTIONS {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(origin) = allowed_origin(cors, &parts.headers)
        && asks_for_what_is_allowed(cors, &parts.headers)
    {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        if let Some(seconds) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
    }
    Some(response)
}

/// Replaces the function's CORS headers with the gateway's.
pub(crate) fn add(cors: &plan::Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in HEADERS {
        response.remove(name);
    }
    if let Some(origin) = allowed_origin(cors, request) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        insert(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed_headers.join(","));
    }
}

fn allowed_origin(cors: &plan::Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// Whether the method and all headers that the page wants to send are allowed.
fn asks_for_what_is_allowed(cors: &plan::Cors, request: &HeaderMap) -> bool {
    let text = |name: HeaderName| request.get(name).map(|value| value.to_str().unwrap_or_default());
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD);
    let headers = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let mut headers = headers.split(',').map(str::trim).filter(|name| !name.is_empty());
    method.is_some_and(|method| cors.methods.iter().any(|allowed| allowed == method))
        && headers.all(|name| cors.headers.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)))
}

/// Inserts the header unless its value is empty.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text)
        && !text.is_empty()
    {
        headers.insert(name, value);
    }
}
