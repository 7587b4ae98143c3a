//! Logs a failure when it is turned into a problem.

use super::problem::Problem;
use crate::error::Failure;

/// Returns the problem for a failure, and logs the failure with its cause. Causes are logged only here.
pub(super) fn log(failure: Failure, request_id: &str) -> Problem {
    let cause = if let Failure::Unavailable(cause) | Failure::Internal(cause) = &failure {
        Some(cause.as_str().to_owned())
    } else {
        None
    };
    let problem = Problem::new(failure, request_id);
    let (status, code) = (problem.status, problem.code);
    if let Some(cause) = cause {
        tracing::error!(request_id, status, code, cause, "the action failed");
    } else {
        tracing::info!(request_id, status, code, "the action was rejected");
    }
    problem
}
