//! Removes a user, who can be restored for 30 days.

use super::{Call, PendingRevocation};
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::store::Event;

/// Removes `target`, and with it every session and secret. Returns the revocation that Cognito still needs.
///
/// # Errors
/// [`Failure::StaleRead`], or why it could not be committed.
pub async fn remove_user(call: &Call<'_>, target: &User) -> Result<Option<PendingRevocation>, Failure> {
    call.commit(call.transaction(), target, None, &[event(call, target)?]).await
}

/// Returns the event for the removal.
pub(super) fn event(call: &Call<'_>, target: &User) -> Result<Event, Failure> {
    Ok(call.event(EventAction::UserRemoved, target)?.changing(Some(target), None))
}
