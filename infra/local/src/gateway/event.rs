//! Builds the event that an HTTP API sends to a function: payload format 2.0. The module does no I/O.
//!
//! The API Gateway developer guide describes it in "Create AWS Lambda proxy integrations for HTTP APIs".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use super::routes::{Matched, decoded};
use crate::lambda::ACCOUNT;

const API_ID: &str = "local";
const TIME: StaticFormatDescription =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
/// Headers that apply to one connection only, which ends at the gateway.
const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gateway knows about a request, besides the request itself.
pub(crate) struct Facts<'a> {
    /// The host name by which the client called this gateway.
    pub(crate) domain_name: &'a str,
    pub(crate) port: u16,
    pub(crate) client: SocketAddr,
    pub(crate) request_id: &'a str,
    /// The trace id: `Root=1-…`.
    pub(crate) trace_id: &'a str,
    /// The time since 1970.
    pub(crate) now: Duration,
    /// The claims of the token that the authorizer accepted.
    pub(crate) claims: Option<&'a Map<String, Value>>,
}

/// The event for one request.
pub(crate) fn event(parts: &Parts, body: &[u8], matched: &Matched<'_>, facts: &Facts<'_>) -> Value {
    let route_key = format!("{} {}", matched.route.method, matched.route.path);
    let path = decoded(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();

    let mut context = json!({
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "domainName": facts.domain_name,
        "domainPrefix": facts.domain_name.split('.').next(),
        "http": {
            "method": parts.method.as_str(),
            "path": path,
            "protocol": format!("{:?}", parts.version),
            "sourceIp": facts.client.ip().to_canonical().to_string(),
            "userAgent": parts.headers.get(header::USER_AGENT).map(text).unwrap_or_default(),
        },
        "requestId": facts.request_id,
        "routeKey": route_key,
        "stage": "$default",
        "time": time(facts.now),
        "timeEpoch": u64::try_from(facts.now.as_millis()).unwrap_or(u64::MAX),
    });
    if let Some(claims) = facts.claims {
        set(&mut context, "authorizer", json!({ "jwt": { "claims": texts(claims), "scopes": null } }));
    }

    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, body.len(), facts),
        "requestContext": context,
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        set(&mut event, "cookies", json!(cookies));
    }
    let query = query_parameters(query);
    if !query.is_empty() {
        set(&mut event, "queryStringParameters", json!(query));
    }
    if !matched.path_parameters.is_empty() {
        set(&mut event, "pathParameters", json!(matched.path_parameters));
    }
    if !body.is_empty() {
        let as_text = is_text(&parts.headers).then(|| std::str::from_utf8(body).ok()).flatten();
        set(&mut event, "isBase64Encoded", json!(as_text.is_none()));
        set(&mut event, "body", json!(as_text.map_or_else(|| BASE64_STANDARD.encode(body), str::to_owned)));
    }
    event
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value);
    }
}

/// Names are in lower case, as the parser returns them. Each has one value.
fn headers(sent: &HeaderMap, body_length: usize, facts: &Facts<'_>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in sent.keys() {
        if name != header::COOKIE && !CONNECTION_HEADERS.contains(&name.as_str()) {
            headers.insert(name.to_string(), sent.get_all(name).iter().map(text).collect::<Vec<_>>().join(","));
        }
    }
    // The addresses that the client sent come first. The last one is the address that the gateway saw.
    let client = facts.client.ip().to_canonical().to_string();
    let forwarded_for = match headers.remove("x-forwarded-for") {
        Some(claimed) => format!("{claimed}, {client}"),
        None => client,
    };
    for (name, value) in [
        ("content-length", body_length.to_string()),
        ("x-amzn-trace-id", facts.trace_id.to_owned()),
        ("x-forwarded-for", forwarded_for),
        ("x-forwarded-port", facts.port.to_string()),
        ("x-forwarded-proto", "http".to_owned()),
    ] {
        headers.insert(name.to_owned(), value);
    }
    headers
}

fn cookies(sent: &HeaderMap) -> Vec<String> {
    let all = sent.get_all(header::COOKIE).iter().map(text).collect::<Vec<_>>().join(";");
    all.split(';').map(str::trim).filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    parameters
}

/// Whether an HTTP API passes a body of this content type as text. It passes all other bodies, and those without a
/// type, as base64.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(text).unwrap_or_default().to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&essence)
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

