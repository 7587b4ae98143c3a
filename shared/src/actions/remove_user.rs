//! Removes a user for good.

use super::{Context, Ended};
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::store::Event;

/// Removes `target`, with every session and secret.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn remove_user(context: &Context<'_>, target: &User) -> Result<Ended, Failure> {
    context.commit(target, None, &[told(context, target)?]).await?;
    Ok(Ended::of(target))
}

/// The event that tells of it.
pub(super) fn told(context: &Context<'_>, target: &User) -> Result<Event, Failure> {
    Ok(context.event(EventAction::UserRemoved, target)?.changing(Some(target), None))
}
