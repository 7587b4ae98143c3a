//! The policy: one pure function over the models decides which user may do what. It denies by default, and checks
//! prohibitions before permissions. `actions.rs` has one row for each action.
//!
//! The module `session` first verifies that the caller is active and has a live session. `grid.txt` beside this file
//! lists the decision for every combination, one per line, and a test compares it with the code.

mod actions;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod grid;
#[cfg(test)]
mod properties;

use crate::models::{InvalidGrant, Permission, Role, Status, User};
pub use actions::{Action, ActionKind};
use actions::{OnOneself, Parameters};

/// The reason why an action is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The target belongs to another partner. To the actor it must look as if it did not exist.
    #[error("there is no such user")]
    NoSuchUser,
    /// Only the primary admin may change the primary admin, or list the primary admin's sessions.
    #[error("the primary admin can only be changed by the primary admin")]
    PrimaryAdminProtected,
    /// Users may not change their own role, permissions or status, or remove themselves.
    #[error("you cannot change your own role, permissions or status, or remove yourself")]
    SelfChangeForbidden,
    /// The actor lacks a permission that the action needs.
    #[error("this needs the permission `{0}`")]
    MissingPermission(Permission),
    /// The target has or would get a permission that the actor lacks, or would get a role above the actor's.
    #[error("this user holds, or would hold, a role or permissions above your own")]
    ExceedsOwnPermissions,
    /// The portal can only be handed over to another user who is an admin and not suspended.
    #[error("only another active admin can be made the primary admin")]
    NotAnActiveAdmin,
    /// The portal can only be handed over to a user who has signed in and has chosen a password. If a primary admin
    /// could not sign in, no other user of the partner could help.
    #[error("this user has never signed in, or has not changed the initial password")]
    NotSignedInYet,
    /// The role cannot be granted with these permissions.
    #[error(transparent)]
    InvalidGrant(#[from] InvalidGrant),
}

/// Decides whether `actor` may perform `action`. Returns the first reason for a denial.
///
/// ```
/// use portal_core::models::{Email, PartnerId, Permission, PersonName, Profile, Role, Timestamp, User, UserId};
/// use portal_core::policy::{Action, Denied, authorize};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = Timestamp::from_unix_millis(1_795_350_591_123);
/// let profile = Profile {
///     first_name: PersonName::parse("Ann")?,
///     last_name: Some(PersonName::parse("Lee")?),
///     email: Email::parse("ann@example.com")?,
///     role: Role::Viewer,
///     permissions: Role::Viewer.default_permissions(),
///     must_change_password: false,
/// };
/// let viewer = User::new(UserId::new(now, [1; 10]), PartnerId::new(now, [2; 10]), profile, now, None);
/// let colleague = User { id: UserId::new(now, [3; 10]), ..viewer.clone() };
///
/// assert_eq!(authorize(&viewer, &Action::GetUser { target: &colleague }), Ok(()));
/// assert_eq!(
///     authorize(&viewer, &Action::RemoveUser { target: &colleague }),
///     Err(Denied::MissingPermission(Permission::UsersRemove)),
/// );
/// # Ok(())
/// # }
/// ```
pub fn authorize(actor: &User, action: &Action<'_>) -> Result<(), Denied> {
    let rule = action.kind().rule();
    let Parameters { target, role, permissions, email } = action.parameters();
    let own = target.is_some_and(|target| target.id == actor.id);
    let guarded = target.filter(|_| rule.guarded && !own);
    let is_own_right = own
        && match rule.on_oneself {
            OnOneself::Allowed => true,
            OnOneself::AllowedExceptEmail => email != Some(true),
            OnOneself::AsOnOthers | OnOneself::Forbidden => false,
        };

    if target.is_some_and(|target| target.partner_id != actor.partner_id) {
        return Err(Denied::NoSuchUser);
    }
    if (guarded.is_some_and(User::is_primary_admin) && !rule.leaves_record_unchanged)
        || (rule.primary_admin_only && !actor.is_primary_admin())
    {
        return Err(Denied::PrimaryAdminProtected);
    }
    if own && rule.on_oneself == OnOneself::Forbidden {
        return Err(Denied::SelfChangeForbidden);
    }
    let needs = if is_own_right { &[] } else { rule.needs };
    if let Some(missing) = needs.iter().find(|needed| !actor.permissions.contains(**needed)) {
        return Err(Denied::MissingPermission(*missing));
    }
    // Prevents privilege escalation: an actor who may set a user's password can sign in as that user.
    if guarded.is_some_and(|target| !target.permissions.is_subset_of(&actor.permissions)) {
        return Err(Denied::ExceedsOwnPermissions);
    }
    if let Some(next) = target.filter(|_| rule.primary_admin_only) {
        if own || !is_active_admin(next) {
            return Err(Denied::NotAnActiveAdmin);
        }
        if !next.has_begun() {
            return Err(Denied::NotSignedInYet);
        }
    }
    if let (Some(role), Some(permissions)) = (role, permissions) {
        if !permissions.is_subset_of(&actor.permissions) {
            return Err(Denied::ExceedsOwnPermissions);
        }
        role.check_grant(permissions)?;
        // The role matters in addition to the permissions, because the portal can be handed over to an admin.
        if role.is_above(actor.role) {
            return Err(Denied::ExceedsOwnPermissions);
        }
    }
    Ok(())
}

fn is_active_admin(user: &User) -> bool {
    let is_admin = match user.role {
        Role::Admin => true,
        Role::PrimaryAdmin | Role::Manager | Role::Viewer => false,
    };
    is_admin && user.status == Status::Active
}
