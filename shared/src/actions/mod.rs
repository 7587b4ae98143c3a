//! Changes of a user that more than one function makes: each is one transaction, for a caller whom the policy has let. The
//! function says who asks, and authorizes; what is changed, and what is told of it, is said here once.

mod authorize;
mod current_password;
mod force_logout;
mod remove_user;
mod set_permissions;
mod set_status;

pub use force_logout::force_logout;
pub use remove_user::remove_user;
pub use set_permissions::set_permissions;
pub use set_status::set_status;

use crate::Portal;
use crate::error::Failure;
use crate::http::Request;
use crate::identity::Generation;
use crate::models::{EventAction, Timestamp, User};
use crate::session::Caller;
use crate::store::{Actor, Change, Event};

/// Who changes something, when, and with which request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where.
    pub portal: &'a Portal,
    /// What asked for it.
    pub request: &'a Request,
    /// Who.
    pub caller: &'a Caller,
    /// When.
    pub now: Timestamp,
}

impl<'a> Context<'a> {
    /// A transaction that rests on the caller's authority and session; it must change `target`.
    fn change(&self, target: &User) -> Change<'a> {
        let mut change = self.portal.store().change();
        self.caller.vouch(&mut change, Some(target));
        change
    }

    /// The audit event of what the caller does to `target`.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn event<'b>(&self, action: EventAction, target: impl Into<Option<&'b User>>) -> Result<Event, Failure> {
        let (address, id) = (self.request.address(), self.request.id());
        Event::new(action, self.now, Actor::user(&self.caller.user), target, Some(address), id)
    }

    /// Ends in Cognito the generation that `target` was in. What fails is left to repair: its mark is committed.
    async fn end_generation(&self, target: &User) -> Result<(), Failure> {
        self.portal.identity()?.end_soon(&Generation::of(target)).await;
        Ok(())
    }
}
