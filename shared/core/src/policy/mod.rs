//! The policy: one pure function over the models decides which user may do what. It denies by default, and checks
//! prohibitions before permissions.
//!
//! The module `session` first verifies that the caller is active and has a live session. `grid.txt` beside this file
//! lists the decision for every combination, one per line, and a test compares it with the code.

#[cfg(test)]
mod grid;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod properties;

use crate::models::{Permission, Permissions, Role, Status, User};

/// An action that a user requests. A target is the user as stored now; it can belong to any partner.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// List all users of the actor's partner.
    ListUsers,
    /// Read the audit trail of the actor's partner.
    ListAuditEvents,
    /// Read one user.
    GetUser {
        /// The user to read.
        target: &'a User,
    },
    /// Add a user to the actor's partner.
    AddUser {
        /// The role of the new user.
        role: Role,
        /// The permissions of the new user.
        permissions: &'a Permissions,
    },
    /// Change the name of a user, and possibly the email.
    EditUser {
        /// The user to edit.
        target: &'a User,
        /// Whether the email changes.
        email: bool,
    },
    /// Set a new password for a user.
    SetPassword {
        /// The user who gets the password.
        target: &'a User,
    },
    /// Change the role and the permissions of a user.
    SetPermissions {
        /// The user to change.
        target: &'a User,
        /// The new role.
        role: Role,
        /// The new permissions.
        permissions: &'a Permissions,
    },
    /// End all sessions of a user.
    ForceLogout {
        /// The user to sign out.
        target: &'a User,
    },
    /// Remove a user.
    RemoveUser {
        /// The user to remove.
        target: &'a User,
    },
    /// Suspend or reactivate a user.
    SetStatus {
        /// The user to suspend or reactivate.
        target: &'a User,
    },
    /// List the sessions of a user.
    ListSessions {
        /// The owner of the sessions.
        target: &'a User,
    },
    /// End one session of a user.
    EndSession {
        /// The owner of the session.
        target: &'a User,
    },
    /// Make another user the primary admin. The actor becomes an admin.
    HandOver {
        /// The user who becomes the primary admin.
        target: &'a User,
    },
    /// Read which users have access, when they last signed in, and what earlier reviews decided.
    ReviewAccess,
    /// Decide in a review that a user's access stays unchanged.
    KeepAccess {
        /// The user whose access is kept.
        target: &'a User,
    },
}

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
    /// The permissions exceed the role's ceiling, or the role can never be granted.
    #[error("the role cannot hold these permissions, or cannot be granted at all")]
    AboveCeiling,
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
///     last_name: PersonName::parse("Lee")?,
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
    let rule = action.rule();
    let target = rule.target;
    let own = target.is_some_and(|target| target.id == actor.id);
    let guarded = target.filter(|_| rule.guarded && !own);

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
    let needs = if own && rule.on_oneself == OnOneself::Allowed { &[] } else { rule.needs };
    if let Some(missing) = needs.iter().find(|needed| !actor.permissions.contains(**needed)) {
        return Err(Denied::MissingPermission(*missing));
    }
    // Prevents privilege escalation: an actor who may set a user's password can sign in as that user.
    if guarded.is_some_and(|target| !target.permissions.is_subset_of(&actor.permissions)) {
        return Err(Denied::ExceedsOwnPermissions);
    }
    if rule.primary_admin_only && (own || !target.is_some_and(is_active_admin)) {
        return Err(Denied::NotAnActiveAdmin);
    }
    if rule.primary_admin_only && !target.is_some_and(User::has_begun) {
        return Err(Denied::NotSignedInYet);
    }
    if let Some((role, permissions)) = rule.grant {
        if !permissions.is_subset_of(&actor.permissions) {
            return Err(Denied::ExceedsOwnPermissions);
        }
        if role == Role::PrimaryAdmin || !permissions.is_subset_of(&role.ceiling()) {
            return Err(Denied::AboveCeiling);
        }
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

/// The policy's rule for one action.
struct Rule<'a> {
    /// The existing user that the action concerns, if any.
    target: Option<&'a User>,
    /// The role and the permissions that the action grants, if any.
    grant: Option<(Role, &'a Permissions)>,
    /// The permissions that the actor needs. All of them are required.
    needs: &'static [Permission],
    /// The name of the change. `None` for an action that only reads.
    audited_as: Option<&'static str>,
    on_oneself: OnOneself,
    /// The actor also needs every permission of the target, unless the target is the actor.
    guarded: bool,
    primary_admin_only: bool,
    /// The action changes neither the target's data nor the target's access, so the primary admin is not protected from
    /// it.
    leaves_record_unchanged: bool,
}

/// How the policy treats an action on the actor's own record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnOneself {
    /// The action needs no permission.
    Allowed,
    /// The action needs the same permissions as for another user.
    AsOnOthers,
    /// The action is never allowed.
    Forbidden,
}

