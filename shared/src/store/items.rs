//! The stored items, without their keys. Times are RFC 3339, except for those of users, and for `expires_at`, which is in
//! seconds since 1970 for DynamoDB's TTL. TTL deletes items late, so every reader must check the expiry.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::keys;
use super::read::Item;
use crate::factors::{Factors, PASSKEY_CHALLENGE_LIFETIME, PasskeyChallenge, PasskeyPurpose};
use crate::models::{
    ChallengeKind, Email, InvalidTimestamp, Language, MailState, PENDING_LIFETIME, PartnerId, PartnerName, Permission,
    Permissions, PersonName, Requirement, Reviewer, Role, SecondFactor, Status, Timestamp, UsedFactor, User, UserId,
    fold,
};
use crate::passwords::Digests;
use crate::review::Facts;

/// A partner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartnerItem {
    /// The partner's name.
    pub name: PartnerName,
    /// The primary admin.
    pub primary_admin_id: UserId,
    /// The number of users.
    pub user_count: u64,
    /// The time at which the partner was created.
    pub created_at: Timestamp,
    /// The users who need a second factor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub second_factor: Requirement,
}

/// Returns whether a value is the default, which is not stored.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A user. [`Stored`] is the stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct UserItem {
    /// The user.
    pub user: User,
}

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        Self { user }
    }
}

/// A user as stored, with the sort keys of the indexes. An item of more than 1 KB costs twice as much to write, in the
/// table and in two indexes. So nothing is stored twice, and values that follow from others or are empty are left out.
/// Times are in milliseconds since 1970, in which a search for an earlier time is possible too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Contains the partner's id. A user within another item has none, and gets it from there.
    #[serde(default, skip_serializing)]
    pk: String,
    /// Contains the user's id.
    #[serde(default, skip_serializing)]
    sk: String,
    first_name: PersonName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_name: Option<PersonName>,
    /// The normalized email: the sort key of `by_email`.
    email: String,
    /// The capital letters of the email as typed, if it differs only by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email_capitals: Option<String>,
    /// The email as typed, if it differs in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typed_email: Option<String>,
    /// The new email that is not confirmed, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_email: Option<Email>,
    /// Exists if mail does not reach the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail_state: Option<MailState>,
    /// The language, if it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    role: Role,
    /// The permissions, if they are not the role's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permissions: Option<Letters>,
    status: Status,
    /// Exists if the user is suspended. Indexes contain it instead of the status, because most users are active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspended: Option<bool>,
    must_change_password: bool,
    /// The second factor, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second_factor: Option<SecondFactor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invited_at: Option<Millis>,
    /// The number of invitations, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invitations: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_refresh_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_out_at: Option<Millis>,
    /// The time of creation, if it is not the time of the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<UserId>,
    updated_at: Millis,
    version: u64,
    access_version: u64,
    session_generation: u64,
    sign_ins: u64,
    issued_generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_changed_at: Option<Millis>,
    password_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reviewed_by: Option<Reviewer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raised_at: Option<Millis>,
    /// The folded name: the sort key of `by_name`, and the name that a search compares.
    name_key: String,
    /// The time of the last sign-in: the sort key of `by_last_sign_in`.
    last_sign_in_key: String,
    review: String,
}

impl Stored {
    /// Returns the user with the key that a user within another item does not have.
    pub(super) fn with_key(self, pk: String, id: &UserId) -> Self {
        Self { pk, sk: keys::user_sort_key(id), ..self }
    }
}

/// A time in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Millis(i64);

impl From<Timestamp> for Millis {
    fn from(at: Timestamp) -> Self {
        Self(at.unix_millis())
    }
}

impl From<Millis> for Timestamp {
    fn from(Millis(millis): Millis) -> Self {
        Self::from_unix_millis(millis)
    }
}

/// A set of permissions as a text with a letter for each, because the names of all permissions have 90 bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Letters(Permissions);

/// The letter of a permission. Stored users contain it, so it never changes.
const fn letter(permission: Permission) -> char {
    match permission {
        Permission::UsersRead => 'r',
        Permission::UsersAdd => 'a',
        Permission::UsersEdit => 'e',
        Permission::UsersRemove => 'd',
        Permission::UsersForceLogout => 'o',
        Permission::UsersSetPermissions => 'p',
        Permission::UsersResetFactors => 'f',
        Permission::AuditRead => 'h',
    }
}

impl From<Letters> for String {
    fn from(Letters(permissions): Letters) -> Self {
        permissions.iter().map(letter).collect()
    }
}

impl TryFrom<String> for Letters {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let permission = |wanted| Permission::ALL.into_iter().find(|permission| letter(*permission) == wanted);
        text.chars().map(permission).collect::<Option<_>>().map(Self).ok_or("an unknown permission")
    }
}

impl From<Permissions> for Letters {
    fn from(permissions: Permissions) -> Self {
        Self(permissions)
    }
}

impl From<Letters> for Permissions {
    fn from(Letters(permissions): Letters) -> Self {
        permissions
    }
}

