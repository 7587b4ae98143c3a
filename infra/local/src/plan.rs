//! The content of the template, with every reference resolved. The template reader creates it and the rest of the stack
//! uses it. The module knows nothing about YAML.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::pattern::Pattern;

/// Everything that the stack runs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) functions: Vec<Function>,
    pub(crate) routes: Vec<Route>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) mail: Mail,
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

/// A function that processes the stream of a table: an event source mapping of Lambda.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// The function's logical id.
    pub(crate) function: String,
    /// The table's name.
    pub(crate) table: String,
    /// The ARN of the stream in the template, which the function's events contain.
    pub(crate) arn: String,
    /// The maximum number of records in one event.
    pub(crate) batch_size: usize,
    /// The function gets a record if one of the filters matches it, or if there is no filter.
    pub(crate) filters: Vec<Pattern>,
    /// `None` if a batch is retried until it succeeds.
    pub(crate) max_retries: Option<u32>,
    /// Records that are older are not retried.
    pub(crate) max_record_age: Option<Duration>,
    /// Whether a batch is split in two after an error.
    pub(crate) bisects: bool,
    /// Whether the function returns `batchItemFailures`.
    pub(crate) reports_failures: bool,
    /// The ARN of the queue for batches that are not retried any more.
    pub(crate) on_failure: Option<String>,
}

/// A function that `EventBridge` invokes with the events that match a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The function's logical id.
    pub(crate) function: String,
    pub(crate) pattern: Pattern,
}

/// The configuration of SES. Without an identity, mail is off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    pub(crate) identities: Vec<Identity>,
    pub(crate) configuration_sets: Vec<ConfigurationSet>,
}

/// A sender whose mail SES accepts: an address or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// The configuration set of messages that name none.
    pub(crate) configuration_set: Option<String>,
}

/// A configuration set, with the types of events that it sends to `EventBridge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigurationSet {
    pub(crate) name: String,
    pub(crate) events: BTreeSet<MailEvent>,
}

/// What can happen to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MailEvent {
    Send,
    Delivery,
    Bounce,
    Complaint,
    /// SES rejects, delays or renders no message here, and tracks no reader.
    Other,
}

impl Mail {
    /// The identity that permits an address to send: the address itself, or its domain or a domain above it. SES
    /// selects the most specific one.
    pub(crate) fn identity(&self, address: &str) -> Option<&Identity> {
        let (local, domain) = address.rsplit_once('@')?;
        let domain = domain.to_ascii_lowercase();
        let verifies = |identity: &&Identity| {
            if let Some((name, of)) = identity.name.rsplit_once('@') {
                return name == local && of.eq_ignore_ascii_case(&domain);
            }
            let name = identity.name.to_ascii_lowercase();
            domain == name || domain.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
        };
        self.identities
            .iter()
            .filter(verifies)
            .max_by_key(|identity| (identity.name.contains('@'), identity.name.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_identity_permits_an_address() {
        let identity = |name: &str| Identity { name: name.to_owned(), configuration_set: None };
        let mail = Mail {
            identities: ["example.com", "mail.example.com", "portal@example.com"].map(identity).into(),
            configuration_sets: Vec::new(),
        };
        for (address, expected) in [
            ("portal@example.com", Some("portal@example.com")),
            ("portal@Example.COM", Some("portal@example.com")),
            ("other@example.com", Some("example.com")),
            ("other@a.example.com", Some("example.com")),
            ("other@a.mail.example.com", Some("mail.example.com")),
            ("other@notexample.com", None),
            ("example.com", None),
        ] {
            assert_eq!(mail.identity(address).map(|identity| identity.name.as_str()), expected, "{address}");
        }
    }
}
