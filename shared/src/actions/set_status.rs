//! Suspends or reactivates a user.

use super::{Call, PendingRevocation};
use crate::error::Failure;
use crate::mail::MailKind;
use crate::models::{EventAction, Note, Status, User};
use crate::store::Event;

/// Gives `target` this status. A suspension ends every session. If the user has this status already, only
/// the reason is recorded, and without a reason nothing changes. Only the audit trail contains the
/// reason. Returns the user after the change.
///
/// # Errors
/// [`Failure::StaleRead`], or why it could not be committed.
pub async fn set_status(
    call: &Call<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Option<PendingRevocation>), Failure> {
    if target.status == status && reason.is_none() {
        return Ok((target.clone(), None));
    }
    let (after, event) = decided(call, target, status, reason)?;
    let mut transaction = call.transaction();
    if after.status == Status::Suspended && target.status != Status::Suspended {
        call.notify(&mut transaction, MailKind::Suspended, target, &event)?;
    }
    let revocation = call.commit(transaction, target, Some(&after), &[event]).await?;
    Ok((after, revocation))
}

/// Returns the user after the change, and the event for it.
pub(super) fn decided(
    call: &Call<'_>,
    target: &User,
    status: Status,
    reason: Option<&Note>,
) -> Result<(User, Event), Failure> {
    let action = match status {
        Status::Suspended => EventAction::UserSuspended,
        Status::Active => EventAction::UserReactivated,
    };
    let after = match status {
        same if same == target.status => target.changed(call.now),
        Status::Suspended => User { status, ..target.signed_out(call.now) },
        // The suspension began a new generation, so no earlier session becomes valid again.
        Status::Active => target.reactivated(call.now),
    };
    let event = call.event(action, target)?.changing(Some(target), Some(&after)).because(reason);
    Ok((after, event))
}