impl From<UserItem> for Stored {
    fn from(UserItem { user }: UserItem) -> Self {
        let email_capitals = capitals(&user.email);
        let is_typed = email_capitals.is_none() && user.email.typed() != user.email.normalized();
        Self {
            pk: keys::partition(&user.partner_id),
            sk: keys::user_sort_key(&user.id),
            name_key: name_key(&user),
            last_sign_in_key: last_sign_in_key(&user.id, user.last_sign_in_at),
            review: ReviewText::of(&user).write(&user.id),
            email: user.email.normalized().to_owned(),
            email_capitals,
            typed_email: is_typed.then(|| user.email.typed().to_owned()),
            permissions: (user.permissions != user.role.default_permissions()).then(|| user.permissions.into()),
            suspended: (user.status == Status::Suspended).then_some(true),
            created_at: (user.created_at != user.id.at()).then(|| user.created_at.into()),
            pending_email: user.pending_email,
            mail_state: (user.mail_state != MailState::Ok).then_some(user.mail_state),
            language: (user.language != Language::default()).then_some(user.language),
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role,
            status: user.status,
            must_change_password: user.must_change_password,
            second_factor: (user.second_factor != SecondFactor::None).then_some(user.second_factor),
            invited_at: user.invited_at.map(Into::into),
            invitations: (user.invitations > 0).then_some(user.invitations),
            last_refresh_at: user.last_refresh_at.map(Into::into),
            signed_out_at: user.signed_out_at.map(Into::into),
            created_by: user.created_by,
            updated_at: user.updated_at.into(),
            version: user.version,
            access_version: user.access_version,
            session_generation: user.session_generation,
            sign_ins: user.sign_ins,
            issued_generation: user.issued_generation,
            password_changed_at: user.password_changed_at.map(Into::into),
            password_version: user.password_version,
            reviewed_at: user.reviewed_at.map(Into::into),
            reviewed_by: user.reviewed_by,
            raised_at: user.raised_at.map(Into::into),
        }
    }
}

impl TryFrom<Stored> for UserItem {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let id = stored.sk.strip_prefix("USER#").and_then(|id| UserId::parse(id).ok()).ok_or("an invalid user id")?;
        let partner_id = stored.pk.strip_prefix("PARTNER#").and_then(|id| PartnerId::parse(id).ok());
        let email = match (stored.typed_email, stored.email_capitals) {
            (Some(typed), _) => Email::parse(&typed),
            (None, Some(capitals)) => Email::parse(&capitalized(&stored.email, &capitals)),
            (None, None) => Email::parse(&stored.email),
        };
        let user = User {
            partner_id: partner_id.ok_or("an invalid partner id")?,
            first_name: stored.first_name,
            last_name: stored.last_name,
            email: email.ok().filter(|email| email.normalized() == stored.email).ok_or("an invalid email")?,
            pending_email: stored.pending_email,
            mail_state: stored.mail_state.unwrap_or_default(),
            language: stored.language.unwrap_or_default(),
            role: stored.role,
            permissions: stored.permissions.map_or_else(|| stored.role.default_permissions(), Into::into),
            status: stored.status,
            must_change_password: stored.must_change_password,
            second_factor: stored.second_factor.unwrap_or_default(),
            invited_at: stored.invited_at.map(Into::into),
            invitations: stored.invitations.unwrap_or_default(),
            last_sign_in_at: last_sign_in_of_key(&stored.last_sign_in_key).map_err(|_| "an invalid last sign-in")?,
            last_refresh_at: stored.last_refresh_at.map(Into::into),
            signed_out_at: stored.signed_out_at.map(Into::into),
            created_at: stored.created_at.map_or_else(|| id.at(), Into::into),
            created_by: stored.created_by,
            updated_at: stored.updated_at.into(),
            version: stored.version,
            access_version: stored.access_version,
            session_generation: stored.session_generation,
            sign_ins: stored.sign_ins,
            issued_generation: stored.issued_generation,
            password_changed_at: stored.password_changed_at.map(Into::into),
            password_version: stored.password_version,
            reviewed_at: stored.reviewed_at.map(Into::into),
            reviewed_by: stored.reviewed_by,
            raised_at: stored.raised_at.map(Into::into),
            id,
        };
        Ok(Self { user })
    }
}

/// Returns the positions of the capital letters of an email, as bits in hexadecimal digits: the first digit stands for the
/// first four characters. `None` if there are none, or if the email differs from its normalized form in another way.
fn capitals(email: &Email) -> Option<String> {
    let (typed, normalized) = (email.typed(), email.normalized());
    if typed == normalized || !typed.eq_ignore_ascii_case(normalized) {
        return None;
    }
    let digit = |letters: &[u8]| {
        let bits = letters.iter().enumerate().map(|(index, letter)| u32::from(letter.is_ascii_uppercase()) << index);
        char::from_digit(bits.sum(), 16).unwrap_or_default()
    };
    let digits: String = typed.as_bytes().chunks(4).map(digit).collect();
    Some(digits.trim_end_matches('0').to_owned())
}

