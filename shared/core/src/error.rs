//! The closed set of failures of an action. Typed errors of the layers below become one of these; `http::problem` turns
//! each into an answer.

use std::error::Error;
use std::fmt::Write as _;

use serde::Serialize;

use crate::passwords;
use crate::policy::Denied;

/// Why an action did not happen.
#[derive(Debug)]
pub enum Failure {
    /// The request itself cannot be read; fields are named where one is at fault.
    InvalidRequest(&'static str, Vec<FieldError>),
    /// The body is not of the type that the route takes.
    UnsupportedMediaType(&'static str),
    /// The body is larger than this many bytes, the most that the route accepts.
    BodyTooLarge(usize),
    /// Nobody is signed in, or what was shown to sign in is wrong.
    Unauthenticated(&'static str),
    /// Signed out, suspended or removed.
    SessionEnded,
    /// The policy says no.
    Denied(Denied),
    /// The first password was not used in time.
    InitialPasswordExpired,
    /// No such user in this partner.
    NotFound,
    /// The user has no such session.
    NoSuchSession,
    /// The partner has a user with this email already.
    EmailTaken,
    /// What the decision rested on moved while it was carried out: decide anew.
    Moved,
    /// It moved every time.
    Conflict,
    /// `If-Match` names another version.
    VersionMismatch,
    /// The values of these fields are not acceptable.
    ValidationFailed(Vec<FieldError>),
    /// A password, and nothing but a password, is not acceptable.
    PasswordRejected(Vec<FieldError>),
    /// The idempotency key was used for something else.
    IdempotencyKeyReused,
    /// The partner has as many users as it can have.
    UserLimitReached,
    /// Too many attempts; the seconds until the next one counts.
    TooManyRequests(u64),
    /// AWS throttles or is down.
    Unavailable(Cause),
    /// Our own fault.
    Internal(Cause),
}

/// What lies behind a failure: for the log, never for a client.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    /// Keeps the whole chain of sources.
    pub fn new(what: &str, error: &(dyn Error + 'static)) -> Self {
        let mut text = what.to_owned();
        let mut next = Some(error);
        while let Some(error) = next {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {error}");
            next = error.source();
        }
        Self(text)
    }

    /// One that has no source.
    pub fn of(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// The chain in one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Failure {
    /// An [`Failure::Internal`] with its source.
    pub fn internal(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self::Internal(Cause::new(what, error))
    }

    /// An [`Failure::Internal`] that has no source.
    pub fn bug(what: &str) -> Self {
        Self::Internal(Cause::of(what))
    }

    /// Whether the answer stays no, however often the same is asked.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Moved | Self::Conflict | Self::TooManyRequests(_) | Self::Unavailable(_) | Self::Internal(_) => false,
            Self::InvalidRequest(..)
            | Self::UnsupportedMediaType(_)
            | Self::BodyTooLarge(_)
            | Self::Unauthenticated(_)
            | Self::SessionEnded
            | Self::Denied(_)
            | Self::InitialPasswordExpired
            | Self::NotFound
            | Self::NoSuchSession
            | Self::EmailTaken
            | Self::VersionMismatch
            | Self::ValidationFailed(_)
            | Self::PasswordRejected(_)
            | Self::IdempotencyKeyReused
            | Self::UserLimitReached => true,
        }
    }

    /// One field's value is not acceptable.
    pub fn field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::ValidationFailed(vec![FieldError::new(field, code, message)])
    }

    /// One parameter of the query is not acceptable.
    pub fn query(parameter: &str, message: &str) -> Self {
        Self::InvalidRequest("The query is not acceptable.", vec![FieldError::new(parameter, "invalid", message)])
    }

    /// The query's `cursor` is not one of the list that is asked for.
    pub fn cursor() -> Self {
        Self::query("cursor", "This is not a cursor of this list; start again without one.")
    }

    /// The password in `field` is not acceptable.
    pub fn password(field: &str, rejection: passwords::Rejection) -> Self {
        Self::PasswordRejected(vec![FieldError::password(field, rejection)])
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<passwords::HashingFailed> for Failure {
    fn from(error: passwords::HashingFailed) -> Self {
        Self::internal("hashing a password", &error)
    }
}

/// The most characters of a field's name in an error.
const FIELD_NAME_MAX: usize = 100;

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    /// Its name, with dots where it is nested.
    pub field: String,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    #[serde(skip)]
    is_password: bool,
}

impl FieldError {
    /// A field whose value is not acceptable.
    pub fn new(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: shortened(field), code, message: message.into(), is_password: false }
    }

    /// A password that is not acceptable.
    pub fn password(field: &str, rejection: passwords::Rejection) -> Self {
        Self { field: shortened(field), code: rejection.code(), message: rejection.message(), is_password: true }
    }

    /// Whether the password rules refused it.
    pub fn is_password(&self) -> bool {
        self.is_password
    }
}

/// A name that a client made up can be of any length.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(FIELD_NAME_MAX) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::Rejection;

    /// An error with another one behind it.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    fn name_of(length: usize) -> String {
        FieldError::new(&"é".repeat(length), "too_long", "Too long.").field
    }

    #[test]
    fn a_cause_is_the_whole_chain_in_one_line() {
        let error =
            Layer("cannot read", Some(Box::new(Layer("no connection", Some(Box::new(Layer("timeout", None)))))));
        assert_eq!(Cause::new("listing users", &error).as_str(), "listing users: cannot read: no connection: timeout");
        assert_eq!(Cause::of("no such table").as_str(), "no such table");
    }

    #[test]
    fn a_retry_can_succeed_only_after_a_failure_that_is_not_final() {
        let cause = || Cause::of("throttled");
        for failure in [
            Failure::Moved,
            Failure::Conflict,
            Failure::TooManyRequests(60),
            Failure::Unavailable(cause()),
            Failure::Internal(cause()),
            Failure::bug("no such table"),
        ] {
            assert!(!failure.is_final(), "{failure:?}");
        }
        for failure in [
            Failure::cursor(),
            Failure::UnsupportedMediaType("application/json"),
            Failure::BodyTooLarge(1),
            Failure::Unauthenticated("Sign in."),
            Failure::SessionEnded,
            Failure::from(Denied::NoSuchUser),
            Failure::InitialPasswordExpired,
            Failure::NotFound,
            Failure::NoSuchSession,
            Failure::EmailTaken,
            Failure::VersionMismatch,
            Failure::field("role", "unknown_role", "There is no such role."),
            Failure::password("password", Rejection::Reused),
            Failure::IdempotencyKeyReused,
            Failure::UserLimitReached,
        ] {
            assert!(failure.is_final(), "{failure:?}");
        }
    }

    #[test]
    fn only_an_error_of_the_password_rules_is_a_password_error() {
        assert!(!FieldError::new("email", "taken", "Taken.").is_password());
        let error = FieldError::password("password", Rejection::TooShort);
        assert!(error.is_password());
        assert_eq!(
            serde_json::to_value(error).unwrap(),
            serde_json::json!({
                "field": "password",
                "code": "too_short",
                "message": "A password has at least 15 characters.",
            })
        );
    }

    #[test]
    fn a_long_name_of_a_field_is_shortened_to_100_characters() {
        assert_eq!(name_of(0), "");
        assert_eq!(name_of(100), "é".repeat(100));
        assert_eq!(name_of(101), format!("{}…", "é".repeat(100)));
        assert_eq!(FieldError::password(&"a".repeat(500), Rejection::Reused).field, format!("{}…", "a".repeat(100)));
    }
}
