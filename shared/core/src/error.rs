//! The closed set of failures of an action. Typed errors of lower layers are converted into one of these, and
//! `http::problem` turns each into a response.

use std::error::Error;
use std::fmt::Write as _;

use serde::Serialize;

use crate::policy::Denied;
use crate::{factors, passwords};

/// The reason why an action failed.
#[derive(Debug)]
pub enum Failure {
    /// The request cannot be read. The errors name the fields at fault, if any.
    InvalidRequest(&'static str, Vec<FieldError>),
    /// The route does not accept the body's media type.
    UnsupportedMediaType(&'static str),
    /// The body is larger than the route's limit, which is given in bytes.
    BodyTooLarge(usize),
    /// The caller is not signed in, or the submitted credentials are wrong.
    Unauthenticated(&'static str),
    /// The caller has been signed out, suspended or removed.
    SessionEnded,
    /// The policy denies the action.
    Denied(Denied),
    /// The initial password was not changed before it expired.
    InitialPasswordExpired,
    /// The partner requires a second factor, and the password alone does not suffice to add one.
    EnrolmentNeedsProof,
    /// The caller has to be authenticated again.
    ReauthenticationRequired,
    /// The caller's session has to use a second factor.
    SecondFactorRequired,
    /// The partner requires the second factor, so the user cannot remove it.
    FactorRequired,
    /// The user has no such second factor.
    NoSuchFactor,
    /// The portal has no domain, which passkeys need.
    PasskeysOff,
    /// The user already has the maximum number of passkeys.
    PasskeyLimitReached,
    /// The partner has no such user.
    NotFound,
    /// The user has no such session.
    NoSuchSession,
    /// Another user of the partner already has this email.
    EmailTaken,
    /// The token of a mailed link is not valid: it is malformed, expired or redeemed, or for another purpose, user or
    /// state of the user.
    InvalidLink,
    /// The action needs mail, which is off.
    MailOff,
    /// The user has chosen a password or is suspended, so an invitation has no purpose.
    CannotBeInvited,
    /// The data that was read changed before the commit; the caller should retry.
    StaleRead,
    /// The data changed before the commit at every attempt.
    Conflict,
    /// `If-Match` does not match the current version.
    VersionMismatch,
    /// Some fields have invalid values.
    ValidationFailed(Vec<FieldError>),
    /// The charset of a text file is not certain. These are its possible readings.
    UndecidedCharset(Vec<CharsetReading>),
    /// Only passwords have invalid values.
    PasswordRejected(Vec<FieldError>),
    /// The idempotency key was already used for a different request.
    IdempotencyKeyReused,
    /// The partner already has the maximum number of users.
    UserLimitReached,
    /// Too many attempts. The value is the number of seconds until another attempt is possible.
    TooManyRequests(u64),
    /// AWS throttles requests or is unavailable.
    Unavailable(Cause),
    /// A bug or a wrong configuration of the portal.
    Internal(Cause),
}

/// A possible reading of a text file.
#[derive(Debug, Clone, Serialize)]
pub struct CharsetReading {
    /// The charset's label, with which the client can declare it.
    pub charset: String,
    /// The first texts that differ from those of other readings.
    pub texts: Vec<String>,
}

/// The technical cause of a failure. It is logged and never sent to a client.
#[derive(Debug)]
pub struct Cause(String);

impl Cause {
    /// Describes the failed step, followed by the whole chain of error sources.
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

    /// Describes a failed step that has no source error.
    pub fn of(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// Returns the whole chain in one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Failure {
    /// Returns a [`Failure::Internal`] with its source error.
    pub fn internal(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self::Internal(Cause::new(what, error))
    }

    /// Returns a [`Failure::Internal`] without a source error.
    pub fn bug(what: &str) -> Self {
        Self::Internal(Cause::of(what))
    }

    /// Returns whether the same request would fail again, so that a retry is useless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::StaleRead | Self::Conflict | Self::TooManyRequests(_) | Self::Unavailable(_) | Self::Internal(_) => {
                false
            }
            Self::InvalidRequest(..)
            | Self::UnsupportedMediaType(_)
            | Self::BodyTooLarge(_)
            | Self::Unauthenticated(_)
            | Self::SessionEnded
            | Self::Denied(_)
            | Self::InitialPasswordExpired
            | Self::EnrolmentNeedsProof
            | Self::ReauthenticationRequired
            | Self::SecondFactorRequired
            | Self::FactorRequired
            | Self::NoSuchFactor
            | Self::PasskeysOff
            | Self::PasskeyLimitReached
            | Self::NotFound
            | Self::NoSuchSession
            | Self::EmailTaken
            | Self::InvalidLink
            | Self::MailOff
            | Self::CannotBeInvited
            | Self::VersionMismatch
            | Self::ValidationFailed(_)
            | Self::UndecidedCharset(_)
            | Self::PasswordRejected(_)
            | Self::IdempotencyKeyReused
            | Self::UserLimitReached => true,
        }
    }

    /// Returns the failure for one field with an invalid value.
    pub fn field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::ValidationFailed(vec![FieldError::new(field, code, message)])
    }

    /// Returns the failure for one invalid query parameter.
    pub fn query(parameter: &str, message: &str) -> Self {
        Self::InvalidRequest("The query is not acceptable.", vec![FieldError::new(parameter, "invalid", message)])
    }

    /// Returns the failure for a `cursor` that does not belong to the requested list.
    pub fn cursor() -> Self {
        Self::query("cursor", "This is not a cursor of this list; start again without one.")
    }

    /// Returns the failure for a rejected password in `field`.
    pub fn password(field: &str, rejection: passwords::Rejection) -> Self {
        Self::PasswordRejected(vec![FieldError::password(field, rejection)])
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<factors::DerivationFailed> for Failure {
    fn from(error: factors::DerivationFailed) -> Self {
        Self::internal("adding an authenticator app", &error)
    }
}

impl From<passwords::HashingFailed> for Failure {
    fn from(error: passwords::HashingFailed) -> Self {
        Self::internal("hashing a password", &error)
    }
}

/// The maximum length of a field's name in an error, in characters.
const MAX_FIELD_NAME: usize = 100;

/// An error in one field.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    /// The field's name. Dots separate the names of nested fields.
    pub field: String,
    /// The error code for programs.
    pub code: &'static str,
    /// The error message for people.
    pub message: String,
    #[serde(skip)]
    is_password: bool,
}

impl FieldError {
    /// Returns the error for a field with an invalid value.
    pub fn new(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: shortened(field), code, message: message.into(), is_password: false }
    }

    /// Returns the error for a rejected password.
    pub fn password(field: &str, rejection: passwords::Rejection) -> Self {
        Self { field: shortened(field), code: rejection.code(), message: rejection.message(), is_password: true }
    }

    /// Returns whether the password rules rejected the value.
    pub fn is_password(&self) -> bool {
        self.is_password
    }
}

/// Shortens a field's name, because a client can send a name of any length.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_FIELD_NAME) {
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
            Failure::StaleRead,
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
            Failure::EnrolmentNeedsProof,
            Failure::ReauthenticationRequired,
            Failure::SecondFactorRequired,
            Failure::FactorRequired,
            Failure::NoSuchFactor,
            Failure::PasskeysOff,
            Failure::PasskeyLimitReached,
            Failure::NotFound,
            Failure::NoSuchSession,
            Failure::EmailTaken,
            Failure::InvalidLink,
            Failure::MailOff,
            Failure::CannotBeInvited,
            Failure::VersionMismatch,
            Failure::field("role", "unknown_role", "There is no such role."),
            Failure::UndecidedCharset(Vec::new()),
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
