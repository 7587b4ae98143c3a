//! Changes a user's role and permissions.

use super::Call;
use crate::error::Failure;
use crate::mail::MailKind;
use crate::models::{EventAction, User};
use crate::review::Access;
use crate::store::Event;

/// Gives `target` this access. If the user has it already, nothing changes. Returns the user after the change.
///
/// # Errors
/// [`Failure::StaleRead`], or why it could not be committed.
pub async fn set_permissions(call: &Call<'_>, target: &User, access: Access) -> Result<User, Failure> {
    if access == Access::of(target) {
        return Ok(target.clone());
    }
    let (after, event) = decided(call, target, access)?;
    let mut transaction = call.transaction();
    call.notify(&mut transaction, MailKind::AccessChanged, target, &event)?;
    // A change of permissions ends no session, so nothing has to be revoked.
    let _ = call.commit(transaction, target, Some(&after), &[event]).await?;
    Ok(after)
}

/// Returns the user after the change, and the event for it.
pub(super) fn decided(call: &Call<'_>, target: &User, access: Access) -> Result<(User, Event), Failure> {
    let after = target.with_access(access.role, access.permissions, call.now);
    let event = call.event(EventAction::PermissionsSet, target)?.changing(Some(target), Some(&after));
    Ok((after, event))
}
