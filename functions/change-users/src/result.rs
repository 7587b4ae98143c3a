//! What became of each user.

use portal::error::Failure;
use portal::http::PartProblem;
use portal::models::{PublicUser, User};
use serde::{Serialize, Serializer};

/// In one word.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// It was so before.
    Unchanged,
    /// It may not be.
    Refused,
    /// There is no such user.
    NotFound,
    /// It is not known to be done. Safe to ask for again.
    Unavailable,
}

impl Outcome {
    /// What a failure comes to, and whether it stands against all that is left too.
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
    /// As it was named.
    user_id: String,
    outcome: Outcome,
    /// As it is now, where it is done.
    #[serde(serialize_with = "public")]
    user: Option<User>,
    /// Why it is not done.
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
