//! Lambda's Invoke API (2015-03-31) over HTTP, as the AWS CLI and SDKs call it. Signatures are not checked.

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::body::{self, BodyError};
use super::{FunctionError, InvokeError, Invoked, Lambda, PAYLOAD_LIMIT, Root, random};

/// The only version that exists here.
const LATEST: &str = "$LATEST";

/// The Invoke API of all functions.
pub(crate) fn router(lambda: Lambda) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .fallback(async || Refused::unknown_operation().into_response())
        .method_not_allowed_fallback(async || Refused::unknown_operation().into_response())
        .with_state(lambda)
}

/// The values of `X-Amz-Invocation-Type`.
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

impl InvocationType {
    fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get("x-amz-invocation-type").map(HeaderValue::as_bytes) {
            None | Some(b"RequestResponse") => Some(Self::RequestResponse),
            Some(b"Event") => Some(Self::Event),
            Some(b"DryRun") => Some(Self::DryRun),
            Some(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    qualifier: Option<String>,
}

async fn invoke(
    State(lambda): State<Lambda>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (request_id, trace) = (random::request_id(), Root::of(&headers));
    let (name, qualifier) = function_name(&name);
    let qualifier = asked.qualifier.as_deref().or(qualifier);
    let with_log = headers.get("x-amz-log-type").is_some_and(|kind| kind == "Tail");
    let mut response = match read(body).await {
        Err(refused) => refused.into_response(),
        Ok(_) if lambda.pool(name).is_none() || qualifier.is_some_and(|qualifier| qualifier != LATEST) => {
            Refused::unknown(&lambda, name, qualifier).into_response()
        }
        Ok(payload) => match InvocationType::of(&headers) {
            Some(InvocationType::RequestResponse) => {
                match lambda.invoke_as(name, payload, request_id.clone(), trace, with_log).await {
                    Ok(invoked) => answered(invoked),
                    Err(error) => Refused::from_error(&lambda, &error).into_response(),
                }
            }
            Some(InvocationType::Event) => {
                let (name, request_id) = (name.to_owned(), request_id.clone());
                // The result is only logged: no client waits for it.
                tokio::spawn(async move { lambda.invoke_as(&name, payload, request_id, trace, false).await });
                StatusCode::ACCEPTED.into_response()
            }
            Some(InvocationType::DryRun) => StatusCode::NO_CONTENT.into_response(),
            None => Refused::invalid("InvalidParameterValueException", "Unknown invocation type").into_response(),
        },
    };
    // A request id is a UUID, which is always a valid header.
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-amzn-requestid", request_id);
    }
    response
}

/// Returns the name `add-user` and the qualifier from `add-user`, `add-user:$LATEST`,
/// `arn:aws:lambda:eu-west-1:123456789012:function:add-user:$LATEST` …
fn function_name(name: &str) -> (&str, Option<&str>) {
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    name.split_once(':').map_or((name, None), |(name, qualifier)| (name, Some(qualifier)))
}

async fn read(body: Body) -> Result<Bytes, Refused> {
    let payload = body::read(body, PAYLOAD_LIMIT).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => Refused::too_large(),
        BodyError::Incomplete => Refused::invalid("InvalidRequestContentException", "The body is incomplete"),
    })?;
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(IgnoredAny) => Ok(payload),
        Err(error) => Err(Refused::invalid(
            "InvalidRequestContentException",
            &format!("Could not parse request body into json: {error}"),
        )),
    }
}

fn answered(invoked: Invoked) -> Response {
    let headers = [
        (HeaderName::from_static("content-type"), "application/json"),
        (HeaderName::from_static("x-amz-executed-version"), LATEST),
    ];
    let mut response = (headers, invoked.payload).into_response();
    if let Some(log) = invoked.log
        && let Ok(log) = HeaderValue::try_from(BASE64_STANDARD.encode(log))
    {
        response.headers_mut().insert("x-amz-log-result", log);
    }
    match invoked.function_error {
        None => {}
        Some(FunctionError::Unhandled) => {
            response.headers_mut().insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
        }
    }
    response
}

/// An error of the Invoke API itself, in AWS's REST JSON form.
struct Refused {
    status: StatusCode,
    error: &'static str,
    /// The side at fault: `User` or `Service`.
    kind: &'static str,
    message: String,
}

impl Refused {
    fn invalid(error: &'static str, message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, kind: "User", message: message.to_owned() }
    }

    fn too_large() -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error: "RequestTooLargeException",
            kind: "User",
            message: format!("Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation"),
        }
    }

    /// There is no function with this name, or no such version or alias of it: the stack publishes none.
    fn unknown(lambda: &Lambda, name: &str, qualifier: Option<&str>) -> Self {
        let qualifier = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        Self {
            status: StatusCode::NOT_FOUND,
            error: "ResourceNotFoundException",
            kind: "User",
            message: format!("Function not found: {}{qualifier}", lambda.arn(name)),
        }
    }

    fn unknown_operation() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            error: "UnknownOperationException",
            kind: "User",
            message: "The local stack supports no Lambda operation except Invoke".to_owned(),
        }
    }

    fn from_error(lambda: &Lambda, error: &InvokeError) -> Self {
        match error {
            InvokeError::UnknownFunction(name) => Self::unknown(lambda, name, None),
            InvokeError::PayloadTooLarge => Self::too_large(),
            InvokeError::Stopped => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "ServiceException",
                kind: "Service",
                message: error.to_string(),
            },
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let headers = [(HeaderName::from_static("x-amzn-errortype"), self.error)];
        // AWS itself spells the key both ways; its SDKs read both.
        (self.status, headers, Json(json!({ "Type": self.kind, "Message": self.message }))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::{LATEST, function_name};

    #[test]
    fn a_function_is_given_by_name_or_by_arn() {
        for (name, qualifier) in [
            ("add-user", None),
            ("add-user:$LATEST", Some(LATEST)),
            ("000000000000:function:add-user", None),
            ("arn:aws:lambda:eu-west-1:000000000000:function:add-user", None),
            ("arn:aws:lambda:eu-west-1:000000000000:function:add-user:PROD", Some("PROD")),
        ] {
            assert_eq!(function_name(name), ("add-user", qualifier), "{name}");
        }
    }
}
