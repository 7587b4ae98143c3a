//! Changes what a user is and may do.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::review::Access;
use crate::store::Event;

/// Gives `target` this access. Answers the user as it is then.
///
/// # Errors
/// [`Failure::Moved`], or what kept us from it.
pub async fn set_permissions(context: &Context<'_>, target: &User, access: Access) -> Result<User, Failure> {
    let (after, event) = decided(context, target, access)?;
    context.commit(target, Some(&after), &[event]).await?;
    Ok(after)
}

/// The user as it is then, and the event that tells of it.
pub(super) fn decided(context: &Context<'_>, target: &User, access: Access) -> Result<(User, Event), Failure> {
    let Access { role, permissions } = access;
    let after = User { role, permissions, access_version: target.access_version + 1, ..target.changed(context.now) };
    let event = context.event(EventAction::PermissionsSet, target)?.changing(Some(target), Some(&after));
    Ok((after, event))
}