/// Claims as an HTTP API passes them on: every value is a string, and an array becomes `[a b]`.
fn texts(claims: &Map<String, Value>) -> Map<String, Value> {
    fn claim(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(values) => format!("[{}]", values.iter().map(claim).collect::<Vec<_>>().join(" ")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        }
    }
    claims.iter().map(|(name, value)| (name.clone(), Value::String(claim(value)))).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn time(now: Duration) -> String {
    // Neither operation fails for a real time.
    let time = OffsetDateTime::UNIX_EPOCH + now;
    time.format(TIME).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, request};

    use super::*;
    use crate::gateway::routes::Routes;
    use crate::plan;

    fn event_of(request: request::Builder, body: &[u8], claims: Option<&Map<String, Value>>) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let routes = Routes::new(vec![plan::Route {
            method: "PATCH".to_owned(),
            path: "/v1/users/{user_id}".to_owned(),
            function: "EditUserFunction".to_owned(),
            authorizer: None,
        }]);
        let matched = routes.find(parts.method.as_str(), parts.uri.path()).unwrap();
        let facts = Facts {
            domain_name: "portal.example.com",
            port: 3000,
            client: "127.0.0.9:40000".parse().unwrap(),
            request_id: "JKJaXmPLvHcESHA=",
            trace_id: "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            now: Duration::from_millis(1_583_348_638_390),
            claims,
        };
        event(&parts, body, &matched, &facts)
    }

    fn patch(uri: &str) -> request::Builder {
        Request::builder().method("PATCH").uri(uri)
    }

    #[test]
    fn the_event_has_payload_format_2() {
        let request = patch("/v1/users/usr%20%C3%A9?a=1&b=x%20y&a=2&c")
            .header("Host", "portal.example.com:3000")
            .header("User-Agent", "test/1")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Accept", "text/html")
            .header("Accept", "*/*")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3")
            .header("Connection", "keep-alive")
            .header("X-Forwarded-For", "198.51.100.1")
            .header("X-Forwarded-Proto", "https");
        let claims = json!({
            "sub": "p.u.1", "exp": 1_583_349_538, "email_verified": true, "cognito:groups": ["a", "b"],
        });
        assert_eq!(
            event_of(request, br#"{"first_name":"Zo"}"#, claims.as_object()),
            json!({
                "version": "2.0",
                "routeKey": "PATCH /v1/users/{user_id}",
                "rawPath": "/v1/users/usr é",
                "rawQueryString": "a=1&b=x%20y&a=2&c",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "accept": "text/html,*/*",
                    "content-length": "19",
                    "content-type": "application/json; charset=utf-8",
                    "host": "portal.example.com:3000",
                    "user-agent": "test/1",
                    "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
                    "x-forwarded-for": "198.51.100.1, 127.0.0.9",
                    "x-forwarded-port": "3000",
                    "x-forwarded-proto": "http",
                },
                "queryStringParameters": { "a": "1,2", "b": "x y", "c": "" },
                "pathParameters": { "user_id": "usr é" },
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "authorizer": {
                        "jwt": {
                            "claims": {
                                "sub": "p.u.1",
                                "exp": "1583349538",
                                "email_verified": "true",
                                "cognito:groups": "[a b]",
                            },
                            "scopes": null,
                        },
                    },
                    "domainName": "portal.example.com",
                    "domainPrefix": "portal",
                    "http": {
                        "method": "PATCH",
                        "path": "/v1/users/usr é",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.9",
                        "userAgent": "test/1",
                    },
                    "requestId": "JKJaXmPLvHcESHA=",
                    "routeKey": "PATCH /v1/users/{user_id}",
                    "stage": "$default",
                    "time": "04/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_583_348_638_390_u64,
                },
                "body": "{\"first_name\":\"Zo\"}",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn missing_parts_of_a_request_are_absent() {
        let event = event_of(patch("/v1/users/u"), b"", None);
        for key in ["cookies", "queryStringParameters", "body"] {
            assert_eq!(event.get(key), None, "{key}");
        }
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"].get("authorizer"), None);
    }

    #[test]
    fn only_utf_8_bodies_of_text_types_are_passed_as_text() {
        for (content_type, body, is_base64) in [
            (Some("application/json"), &b"{}"[..], false),
            (Some("APPLICATION/JSON"), b"{}", false),
            (Some("application/problem+json"), b"{}", false),
            (Some("text/plain"), b"a", false),
            (Some("application/x-www-form-urlencoded"), b"a=1", true),
            (Some("application/octet-stream"), b"a", true),
            (Some("application/json"), b"\xff", true),
            (None, b"{}", true),
        ] {
            let request = patch("/v1/users/u");
            let request = match content_type {
                Some(content_type) => request.header("content-type", content_type),
                None => request,
            };
            let event = event_of(request, body, None);
            assert_eq!(event["isBase64Encoded"], is_base64, "{content_type:?}");
            let expected =
                if is_base64 { BASE64_STANDARD.encode(body) } else { String::from_utf8(body.to_vec()).unwrap() };
            assert_eq!(event["body"], expected, "{content_type:?}");
        }
    }
}
