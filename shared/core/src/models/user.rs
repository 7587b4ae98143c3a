//! A user of a partner: the whole record that is stored, and the part of it that clients see.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Email, Language, MailState, PENDING_LIFETIME, PartnerId, Pending, PendingKind, Permissions, PersonName, Role,
    SecondFactor, Status, Timestamp, UserId,
};

/// A person who uses the portal of one partner.
///
/// The fields are public because each value is valid by itself. Clients get a [`PublicUser`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id, which is unique across all partners.
    pub id: UserId,
    /// The partner that this user belongs to.
    pub partner_id: PartnerId,
    /// The first name.
    pub first_name: PersonName,
    /// The last name. A person with a single name has none.
    pub last_name: Option<PersonName>,
    /// The email that the user signs in with. It is unique within the partner.
    pub email: Email,
    /// The new email that the user has asked for, and not confirmed yet.
    pub pending_email: Option<Email>,
    /// What the mail service reported about `email`.
    pub mail_state: MailState,
    /// The language in which the portal writes to the user.
    pub language: Language,
    /// The role.
    pub role: Role,
    /// The permissions, which never exceed the role's ceiling.
    pub permissions: Permissions,
    /// Whether the user is active or suspended.
    pub status: Status,
    /// Whether the user has not chosen a password: the next sign-in first requires a new one, or there is none at all.
    pub must_change_password: bool,
    /// The strongest second factor. The credential has the factors themselves, and both are written together.
    pub second_factor: SecondFactor,
    /// The time of the invitation that the user has not accepted yet. Such a user has no password.
    pub invited_at: Option<Timestamp>,
    /// Counts the invitations of the user. Only links of the last one are valid.
    pub invitations: u64,
    /// The time of the last sign-in, if any.
    pub last_sign_in_at: Option<Timestamp>,
    /// The time of the last refresh that was recorded. At most one is recorded for each day (in UTC), and none on a day
    /// with an earlier sign-in.
    pub last_refresh_at: Option<Timestamp>,
    /// The last time at which all sessions of the user were ended, if any.
    pub signed_out_at: Option<Timestamp>,
    /// The time at which the user was added.
    pub created_at: Timestamp,
    /// The user who added this user. `None` for a primary admin who was created with the partner.
    pub created_by: Option<UserId>,
    /// The time of the last committed change that incremented `version`.
    pub updated_at: Timestamp,
    /// Counts the changes that clients can see. `ETag` and `If-Match` compare it.
    pub version: u64,
    /// Counts the changes of role, permissions, status and generation. Decisions about the user's authority depend on
    /// it.
    pub access_version: u64,
    /// The current generation of sessions. Incrementing it ends all sessions of earlier generations.
    pub session_generation: u64,
    /// Counts sign-ins, so that a change can detect a sign-in since the user was read.
    pub sign_ins: u64,
    /// The generation of the last sign-in, which made sure that this generation has a Cognito user. 0 before the first
    /// sign-in.
    pub issued_generation: u64,
    /// The time at which the password was set. Unknown in records from before this field existed.
    pub password_changed_at: Option<Timestamp>,
    /// Counts the passwords of the user, as the credential does. A sign-in compares it in the write that records the
    /// sign-in, so that it needs no condition on the credential.
    pub password_version: u64,
    /// The time of the last decision of an access review about this user.
    pub reviewed_at: Option<Timestamp>,
    /// The user who made that decision.
    pub reviewed_by: Option<Reviewer>,
    /// The time at which the access was first raised after that decision. The decision does not cover the raised
    /// access.
    pub raised_at: Option<Timestamp>,
}

/// How long a removed user can be restored.
pub const REMOVED_RETENTION: Duration = Duration::from_hours(24 * 30);

/// The user who made the decision in an access review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewer {
    /// The reviewer's id.
    pub id: UserId,
    /// The reviewer's name at that time.
    pub name: String,
}

/// The properties of a new user.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// The first name.
    pub first_name: PersonName,
    /// The last name. A person with a single name has none.
    pub last_name: Option<PersonName>,
    /// The email that the user signs in with.
    pub email: Email,
    /// The role.
    pub role: Role,
    /// The permissions.
    pub permissions: Permissions,
    /// Whether the first sign-in requires a new password.
    pub must_change_password: bool,
}

