//! Runs an action as a Lambda function behind the HTTP API.

use std::future::ready;
use std::pin::Pin;

use http::header::{self, HeaderName, HeaderValue};
use lambda_http::{Body, IntoResponse, Response, service_fn};

use super::deadline::time_left;
use super::log::log;
use super::{Accepts, Answer, Request};
use crate::error::{Cause, Failure};
use crate::telemetry;
use crate::{App, BaseApp};

/// The maximum number of attempts at an action if the data that it read changes before its transaction.
pub const MAX_ATTEMPTS: usize = 3;

/// The state that an action borrows. Functions that call no AWS service use [`BaseApp`], so their binary has no AWS
/// client.
pub trait AppState: Sized + Send + Sync + 'static {
    /// Reads the environment.
    ///
    /// # Errors
    /// Returns an error that names a missing variable.
    fn from_environment() -> Result<Self, lambda_http::Error>;

    /// Returns the part of the state that needs no AWS service.
    fn base(&self) -> &BaseApp;
}

impl AppState for BaseApp {
    fn from_environment() -> Result<Self, lambda_http::Error> {
        Ok(Self::from_environment()?)
    }

    fn base(&self) -> &BaseApp {
        self
    }
}

impl AppState for App {
    fn from_environment() -> Result<Self, lambda_http::Error> {
        Self::from_environment()
    }

    fn base(&self) -> &BaseApp {
        self.base()
    }
}

/// Serves the requests of a route that accepts the default input.
///
/// # Errors
/// Returns the same errors as [`serve_with`].
pub async fn serve<H, F, A>(action: F) -> Result<(), lambda_http::Error>
where
    H: AppState,
    F: Fn(&'static H, Request) -> A + Send + Sync,
    A: Future<Output = Result<Answer, Failure>> + Send,
{
    serve_with(Accepts::new(), action).await
}

/// Serves requests with `action`, one at a time, until Lambda ends the process.
///
/// # Errors
/// Returns an error if the environment lacks a variable, or if the Lambda runtime cannot be reached.
pub async fn serve_with<H, F, A>(accepts: Accepts, action: F) -> Result<(), lambda_http::Error>
where
    H: AppState,
    F: Fn(&'static H, Request) -> A + Send + Sync,
    A: Future<Output = Result<Answer, Failure>> + Send,
{
    telemetry::start();
    // The state lives as long as the process, so that actions can borrow it.
    let state: &'static H = Box::leak(Box::new(H::from_environment()?));
    let (accepts, action) = (&accepts, &action);
    lambda_http::run(service_fn(move |request: lambda_http::Request| async move {
        let Ok(request) = Request::new(request, state.base().edge()) else { return bypassed_edge() };
        let (id, deadline) = (request.id().to_owned(), request.deadline());
        let result = match request.check(accepts) {
            Ok(()) => {
                within(state.base(), deadline, with_retries(|is_retry| action(state, request.attempt(is_retry)))).await
            }
            Err(failure) => Err(failure),
        };
        respond(result, &id)
    }))
    .await
}

/// Runs an action, and retries it if the data that it read has changed before its transaction. The action must
/// therefore support being called several times. Its argument is true for a retry.
pub(super) async fn with_retries<T, A>(action: impl Fn(bool) -> A) -> Result<T, Failure>
where
    A: Future<Output = Result<T, Failure>>,
{
    for attempt in 0..MAX_ATTEMPTS {
        match action(attempt > 0).await {
            Err(Failure::StaleRead) => tracing::debug!("stale read; retrying the action"),
            result => return result,
        }
    }
    Err(Failure::Conflict)
}

/// Runs `work`, and stops it shortly before `deadline` (in milliseconds since 1970). A transaction that was sent before
/// may still commit after the response, as a whole or not at all.
pub(super) async fn within<T>(
    base: &BaseApp,
    deadline: u64,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(time_left(base, deadline), work).await {
        Ok(result) => result,
        Err(elapsed) => Err(Failure::Unavailable(Cause::new("the function reached its deadline", &elapsed))),
    }
}

/// Returns a response in the gateway's own form, because no action has seen the request.
fn bypassed_edge() -> Result<Complete, lambda_http::Error> {
    tracing::info!(status = 403, "rejected a request that did not come through the edge");
    telemetry::count("BypassedEdge", 1);
    let response = Response::builder().status(403).header("content-type", "application/json");
    Ok(Complete::new(response.body(Body::Text(r#"{"message":"Forbidden"}"#.to_owned()))?))
}

/// A complete response. `lambda_http`'s own conversion would link tables for all character encodings, to decode bodies
/// that are already text.
struct Complete(Response<Body>);

/// The headers of every response that does not set them itself.
static HEADERS: [(HeaderName, HeaderValue); 4] = [
    // A response is valid only now and for this caller.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

impl Complete {
    fn new(mut response: Response<Body>) -> Self {
        for (name, value) in &HEADERS {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        Self(response)
    }
}

impl IntoResponse for Complete {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

fn respond(result: Result<Answer, Failure>, request_id: &str) -> Result<Complete, lambda_http::Error> {
    match result {
        Ok(answer) => {
            tracing::info!(request_id, status = answer.status(), "the action succeeded");
            Ok(Complete::new(answer.into_response()?))
        }
        Err(failure) => {
            let problem = log(failure, request_id);
            // An alarm compares these with the failed requests of API Gateway. The others had no response of a function.
            if problem.status >= 500 {
                telemetry::count("RequestsFailed", 1);
            }
            Ok(Complete::new(problem.into_response()?))
        }
    }
}
