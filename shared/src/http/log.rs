//! Logs a failure where it becomes a problem.

use super::problem::Problem;
use crate::error::Failure;

/// The problem for a failure. Its cause is logged here and nowhere else.
pub(super) fn log(failure: Failure, request_id: &str) -> Problem {
    let cause = if let Failure::Unavailable(cause) | Failure::Internal(cause) = &failure {
        Some(cause.as_str().to_owned())
    } else {
        None
    };
    let problem = Problem::new(failure, request_id);
    let (status, code) = (problem.status, problem.code);
    if let Some(cause) = cause {
        tracing::error!(request_id, status, code, cause, "failed");
    } else {
        tracing::info!(request_id, status, code, "refused");
    }
    problem
}