/// Returns an email with the capital letters that [`capitals`] describes.
fn capitalized(normalized: &str, capitals: &str) -> String {
    let digits: Vec<u32> = capitals.chars().map(|digit| digit.to_digit(16).unwrap_or_default()).collect();
    let is_capital = |index: usize| digits.get(index / 4).is_some_and(|bits| bits >> (index % 4) & 1 == 1);
    let letters = normalized.chars().enumerate();
    letters.map(|(index, letter)| if is_capital(index) { letter.to_ascii_uppercase() } else { letter }).collect()
}

/// This character sorts before all characters of names, so that "de" + "Zoe" comes before "de la" + "Ann".
const SEPARATOR: char = '\u{1}';

/// The maximum number of bytes of one folded name in a key. Two names fit into the 1,024 bytes of an index key.
const NAME_BYTES: usize = 450;

/// Returns the status of a user from an entry of an index.
pub(super) fn indexed_status(item: &Item) -> Status {
    if item.contains_key("suspended") { Status::Suspended } else { Status::Active }
}

/// The values that a search compares, in an entry of an index. The indexes that a search reads contain only these
/// attributes, because a search reads them for all users of a partner.
#[derive(Debug)]
pub struct SearchText<'a> {
    /// The folded last name, or the single name.
    last_name: &'a str,
    /// The folded first name. Empty if there is a single name.
    first_name: &'a str,
    /// The folded email.
    email: Cow<'a, str>,
    /// The status.
    pub status: Status,
}

impl<'a> SearchText<'a> {
    /// Reads an entry of an index.
    pub(super) fn read(item: &'a Item) -> Option<Self> {
        let text = |attribute: &str| item.get(attribute)?.as_s().ok();
        let (last_name, first_name) = text("name_key")?.split_once(SEPARATOR)?;
        let email = match text("typed_email") {
            Some(typed) => fold(typed).into(),
            None => text("email")?.into(),
        };
        Some(Self { last_name, first_name, email, status: indexed_status(item) })
    }

    /// Returns whether each of these folded words occurs in the name or the email, in any order. Chinese, Japanese and
    /// Korean names are also found as one word, with either name first.
    pub fn has_words(&self, words: &[String]) -> bool {
        let Self { first_name, last_name, email, .. } = self;
        let in_either_order = |word: &str| {
            [(first_name, last_name), (last_name, first_name)]
                .iter()
                .any(|(one, other)| format!("{one}{other}").contains(word))
        };
        words.iter().all(|word| {
            [*first_name, *last_name, &**email].iter().any(|text| text.contains(word.as_str()))
                || (word.chars().any(is_east_asian) && in_either_order(word))
        })
    }
}

/// The facts of an access review that the index for reviews does not have in other attributes. They are stored as one
/// short text, because a review reads them for all users of a partner: a letter for the role, and a word for each fact,
/// which starts with its letter. Times are milliseconds in hexadecimal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReviewText {
    role: Role,
    exceeds_role_default: bool,
    is_raised: bool,
    created_at: Timestamp,
    reviewed_at: Option<Timestamp>,
    initial_password_set_at: Option<Timestamp>,
    /// It is a letter of its own. Users without a second factor have none.
    second_factor: SecondFactor,
}

impl ReviewText {
    fn of(user: &User) -> Self {
        let Facts { role, exceeds_role_default, is_raised, created_at, reviewed_at, initial_password_set_at, .. } =
            Facts::of(user);
        let second_factor = user.second_factor;
        Self { role, exceeds_role_default, is_raised, created_at, reviewed_at, initial_password_set_at, second_factor }
    }

    /// Times that are equal to the time of the user's id are left out.
    fn write(&self, id: &UserId) -> String {
        let time = |letter: char, at: Timestamp| {
            if at == id.at() { format!(" {letter}") } else { format!(" {letter}{:x}", at.unix_millis()) }
        };
        let mut text = role_letter(self.role).to_owned();
        if self.exceeds_role_default {
            text.push_str(" x");
        }
        if self.is_raised {
            text.push_str(" u");
        }
        text.push_str(match self.second_factor {
            SecondFactor::None => "",
            SecondFactor::Totp => " t",
            SecondFactor::Passkey => " k",
        });
        if self.created_at != id.at() {
            text.push_str(&time('c', self.created_at));
        }
        text.extend(self.reviewed_at.map(|at| time('r', at)));
        text.extend(self.initial_password_set_at.map(|at| time('i', at)));
        text
    }

