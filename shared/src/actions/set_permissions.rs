//! Changes what a user is and may do.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, Permissions, Role, User};

/// Gives `target` this role and these permissions. Answers the user as it is then.
///
/// # Errors
/// [`Failure::Moved`], or what kept us from it.
pub async fn set_permissions(
    context: &Context<'_>,
    target: &User,
    role: Role,
    permissions: Permissions,
) -> Result<User, Failure> {
    let after = User { role, permissions, access_version: target.access_version + 1, ..target.changed(context.now) };
    let mut change = context.change(target);
    change.change_user(target, &after);
    let event = context.event(EventAction::PermissionsSet, target)?.changing(Some(target), Some(&after));
    change.record(&target.partner_id, &event);
    change.commit().await?;
    Ok(after)
}
