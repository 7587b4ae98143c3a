//! Suspends a user, or lets a suspended one in again.

use super::{Context, PendingRevocation};
use crate::error::Failure;
use crate::models::{EventAction, Note, Status, User};
use crate::store::Event;

/// Gives `target` this status, and ends every session of a user who is suspended. When the user has this status already, only
/// a reason is recorded, and without one nothing changes. The reason is kept in the audit trail only. Returns the user as it
/// is then.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn set_status(
    context: &Context<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Option<PendingRevocation>), Failure> {
    if target.status == status && reason.is_none() {
        return Ok((target.clone(), None));
    }
    let (after, event) = decided(context, target, status, reason)?;
    context.commit(target, Some(&after), &[event]).await?;
    let ended = PendingRevocation::by(target, Some(&after));
    Ok((after, ended))
}

/// The user as it is then, and the event that tells of it.
pub(super) fn decided(
    context: &Context<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Event), Failure> {
    let action = match status {
        Status::Suspended => EventAction::UserSuspended,
        Status::Active => EventAction::UserReactivated,
    };
    let after = match status {
        same if same == target.status => target.changed(context.now),
        Status::Suspended => User { status, ..target.signed_out(context.now) },
        // Another generation than before: no session comes back.
        Status::Active => target.reactivated(context.now),
    };
    let event = context.event(action, target)?.changing(Some(target), Some(&after)).because(reason);
    Ok((after, event))
}
