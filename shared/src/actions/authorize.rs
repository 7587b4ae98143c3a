//! Lets a caller change something, or tells in the audit trail that it was refused.

use std::time::Duration;

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::policy::{Denied, Wish, authorize};
use crate::store::CommitError;
use crate::telemetry;

/// How long a refusal waits to be told. It is one whether or not it can be.
const TELL_WITHIN: Duration = Duration::from_secs(1);

impl Context<'_> {
    /// As [`policy::authorize`](authorize); what is refused is told.
    ///
    /// # Errors
    /// [`Failure::Denied`], and no other.
    pub async fn authorize(&self, wish: &Wish<'_>) -> Result<(), Failure> {
        let Err(denied) = authorize(&self.caller.user, wish) else { return Ok(()) };
        self.tell_refused(wish, denied).await;
        Err(denied.into())
    }

    /// Lets the caller see `target` in the response to a request that changes nothing: that is a read.
    ///
    /// # Errors
    /// [`Failure::Denied`], and no other.
    pub fn authorize_unchanged(&self, target: &User) -> Result<(), Failure> {
        Ok(authorize(&self.caller.user, &Wish::GetUser { target })?)
    }

    /// Tells that the caller was refused a change: once a minute for each caller and kind of wish, so that nobody can flood
    /// the trail. That it cannot be told changes nothing.
    pub async fn tell_refused(&self, wish: &Wish<'_>, denied: Denied) {
        let code = match denied {
            Denied::MissingPermission(_) => "missing_permission",
            Denied::PrimaryAdminProtected => "primary_admin_protected",
            Denied::SelfChangeForbidden => "self_change_forbidden",
            Denied::ExceedsOwnPermissions => "exceeds_own_permissions",
            // To the caller there is no such user, or a field is at fault.
            Denied::NoSuchUser | Denied::AboveCeiling | Denied::NotAnActiveAdmin | Denied::NotSignedInYet => return,
        };
        self.tell_refused_for(wish, code).await;
    }

    /// As [`tell_refused`](Self::tell_refused), for a reason that is none of the policy's.
    pub(super) async fn tell_refused_for(&self, wish: &Wish<'_>, code: &str) {
        let Some(attempted) = wish.change() else { return };
        telemetry::count("ChangesRefused", 1);
        let told = tokio::time::timeout(TELL_WITHIN, self.record_refused(wish, attempted, code));
        let problem = match told.await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => format!("{failure:?}"),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(request_id = self.request.id(), problem, "a refusal is not in the audit trail");
    }

    async fn record_refused(&self, wish: &Wish<'_>, attempted: &str, code: &str) -> Result<(), Failure> {
        let event = self.event(EventAction::ChangeRefused, wish.target())?.refusing(attempted, code);
        let mut change = self.portal.store().change();
        change.record_refused(&self.caller.user, attempted, &event);
        match change.commit().await {
            // It has been told in this minute.
            Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}
