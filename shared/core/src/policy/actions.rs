//! The actions, with one row for each. A row has everything that the portal knows about its action apart from the
//! change itself: the parameters, the name, the policy's rule, and the text for the audit trail. All lists of actions
//! are derived from these rows.

use crate::models::Permission::{
    AuditRead, UsersAdd, UsersEdit, UsersForceLogout, UsersRead, UsersRemove, UsersResetFactors, UsersSetPermissions,
};
use crate::models::{Permission, Permissions, Role, User};

/// The parameters of an action that its rule refers to. An action has only some of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parameters<'a> {
    /// The existing user that the action concerns. It can belong to any partner.
    pub(super) target: Option<&'a User>,
    /// The role that the action grants.
    pub(super) role: Option<Role>,
    /// The permissions that the action grants.
    pub(super) permissions: Option<&'a Permissions>,
    /// Whether the action changes the target's email.
    pub(super) email: Option<bool>,
}

/// The policy's rule for one kind of action.
pub(super) struct Rule {
    /// The name, which the audit trail uses for a refused change.
    name: &'static str,
    /// The text after "tried to" in the audit trail. `None` for an action that only reads.
    attempt: Option<&'static str>,
    /// The permissions that the actor needs. All of them are required.
    pub(super) needs: &'static [Permission],
    pub(super) on_oneself: OnOneself,
    /// The actor also needs every permission of the target, unless the target is the actor.
    pub(super) guarded: bool,
    pub(super) primary_admin_only: bool,
    /// The action changes neither the target's data nor the target's access, so the primary admin is not protected from
    /// it.
    pub(super) leaves_record_unchanged: bool,
}

/// How the policy treats an action on the actor's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnOneself {
    /// The action needs no permission.
    Allowed,
    /// The action needs no permission, except for a change of the email. That needs the same permissions as for another
    /// user.
    AllowedExceptEmail,
    /// The action needs the same permissions as for another user.
    AsOnOthers,
    /// The action is never allowed.
    Forbidden,
}

impl Rule {
    /// Returns the rule for an action that only reads.
    const fn read(name: &'static str, needs: &'static [Permission]) -> Self {
        Self {
            name,
            attempt: None,
            needs,
            on_oneself: OnOneself::AsOnOthers,
            guarded: false,
            primary_admin_only: false,
            leaves_record_unchanged: false,
        }
    }

    /// Returns the rule for a change. The audit trail records a refusal as `name`, and describes it with `attempt`.
    const fn change(name: &'static str, attempt: &'static str, needs: &'static [Permission]) -> Self {
        Self { attempt: Some(attempt), ..Self::read(name, needs) }
    }

    const fn on_oneself(self, on_oneself: OnOneself) -> Self {
        Self { on_oneself, ..self }
    }

    const fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    const fn primary_admin_only(self) -> Self {
        Self { primary_admin_only: true, ..self }
    }

    const fn leaves_record_unchanged(self) -> Self {
        Self { leaves_record_unchanged: true, ..self }
    }
}