    pub(super) fn read(text: &str, id: &UserId) -> Option<Self> {
        let time = |digits: &str| match digits {
            "" => Some(id.at()),
            digits => i64::from_str_radix(digits, 16).ok().map(Timestamp::from_unix_millis),
        };
        let mut words = text.split(' ');
        let letter = words.next()?;
        let mut read = Self {
            role: role_of_letter(letter)?,
            exceeds_role_default: false,
            is_raised: false,
            created_at: id.at(),
            reviewed_at: None,
            initial_password_set_at: None,
            second_factor: SecondFactor::None,
        };
        for word in words {
            match word.split_at_checked(1)? {
                ("x", "") => read.exceeds_role_default = true,
                ("u", "") => read.is_raised = true,
                ("t", "") => read.second_factor = SecondFactor::Totp,
                ("k", "") => read.second_factor = SecondFactor::Passkey,
                ("c", digits) => read.created_at = time(digits)?,
                ("r", digits) => read.reviewed_at = Some(time(digits)?),
                ("i", digits) => read.initial_password_set_at = Some(time(digits)?),
                _ => return None,
            }
        }
        Some(read)
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn second_factor(&self) -> SecondFactor {
        self.second_factor
    }

    pub(super) fn pending_since(&self) -> Option<Timestamp> {
        self.initial_password_set_at
    }

    /// Returns all facts, with those from other attributes.
    pub(super) fn facts(
        self,
        status: Status,
        last_sign_in_at: Option<Timestamp>,
        last_refresh_at: Option<Timestamp>,
    ) -> Facts {
        Facts {
            role: self.role,
            status,
            exceeds_role_default: self.exceeds_role_default,
            initial_password_set_at: self.initial_password_set_at,
            created_at: self.created_at,
            last_sign_in_at,
            last_active_at: last_sign_in_at.max(last_refresh_at),
            reviewed_at: self.reviewed_at,
            is_raised: self.is_raised,
            second_factor: self.second_factor,
        }
    }
}

fn role_of_letter(letter: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role_letter(*role) == letter)
}

fn role_letter(role: Role) -> &'static str {
    match role {
        Role::PrimaryAdmin => "p",
        Role::Admin => "a",
        Role::Manager => "m",
        Role::Viewer => "v",
    }
}

/// Returns whether this is a character of a script in which a name often has one or two characters: Chinese, Japanese, Korean, and
/// the characters beyond them.
pub fn is_east_asian(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{2E80}'..)
}

/// Returns the sort key of the name. A single name sorts among the last names.
pub fn name_key(user: &User) -> String {
    let first = fold(user.first_name.as_str());
    let (last, first) = match &user.last_name {
        Some(last) => (fold(last.as_str()), first),
        None => (first, String::new()),
    };
    format!("{}{SEPARATOR}{}", within_a_key(&last), within_a_key(&first))
}

fn within_a_key(folded: &str) -> &str {
    folded.get(..folded.floor_char_boundary(NAME_BYTES)).unwrap_or_default()
}

/// Returns the sort key of the last sign-in. Users who have never signed in sort before all others.
pub(super) fn last_sign_in_key(user: &UserId, at: Option<Timestamp>) -> String {
    at.map_or_else(|| format!("-#{user}"), |at| at.to_string())
}

/// Returns the time of the last sign-in from its sort key, or `None` if the user has never signed in.
pub(super) fn last_sign_in_of_key(key: &str) -> Result<Option<Timestamp>, InvalidTimestamp> {
    match key.split('#').next() {
        Some("-") => Ok(None),
        at => Timestamp::parse(at.unwrap_or_default()).map(Some),
    }
}

/// The entry that keeps an email unique within a partner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailItem {
    /// The partner.
    pub partner_id: PartnerId,
    /// The user of the partner who has the email.
    pub user_id: UserId,
}

/// The credential of a user.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialItem {
    /// The version, which every change increments.
    pub version: u64,
    /// Counts the user's passwords. The user's item has the same number. A digest that is renewed with other parameters
    /// does not change it.
    pub password_version: u64,
    /// The digests of the current password and the previous ones.
    pub digests: Digests,
    /// Whether the user must choose a new password at the next sign-in.
    pub must_change: bool,
    /// The time at which a password that must be changed expires.
    pub must_change_by: Option<Timestamp>,
    /// The time at which the password was set.
    pub changed_at: Timestamp,
    /// The password of the user's Cognito users. It is never given out.
    pub machine_secret: String,
    /// Whether the portal generated the password. Its 100 random bits or more cannot be guessed.
    #[serde(default)]
    pub is_generated: bool,
    /// The second factors.
    #[serde(default, skip_serializing_if = "Factors::is_empty")]
    pub factors: Factors,
    /// Counts the changes of the second factors. The use of a factor does not change it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub factors_version: u64,
}

impl CredentialItem {
    /// Returns the credential of a new user.
    pub fn new(digests: Digests, must_change: bool, at: Timestamp, machine_secret: String) -> Self {
        let must_change_by = must_change.then(|| at.plus(PENDING_LIFETIME));
        Self {
            version: 1,
            password_version: 1,
            digests,
            must_change,
            must_change_by,
            changed_at: at,
            machine_secret,
            is_generated: false,
            factors: Factors::default(),
            factors_version: 0,
        }
    }

