//! Suspends a user, or lets a suspended one in again.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, Note, Status, User};

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
) -> Result<User, Failure> {
    if target.status == status {
        return Ok(target.clone());
    }
    let mut change = context.change(target);
    let (action, after) = match status {
        Status::Suspended => {
            change.end_generation(target, context.now);
            (EventAction::UserSuspended, target.signed_out(context.now))
        }
        // Another generation than before: no session comes back.
        Status::Active => {
            let access_version = target.access_version + 1;
            (EventAction::UserReactivated, User { access_version, ..target.changed(context.now) })
        }
    };
    let after = User { status, ..after };
    change.change_user(target, &after);
    let event = context.event(action, target)?.changing(Some(target), Some(&after)).because(reason);
    change.record(&target.partner_id, &event);
    change.commit().await?;

    match status {
        Status::Suspended => context.end_generation(target).await?,
        Status::Active => {}
    }
    Ok(after)
}