impl User {
    /// Returns a new user, who was added at `at` by `by`.
    pub fn new(id: UserId, partner_id: PartnerId, profile: Profile, at: Timestamp, by: Option<UserId>) -> Self {
        Self {
            id,
            partner_id,
            first_name: profile.first_name,
            last_name: profile.last_name,
            email: profile.email,
            pending_email: None,
            mail_state: MailState::Ok,
            language: Language::default(),
            role: profile.role,
            permissions: profile.permissions,
            status: Status::Active,
            must_change_password: profile.must_change_password,
            second_factor: SecondFactor::None,
            invited_at: None,
            invitations: 0,
            last_sign_in_at: None,
            last_refresh_at: None,
            signed_out_at: None,
            created_at: at,
            created_by: by,
            updated_at: at,
            version: 1,
            access_version: 1,
            session_generation: 1,
            sign_ins: 0,
            issued_generation: 0,
            password_changed_at: Some(at),
            password_version: 1,
            reviewed_at: None,
            reviewed_by: None,
            raised_at: None,
        }
    }

    /// Returns the first and the last name, or the single name.
    pub fn full_name(&self) -> String {
        match &self.last_name {
            Some(last_name) => format!("{} {last_name}", self.first_name),
            None => self.first_name.to_string(),
        }
    }

