//! Removes a user for good.

use super::{Call, PendingRevocation};
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::store::Event;

/// Removes `target`, with every session and secret.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn remove_user(call: &Call<'_>, target: &User) -> Result<Option<PendingRevocation>, Failure> {
    call.commit(call.transaction(), target, None, &[event(call, target)?]).await
}

/// The event for the removal.
pub(super) fn event(call: &Call<'_>, target: &User) -> Result<Event, Failure> {
    Ok(call.event(EventAction::UserRemoved, target)?.changing(Some(target), None))
}
