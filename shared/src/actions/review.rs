//! Carries out what somebody decided on a user's access, and tells of it: the change of the decision's own action, with its
//! event, and that it was reviewed, all in one transaction.

use super::{Context, PendingRevocation, remove_user, set_permissions, set_status};
use crate::error::Failure;
use crate::models::{Decision, EventAction, Note, Status, User};
use crate::policy::Action;
use crate::review::Access;

/// A decision with all that carrying it out takes.
#[derive(Debug, Clone, Copy)]
pub enum ResolvedDecision {
    /// The access stays as it is.
    Keep,
    /// This is what the user has from now on.
    Reduce(Access),
    /// The user is shut out.
    Suspend,
    /// The user goes.
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

/// Carries `decision` out on `target`, and returns the user as it is then, unless removed. Where nothing else changes, the
/// decision is recorded alone: for `keep`, and for `suspend` when the user is suspended. Every decision moves the version, so
/// that with `If-Match` one that is sent twice is recorded once.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn review(
    context: &Context<'_>,
    target: &User,
    decision: &ResolvedDecision,
    note: Option<&Note>,
) -> Result<(Option<User>, Option<PendingRevocation>), Failure> {
    let (after, event) = match decision {
        ResolvedDecision::Keep => (Some(target.changed(context.now)), None),
        ResolvedDecision::Reduce(access) => {
            let (after, event) = set_permissions::decided(context, target, *access)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Suspend if target.status == Status::Suspended => (Some(target.changed(context.now)), None),
        ResolvedDecision::Suspend => {
            let (after, event) = set_status::decided(context, target, Status::Suspended, note)?;
            (Some(after), Some(event))
        }
        ResolvedDecision::Remove => (None, Some(remove_user::event(context, target)?)),
    };
    let after = after.map(|user| user.reviewed(context.now, &context.caller.user));
    let reviewed = context.event(EventAction::AccessReviewed, target)?;
    let reviewed = reviewed.deciding(decision.decision(), target, after.as_ref()).because(note);
    let events: Vec<_> = event.into_iter().chain([reviewed.sorted_last()?]).collect();
    context.commit(target, after.as_ref(), &events).await?;
    let ended = PendingRevocation::by(target, after.as_ref());
    Ok((after, ended))
}
