//! Removes a user for good.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, User};

/// Removes `target`, with every session and secret.
///
/// # Errors
/// [`Failure::Moved`], or what kept us from it.
pub async fn remove_user(context: &Context<'_>, target: &User) -> Result<(), Failure> {
    let mut change = context.change(target);
    change.remove_user(target);
    change.end_generation(target, context.now);
    let event = context.event(EventAction::UserRemoved, target)?.changing(Some(target), None);
    change.record(&target.partner_id, &event);
    change.commit().await?;
    context.end_generation(target).await
}
