//! Fixtures for the policy tests: a list of all kinds of actions, so that none can be forgotten, and users as actors
//! and targets.
//!
//! A new action is a compile error here until it has a kind, and then in the grid and the properties until they handle
//! it.

use super::Action;
use crate::models::{Email, PartnerId, Permissions, PersonName, Role, Status, Timestamp, User, UserId};

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ActionKind {
            $($kind),+
        }

        impl ActionKind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind),+];

            pub(super) fn of(action: &Action<'_>) -> Self {
                match action {
                    $(Action::$kind { .. } => Self::$kind,)+
                }
            }
        }
    };
}

kinds![
    ListUsers,
    ListAuditEvents,
    GetUser,
    AddUser,
    EditUser,
    SetPassword,
    SetPermissions,
    ForceLogout,
    RemoveUser,
    SetStatus,
    ListSessions,
    EndSession,
    HandOver,
    ReviewAccess,
    KeepAccess,
];

/// Returns a user with this role and these permissions. Equal numbers give equal partners and equal users.
pub(super) fn user(partner: u8, number: u8, role: Role, permissions: Permissions) -> User {
    let at = Timestamp::from_unix_millis(0);
    User {
        id: UserId::new(at, [number; 10]),
        partner_id: PartnerId::new(at, [partner; 10]),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        role,
        permissions,
        status: Status::Active,
        must_change_password: false,
        last_sign_in_at: Some(at),
        signed_out_at: None,
        created_at: at,
        created_by: None,
        updated_at: at,
        version: 1,
        access_version: 1,
        session_generation: 1,
        sign_ins: 0,
        password_changed_at: None,
        reviewed_at: None,
        reviewed_by: None,
        raised_at: None,
    }
}
