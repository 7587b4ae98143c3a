//! Carries out a decision on a user's access. One transaction contains the
//! change, its event and the event for the review.

use super::{Call, PendingRevocation, remove_user, set_permissions, set_status};
use crate::error::Failure;
use crate::mail::MailKind;
use crate::models::{Decision, EventAction, Note, Status, User};
use crate::policy::Action;
use crate::review::Access;

/// A decision, with the access that a reduction leaves.
#[derive(Debug, Clone, Copy)]
pub enum ResolvedDecision {
    /// The access is unchanged.
    Keep,
    /// The user keeps only this access.
    Reduce(Access),
    /// The user is suspended.
    Suspend,
    /// The user is removed.
    Remove,
}

impl ResolvedDecision {
    /// Returns the decision without its data.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Keep => Decision::Keep,
            Self::Reduce(_) => Decision::Reduce,
            Self::Suspend => Decision::Suspend,
            Self::Remove => Decision::Remove,
        }
    }

    /// Returns the action that the policy must allow.
    pub fn action<'a>(&'a self, target: &'a User) -> Action<'a> {
        match self {
            Self::Keep => Action::KeepAccess { target },
            Self::Reduce(Access { role, permissions }) => Action::SetPermissions { target, role: *role, permissions },
            Self::Suspend => Action::SetStatus { target },
            Self::Remove => Action::RemoveUser { target },
        }
    }
}

/// Carries out `decision` on `target`. Returns the user after it, unless the user is removed. `keep` only records the
/// decision, and so does `suspend` for a suspended user. Every decision increments the version of the user, so a
/// decision that is sent twice with `If-Match` is recorded once.
///
/// # Errors
/// [`Failure::StaleRead`], or why it could not be committed.
pub async fn review(
    call: &Call<'_>,
    target: &User,
    decision: &ResolvedDecision,
    note: Option<&Note>,
) -> Result<(Option<User>, Option<PendingRevocation>), Failure> {
    let mut transaction = call.transaction();
    let (after, event) = match decision {
        ResolvedDecision::Keep => (Some(target.changed(call.now)), None),
        ResolvedDecision::Reduce(access) => {
            let (after, event) = set_permissions::decided(call, target, *access)?;
            call.notify(&mut transaction, MailKind::AccessChanged, target, &event)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Suspend if target.status == Status::Suspended => (Some(target.changed(call.now)), None),
        ResolvedDecision::Suspend => {
            let (after, event) = set_status::decided(call, target, Status::Suspended, note)?;
            call.notify(&mut transaction, MailKind::Suspended, target, &event)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Remove => (None, Some(remove_user::event(call, target)?)),
    };
    let after = after.map(|user| user.reviewed(call.now, &call.caller.user));
    let reviewed = call.event(EventAction::AccessReviewed, target)?;
    let reviewed = reviewed.deciding(decision.decision(), target, after.as_ref()).because(note);
    let events: Vec<_> = event.into_iter().chain([reviewed.sorted_last()?]).collect();
    let revocation = call.commit(transaction, target, after.as_ref(), &events).await?;
    Ok((after, revocation))
}
