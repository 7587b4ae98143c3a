//! The result for each user.

use portal::error::Failure;
use portal::http::PartProblem;
use portal::models::{PublicUser, User};
use serde::{Serialize, Serializer};

/// The result as one word.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The change is committed.
    Done,
    /// The user already had this state.
    Unchanged,
    /// The change is not allowed.
    Refused,
    /// The user does not exist.
    NotFound,
    /// It is not known whether the change is committed. A retry is safe.
    Unavailable,
}

impl Outcome {
    /// The outcome for a failure, and whether the failure also concerns the remaining users.
    pub(crate) fn of(failure: &Failure) -> (Self, bool) {
        let is_about_one = matches!(failure, Failure::NotFound | Failure::Denied(_) | Failure::Conflict);
        let outcome = match failure {
            Failure::NotFound => Self::NotFound,
            failure if failure.is_final() => Self::Refused,
            _ => Self::Unavailable,
        };
        (outcome, !is_about_one)
    }
}

/// The result for one user.
#[derive(Serialize)]
pub(crate) struct UserResult {
    /// The id as it is in the request.
    user_id: String,
    outcome: Outcome,
    /// The user after the change.
    #[serde(serialize_with = "public")]
    user: Option<User>,
    /// Why the user was not changed.
    problem: Option<PartProblem>,
}

impl UserResult {
    pub(crate) fn done(id: &str, outcome: Outcome, user: Option<User>) -> Self {
        Self { user_id: id.to_owned(), outcome, user, problem: None }
    }

    pub(crate) fn failed(id: &str, outcome: Outcome, problem: PartProblem) -> Self {
        Self { user_id: id.to_owned(), outcome, user: None, problem: Some(problem) }
    }
}

#[allow(clippy::ref_option, reason = "serde hands out a reference to the field")]
fn public<S: Serializer>(user: &Option<User>, serializer: S) -> Result<S::Ok, S::Error> {
    user.as_ref().map(PublicUser::from).serialize(serializer)
}
