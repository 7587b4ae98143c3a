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

/// What somebody wants to do. A target is the user as stored now, of whatever partner.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
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

/// Why a wish is not granted.
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

/// Decides whether `actor` may do what it wishes; the first reason against it wins.
pub fn authorize(actor: &User, wish: &Wish<'_>) -> Result<(), Denied> {
    let target = wish.target();
    let own = target.is_some_and(|target| target.id == actor.id);
    let guarded = target.filter(|_| wish.is_guarded() && !own);

    if target.is_some_and(|target| target.partner_id != actor.partner_id) {
        return Err(Denied::NoSuchUser);
    }
    if (guarded.is_some_and(User::is_primary_admin) && !wish.leaves_the_record_as_it_is())
        || (wish.is_for_the_primary_admin() && !actor.is_primary_admin())
    {
        return Err(Denied::PrimaryAdminProtected);
    }
    if own && wish.is_forbidden_to_oneself() {
        return Err(Denied::SelfChangeForbidden);
    }
    if let Some(missing) = wish.needed_permissions(own).iter().find(|needed| !actor.permissions.contains(**needed)) {
        return Err(Denied::MissingPermission(*missing));
    }
    // No acting upward: an actor who may set the password of a user can become that user.
    if guarded.is_some_and(|target| !target.permissions.is_subset_of(&actor.permissions)) {
        return Err(Denied::ExceedsOwnPermissions);
    }
    if wish.is_for_the_primary_admin() && (own || !target.is_some_and(is_active_admin)) {
        return Err(Denied::NotAnActiveAdmin);
    }
    if wish.is_for_the_primary_admin() && !target.is_some_and(User::has_begun) {
        return Err(Denied::NotSignedInYet);
    }
    if let Some((role, permissions)) = wish.grant() {
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

impl<'a> Wish<'a> {
    /// To whom it would be done, where it is about somebody who is there.
    pub fn target(&self) -> Option<&'a User> {
        match *self {
            Self::ListUsers | Self::ListAuditEvents | Self::AddUser { .. } | Self::ReviewAccess => None,
            Self::GetUser { target }
            | Self::EditUser { target, .. }
            | Self::SetPassword { target }
            | Self::SetPermissions { target, .. }
            | Self::ForceLogout { target }
            | Self::RemoveUser { target }
            | Self::SetStatus { target }
            | Self::ListSessions { target }
            | Self::EndSession { target }
            | Self::HandOver { target }
            | Self::KeepAccess { target } => Some(target),
        }
    }

    /// It takes every permission that another target holds.
    fn is_guarded(&self) -> bool {
        match self {
            Self::EditUser { .. }
            | Self::SetPassword { .. }
            | Self::SetPermissions { .. }
            | Self::ForceLogout { .. }
            | Self::RemoveUser { .. }
            | Self::SetStatus { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
            | Self::HandOver { .. }
            | Self::KeepAccess { .. } => true,
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::AddUser { .. }
            | Self::ReviewAccess => false,
        }
    }

    /// The word for what it changes; none for what only reads.
    pub fn change(&self) -> Option<&'static str> {
        match self {
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::ListSessions { .. }
            | Self::ReviewAccess => None,
            Self::AddUser { .. } => Some("add_user"),
            Self::EditUser { .. } => Some("edit_user"),
            Self::SetPassword { .. } => Some("set_password"),
            Self::SetPermissions { .. } => Some("set_permissions"),
            Self::ForceLogout { .. } => Some("force_logout"),
            Self::RemoveUser { .. } => Some("remove_user"),
            Self::SetStatus { .. } => Some("set_status"),
            Self::EndSession { .. } => Some("end_session"),
            Self::HandOver { .. } => Some("hand_over"),
            Self::KeepAccess { .. } => Some("keep_access"),
        }
    }

    /// It changes nothing of what the target is or may do: only what others know of it.
    fn leaves_the_record_as_it_is(&self) -> bool {
        match self {
            Self::KeepAccess { .. } => true,
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::AddUser { .. }
            | Self::EditUser { .. }
            | Self::SetPassword { .. }
            | Self::SetPermissions { .. }
            | Self::ForceLogout { .. }
            | Self::RemoveUser { .. }
            | Self::SetStatus { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
            | Self::HandOver { .. }
            | Self::ReviewAccess => false,
        }
    }

    /// Nobody else may, whatever they hold.
    fn is_for_the_primary_admin(&self) -> bool {
        match self {
            Self::HandOver { .. } => true,
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::AddUser { .. }
            | Self::EditUser { .. }
            | Self::SetPassword { .. }
            | Self::SetPermissions { .. }
            | Self::ForceLogout { .. }
            | Self::RemoveUser { .. }
            | Self::SetStatus { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
            | Self::ReviewAccess
            | Self::KeepAccess { .. } => false,
        }
    }

    fn is_forbidden_to_oneself(&self) -> bool {
        match self {
            Self::SetPermissions { .. }
            | Self::RemoveUser { .. }
            | Self::SetStatus { .. }
            | Self::KeepAccess { .. } => true,
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::AddUser { .. }
            | Self::EditUser { .. }
            | Self::SetPassword { .. }
            | Self::ForceLogout { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
            | Self::HandOver { .. }
            | Self::ReviewAccess => false,
        }
    }

    /// The permissions that this takes, all of them; none where it is everybody's right over their own record.
    fn needed_permissions(&self, own: bool) -> &'static [Permission] {
        match self {
            Self::GetUser { .. }
            | Self::EditUser { email: false, .. }
            | Self::SetPassword { .. }
            | Self::ForceLogout { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
                if own =>
            {
                &[]
            }
            Self::ListUsers | Self::GetUser { .. } => &[Permission::UsersRead],
            Self::ListAuditEvents => &[Permission::AuditRead],
            Self::ReviewAccess => &[Permission::UsersRead, Permission::AuditRead],
            Self::AddUser { .. } => &[Permission::UsersAdd],
            Self::EditUser { .. } | Self::SetPassword { .. } => &[Permission::UsersEdit],
            Self::SetPermissions { .. } | Self::HandOver { .. } | Self::KeepAccess { .. } => {
                &[Permission::UsersSetPermissions]
            }
            Self::ForceLogout { .. } | Self::ListSessions { .. } | Self::EndSession { .. } => {
                &[Permission::UsersForceLogout]
            }
            Self::RemoveUser { .. } | Self::SetStatus { .. } => &[Permission::UsersRemove],
        }
    }

    /// What a user would hold afterwards, for the wishes that give something.
    fn grant(&self) -> Option<(Role, &'a Permissions)> {
        match *self {
            Self::AddUser { role, permissions } | Self::SetPermissions { role, permissions, .. } => {
                Some((role, permissions))
            }
            Self::ListUsers
            | Self::ListAuditEvents
            | Self::GetUser { .. }
            | Self::EditUser { .. }
            | Self::SetPassword { .. }
            | Self::ForceLogout { .. }
            | Self::RemoveUser { .. }
            | Self::SetStatus { .. }
            | Self::ListSessions { .. }
            | Self::EndSession { .. }
            | Self::HandOver { .. }
            | Self::ReviewAccess
            | Self::KeepAccess { .. } => None,
        }
    }
}