    /// Returns the credential of a restored user, whose passwords this count continues. The version was never used by the
    /// credential from before the removal: versions grow by one, so they are smaller than the milliseconds since 1970.
    #[must_use]
    pub fn restored(self, user: &User, at: Timestamp) -> Self {
        let version = u64::try_from(at.unix_millis()).unwrap_or_default();
        Self { version, password_version: user.password_version, ..self }
    }

    /// Sets whether the portal generated the password.
    #[must_use]
    pub fn generated(self, is_generated: bool) -> Self {
        Self { is_generated, ..self }
    }

    /// Returns the credential after a change of the password. The second factors stay the same.
    #[must_use]
    pub fn changed(&self, digests: Digests, must_change: bool, at: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            password_version: self.password_version + 1,
            factors: self.factors.clone(),
            factors_version: self.factors_version,
            ..Self::new(digests, must_change, at, self.machine_secret.clone())
        }
    }

    /// Returns the credential with the same password, hashed with today's parameters.
    #[must_use]
    pub fn renewed(&self, digests: Digests) -> Self {
        Self { version: self.version + 1, digests, ..self.clone() }
    }

    /// Returns the credential with other second factors. This voids challenges that were decided on the earlier ones.
    #[must_use]
    pub fn with_factors(&self, factors: Factors) -> Self {
        Self { factors_version: self.factors_version + 1, ..self.with_used_factor(factors) }
    }

    /// Returns the credential after the use of a second factor.
    #[must_use]
    pub fn with_used_factor(&self, factors: Factors) -> Self {
        Self { version: self.version + 1, factors, ..self.clone() }
    }

    /// Returns what a challenge is decided on.
    pub fn basis(&self, user: &User) -> Basis {
        Basis {
            generation: user.session_generation,
            password_version: self.password_version,
            factors_version: self.factors_version,
        }
    }

    /// Returns whether the password must be changed and has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.must_change && self.must_change_by.is_none_or(|by| by <= now)
    }
}

impl std::fmt::Debug for CredentialItem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CredentialItem").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionItem {
    /// The user's generation at the sign-in.
    pub generation: u64,
    /// The time of the sign-in.
    pub created_at: Timestamp,
    /// The time at which the session expires.
    pub expires_at: i64,
    /// The client's address at the sign-in.
    pub address: String,
    /// The client's `User-Agent` at the sign-in.
    pub user_agent: String,
    /// The SHA-256 of Cognito's refresh token. Any other token is rejected without a call to Cognito.
    pub refresh_hash: String,
    /// The second factors that were used in this session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<UsedFactor>,
    /// The time of the last re-authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reauthenticated_at: Option<Timestamp>,
    /// The authenticator app that the user is adding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentItem>,
    /// The challenge for a passkey that the user adds, or is authenticated again with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyStart>,
}

/// A challenge for a passkey in a session. Another one replaces it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyStart {
    purpose: PasskeyPurpose,
    /// The token from which the challenge is derived.
    token: String,
    /// The number of the change of the second factors.
    factors_version: u64,
    /// The time until which it can be answered, in seconds since 1970.
    until: i64,
}

impl PasskeyStart {
    /// Returns a challenge that is derived from this random token, for the factors of `credential`.
    pub fn new(purpose: PasskeyPurpose, token: String, credential: &CredentialItem, now: Timestamp) -> Self {
        let until = now.plus(PASSKEY_CHALLENGE_LIFETIME).unix_seconds();
        Self { purpose, token, factors_version: credential.factors_version, until }
    }

    /// Returns the challenge.
    pub fn challenge(&self) -> PasskeyChallenge {
        PasskeyChallenge::derived(self.purpose, &self.token)
    }

    /// Returns the challenge, if it is for this purpose, has not expired, and the second factors are the same.
    pub fn open(
        &self,
        purpose: PasskeyPurpose,
        credential: &CredentialItem,
        now: Timestamp,
    ) -> Option<PasskeyChallenge> {
        let is_open = self.purpose == purpose
            && self.factors_version == credential.factors_version
            && self.until > now.unix_seconds();
        is_open.then(|| self.challenge())
    }
}

impl std::fmt::Debug for PasskeyStart {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PasskeyStart").field("until", &self.until).finish_non_exhaustive()
    }
}

/// An authenticator app that is being added in a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentItem {
    /// The token from which the secret of the app is derived.
    pub token: String,
    /// The time until which the app can be confirmed, in seconds since 1970.
    pub until: i64,
}

impl std::fmt::Debug for EnrolmentItem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EnrolmentItem").field("until", &self.until).finish_non_exhaustive()
    }
}

impl SessionItem {
    /// Returns whether the user may act in the session without a second factor, or has used one.
    pub fn has_required_factor(&self, requirement: Requirement, role: Role) -> bool {
        !self.factors.is_empty() || !requirement.covers(role)
    }

    /// Returns the last time at which the user was authenticated.
    pub fn authenticated_at(&self) -> Timestamp {
        self.reauthenticated_at.map_or(self.created_at, |at| at.max(self.created_at))
    }

