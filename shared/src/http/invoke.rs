//! Runs an action as a Lambda function that operators and schedules invoke with JSON input and output.

use std::fmt::Write as _;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use super::Fields;
use super::log::log;
use super::serve::{with_retries, within};
use crate::App;
use crate::error::Failure;
use crate::telemetry;

/// Serves invocations by operators and schedules with `action`. A failure becomes a function error: its type is the
/// problem's code, and its message names the fields at fault.
///
/// # Errors
/// Returns the same errors as [`serve_events`].
pub async fn serve<F, A, T>(action: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(&'static App, Fields, String) -> A + Send + Sync,
    A: Future<Output = Result<T, Failure>> + Send,
    T: Serialize,
{
    let action = &action;
    serve_events(async move |app, payload, request_id| action(app, Fields::from_value(payload)?, request_id).await)
        .await
}

/// Serves events of AWS services with `action`, one at a time, until Lambda ends the process.
///
/// # Errors
/// Returns an error if the environment lacks a variable, or if the Lambda runtime cannot be reached.
pub async fn serve_events<F, A, T>(action: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(&'static App, Value, String) -> A + Send + Sync,
    A: Future<Output = Result<T, Failure>> + Send,
    T: Serialize,
{
    telemetry::start();
    // The state lives as long as the process, so that actions can borrow it.
    let app: &'static App = Box::leak(Box::new(App::from_environment()?));
    let action = &action;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        let result = with_retries(|_is_retry| Box::pin(action(app, payload.clone(), context.request_id.clone())));
        let result = within(app.base(), context.deadline, result).await;
        result.map_err(|failure| diagnostic(failure, &context.request_id))
    }))
    .await
}

fn diagnostic(failure: Failure, request_id: &str) -> Diagnostic {
    let problem = log(failure, request_id);
    let mut message = problem.detail;
    for error in &problem.errors {
        // Writing to a String cannot fail.
        let _ = write!(message, " {}: {}", error.field, error.message);
    }
    Diagnostic { error_type: problem.code.to_owned(), error_message: message }
}