impl<'a> Rule<'a> {
    /// Returns the rule for an action on the whole partner.
    fn partner(needs: &'static [Permission]) -> Self {
        Self {
            target: None,
            grant: None,
            needs,
            audited_as: None,
            on_oneself: OnOneself::AsOnOthers,
            guarded: false,
            primary_admin_only: false,
            leaves_record_unchanged: false,
        }
    }

    /// Returns the rule for an action on one user.
    fn user(target: &'a User, on_oneself: OnOneself, needs: &'static [Permission]) -> Self {
        Self { target: Some(target), on_oneself, ..Self::partner(needs) }
    }

    fn audited(self, name: &'static str) -> Self {
        Self { audited_as: Some(name), ..self }
    }

    fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    fn grants(self, role: Role, permissions: &'a Permissions) -> Self {
        Self { grant: Some((role, permissions)), ..self }
    }

    fn primary_admin_only(self) -> Self {
        Self { primary_admin_only: true, ..self }
    }

    fn leaves_record_unchanged(self) -> Self {
        Self { leaves_record_unchanged: true, ..self }
    }
}

impl<'a> Action<'a> {
    /// Returns the policy's rule for this action. This match is the policy's table, with one row per action.
    fn rule(&self) -> Rule<'a> {
        use OnOneself::{Allowed, AsOnOthers, Forbidden};
        use Permission::{
            AuditRead, UsersAdd, UsersEdit, UsersForceLogout, UsersRead, UsersRemove, UsersSetPermissions,
        };

        match *self {
            Self::ListUsers => Rule::partner(&[UsersRead]),
            Self::ListAuditEvents => Rule::partner(&[AuditRead]),
            Self::ReviewAccess => Rule::partner(&[UsersRead, AuditRead]),
            Self::AddUser { role, permissions } => {
                Rule::partner(&[UsersAdd]).audited("add_user").grants(role, permissions)
            }
            Self::GetUser { target } => Rule::user(target, Allowed, &[UsersRead]),
            Self::EditUser { target, email } => {
                let on_oneself = if email { AsOnOthers } else { Allowed };
                Rule::user(target, on_oneself, &[UsersEdit]).audited("edit_user").guarded()
            }
            Self::SetPassword { target } => Rule::user(target, Allowed, &[UsersEdit]).audited("set_password").guarded(),
            Self::SetPermissions { target, role, permissions } => Rule::user(target, Forbidden, &[UsersSetPermissions])
                .audited("set_permissions")
                .guarded()
                .grants(role, permissions),
            Self::ForceLogout { target } => {
                Rule::user(target, Allowed, &[UsersForceLogout]).audited("force_logout").guarded()
            }
            Self::RemoveUser { target } => {
                Rule::user(target, Forbidden, &[UsersRemove]).audited("remove_user").guarded()
            }
            Self::SetStatus { target } => Rule::user(target, Forbidden, &[UsersRemove]).audited("set_status").guarded(),
            Self::ListSessions { target } => Rule::user(target, Allowed, &[UsersForceLogout]).guarded(),
            Self::EndSession { target } => {
                Rule::user(target, Allowed, &[UsersForceLogout]).audited("end_session").guarded()
            }
            Self::HandOver { target } => Rule::user(target, AsOnOthers, &[UsersSetPermissions])
                .audited("hand_over")
                .guarded()
                .primary_admin_only(),
            Self::KeepAccess { target } => Rule::user(target, Forbidden, &[UsersSetPermissions])
                .audited("keep_access")
                .guarded()
                .leaves_record_unchanged(),
        }
    }

    /// Returns the existing user that the action concerns, if any.
    pub fn target(&self) -> Option<&'a User> {
        self.rule().target
    }

    /// Returns the name of the change, or `None` for an action that only reads.
    pub fn change(&self) -> Option<&'static str> {
        self.rule().audited_as
    }
}
