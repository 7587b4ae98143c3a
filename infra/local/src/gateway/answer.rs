//! Builds the HTTP responses: from a function's output in payload format 2.0, and the gateway's own. The module does no
//! I/O.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Headers of the gateway's connection with the client. A function cannot set them.
const OWN_HEADERS: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];

/// The gateway's own response, in API Gateway's format.
pub(crate) fn message(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

/// Why a function's output cannot be sent. The client gets a 500 instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidAnswer {
    #[error("it is not JSON")]
    NotJson,
    #[error("it is not a response of payload format 2.0: {0}")]
    NotAResponse(#[source] serde_json::Error),
    #[error("its statusCode is not between 200 and 599")]
    Status,
    #[error("its header {0} cannot be sent")]
    Header(String),
    #[error("isBase64Encoded is set, but its body is not base64")]
    Base64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// Converts a function's output to a response.
pub(crate) fn response(payload: &[u8]) -> Result<Response, InvalidAnswer> {
    let answer: Value = serde_json::from_slice(payload).map_err(|_| InvalidAnswer::NotJson)?;
    if answer.get("statusCode").is_none() {
        return Ok(inferred(answer));
    }
    let answer: Answer = serde_json::from_value(answer).map_err(InvalidAnswer::NotAResponse)?;

    let status = StatusCode::from_u16(answer.status_code).map_err(|_| InvalidAnswer::Status)?;
    if !(200..600).contains(&answer.status_code) {
        return Err(InvalidAnswer::Status);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers.unwrap_or_default() {
        add_header(&mut headers, &name, &value)?;
    }
    for cookie in answer.cookies.unwrap_or_default() {
        let cookie = HeaderValue::try_from(cookie).map_err(|_| InvalidAnswer::Header("set-cookie".to_owned()))?;
        headers.append(header::SET_COOKIE, cookie);
    }
    let body = match (answer.body.unwrap_or_default(), answer.is_base64_encoded.unwrap_or_default()) {
        (body, true) => BASE64_STANDARD.decode(body).map_err(|_| InvalidAnswer::Base64)?,
        (body, false) => body.into_bytes(),
    };
    let has_body = !body.is_empty() && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    let mut response = Response::new(if has_body { Body::from(body) } else { Body::empty() });
    if has_body {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// API Gateway infers the format of output without a `statusCode`, as its developer guide describes.
fn inferred(answer: Value) -> Response {
    let body = match answer {
        Value::String(text) => text,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => answer.to_string(),
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), InvalidAnswer> {
    let invalid = || InvalidAnswer::Header(name.to_owned());
    let key = HeaderName::try_from(name).map_err(|_| invalid())?;
    let value = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(invalid()),
    };
    let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
    if !OWN_HEADERS.contains(&key) {
        headers.append(key, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(payload: &Value) -> (StatusCode, HeaderMap, String) {
        let response = response(payload.to_string().as_bytes()).unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_complete_response_is_sent_unchanged() {
        let (status, headers, body) = answered(&json!({
            "statusCode": 201,
            "headers": { "Content-Type": "application/json", "ETag": "\"1\"", "X-Count": 3, "Content-Length": "99" },
            "multiValueHeaders": {},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "eyJhIjoxfQ==",
            "isBase64Encoded": true,
        }))
        .await;
        assert_eq!(status, 201);
        assert_eq!(body, r#"{"a":1}"#);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["etag"], "\"1\"");
        assert_eq!(headers["x-count"], "3");
        assert_eq!(headers.get("content-length"), None);
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1; Secure", "b=2"]);
    }

    #[tokio::test]
    async fn output_without_a_status_is_sent_as_json() {
        for (payload, expected) in [(json!({ "a": 1 }), r#"{"a":1}"#), (json!("Hello"), "Hello"), (json!([1]), "[1]")] {
            let (status, headers, body) = answered(&payload).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, expected));
            assert_eq!(headers["content-type"], "application/json");
        }
    }

    #[tokio::test]
    async fn text_is_the_default_type_and_a_204_has_no_type() {
        let (_, headers, _) = answered(&json!({ "statusCode": 200, "body": "a" })).await;
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
        let (status, headers, body) = answered(&json!({ "statusCode": 204, "body": null })).await;
        assert_eq!((status, headers.len(), body.as_str()), (StatusCode::NO_CONTENT, 0, ""));
    }

    #[test]
    fn output_that_cannot_be_sent_is_an_error() {
        for payload in [
            &b""[..],
            b"not json",
            br#"{"statusCode":"200"}"#,
            br#"{"statusCode":99}"#,
            br#"{"statusCode":101}"#,
            br#"{"statusCode":600}"#,
            br#"{"statusCode":200,"body":{}}"#,
            br#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            br#"{"statusCode":200,"headers":{"a":"b\nc"}}"#,
            br#"{"statusCode":200,"headers":{"a":["b"]}}"#,
            br#"{"statusCode":200,"cookies":["a\r\nb"]}"#,
            br#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(response(payload).is_err(), "{}", String::from_utf8_lossy(payload));
        }
    }
}
