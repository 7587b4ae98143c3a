//! Suspends a user, or lets a suspended one in again.

use super::{Context, Ended};
use crate::error::Failure;
use crate::models::{EventAction, Note, Status, User};
use crate::store::Event;

/// Gives `target` this status, which ends every session of somebody who is suspended; nothing changes where it is what it
/// was. The reason is kept in the audit trail only. Answers the user as it is then.
///
/// # Errors
/// [`Failure::Moved`], or what kept us from it.
pub async fn set_status(
    context: &Context<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Option<Ended>), Failure> {
    if target.status == status {
        return Ok((target.clone(), None));
    }
    let (after, event) = decided(context, target, status, reason)?;
    context.commit(target, Some(&after), &[event]).await?;
    let ended = Ended::by(target, Some(&after));
    Ok((after, ended))
}

/// The user as it is then, and the event that tells of it.
pub(super) fn decided(
    context: &Context<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Event), Failure> {
    let (action, after) = match status {
        Status::Suspended => (EventAction::UserSuspended, target.signed_out(context.now)),
        // Another generation than before: no session comes back.
        Status::Active => {
            let access_version = target.access_version + 1;
            (EventAction::UserReactivated, User { access_version, ..target.changed(context.now) })
        }
    };
    let after = User { status, ..after };
    let event = context.event(action, target)?.changing(Some(target), Some(&after)).because(reason);
    Ok((after, event))
}
