//! Authenticated calls, and the changes that several functions make. Each change is one transaction and assumes that
//! the caller has been authorized: authorization stays in the function. A change returns what Cognito must then revoke
//! as a [`PendingRevocation`], so that a bulk request can revoke everything together.

mod add_users;
mod authorize;
mod call;
mod code_attempt;
mod current_password;
mod force_logout;
mod invitations;
mod open_link;
mod own_changes;
mod pending;
mod remove_factor;
mod remove_user;
mod restore_user;
mod review;
mod send_mail;
mod set_permissions;
mod set_status;
mod sign_in;

pub use add_users::{FirstPassword, MAX_ADDED_AT_ONCE, MAX_INVITED_AT_ONCE, Newcomer};
pub use call::{Call, Read, TargetKey};
pub use code_attempt::{CodeAttempt, record_refused_factor, wrong_code};
pub use force_logout::force_logout;
pub use open_link::OpenLink;
pub use pending::{Pending, WRONG_CHALLENGE, unchanged};
pub use remove_user::remove_user;
pub use restore_user::restore_user;
pub use review::{ResolvedDecision, review};
pub use send_mail::{SendOutcome, send_mail};
pub use set_permissions::set_permissions;
pub use set_status::set_status;
pub use sign_in::{CHALLENGE_LIFETIME, Challenge, Issued, NewApp, Outcome, SignIn, SigningIn};

use crate::identity::Generation;
use crate::models::User;

/// A generation of a user's sessions. Its end is committed, but Cognito still has to revoke it: see [`Call::revoke`].
#[derive(Debug)]
#[must_use]
pub struct PendingRevocation(Generation);

impl PendingRevocation {
    /// Returns the generation that ends when `target` becomes `after`, or when `target` is removed.
    fn after(target: &User, after: Option<&User>) -> Option<Self> {
        let continues = after.is_some_and(|after| after.session_generation == target.session_generation);
        (!continues).then(|| Self(Generation::of(target)))
    }
}