    /// Returns the session after a re-authentication, with the factor that it used, if any.
    #[must_use]
    pub fn reauthenticated(&self, factor: Option<UsedFactor>, at: Timestamp) -> Self {
        let new = factor.filter(|factor| !self.factors.contains(factor));
        let factors = self.factors.iter().copied().chain(new).collect();
        Self { factors, reauthenticated_at: Some(at), ..self.clone() }
    }

    /// Returns whether the session is valid: it belongs to the user's current generation and has not expired.
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.generation == user.session_generation && self.expires_at > now.unix_seconds()
    }
}

/// What a challenge is decided on. It is void if any of it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The user's generation.
    pub generation: u64,
    /// The number of the password.
    pub password_version: u64,
    /// The number of the change of the second factors.
    pub factors_version: u64,
}

/// A challenge of a sign-in that needs one more step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChallengeItem {
    /// What it asks for.
    #[serde(default = "new_password", skip_serializing_if = "is_new_password")]
    pub kind: ChallengeKind,
    /// What it is decided on.
    pub basis: Basis,
    /// The second factors that the sign-in has used before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<UsedFactor>,
    /// The number of submitted codes. A code counts before it is checked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub codes: u32,
    /// The time at which the challenge expires.
    pub expires_at: i64,
}

/// A challenge for a sign-in with a passkey in place of an email and a password. It names no user: the answer does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PasskeySignInItem {
    /// The time at which the challenge expires.
    pub expires_at: i64,
}

fn new_password() -> ChallengeKind {
    ChallengeKind::NewPassword
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_new_password(kind: &ChallengeKind) -> bool {
    *kind == ChallengeKind::NewPassword
}

/// A choice between the users of several partners who have the same email and password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChoiceItem {
    /// The users who have this password.
    pub users: Vec<Chosen>,
    /// The time at which the choice expires.
    pub expires_at: i64,
}

