//! The Lambda Runtime API (2018-06-01) as one process sees it. Knows nothing of processes: a request is laid on the
//! desk, the process takes it and brings the answer back.

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

/// What Lambda takes back from a function: 6 MB and room for the encoding.
pub(crate) const ANSWER_LIMIT: usize = 6_291_556;

/// A request for a function.
pub(crate) struct Work {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: u128,
    pub(crate) function_arn: String,
    pub(crate) trace_id: String,
}

/// What a function made of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Response(Bytes),
    /// The body of its report: `{errorType, errorMessage, …}`.
    Error(Bytes),
    TooLarge,
}

/// Where a process finds its work, one piece at a time.
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
        // The sender is this desk's own, so it is there.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }

    pub(crate) fn offer(&self, work: Work) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.papers().waiting = Some((work, answer));
        self.offered.notify_one();
        receiver
    }

    /// Takes back work that the process has not taken.
    pub(crate) fn withdraw(&self) -> Option<Work> {
        self.papers().waiting.take().map(|(work, _)| work)
    }

    pub(crate) fn init_error(&self) -> Option<Bytes> {
        self.papers().init_error.take()
    }

    async fn take(&self) -> Work {
        self.asked.send_replace(true);
        loop {
            if let Some(work) = self.hand_over() {
                return work;
            }
            self.offered.notified().await;
        }
    }

    fn hand_over(&self) -> Option<Work> {
        let mut papers = self.papers();
        let (work, answer) = papers.waiting.take()?;
        papers.in_hand = Some((work.request_id.clone(), answer));
        Some(work)
    }

    /// Whether there was such a request to answer.
    fn bring_back(&self, request_id: &str, answer: Answer) -> bool {
        let Some((_, sender)) = self.papers().in_hand.take_if(|(in_hand, _)| in_hand == request_id) else {
            return false;
        };
        // Nobody waits any more after a timeout.
        let _ = sender.send(answer);
        true
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Runtime API over one desk.
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
