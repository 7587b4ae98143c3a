//! A problem that concerns one part of a request.

use serde::Serialize;

use super::Request;
use super::log::log;
use super::problem::Problem;
use crate::error::Failure;

/// The reason why one part of a request failed, although the request as a whole succeeded.
#[derive(Debug, Clone, Serialize)]
pub struct PartProblem {
    code: &'static str,
    title: &'static str,
    detail: String,
}

impl PartProblem {
    /// Returns the problem for a failed part of `request`, and logs the failure with its cause.
    pub fn new(failure: Failure, request: &Request) -> Self {
        let Problem { code, title, detail, .. } = log(failure, request.id());
        Self { code, title, detail }
    }
}