    /// Returns the user with the next version. Every change that clients can see starts with this.
    #[must_use]
    pub fn changed(&self, at: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: at, ..self.clone() }
    }

    /// Returns the user after a sign-in.
    #[must_use]
    pub fn signed_in(&self, at: Timestamp) -> Self {
        Self {
            last_sign_in_at: Some(at),
            sign_ins: self.sign_ins + 1,
            issued_generation: self.session_generation,
            ..self.clone()
        }
    }

    /// Returns whether a sign-in of the current generation has created its Cognito user. The user pool may have lost it
    /// since.
    pub fn has_cognito_user(&self) -> bool {
        self.issued_generation == self.session_generation
    }

    /// Returns whether the user can have sessions: there was a sign-in of the current generation, which only ends when all
    /// sessions do, as in a suspension.
    pub fn may_have_sessions(&self) -> bool {
        self.has_cognito_user()
    }

    /// Returns the time at which the user was last active: the last sign-in, or a later recorded refresh.
    pub fn last_active_at(&self) -> Option<Timestamp> {
        self.last_sign_in_at.max(self.last_refresh_at)
    }

    /// Returns the user after a password was set. This voids an invitation, and a new email that is not confirmed.
    #[must_use]
    pub fn with_new_password(self, must_change_password: bool, at: Timestamp) -> Self {
        Self {
            must_change_password,
            password_changed_at: Some(at),
            password_version: self.password_version + 1,
            invited_at: None,
            pending_email: None,
            ..self
        }
    }

    /// Returns the user with this second factor as the strongest one.
    #[must_use]
    pub fn with_second_factor(self, second_factor: SecondFactor) -> Self {
        Self { second_factor, ..self }
    }

    /// Returns the user with an invitation to choose a password, which voids earlier ones.
    #[must_use]
    pub fn invited(self, at: Timestamp) -> Self {
        Self { must_change_password: true, invited_at: Some(at), invitations: self.invitations + 1, ..self }
    }

    /// Returns the user with this email. What was reported about another address is dropped, and so is a new email that
    /// is not confirmed.
    #[must_use]
    pub fn with_email(self, email: Email) -> Self {
        let mail_state = if email.same_address(&self.email) { self.mail_state } else { MailState::Ok };
        Self { email, mail_state, pending_email: None, ..self }
    }

    /// Returns since when the user could have chosen a password. `None` if the user has chosen one.
    pub fn pending_since(&self) -> Option<Timestamp> {
        let since = self.invited_at.or(self.password_changed_at).unwrap_or(self.created_at);
        self.must_change_password.then_some(since)
    }

    /// Returns the state of a user who has not chosen a password.
    pub fn pending(&self) -> Option<Pending> {
        let expires_at = self.pending_since()?.plus(PENDING_LIFETIME);
        let kind = self.invited_at.map_or(PendingKind::InitialPassword, |_| PendingKind::Invitation);
        Some(Pending { kind, expires_at })
    }

    /// Returns the user after a review decision about their access.
    #[must_use]
    pub fn reviewed(self, at: Timestamp, by: &User) -> Self {
        let reviewer = Reviewer { id: by.id.clone(), name: by.full_name() };
        Self { reviewed_at: Some(at), reviewed_by: Some(reviewer), raised_at: None, ..self }
    }

    /// Returns the user with another role and other permissions. A higher role or an added permission counts as raised
    /// access.
    #[must_use]
    pub fn with_access(&self, role: Role, permissions: Permissions, at: Timestamp) -> Self {
        let is_raised = role.is_above(self.role) || !permissions.is_subset_of(&self.permissions);
        let after = Self { role, permissions, access_version: self.access_version + 1, ..self.changed(at) };
        if is_raised { after.raised(at) } else { after }
    }

    /// Returns the reactivated user. This counts as raised access, because a suspended user has none.
    #[must_use]
    pub fn reactivated(&self, at: Timestamp) -> Self {
        Self { status: Status::Active, access_version: self.access_version + 1, ..self.changed(at) }.raised(at)
    }

    fn raised(self, at: Timestamp) -> Self {
        let raised_at = self.raised_at.or(self.reviewed_at.map(|_| at));
        Self { raised_at, ..self }
    }

    /// Returns the time and the reviewer of the last review, if it covers the access that the user has now.
    pub fn review(&self) -> Option<(Timestamp, Option<&Reviewer>)> {
        let at = self.reviewed_at.filter(|_| self.raised_at.is_none())?;
        Some((at, self.reviewed_by.as_ref()))
    }

    /// Returns whether the user has signed in and has no initial password to change.
    pub fn has_begun(&self) -> bool {
        self.last_sign_in_at.is_some() && !self.must_change_password
    }

    /// Returns the user after a change that ends all sessions. This voids a new email that is not confirmed.
    #[must_use]
    pub fn signed_out(&self, at: Timestamp) -> Self {
        Self {
            access_version: self.access_version + 1,
            session_generation: self.session_generation + 1,
            signed_out_at: Some(at),
            pending_email: None,
            ..self.changed(at)
        }
    }

    /// Does the same as [`signed_out`](Self::signed_out), but the new generation was certainly never used before, even
    /// if this record is older than the latest one, as after a restore. Generations normally grow by one, so all of
    /// them are smaller than the milliseconds since 1970.
    #[must_use]
    pub fn signed_out_past_any_generation(&self, at: Timestamp) -> Self {
        let after = self.signed_out(at);
        let past = u64::try_from(at.unix_millis()).unwrap_or_default();
        Self { session_generation: after.session_generation.max(past), ..after }
    }

    /// Returns the part of the user that is kept after a removal. Second factors, an invitation and a new email are not.
    #[must_use]
    pub fn removed(&self) -> Self {
        Self {
            pending_email: None,
            mail_state: MailState::Ok,
            second_factor: SecondFactor::None,
            invited_at: None,
            ..self.clone()
        }
    }

    /// Returns a removed user after a restore, in a new generation and with a new password, which must be changed. This
    /// counts as raised access, because a removed user has none. The counts continue, so nothing from before the removal
    /// becomes valid again.
    #[must_use]
    pub fn restored(&self, at: Timestamp) -> Self {
        self.removed().signed_out(at).with_new_password(true, at).raised(at)
    }

    /// Returns whether the user is the partner's primary admin.
    pub fn is_primary_admin(&self) -> bool {
        match self.role {
            Role::PrimaryAdmin => true,
            Role::Admin | Role::Manager | Role::Viewer => false,
        }
    }
}

/// A user as clients see it: all fields of the API contract. Each is always present, and `null` if it is empty.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PublicUser<'a> {
    id: &'a UserId,
    partner_id: &'a PartnerId,
    first_name: &'a PersonName,
    last_name: Option<&'a PersonName>,
    email: &'a Email,
    pending_email: Option<&'a Email>,
    mail_state: MailState,
    language: Language,
    role: Role,
    permissions: Permissions,
    status: Status,
    must_change_password: bool,
    second_factor: SecondFactor,
    pending: Option<Pending>,
    last_sign_in_at: Option<Timestamp>,
    last_active_at: Option<Timestamp>,
    signed_out_at: Option<Timestamp>,
    created_at: Timestamp,
    created_by: Option<&'a UserId>,
    updated_at: Timestamp,
    version: u64,
}