/// Declares [`Action`] and [`ActionKind`] from rows of `Kind { parameters } => rule;`. The names of parameters are those
/// of [`Parameters`].
macro_rules! actions {
    ($(
        $(#[$about:meta])*
        $kind:ident $({ $($(#[$parameter_about:meta])* $parameter:ident: $type:ty),+ $(,)? })? => $rule:expr;
    )+) => {
        /// An action that a user requests. A target is the user as stored now; it can belong to any partner.
        #[derive(Clone, Copy, Debug)]
        pub enum Action<'a> {
            $($(#[$about])* $kind $({ $($(#[$parameter_about])* $parameter: $type),+ })?,)+
        }

        /// An action without its parameters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ActionKind {
            $($(#[$about])* $kind,)+
        }

        impl<'a> Action<'a> {
            /// Returns the action without its parameters.
            pub fn kind(&self) -> ActionKind {
                match self {
                    $(Self::$kind { .. } => ActionKind::$kind,)+
                }
            }

            pub(super) fn parameters(&self) -> Parameters<'a> {
                match *self {
                    $(Self::$kind $({ $($parameter),+ })? => {
                        Parameters { $($($parameter: Some($parameter),)+)? ..Parameters::default() }
                    })+
                }
            }
        }

        impl ActionKind {
            /// All kinds of actions.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            pub(super) const fn rule(self) -> Rule {
                match self {
                    $(Self::$kind => $rule,)+
                }
            }
        }

        #[cfg(test)]
        impl ActionKind {
            /// Returns the action of this kind with those of the given parameters that it has.
            pub(super) fn action<'a>(self, parameters: &Parameters<'a>) -> Action<'a> {
                match self {
                    $(Self::$kind => Action::$kind $({ $($parameter: parameters.$parameter.unwrap()),+ })?,)+
                }
            }

            /// Returns whether the action has the parameter of this name.
            pub(super) fn has(self, parameter: &str) -> bool {
                let parameters: &[&str] = match self {
                    $(Self::$kind => &[$($(stringify!($parameter)),+)?],)+
                };
                parameters.contains(&parameter)
            }
        }
    };
}

actions! {
    /// List all users of the actor's partner.
    ListUsers => Rule::read("list_users", &[UsersRead]);

    /// Read the audit trail of the actor's partner.
    ListAuditEvents => Rule::read("list_events", &[AuditRead]);

    /// Read one user.
    GetUser {
        /// The user to read.
        target: &'a User,
    } => Rule::read("get_user", &[UsersRead]).on_oneself(OnOneself::Allowed);

    /// Add a user to the actor's partner.
    AddUser {
        /// The role of the new user.
        role: Role,
        /// The permissions of the new user.
        permissions: &'a Permissions,
    } => Rule::change("add_user", "add a user", &[UsersAdd]);

    /// List the removed users of the actor's partner.
    ListRemovedUsers => Rule::read("list_removed_users", &[UsersAdd]);

    /// Restore a removed user. This is as adding a user with the same access.
    RestoreUser {
        /// The role of the removed user.
        role: Role,
        /// The permissions of the removed user.
        permissions: &'a Permissions,
    } => Rule::change("restore_user", "restore a removed user", &[UsersAdd]);

    /// Mail another invitation to a user who has not chosen a password.
    InviteUser {
        /// The user to invite.
        target: &'a User,
    } => Rule::change("invite_user", "send an invitation to {target}", &[UsersAdd])
        .on_oneself(OnOneself::Forbidden)
        .guarded();

    /// Change the name or the language of a user, and possibly the email.
    EditUser {
        /// The user to edit.
        target: &'a User,
        /// Whether the email changes.
        email: bool,
    } => Rule::change("edit_user", "edit {target}", &[UsersEdit]).on_oneself(OnOneself::AllowedExceptEmail).guarded();

    /// Set a new password for a user.
    SetPassword {
        /// The user who gets the password.
        target: &'a User,
    } => Rule::change("set_password", "set the password of {target}", &[UsersEdit])
        .on_oneself(OnOneself::Allowed)
        .guarded();

    /// Change the role and the permissions of a user.
    SetPermissions {
        /// The user to change.
        target: &'a User,
        /// The new role.
        role: Role,
        /// The new permissions.
        permissions: &'a Permissions,
    } => Rule::change("set_permissions", "set the role and permissions of {target}", &[UsersSetPermissions])
        .on_oneself(OnOneself::Forbidden)
        .guarded();

    /// End all sessions of a user.
    ForceLogout {
        /// The user to sign out.
        target: &'a User,
    } => Rule::change("force_logout", "end the sessions of {target}", &[UsersForceLogout])
        .on_oneself(OnOneself::Allowed)
        .guarded();

    /// Remove the second factors of a user, who has lost them.
    ResetFactors {
        /// The user who has lost the factors.
        target: &'a User,
    } => Rule::change("reset_factors", "reset the second factors of {target}", &[UsersResetFactors])
        .on_oneself(OnOneself::Forbidden)
        .guarded();

    /// Remove a user.
    RemoveUser {
        /// The user to remove.
        target: &'a User,
    } => Rule::change("remove_user", "remove {target}", &[UsersRemove]).on_oneself(OnOneself::Forbidden).guarded();

    /// Suspend or reactivate a user.
    SetStatus {
        /// The user to suspend or reactivate.
        target: &'a User,
    } => Rule::change("set_status", "suspend or reactivate {target}", &[UsersRemove])
        .on_oneself(OnOneself::Forbidden)
        .guarded();

    /// List the sessions of a user.
    ListSessions {
        /// The owner of the sessions.
        target: &'a User,
    } => Rule::read("list_sessions", &[UsersForceLogout]).on_oneself(OnOneself::Allowed).guarded();

    /// End one session of a user.
    EndSession {
        /// The owner of the session.
        target: &'a User,
    } => Rule::change("end_session", "end a session of {target}", &[UsersForceLogout])
        .on_oneself(OnOneself::Allowed)
        .guarded();

    /// Make another user the primary admin. The actor becomes an admin.
    HandOver {
        /// The user who becomes the primary admin.
        target: &'a User,
    } => Rule::change("hand_over", "hand the portal over to {target}", &[UsersSetPermissions])
        .guarded()
        .primary_admin_only();

    /// Set which users need a second factor.
    SetSettings => Rule::change("set_settings", "change the settings", &[UsersSetPermissions]).primary_admin_only();

    /// Read which users have access, when they last signed in, and what earlier reviews decided.
    ReviewAccess => Rule::read("review_access", &[UsersRead, AuditRead]);

    /// Decide in a review that a user's access stays unchanged.
    KeepAccess {
        /// The user whose access is kept.
        target: &'a User,
    } => Rule::change("keep_access", "confirm the access of {target}", &[UsersSetPermissions])
        .on_oneself(OnOneself::Forbidden)
        .guarded()
        .leaves_record_unchanged();
}

impl<'a> Action<'a> {
    /// Returns the existing user that the action concerns, if any.
    pub fn target(&self) -> Option<&'a User> {
        self.parameters().target
    }

    /// Returns the name of the change in the audit trail, or `None` for an action that only reads.
    pub fn change(&self) -> Option<&'static str> {
        let rule = self.kind().rule();
        rule.attempt.map(|_| rule.name)
    }
}

impl ActionKind {
    /// Returns the name of the action.
    pub const fn as_str(self) -> &'static str {
        self.rule().name
    }

    /// Returns the kind with exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Returns the text for an attempt at a change, which continues "tried to" and can contain `{target}`. `None` for an
    /// action that only reads.
    pub const fn attempt(self) -> Option<&'static str> {
        self.rule().attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name() {
        for kind in ActionKind::ALL {
            assert_eq!(ActionKind::named(kind.as_str()), Some(*kind));
        }
        assert_eq!(ActionKind::named("archive_user"), None);
    }

    #[test]
    fn the_text_of_an_attempt_names_the_target_that_the_action_has() {
        for kind in ActionKind::ALL {
            let Some(attempt) = kind.attempt() else { continue };
            let without = attempt.replacen("{target}", "", 1);
            assert_eq!(without != attempt, kind.has("target"), "{attempt}");
            assert!(!without.contains(['{', '}']), "{attempt}");
        }
    }
}
