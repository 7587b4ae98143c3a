//! The content of the template, with every reference resolved. The template reader creates it and the rest of the stack
//! uses it. The module knows nothing about YAML.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// Everything that the stack runs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) functions: Vec<Function>,
    pub(crate) routes: Vec<Route>,
    pub(crate) schedules: Vec<Schedule>,
    /// `None` if no page of another origin may call the API.
    pub(crate) cors: Option<Cors>,
}

/// Which pages of other origins may call the HTTP API, and how. Credentials are never allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) exposed_headers: Vec<String>,
    /// The maximum age in seconds.
    pub(crate) max_age: Option<u32>,
}

/// One Lambda function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Such as `AddUserFunction`.
    pub(crate) logical_id: String,
    /// The name of the deployed function: `partner-portal-add-user`. Lambda generates one if the template names none.
    pub(crate) name: String,
    /// The last part of its `CodeUri`, which is also the name of its binary: `add-user`.
    pub(crate) folder: String,
    /// The template's environment, resolved.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: u32,
    /// The least severe level of the log lines that Lambda keeps.
    pub(crate) log_level: LogLevel,
    /// Its IAM statements, resolved (`Resource` holds ARNs).
    pub(crate) statements: Vec<Value>,
}

/// The severity of a log line, as Lambda defines it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl LogLevel {
    /// Ignores case, as Lambda does.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "TRACE" => Self::Trace,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" => Self::Fatal,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
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
    /// `None` for a public route.
    pub(crate) authorizer: Option<JwtAuthorizer>,
}

/// The configuration of the HTTP API's JWT authorizer. It checks only the signature, issuer, audience (`aud` or
/// `client_id`) and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwtAuthorizer {
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
}

/// A function that runs on a schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// The function's logical id.
    pub(crate) function: String,
    pub(crate) every: Duration,
    pub(crate) input: Value,
}