impl<'a> From<&'a User> for PublicUser<'a> {
    fn from(user: &'a User) -> Self {
        // This names every field, so that a new field of the record does not compile until it is shown or hidden here.
        let User {
            id,
            partner_id,
            first_name,
            last_name,
            email,
            pending_email,
            mail_state,
            language,
            role,
            permissions,
            status,
            must_change_password,
            second_factor,
            invited_at: _,
            invitations: _,
            last_sign_in_at,
            last_refresh_at: _,
            signed_out_at,
            created_at,
            created_by,
            updated_at,
            version,
            access_version: _,
            session_generation: _,
            sign_ins: _,
            issued_generation: _,
            password_changed_at: _,
            password_version: _,
            reviewed_at: _,
            reviewed_by: _,
            raised_at: _,
        } = user;
        Self {
            id,
            partner_id,
            first_name,
            last_name: last_name.as_ref(),
            email,
            pending_email: pending_email.as_ref(),
            mail_state: *mail_state,
            language: *language,
            role: *role,
            permissions: *permissions,
            status: *status,
            must_change_password: *must_change_password,
            second_factor: *second_factor,
            pending: user.pending(),
            last_sign_in_at: *last_sign_in_at,
            last_active_at: user.last_active_at(),
            signed_out_at: *signed_out_at,
            created_at: *created_at,
            created_by: created_by.as_ref(),
            updated_at: *updated_at,
            version: *version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        User {
            id: UserId::new(at, [1; 10]),
            partner_id: PartnerId::new(at, [2; 10]),
            first_name: PersonName::parse("Ada").unwrap(),
            last_name: PersonName::parse("Lovelace").ok(),
            email: Email::parse("Ada@example.com").unwrap(),
            pending_email: Email::parse("ada@example.org").ok(),
            mail_state: MailState::Bounced,
            language: Language::French,
            role: Role::Viewer,
            permissions: Role::Viewer.ceiling(),
            status: Status::Active,
            must_change_password: true,
            second_factor: SecondFactor::Totp,
            invited_at: None,
            invitations: 0,
            last_sign_in_at: None,
            last_refresh_at: None,
            signed_out_at: Some(at),
            created_at: at,
            created_by: None,
            updated_at: at,
            version: 3,
            access_version: 2,
            session_generation: 1,
            sign_ins: 0,
            issued_generation: 0,
            password_changed_at: Some(at),
            password_version: 1,
            reviewed_at: Some(at),
            reviewed_by: Some(Reviewer { id: UserId::new(at, [3; 10]), name: "Bo Chen".to_owned() }),
            raised_at: None,
        }
    }

    #[test]
    fn a_client_sees_exactly_the_fields_of_the_contract_in_its_order() {
        let json = serde_json::to_string_pretty(&PublicUser::from(&ada())).unwrap();
        assert_eq!(
            json,
            r#"{
  "id": "usr_01a2033bf69371018101010101010101",
  "partner_id": "prt_01a2033bf69372028202020202020202",
  "first_name": "Ada",
  "last_name": "Lovelace",
  "email": "Ada@example.com",
  "pending_email": "ada@example.org",
  "mail_state": "bounced",
  "language": "fr",
  "role": "viewer",
  "permissions": [
    "users.read",
    "audit.read"
  ],
  "status": "active",
  "must_change_password": true,
  "second_factor": "totp",
  "pending": {
    "kind": "initial_password",
    "expires_at": "2026-11-29T12:29:51.123Z"
  },
  "last_sign_in_at": null,
  "last_active_at": null,
  "signed_out_at": "2026-11-22T12:29:51.123Z",
  "created_at": "2026-11-22T12:29:51.123Z",
  "created_by": null,
  "updated_at": "2026-11-22T12:29:51.123Z",
  "version": 3
}"#
        );
    }

    #[test]
    fn the_full_name_is_first_and_last_name_or_the_single_name() {
        assert_eq!(ada().full_name(), "Ada Lovelace");
        let single = User { last_name: None, ..ada() };
        assert_eq!(single.full_name(), "Ada");
        assert_eq!(serde_json::to_value(PublicUser::from(&single)).unwrap()["last_name"], serde_json::Value::Null);
        assert_eq!(
            single.clone().reviewed(ada().created_at, &single).reviewed_by.map(|by| by.name),
            Some("Ada".to_owned())
        );
    }

    #[test]
    fn a_sign_in_is_counted_and_does_not_change_the_version() {
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        let again = Timestamp::from_unix_millis(1_795_350_700_000);
        let once = ada().signed_in(at);
        let signed_in = User { last_sign_in_at: Some(at), sign_ins: 1, issued_generation: 1, ..ada() };
        assert_eq!(once, signed_in);
        assert_eq!(once.signed_in(again), User { last_sign_in_at: Some(again), sign_ins: 2, ..signed_in });
    }

    #[test]
    fn each_generation_gets_its_cognito_user_at_its_first_sign_in() {
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        let signed_in = ada().signed_in(at);
        assert!(!ada().has_cognito_user());
        assert!(signed_in.has_cognito_user());
        assert!(!signed_in.signed_out(at).has_cognito_user());
        assert!(signed_in.signed_out(at).signed_in(at).has_cognito_user());
        assert!(signed_in.may_have_sessions() && !signed_in.signed_out(at).may_have_sessions());
    }

    #[test]
    fn each_change_of_a_record_sets_exactly_its_own_fields() {
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        let before = User { sign_ins: 5, session_generation: 7, invited_at: Some(at), ..ada() };
        let changed = User { version: 4, updated_at: at, ..before.clone() };
        assert_eq!(before.changed(at), changed);

        for must_change_password in [true, false] {
            let password = User { password_changed_at: Some(at), password_version: 2, ..before.clone() };
            let expected = User { must_change_password, invited_at: None, pending_email: None, ..password };
            assert_eq!(before.clone().with_new_password(must_change_password, at), expected);
        }
        let invited = User { must_change_password: true, invitations: 1, ..before.clone() };
        assert_eq!(User { must_change_password: false, invited_at: None, ..before.clone() }.invited(at), invited);

        let signed_out = User { access_version: 3, session_generation: 8, signed_out_at: Some(at), ..changed.clone() };
        let signed_out = User { pending_email: None, ..signed_out };
        assert_eq!(before.signed_out(at), signed_out);

        let role = Role::Manager;
        let raised = User { raised_at: Some(at), access_version: 3, ..changed };
        let expected = User { role, permissions: role.ceiling(), ..raised.clone() };
        assert_eq!(before.with_access(role, role.ceiling(), at), expected);

        let suspended = User { status: Status::Suspended, ..before };
        assert_eq!(suspended.reactivated(at), raised);
    }

    #[test]
    fn another_address_has_no_bounces() {
        let email = |text| Email::parse(text).unwrap();
        let other = email("ada@example.net");
        let expected = User { email: other.clone(), mail_state: MailState::Ok, pending_email: None, ..ada() };
        assert_eq!(ada().with_email(other), expected);
        let same = email("ADA@example.com");
        assert_eq!(ada().with_email(same.clone()), User { email: same, pending_email: None, ..ada() });
    }

    #[test]
    fn a_user_is_pending_for_seven_days_from_the_invitation_or_the_initial_password() {
        let (at, later) = (ada().created_at, ada().created_at.plus(std::time::Duration::from_hours(1)));
        let until = |kind, from: Timestamp| Some(Pending { kind, expires_at: from.plus(PENDING_LIFETIME) });
        assert_eq!(ada().pending(), until(PendingKind::InitialPassword, at));
        assert_eq!(ada().invited(later).pending(), until(PendingKind::Invitation, later));
        let from_before = User { password_changed_at: None, ..ada() };
        assert_eq!(from_before.pending_since(), Some(ada().created_at));
        let chosen = ada().invited(at).with_new_password(false, later);
        assert_eq!((chosen.pending(), chosen.pending_since()), (None, None));
    }

    #[test]
    fn a_review_records_the_time_and_the_name_of_the_reviewer() {
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        let by = User { id: UserId::new(at, [4; 10]), ..ada() };
        let raised = User { raised_at: Some(at), ..ada() };
        assert_eq!(raised.review(), None);
        let reviewer = Reviewer { id: by.id.clone(), name: "Ada Lovelace".to_owned() };
        let after = raised.reviewed(at, &by);
        assert_eq!(after.review(), Some((at, Some(&reviewer))));
        assert_eq!(after, User { reviewed_at: Some(at), reviewed_by: Some(reviewer), ..ada() });
    }

    #[test]
    fn a_user_has_begun_after_a_sign_in_and_with_a_password_of_their_own() {
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        for (must_change_password, last_sign_in_at, has_begun) in
            [(true, None, false), (false, None, false), (true, Some(at), false), (false, Some(at), true)]
        {
            assert_eq!(User { must_change_password, last_sign_in_at, ..ada() }.has_begun(), has_begun);
        }
    }

    #[test]
    fn a_generation_past_any_is_also_past_those_of_a_later_record() {
        let restored = ada();
        let at = Timestamp::from_unix_millis(1_795_350_600_000);
        let mut later = restored.clone();
        for _ in 0..1_000 {
            later = later.signed_out(at);
        }
        let after = restored.signed_out_past_any_generation(at);
        assert!(after.session_generation > later.session_generation);
        let again = after.signed_out_past_any_generation(at);
        assert!(again.session_generation > after.session_generation);
        assert_eq!((after.version, after.access_version), (restored.version + 1, restored.access_version + 1));
    }

    #[test]
    fn a_user_was_last_active_at_the_last_sign_in_or_a_later_refresh() {
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        for (last_sign_in_at, last_refresh_at, expected) in [
            (None, None, None),
            (at(1), None, at(1)),
            (at(1), at(2), at(2)),
            (at(3), at(2), at(3)),
            (at(2), at(2), at(2)),
        ] {
            let user = User { last_sign_in_at, last_refresh_at, ..ada() };
            assert_eq!(user.last_active_at(), expected);
            assert_eq!(PublicUser::from(&user).last_active_at, expected);
        }
    }

    #[test]
    fn a_review_covers_reduced_access_but_not_raised_access() {
        let later = Timestamp::from_unix_millis(1_795_350_600_000);
        let latest = Timestamp::from_unix_millis(1_795_350_700_000);
        let reviewed = User { role: Role::Manager, permissions: Role::Manager.default_permissions(), ..ada() };
        let few = Role::Viewer.default_permissions();
        for (role, permissions, is_covered) in [
            (Role::Manager, reviewed.permissions, true),
            (Role::Viewer, few, true),
            (Role::Manager, few, true),
            (Role::Manager, Role::Manager.ceiling(), false),
            (Role::Viewer, Role::Viewer.ceiling(), false),
            (Role::Admin, few, false),
            (Role::PrimaryAdmin, Role::PrimaryAdmin.default_permissions(), false),
        ] {
            let after = reviewed.with_access(role, permissions, later);
            assert_eq!(after.review().is_some(), is_covered, "{role} {permissions:?}");
            assert_eq!((after.version, after.access_version), (reviewed.version + 1, reviewed.access_version + 1));
            // A second raise keeps the time of the first, and a new decision covers the current access.
            let again = after.with_access(Role::Admin, Permissions::all(), latest);
            assert_eq!(again.raised_at, Some(if is_covered { latest } else { later }));
            assert_eq!(again.reviewed(latest, &ada()).review().map(|(at, _)| at), Some(latest));
        }
        assert_eq!(reviewed.reactivated(later).raised_at, Some(later));
        let never = User { reviewed_at: None, ..reviewed };
        assert_eq!(never.with_access(Role::Admin, Permissions::all(), later).raised_at, None);
    }

    #[test]
    fn debug_hides_the_email() {
        assert!(!format!("{:?}", ada()).contains("example.com"));
    }

    #[test]
    fn only_the_role_makes_a_primary_admin() {
        for role in Role::ALL {
            assert_eq!(User { role, ..ada() }.is_primary_admin(), role == Role::PrimaryAdmin);
        }
    }
}
