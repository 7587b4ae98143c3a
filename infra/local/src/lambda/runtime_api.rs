//! The Lambda Runtime API (2018-06-01) for one process. The module does not manage processes: the pool puts a request
//! on a [`Desk`], and the process takes it and returns the response.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::{Notify, oneshot, watch};

use super::body::{self, BodyError};

/// The largest response that Lambda accepts from a function: 6 MB plus room for the encoding.
pub(crate) const ANSWER_LIMIT: usize = 6_291_556;

/// A request for a function.
pub(crate) struct Work {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: u128,
    pub(crate) function_arn: String,
    pub(crate) trace_id: String,
}

/// A function's response to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Response(Bytes),
    /// The body of the error report: `{errorType, errorMessage, …}`.
    Error(Bytes),
    TooLarge,
}

/// Holds the work for a process, one request at a time.
pub(crate) struct Desk {
    papers: Mutex<Papers>,
    offered: Notify,
    asked: watch::Sender<bool>,
}

#[derive(Default)]
struct Papers {
    waiting: Option<(Work, oneshot::Sender<Answer>)>,
    in_hand: Option<(String, oneshot::Sender<Answer>)>,
    init_error: Option<Bytes>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { papers: Mutex::default(), offered: Notify::new(), asked: watch::Sender::new(false) }
    }
}

impl Desk {
    /// Waits until the process has asked for work for the first time.
    pub(crate) async fn asked(&self) {
        // This cannot fail: the desk owns the sender.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }

    pub(crate) fn offer(&self, work: Work) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.papers().waiting = Some((work, answer));
        self.offered.notify_one();
        receiver
    }

    /// Takes back work that the process has not started.
    pub(crate) fn withdraw(&self) -> Option<Work> {
        self.papers().waiting.take().map(|(work, _)| work)
    }

    pub(crate) fn init_error(&self) -> Option<Bytes> {
        self.papers().init_error.take()
    }

    async fn take(&self) -> Work {
        self.asked.send_replace(true);
        loop {
            if let Some(work) = self.dispatch() {
                return work;
            }
            self.offered.notified().await;
        }
    }

    fn dispatch(&self) -> Option<Work> {
        let mut papers = self.papers();
        let (work, answer) = papers.waiting.take()?;
        papers.in_hand = Some((work.request_id.clone(), answer));
        Some(work)
    }

    /// Returns whether this request was waiting for a response.
    fn bring_back(&self, request_id: &str, answer: Answer) -> bool {
        let Some((_, sender)) = self.papers().in_hand.take_if(|(in_hand, _)| in_hand == request_id) else {
            return false;
        };
        // After a timeout the receiver is gone.
        let _ = sender.send(answer);
        true
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Runtime API of one desk.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(desk)
}

async fn next(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let work = desk.take().await;
    let headers = [
        (HeaderName::from_static("content-type"), "application/json".to_owned()),
        (HeaderName::from_static("lambda-runtime-aws-request-id"), work.request_id),
        (HeaderName::from_static("lambda-runtime-deadline-ms"), work.deadline_ms.to_string()),
        (HeaderName::from_static("lambda-runtime-invoked-function-arn"), work.function_arn),
        (HeaderName::from_static("lambda-runtime-trace-id"), work.trace_id),
    ];
    (headers, work.payload)
}

async fn response(State(desk): State<Arc<Desk>>, Path(request_id): Path<String>, body: Body) -> Response {
    match body::read(body, ANSWER_LIMIT).await {
        Ok(payload) => accepted(desk.bring_back(&request_id, Answer::Response(payload))),
        Err(BodyError::TooLarge { .. }) => {
            desk.bring_back(&request_id, Answer::TooLarge);
            refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
        }
        Err(BodyError::Incomplete) => refused(StatusCode::BAD_REQUEST, "InvalidRequest", "The body is incomplete"),
    }
}

async fn error(State(desk): State<Arc<Desk>>, Path(request_id): Path<String>, body: Body) -> Response {
    let report = body::read(body, ANSWER_LIMIT).await.unwrap_or_default();
    accepted(desk.bring_back(&request_id, Answer::Error(report)))
}

async fn init_error(State(desk): State<Arc<Desk>>, body: Body) -> Response {
    let report = body::read(body, ANSWER_LIMIT).await.unwrap_or_default();
    desk.papers().init_error = Some(report);
    accepted(true)
}

fn accepted(known: bool) -> Response {
    if known {
        (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
    } else {
        refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
    }
}

fn refused(status: StatusCode, error_type: &str, message: &str) -> Response {
    (status, Json(json!({ "errorType": error_type, "errorMessage": message }))).into_response()
}
