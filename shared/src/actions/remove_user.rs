//! Removes a user for good.

use super::{Context, PendingRevocation};
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::store::Event;

/// Removes `target`, with every session and secret.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn remove_user(context: &Context<'_>, target: &User) -> Result<PendingRevocation, Failure> {
    context.commit(target, None, &[event(context, target)?]).await?;
    Ok(PendingRevocation::of(target))
}

/// The event that tells of it.
pub(super) fn event(context: &Context<'_>, target: &User) -> Result<Event, Failure> {
    Ok(context.event(EventAction::UserRemoved, target)?.changing(Some(target), None))
}
