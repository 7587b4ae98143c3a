//! A proxy in front of DynamoDB and Cognito that records the start, the end and the request units of every call. It
//! is slow, so only the order of calls is measured through it. Another path of it is a Cognito whose calls take a given
//! time.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use portal_bench::ledger::{self, Entry};
use serde_json::{Value, json};

/// The path of the recorder for the empty DynamoDB.
pub(crate) const EMPTY: &str = "/empty";

/// The delay of every response. It makes concurrent calls overlap even if they are fast.
const HOLD: Duration = Duration::from_millis(20);

/// The path of the proxy in front of Cognito that records nothing. The time that each call takes follows, in
/// milliseconds.
const SLOW: &str = "/slow/";

/// The path of a Cognito whose calls take this time.
pub(crate) fn slow(milliseconds: u64) -> String {
    format!("{SLOW}{milliseconds}")
}

/// The time that a call on this path takes, if it is for a slow Cognito.
fn delay(path: &str) -> Option<Duration> {
    let milliseconds = path.strip_prefix(SLOW)?.trim_end_matches('/');
    milliseconds.parse().ok().map(Duration::from_millis)
}

/// One call of a function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Such as `BatchGetItem` or `AdminDeleteUser`.
    pub(crate) operation: String,
    pub(crate) is_dynamodb: bool,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// The request units, as DynamoDB reports them.
    pub(crate) entries: Vec<Entry>,
}

/// The proxy.
pub(crate) struct Recorder {
    dynamodb: String,
    empty: String,
    cognito: String,
    calls: Mutex<Vec<Call>>,
    http: reqwest::Client,
}

impl Recorder {
    /// A recorder in front of a DynamoDB, an empty one, and Cognito.
    pub(crate) fn new(dynamodb: String, empty: String, cognito: String) -> Self {
        Self { dynamodb, empty, cognito, calls: Mutex::default(), http: reqwest::Client::new() }
    }

    pub(crate) fn router(recorder: Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(recorder)
    }

    /// Returns all calls since the last `take`.
    pub(crate) fn take(&self) -> Vec<Call> {
        mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn forward(&self, path: &str, headers: HeaderMap, body: Bytes) -> reqwest::Result<Response> {
        let start = Instant::now();
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let (operation, is_dynamodb) = (operation.to_owned(), service.starts_with("DynamoDB"));
        let url = match (is_dynamodb, path.starts_with(EMPTY)) {
            (true, true) => &self.empty,
            (true, false) => &self.dynamodb,
            (false, _) => &self.cognito,
        };
        let input = if is_dynamodb { asking_for_capacity(&body) } else { None };
        let body = input.as_ref().map_or(body, |input| input.to_string().into());
        let mut headers = headers;
        for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let answer = self.http.post(url).headers(headers).body(body).send().await?;
        let status = answer.status();
        let content_type = answer.headers().get(header::CONTENT_TYPE).cloned();
        let body = answer.bytes().await?;
        if let Some(delay) = delay(path) {
            tokio::time::sleep_until((start + delay).into()).await;
        } else {
            tokio::time::sleep(HOLD).await;
            let answer = serde_json::from_slice(&body).unwrap_or_default();
            let entries = input.map(|input| ledger::entries(&operation, &input, &answer)).unwrap_or_default();
            let call = Call { operation, is_dynamodb, start, end: Instant::now(), entries };
            self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        }
        let mut answer = (status, body).into_response();
        if let Some(content_type) = content_type {
            answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        Ok(answer)
    }
}

async fn handle(State(recorder): State<Arc<Recorder>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match recorder.forward(head.uri.path(), head.headers, body).await {
        Ok(answer) => answer,
        Err(problem) => (StatusCode::BAD_GATEWAY, problem.to_string()).into_response(),
    }
}

fn asking_for_capacity(body: &[u8]) -> Option<Value> {
    let mut input: Value = serde_json::from_slice(body).ok()?;
    input.as_object_mut()?.insert("ReturnConsumedCapacity".to_owned(), json!("INDEXES"));
    Some(input)
}
