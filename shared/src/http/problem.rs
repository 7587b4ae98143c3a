//! The only mapping from failures to problem details (RFC 9457). A problem with status 5xx reveals no internals.

use lambda_http::{Body, Response};
use serde::Serialize;

use crate::error::{CharsetReading, Failure, FieldError};
use crate::policy::Denied;

/// The seconds after which a client may retry if AWS throttles requests or is unavailable.
const RETRY_AFTER: u64 = 2;

/// The maximum number of errors in a problem.
const MAX_ERRORS: usize = 20;

/// A problem as a client sees it.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    pub(super) title: &'static str,
    pub(super) status: u16,
    pub(super) detail: String,
    pub(super) code: &'static str,
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readings: Vec<CharsetReading>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    #[allow(clippy::too_many_lines, reason = "one line per failure, in one place")]
    pub(super) fn new(failure: Failure, request_id: &str) -> Self {
        let mut retry_after = None;
        let (status, code, title, detail, errors) = match failure {
            Failure::InvalidRequest(detail, errors) => (400, "invalid_request", "Invalid request", detail, errors),
            Failure::UnsupportedMediaType(detail) => {
                (415, "unsupported_media_type", "Unsupported media type", detail, vec![])
            }
            Failure::BodyTooLarge(most) => {
                return Self {
                    detail: format!("The body is larger than {most} bytes."),
                    ..Self::of(413, "body_too_large", "Body too large", "", vec![], request_id)
                };
            }
            Failure::Unauthenticated(detail) => (401, "unauthenticated", "Not signed in", detail, vec![]),
            Failure::SessionEnded => {
                (401, "session_ended", "Session ended", "This session has ended. Sign in again.", vec![])
            }
            Failure::Denied(denied) => match denied {
                Denied::NoSuchUser => not_found(),
                Denied::PrimaryAdminProtected => (
                    403,
                    "primary_admin_protected",
                    "Primary admin protected",
                    "Only the primary admin may change the primary admin, or see where the primary admin is signed in.",
                    vec![],
                ),
                Denied::SelfChangeForbidden => (
                    403,
                    "self_change_forbidden",
                    "Not for yourself",
                    "You cannot change your own permissions or status, or remove yourself.",
                    vec![],
                ),
                Denied::MissingPermission(permission) => {
                    return Self {
                        detail: format!("This needs the permission {}.", permission.as_str()),
                        ..Self::of(403, "missing_permission", "Missing permission", "", vec![], request_id)
                    };
                }
                Denied::ExceedsOwnPermissions => (
                    403,
                    "exceeds_own_permissions",
                    "Beyond your own permissions",
                    "This user holds, or would hold, a role or a permission above your own.",
                    vec![],
                ),
                Denied::NotAnActiveAdmin => {
                    let error = FieldError::new(
                        "user_id",
                        "not_an_active_admin",
                        "Only another admin who is not suspended can be made the primary admin.",
                    );
                    (422, "validation_failed", "Validation failed", FIELDS, vec![error])
                }
                Denied::NotSignedInYet => {
                    let error = FieldError::new(
                        "user_id",
                        "not_signed_in_yet",
                        "This user has never signed in, or has not changed the initial password yet.",
                    );
                    (422, "validation_failed", "Validation failed", FIELDS, vec![error])
                }
                Denied::InvalidGrant(error) => {
                    let error = FieldError::new(error.field(), error.code(), error.to_string());
                    (422, "validation_failed", "Validation failed", FIELDS, vec![error])
                }
            },
            Failure::InitialPasswordExpired => (
                403,
                "initial_password_expired",
                "Initial password expired",
                "This password was not used in time. Ask for a new one.",
                vec![],
            ),
            Failure::EnrolmentNeedsProof => (
                403,
                "enrolment_needs_proof",
                "Proof needed",
                "A second factor is required. Reset your password, or ask for a new one, and then sign in to add one.",
                vec![],
            ),
            Failure::ReauthenticationRequired => (
                403,
                "reauthentication_required",
                "Re-authentication required",
                "Confirm that it is you: send your password or a code again.",
                vec![],
            ),
            Failure::SecondFactorRequired => (
                403,
                "second_factor_required",
                "Second factor required",
                "Add a second factor, and use it in this session.",
                vec![],
            ),
            Failure::FactorRequired => (
                409,
                "factor_required",
                "Factor required",
                "Your partner requires a second factor. You can replace it, but not remove it.",
                vec![],
            ),
            Failure::NoSuchFactor => (404, "not_found", "Not found", "There is no such second factor.", vec![]),
            Failure::PasskeysOff => {
                (422, "passkeys_off", "Passkeys are off", "This portal has no domain, which passkeys need.", vec![])
            }
            Failure::PasskeyLimitReached => (
                422,
                "passkey_limit_reached",
                "Passkey limit reached",
                "You already have the maximum number of passkeys. Remove one first.",
                vec![],
            ),
            Failure::NotFound => not_found(),
            Failure::NoSuchSession => (404, "not_found", "Not found", "There is no such session.", vec![]),
            Failure::EmailTaken => {
                let error = FieldError::new("email", "taken", "Another user of this partner has this email.");
                (409, "email_taken", "Email taken", "Another user of this partner has this email.", vec![error])
            }
            Failure::InvalidLink => (
                422,
                "invalid_link",
                "Invalid link",
                "This link is not valid. It has expired, was used already, or was replaced by a later one.",
                vec![],
            ),
            Failure::MailOff => (422, "mail_off", "Mail is off", "This portal sends no mail.", vec![]),
            Failure::CannotBeInvited => (
                409,
                "cannot_be_invited",
                "Cannot be invited",
                "This user has chosen a password already, or is suspended.",
                vec![],
            ),
            // `serve` retries a stale read. After the last attempt it is a conflict.
            Failure::StaleRead | Failure::Conflict => {
                (409, "conflict", "Conflict", "This was changed by others at the same time. Try again.", vec![])
            }
            Failure::VersionMismatch => (
                412,
                "version_mismatch",
                "Version mismatch",
                "This was changed since you read it. Read it again.",
                vec![],
            ),
            Failure::ValidationFailed(errors) => (422, "validation_failed", "Validation failed", FIELDS, errors),
            Failure::UndecidedCharset(readings) => {
                let detail = "The charset of the file is not certain. Declare it in the content type.";
                let problem = Self::of(422, "undecided_charset", "Undecided charset", detail, vec![], request_id);
                return Self { readings, ..problem };
            }
            Failure::PasswordRejected(errors) => {
                (422, "password_rejected", "Password rejected", "The password is not acceptable.", errors)
            }
            Failure::IdempotencyKeyReused => (
                422,
                "idempotency_key_reused",
                "Idempotency key reused",
                "This key was already used for a different request. Use a new one.",
                vec![],
            ),
            Failure::UserLimitReached => (
                422,
                "user_limit_reached",
                "User limit reached",
                "This partner already has the maximum number of users.",
                vec![],
            ),
            Failure::TooManyRequests(seconds) => {
                retry_after = Some(seconds);
                (429, "too_many_requests", "Too many requests", "Too many attempts. Wait before the next one.", vec![])
            }
            Failure::Unavailable(_) => {
                retry_after = Some(RETRY_AFTER);
                (503, "unavailable", "Unavailable", "This is not possible at the moment. Try again shortly.", vec![])
            }
            Failure::Internal(_) => (500, "internal", "Internal error", "Something went wrong on our side.", vec![]),
        };
        Self { retry_after, ..Self::of(status, code, title, detail, errors, request_id) }
    }

    fn of(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: &str,
        mut errors: Vec<FieldError>,
        request_id: &str,
    ) -> Self {
        let mut detail = detail.to_owned();
        if errors.len() > MAX_ERRORS {
            errors.truncate(MAX_ERRORS);
            detail.push_str(" Only the first of them are listed.");
        }
        Self {
            kind: format!("urn:partner-portal:problem:{code}"),
            title,
            status,
            detail,
            code,
            request_id: request_id.to_owned(),
            errors,
            readings: Vec::new(),
            retry_after: None,
        }
    }

    pub(super) fn into_response(self) -> Result<Response<Body>, http::Error> {
        let mut response = Response::builder().status(self.status).header("content-type", "application/problem+json");
        if let Some(seconds) = self.retry_after {
            response = response.header("retry-after", seconds);
        }
        if self.status == 401 {
            response = response.header("www-authenticate", "Bearer");
        }
        // A problem has only strings and numbers, so it always has a JSON form.
        response.body(Body::Text(serde_json::to_string(&self).unwrap_or_default()))
    }
}

const FIELDS: &str = "Some fields are not acceptable.";

fn not_found() -> (u16, &'static str, &'static str, &'static str, Vec<FieldError>) {
    (404, "not_found", "Not found", "There is no such user.", vec![])
}
