//! Changes what a user is and may do.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::review::Access;
use crate::store::Event;

/// Gives `target` this access; nothing changes when the user has exactly that. Returns the user as it is then.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn set_permissions(context: &Context<'_>, target: &User, access: Access) -> Result<User, Failure> {
    if access == Access::of(target) {
        return Ok(target.clone());
    }
    let (after, event) = decided(context, target, access)?;
    context.commit(target, Some(&after), &[event]).await?;
    Ok(after)
}

/// The user as it is then, and the event that tells of it.
pub(super) fn decided(context: &Context<'_>, target: &User, access: Access) -> Result<(User, Event), Failure> {
    let after = target.with_access(access.role, access.permissions, context.now);
    let event = context.event(EventAction::PermissionsSet, target)?.changing(Some(target), Some(&after));
    Ok((after, event))
}
