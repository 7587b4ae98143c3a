//! The query parameters, headers and bodies that a route accepts. Everything else is rejected before the action starts,
//! so no action can forget a check.

use http::HeaderMap;

use super::{Query, condition};
use crate::error::{Failure, FieldError};

/// The default maximum size of a body in bytes.
const MAX_BODY_BYTES: usize = 65_536;

/// The input that a route accepts. The default is no query parameter, no conditional header, and a small body.
#[derive(Debug, Clone, Copy)]
pub struct Accepts {
    /// The query parameters. `None` accepts any.
    parameters: Option<&'static [&'static str]>,
    body_bytes: usize,
    if_match: bool,
}

impl Accepts {
    /// Returns the default.
    pub const fn new() -> Self {
        Self { parameters: Some(&[]), body_bytes: MAX_BODY_BYTES, if_match: false }
    }

    /// Accepts these query parameters. The action reads them with [`Request::query`](super::Request::query).
    #[must_use]
    pub const fn parameters(self, names: &'static [&'static str]) -> Self {
        Self { parameters: Some(names), ..self }
    }

    /// Accepts any query. The action does not read it.
    #[must_use]
    pub const fn any_parameter(self) -> Self {
        Self { parameters: None, ..self }
    }

    /// Accepts bodies of up to this many bytes.
    #[must_use]
    pub const fn body_bytes(self, most: usize) -> Self {
        Self { body_bytes: most, ..self }
    }

    /// Accepts `If-Match`. The action compares it with [`Request::expects`](super::Request::expects).
    #[must_use]
    pub const fn if_match(self) -> Self {
        Self { if_match: true, ..self }
    }

    /// Checks a request.
    ///
    /// # Errors
    /// Returns [`Failure::BodyTooLarge`], [`Failure::UnsupportedMediaType`] or [`Failure::InvalidRequest`].
    pub(super) fn check(&self, request: &lambda_http::Request) -> Result<(), Failure> {
        if request.body().len() > self.body_bytes {
            return Err(Failure::BodyTooLarge(self.body_bytes));
        }
        let headers = request.headers();
        let is_identity = |coding: &http::HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        if !headers.get_all("content-encoding").iter().all(is_identity) {
            return Err(Failure::UnsupportedMediaType("The body must not be compressed or encoded."));
        }
        if !request.method().is_safe() {
            self.check_conditions(headers)?;
        }
        let query = || Query::parse(request.uri().query().unwrap_or_default());
        self.parameters.map_or(Ok(()), |known| query().only(known))
    }

    /// Rejects conditional headers that the route does not evaluate. They must not be ignored, because the client
    /// relies on them.
    fn check_conditions(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let reject = |name, message: &str| {
            let error = FieldError::new(name, "invalid", message);
            Err(Failure::InvalidRequest("A condition of the request is not acceptable.", vec![error]))
        };
        if headers.contains_key("if-none-match") {
            return reject("If-None-Match", "This request cannot depend on If-None-Match.");
        }
        if !headers.contains_key("if-match") {
            Ok(())
        } else if !self.if_match {
            reject("If-Match", "This request cannot depend on If-Match.")
        } else if condition::tags(headers, "if-match").is_none() {
            reject("If-Match", "If-Match must be * or a list of versions in quotes.")
        } else {
            Ok(())
        }
    }
}

impl Default for Accepts {
    fn default() -> Self {
        Self::new()
    }
}
