//! What the template asks for, with every reference resolved: written by the template reader, read by the rest of the
//! stack. Knows nothing of YAML.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// Everything that the stack runs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) functions: Vec<Function>,
    pub(crate) routes: Vec<Route>,
    pub(crate) schedules: Vec<Schedule>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Such as `AddUserFunction`.
    pub(crate) logical_id: String,
    /// The last part of its `CodeUri`, which is also the name of its binary: `add-user`.
    pub(crate) folder: String,
    /// The template's environment, resolved.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: u32,
    /// Its IAM statements, resolved (`Resource` holds ARNs).
    pub(crate) statements: Vec<Value>,
}

/// One route of the HTTP API.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// `GET` … or `ANY`.
    pub(crate) method: String,
    /// With placeholders: `/v1/users/{user_id}`, `/assets/{file+}`.
    pub(crate) path: String,
    /// The function's logical id.
    pub(crate) function: String,
    /// `None`: public.
    pub(crate) authorizer: Option<JwtAuthorizer>,
}

/// What HTTP API's JWT authorizer checks: signature, issuer, audience (`aud` or `client_id`) and expiry, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwtAuthorizer {
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
}

/// A function that runs by itself.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// The function's logical id.
    pub(crate) function: String,
    pub(crate) every: Duration,
    pub(crate) input: Value,
}
