//! Who may do what: one pure function over the models, and nothing else. Deny by default, forbids first.
//!
//! The caller is known to be active and in a live session by the time it comes here; `session` sees to that.
//! `grid.txt` beside this file spells every rule out, one line per combination, and a test holds it against the code.

#[cfg(test)]
mod grid;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod properties;

use crate::models::{Permission, Permissions, Role, Status, User};

/// What a user asks to do. A target is the user as stored now, in any partner.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// See all users of one's partner.
    ListUsers,
    /// See the history of one's partner.
    ListAuditEvents,
    /// See one user.
    GetUser {
        /// Who is read.
        target: &'a User,
    },
    /// Add a user to one's partner.
    AddUser {
        /// Role of the new user.
        role: Role,
        /// What the new user may do.
        permissions: &'a Permissions,
    },
    /// Change the name of a user, or the email too.
    EditUser {
        /// Who is edited.
        target: &'a User,
        /// Whether the email is to change.
        email: bool,
    },
    /// Give a user a new password.
    SetPassword {
        /// Whose password it is.
        target: &'a User,
    },
    /// Change what a user is and may do.
    SetPermissions {
        /// Who is changed.
        target: &'a User,
        /// The new role.
        role: Role,
        /// The new permissions.
        permissions: &'a Permissions,
    },
    /// End every session of a user.
    ForceLogout {
        /// Who is signed out.
        target: &'a User,
    },
    /// Remove a user.
    RemoveUser {
        /// Who is removed.
        target: &'a User,
    },
    /// Suspend a user, or let a suspended one in again.
    SetStatus {
        /// Who is suspended or let in.
        target: &'a User,
    },
    /// See where a user is signed in.
    ListSessions {
        /// Whose sessions they are.
        target: &'a User,
    },
    /// End one session of a user.
    EndSession {
        /// Whose session it is.
        target: &'a User,
    },
    /// Make another the primary admin, and become an admin.
    HandOver {
        /// Who is to be the primary admin.
        target: &'a User,
    },
    /// See who has access and who uses it, and what was decided on it.
    ReviewAccess,
    /// Decide that a user's access stays as it is.
    KeepAccess {
        /// Whose access it is.
        target: &'a User,
    },
}

/// Why an action is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The target is another partner's; to the actor it must look as if it did not exist.
    #[error("there is no such user")]
    NoSuchUser,
    /// Only the primary admin changes the primary admin, or sees where the primary admin is signed in.
    #[error("the primary admin can only be changed by the primary admin")]
    PrimaryAdminProtected,
    /// Nobody changes their own role, permissions or status, or removes themselves.
    #[error("you cannot change your own role, permissions or status, or remove yourself")]
    SelfChangeForbidden,
    /// The actor lacks the permission that this takes.
    #[error("this needs the permission `{0}`")]
    MissingPermission(Permission),
    /// The target holds, or is to hold, a permission that the actor does not, or is to have a role above the actor's.
    #[error("this user holds, or would hold, a role or permissions above your own")]
    ExceedsOwnPermissions,
    /// The portal can be handed over to somebody else who is an admin, and not suspended.
    #[error("only another active admin can be made the primary admin")]
    NotAnActiveAdmin,
    /// The portal can be handed over to a user who has signed in and has chosen a password: nobody in the partner could
    /// help a primary admin who cannot sign in.
    #[error("this user has never signed in, or has not changed the initial password")]
    NotSignedInYet,
    /// The permissions are more than the role can hold, or the role is one that is never granted.
    #[error("the role cannot hold these permissions, or cannot be granted at all")]
    AboveCeiling,
}

/// Decides whether `actor` may do `action`. The first reason for a denial is returned.
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
    // No acting upward: an actor who may set the password of a user can become that user.
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
        // The role matters beside the permissions: the portal can be handed over to an admin.
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

/// What the policy says of one action.
struct Rule<'a> {
    /// The user that the action concerns, if it concerns one that exists.
    target: Option<&'a User>,
    /// The role and the permissions that the target has afterwards, if the action grants them.
    grant: Option<(Role, &'a Permissions)>,
    /// The permissions that the actor needs, all of them.
    needs: &'static [Permission],
    /// The name of the change; none for an action that only reads.
    audited_as: Option<&'static str>,
    on_oneself: OnOneself,
    /// The actor also needs every permission that the target holds, unless it is the actor's own record.
    guarded: bool,
    primary_admin_only: bool,
    /// The action changes nothing of what the target is or may do, so the primary admin is not protected from it.
    leaves_record_unchanged: bool,
}

/// How the policy treats an action on the actor's own record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnOneself {
    /// It needs no permission.
    Allowed,
    /// It needs the same permissions as on another user.
    AsOnOthers,
    /// It is never allowed.
    Forbidden,
}

impl<'a> Rule<'a> {
    /// An action on the whole partner.
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

    /// An action on one user.
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
    /// The table of the policy: one row per action.
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

    /// The user that the action concerns, if it concerns one that exists.
    pub fn target(&self) -> Option<&'a User> {
        self.rule().target
    }

    /// The name of the change; none for an action that only reads.
    pub fn change(&self) -> Option<&'static str> {
        self.rule().audited_as
    }
}
