//! A problem that concerns one part of a request.

use serde::Serialize;

use super::Request;
use super::log::log;
use super::problem::Problem;
use crate::error::Failure;

/// Why a part of a request did not happen, where the request as a whole did.
#[derive(Debug, Clone, Serialize)]
pub struct PartProblem {
    code: &'static str,
    title: &'static str,
    detail: String,
}

impl PartProblem {
    /// Of the failure of a part of `request`. Its source is logged.
    pub fn new(failure: Failure, request: &Request) -> Self {
        let Problem { code, title, detail, .. } = log(failure, request.id());
        Self { code, title, detail }
    }
}
