//! Carries out a decision on a user's access: the change with its own event, and the event of the review, in one transaction.

use super::{Call, PendingRevocation, remove_user, set_permissions, set_status};
use crate::error::Failure;
use crate::models::{Decision, EventAction, Note, Status, User};
use crate::policy::Action;
use crate::review::Access;

/// A decision with everything that is needed to carry it out.
#[derive(Debug, Clone, Copy)]
pub enum ResolvedDecision {
    /// The access stays as it is.
    Keep,
    /// The user has this access from now on.
    Reduce(Access),
    /// The user is suspended.
    Suspend,
    /// The user is removed.
    Remove,
}

impl ResolvedDecision {
    /// The decision.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Keep => Decision::Keep,
            Self::Reduce(_) => Decision::Reduce,
            Self::Suspend => Decision::Suspend,
            Self::Remove => Decision::Remove,
        }
    }

    /// The action that the policy has to allow.
    pub fn action<'a>(&'a self, target: &'a User) -> Action<'a> {
        match self {
            Self::Keep => Action::KeepAccess { target },
            Self::Reduce(Access { role, permissions }) => Action::SetPermissions { target, role: *role, permissions },
            Self::Suspend => Action::SetStatus { target },
            Self::Remove => Action::RemoveUser { target },
        }
    }
}

/// Carries out `decision` on `target`, and returns the user after it, unless it is removed. `keep`, and `suspend` for a suspended
/// user, change nothing else: then only the decision is recorded. Every decision moves the version, so with `If-Match` a decision
/// that is sent twice is recorded once.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn review(
    call: &Call<'_>,
    target: &User,
    decision: &ResolvedDecision,
    note: Option<&Note>,
) -> Result<(Option<User>, Option<PendingRevocation>), Failure> {
    let (after, event) = match decision {
        ResolvedDecision::Keep => (Some(target.changed(call.now)), None),
        ResolvedDecision::Reduce(access) => {
            let (after, event) = set_permissions::decided(call, target, *access)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Suspend if target.status == Status::Suspended => (Some(target.changed(call.now)), None),
        ResolvedDecision::Suspend => {
            let (after, event) = set_status::decided(call, target, Status::Suspended, note)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Remove => (None, Some(remove_user::event(call, target)?)),
    };
    let after = after.map(|user| user.reviewed(call.now, &call.caller.user));
    let reviewed = call.event(EventAction::AccessReviewed, target)?;
    let reviewed = reviewed.deciding(decision.decision(), target, after.as_ref()).because(note);
    let events: Vec<_> = event.into_iter().chain([reviewed.sorted_last()?]).collect();
    let revocation = call.commit(call.transaction(), target, after.as_ref(), &events).await?;
    Ok((after, revocation))
}
