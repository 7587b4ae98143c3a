//! Fixtures for the policy tests: users as actors and targets, and the parameters of actions.

use super::actions::{Action, ActionKind, Parameters};
use crate::models::{
    Email, Language, MailState, PartnerId, Permissions, PersonName, Role, SecondFactor, Status, Timestamp, User, UserId,
};

/// A kind of action and the values of its parameters, except for the target. Parameters that the kind does not have
/// are ignored.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kind: ActionKind,
    pub(super) email: bool,
    pub(super) role: Role,
    pub(super) permissions: Permissions,
}

impl Plan {
    pub(super) fn as_action<'a>(&'a self, target: &'a User) -> Action<'a> {
        self.kind.action(&Parameters {
            target: Some(target),
            role: Some(self.role),
            permissions: Some(&self.permissions),
            email: Some(self.email),
        })
    }
}

/// Returns a user with this role and these permissions. Equal numbers give equal partners and equal users.
pub(super) fn user(partner: u8, number: u8, role: Role, permissions: Permissions) -> User {
    let at = Timestamp::from_unix_millis(0);
    User {
        id: UserId::new(at, [number; 10]),
        partner_id: PartnerId::new(at, [partner; 10]),
        first_name: PersonName::parse("Ada").unwrap(),
        last_name: PersonName::parse("Lovelace").ok(),
        email: Email::parse("ada@example.com").unwrap(),
        pending_email: None,
        mail_state: MailState::Ok,
        language: Language::English,
        role,
        permissions,
        status: Status::Active,
        must_change_password: false,
        second_factor: SecondFactor::None,
        invited_at: None,
        invitations: 0,
        last_sign_in_at: Some(at),
        last_refresh_at: None,
        signed_out_at: None,
        created_at: at,
        created_by: None,
        updated_at: at,
        version: 1,
        access_version: 1,
        session_generation: 1,
        sign_ins: 0,
        issued_generation: 0,
        password_changed_at: None,
        password_version: 1,
        reviewed_at: None,
        reviewed_by: None,
        raised_at: None,
    }
}