/// One of the users of a choice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chosen {
    /// The partner.
    pub partner_id: PartnerId,
    /// The partner's user.
    pub user_id: UserId,
    /// What the choice is decided on, as in a [`ChallengeItem`].
    pub basis: Basis,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::types::AttributeValue;
    use proptest::prelude::*;

    use super::super::Key;
    use super::*;
    use crate::models::Profile;

    /// The item as DynamoDB stores it, with its key.
    fn stored(user: &User) -> Item {
        let mut item: Item = serde_dynamo::to_item(UserItem::from(user.clone())).unwrap();
        item.extend(Key::user(&user.partner_id, &user.id).item_key.attributes());
        item
    }

    /// The size of an item by DynamoDB's documented rules.
    fn size(item: &Item) -> usize {
        item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
    }

    fn value_size(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            // One byte for two significant digits, and one more.
            AttributeValue::N(digits) => digits.trim_end_matches('0').len().div_ceil(2) + 1,
            AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
            AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
            AttributeValue::M(values) => {
                3 + values.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
            }
            other => panic!("users have no such value: {other:?}"),
        }
    }

    /// A user with every field at its longest ordinary value, who was reviewed and raised since.
    fn longest() -> User {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let later = |days: u64| Some(at.plus(Duration::from_hours(24 * days)));
        let profile = Profile {
            first_name: PersonName::parse("Maximiliane-Friederike").unwrap(),
            last_name: PersonName::parse("von Hohenlohe-Langenburg-Weikersheim").ok(),
            email: Email::parse("Maximiliane-Friederike.von.Hohenlohe@international-consultants.example").unwrap(),
            role: Role::Manager,
            permissions: Role::Manager.ceiling(),
            must_change_password: false,
        };
        User {
            pending_email: Some(profile.email.clone()),
            second_factor: SecondFactor::Passkey,
            mail_state: MailState::Complained,
            language: Language::French,
            invitations: 123,
            status: Status::Suspended,
            last_sign_in_at: later(401),
            last_refresh_at: later(402),
            signed_out_at: later(403),
            updated_at: later(404).unwrap(),
            version: 1_234,
            access_version: 123,
            session_generation: 123,
            issued_generation: 123,
            sign_ins: 123_456,
            password_changed_at: later(300),
            password_version: 123,
            reviewed_at: later(200),
            reviewed_by: Some(Reviewer {
                id: UserId::new(at, [3; 10]),
                name: "Maximiliane-Friederike von Hohenlohe-Langenburg-Weikersheim".to_owned(),
            }),
            raised_at: later(400),
            ..User::new(
                UserId::new(at, [1; 10]),
                PartnerId::new(at, [2; 10]),
                profile,
                at,
                Some(UserId::new(at, [3; 10])),
            )
        }
    }

    /// A user who has not chosen a password has `invited_at`, which is shorter than a `pending_email`, and cannot have both.
    #[test]
    fn the_longest_ordinary_user_has_less_than_a_kilobyte() {
        let user = longest();
        assert_eq!(user.email.typed().len(), 70);
        let item = stored(&user);
        let bytes = size(&item);
        assert!(bytes < 1_024, "{bytes} bytes: {item:?}");
    }

    #[test]
    fn permissions_are_stored_as_letters_that_never_change() {
        let user = User { permissions: Role::Admin.ceiling(), ..longest() };
        let letters = |user: &User| stored(user).get("permissions").and_then(|value| value.as_s().ok().cloned());
        assert_eq!(letters(&user).as_deref(), Some("raedopfh"));
        let none = User { permissions: Permissions::none(), ..user };
        assert_eq!(letters(&none).as_deref(), Some(""));
        for permission in Permission::ALL {
            let text = String::from(Letters(std::iter::once(permission).collect()));
            let Letters(set) = Letters::try_from(text).unwrap();
            assert_eq!(set.iter().collect::<Vec<_>>(), [permission]);
        }
        assert!(Letters::try_from("rz".to_owned()).is_err());
    }

    #[test]
    fn nothing_that_follows_from_other_attributes_is_stored() {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: PersonName::parse("Lee").ok(),
            email: Email::parse("ann@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.default_permissions(),
            must_change_password: true,
        };
        let user = User::new(UserId::new(at, [1; 10]), PartnerId::new(at, [2; 10]), profile, at, None);
        let item = stored(&user);
        for absent in [
            "id",
            "partner_id",
            "email_capitals",
            "typed_email",
            "pending_email",
            "mail_state",
            "language",
            "invited_at",
            "invitations",
            "permissions",
            "second_factor",
            "suspended",
            "created_at",
            "created_by",
            "last_sign_in_at",
            "last_refresh_at",
            "signed_out_at",
            "reviewed_at",
            "reviewed_by",
            "raised_at",
        ] {
            assert!(!item.contains_key(absent), "{absent}: {item:?}");
        }
        assert_eq!(serde_dynamo::from_item::<_, UserItem>(item).unwrap().user, user);
    }

    #[test]
    fn a_stored_user_is_read_back_unchanged() {
        let at = Timestamp::from_unix_millis(1_795_350_000_000);
        let longest = longest();
        let single = User { last_name: None, created_at: at, last_sign_in_at: None, ..longest.clone() };
        let chosen = User { permissions: Permissions::none(), reviewed_by: None, ..longest.clone() };
        let invited = longest.clone().invited(at);
        for user in [longest, single, chosen, invited] {
            assert_eq!(serde_dynamo::from_item::<_, UserItem>(stored(&user)).unwrap().user, user);
        }
    }

    #[test]
    fn an_email_is_read_back_as_typed_and_found_as_typed() {
        for (email, found) in [
            ("ann@example.com", "ann@ex"),
            ("Ann.LEE@Example.com", "ann.lee@example"),
            ("ANN@EXAMPLE.COM", "@example"),
            ("ann@b\u{fc}cher.example", "bucher"),
            ("Ann@B\u{fc}cher.example", "ann@bucher"),
        ] {
            let email = Email::parse(email).unwrap();
            let user = User { email: email.clone(), ..longest() };
            let item = stored(&user);
            assert!(SearchText::read(&item).unwrap().has_words(&[fold(found)]), "{item:?}");
            let read = serde_dynamo::from_item::<_, UserItem>(item).unwrap().user;
            assert_eq!(read.email.typed(), email.typed());
        }
    }

    #[test]
    fn a_user_with_an_invalid_key_or_email_is_not_read() {
        let valid = stored(&longest());
        for (attribute, value) in
            [("sk", "USER#x"), ("pk", "PARTNER#x"), ("email", "other@example.com"), ("last_sign_in_key", "today")]
        {
            let mut item = valid.clone();
            item.insert(attribute.to_owned(), AttributeValue::S(value.to_owned()));
            if attribute == "email" {
                item.insert("typed_email".to_owned(), AttributeValue::S("ann@example.com".to_owned()));
            }
            assert!(serde_dynamo::from_item::<_, UserItem>(item).is_err(), "{attribute}");
        }
    }

    #[test]
    fn a_single_name_sorts_among_the_last_names_and_is_found() {
        let (at, id) = (Timestamp::from_unix_millis(0), |byte| UserId::new(Timestamp::from_unix_millis(0), [byte; 10]));
        let user = |byte, first: &str, last: &str| {
            let profile = Profile {
                first_name: PersonName::parse(first).unwrap(),
                last_name: PersonName::parse_optional(last).unwrap(),
                email: Email::parse("x@example.com").unwrap(),
                role: Role::Viewer,
                permissions: Role::Viewer.ceiling(),
                must_change_password: true,
            };
            User::new(id(byte), PartnerId::new(at, [2; 10]), profile, at, None)
        };
        let users = [
            user(1, "Zoe", "Sanders"),
            user(2, "Suharto", ""),
            user(3, "Ann", "Suharto"),
            user(4, "Ann", "Suhartono"),
            user(5, "Ann", "Tan"),
        ];
        assert!(users.is_sorted_by_key(name_key), "{users:?}");
        let entry = stored(&users[1]);
        let searched = SearchText::read(&entry).unwrap();
        for (words, is_found) in [(&["suharto"][..], true), (&["uhar", "example"], true), (&["ann"], false)] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(searched.has_words(&words), is_found, "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn the_entry_of_a_user_in_the_index_for_reviews_has_all_facts(
            roles in 0..4_usize,
            (is_beyond, must_change_password, is_suspended) in any::<(bool, bool, bool)>(),
            factors in 0..3_usize,
            since_id in 0..3_i64,
            times in proptest::array::uniform5(proptest::option::of(0..4_000_000_000_000_i64)),
        ) {
            let at = Timestamp::from_unix_millis(1_795_350_591_123);
            let role = Role::ALL[roles];
            let profile = Profile {
                first_name: PersonName::parse("Ann").unwrap(),
                last_name: PersonName::parse("Lee").ok(),
                email: Email::parse("ann@example.com").unwrap(),
                role,
                permissions: if is_beyond { Permissions::all() } else { role.default_permissions() },
                must_change_password,
            };
            let created_at = Timestamp::from_unix_millis(1_795_350_591_123 + since_id);
            let new = User::new(UserId::new(at, [1; 10]), PartnerId::new(at, [2; 10]), profile, created_at, None);
            let [signed_in, refreshed, reviewed_at, raised_at, changed] =
                times.map(|millis| millis.map(Timestamp::from_unix_millis));
            let user = User {
                status: if is_suspended { Status::Suspended } else { Status::Active },
                second_factor: SecondFactor::ALL[factors],
                last_sign_in_at: signed_in,
                last_refresh_at: refreshed,
                password_changed_at: changed.or(new.password_changed_at),
                reviewed_at,
                raised_at,
                ..new
            };
            let item = stored(&user);
            let text = ReviewText::read(item["review"].as_s().unwrap(), &user.id).unwrap();
            prop_assert_eq!(text.role(), user.role);
            prop_assert_eq!(text.second_factor(), user.second_factor);
            let signed_in = last_sign_in_of_key(item["last_sign_in_key"].as_s().unwrap()).unwrap();
            prop_assert_eq!(SearchText::read(&item).unwrap().status, user.status);
            let facts = text.facts(indexed_status(&item), signed_in, user.last_refresh_at);
            prop_assert_eq!(facts, Facts::of(&user));
        }

        #[test]
        fn other_texts_are_not_facts(text in "[vx] ?[a-zé]{0,3}") {
            let id = UserId::new(Timestamp::from_unix_millis(0), [0; 10]);
            if let Some(read) = ReviewText::read(&text, &id) {
                prop_assert_eq!(ReviewText::read(&read.write(&id), &id), Some(read));
            }
        }
    }

    fn credential() -> CredentialItem {
        let password = crate::passwords::Password::parse("copper-Lantern-meadow-84").unwrap();
        let digests = Digests::new(&password, [7; 16]).unwrap();
        CredentialItem::new(digests, false, Timestamp::from_unix_millis(1), "machine".to_owned())
    }

    #[test]
    fn a_challenge_for_a_passkey_is_open_for_five_minutes_for_one_purpose_and_for_the_same_factors() {
        let (now, credential) = (Timestamp::from_unix_millis(1_795_350_591_000), credential());
        let start = PasskeyStart::new(PasskeyPurpose::Registration, "token".to_owned(), &credential, now);
        let open =
            |purpose, credential, seconds| start.open(purpose, credential, now.plus(Duration::from_secs(seconds)));
        assert_eq!(open(PasskeyPurpose::Registration, &credential, 299), Some(start.challenge()));
        assert_eq!(open(PasskeyPurpose::Registration, &credential, 300), None);
        assert_eq!(open(PasskeyPurpose::Reauthentication, &credential, 0), None);
        let changed = credential.with_factors(Factors::default());
        assert_eq!(open(PasskeyPurpose::Registration, &changed, 0), None);
        let used = credential.with_used_factor(Factors::default());
        assert!(open(PasskeyPurpose::Registration, &used, 0).is_some());
        assert!(!format!("{start:?}").contains("token"));
    }

    #[test]
    fn a_settled_user_has_few_facts() {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let id = UserId::new(at, [1; 10]);
        let text = ReviewText {
            role: Role::Viewer,
            exceeds_role_default: false,
            is_raised: false,
            created_at: at,
            reviewed_at: None,
            initial_password_set_at: Some(at),
            second_factor: SecondFactor::None,
        };
        assert_eq!(text.write(&id), "v i");
        let reviewed = ReviewText { reviewed_at: Some(at.plus(Duration::from_millis(1))), ..text };
        assert_eq!(reviewed.write(&id), "v r1a2033bf694 i");
    }

    #[test]
    fn the_longest_names_fit_into_an_index_key() {
        // U+FDFA folds to 18 characters.
        let name = PersonName::parse(&"\u{fdfa}".repeat(100)).unwrap();
        let folded = fold(name.as_str());
        assert!(folded.len() > NAME_BYTES);
        assert!((NAME_BYTES - 3..=NAME_BYTES).contains(&within_a_key(&folded).len()));
    }
}
