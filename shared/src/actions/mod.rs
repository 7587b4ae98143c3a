//! Changes of a user that more than one function makes: each is one transaction, for a caller whom the policy has let. The
//! function says who asks, and authorizes; what is changed, and what is told of it, is said here once. What is then left to
//! end in Cognito comes back as [`PendingRevocation`], for who changes many at once ends all of them together.

mod add_users;
mod authorize;
mod current_password;
mod force_logout;
mod own_changes;
mod remove_user;
mod review;
mod set_permissions;
mod set_status;
mod sign_in;

pub use add_users::{MAX_ADDED_AT_ONCE, Newcomer};
pub use force_logout::force_logout;
pub use remove_user::remove_user;
pub use review::{ResolvedDecision, review};
pub use set_permissions::set_permissions;
pub use set_status::set_status;
pub use sign_in::{CHALLENGE_LIFETIME, CHOOSE_PARTNER, Issued, NEW_PASSWORD, SignIn, SigningIn};

use crate::App;
use crate::error::Failure;
use crate::http::Request;
use crate::identity::Generation;
use crate::models::{EventAction, Timestamp, User};
use crate::session::Caller;
use crate::store::{Actor, Event};

/// Who changes something, when, and with which request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where.
    pub app: &'a App,
    /// What asked for it.
    pub request: &'a Request,
    /// Who.
    pub caller: &'a Caller,
    /// When.
    pub now: Timestamp,
}

impl Context<'_> {
    /// Commits that `target` becomes `after`, or is no more, and what is told of it: one transaction, which rests on the
    /// caller's authority and session. Where it ends a generation, that end is due from then on.
    ///
    /// # Errors
    /// [`Failure::StaleRead`], or what kept us from it.
    async fn commit(&self, target: &User, after: Option<&User>, events: &[Event]) -> Result<(), Failure> {
        let mut transaction = self.app.store().transaction();
        self.caller.require_caller(&mut transaction, Some(target));
        match after {
            Some(after) => transaction.change_user(target, after),
            None => transaction.remove_user(target),
        }
        if PendingRevocation::by(target, after).is_some() {
            transaction.end_generation(target, self.now);
        }
        for event in events {
            transaction.record(&target.partner_id, event);
        }
        Ok(transaction.commit().await?)
    }

    /// The audit event of what the caller does to `target`.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn event<'b>(&self, action: EventAction, target: impl Into<Option<&'b User>>) -> Result<Event, Failure> {
        let (address, id) = (self.request.address(), self.request.id());
        Event::new(action, self.now, Actor::user(&self.caller.user), target, Some(address), id)
    }

    /// Ends in Cognito what a change has ended. What fails is left to repair: its mark is committed.
    ///
    /// # Errors
    /// As [`App::identity`].
    pub async fn end(&self, ended: impl IntoIterator<Item = PendingRevocation>) -> Result<(), Failure> {
        let generations: Vec<Generation> = ended.into_iter().map(|PendingRevocation(generation)| generation).collect();
        if !generations.is_empty() {
            self.app.identity()?.end_soon(&generations).await;
        }
        Ok(())
    }
}

/// A generation of a user's sessions whose end is committed, and that Cognito has still to end: see [`Context::end`].
#[derive(Debug)]
#[must_use]
pub struct PendingRevocation(Generation);

impl PendingRevocation {
    /// The generation that `target` was in.
    fn of(target: &User) -> Self {
        Self(Generation::of(target))
    }

    /// What ends when `target` becomes `after`, or is no more.
    fn by(target: &User, after: Option<&User>) -> Option<Self> {
        let goes_on = after.is_some_and(|after| after.session_generation == target.session_generation);
        (!goes_on).then(|| Self::of(target))
    }
}
