//! The stored items, without their keys. Times are RFC 3339, except for `expires_at`, which is in seconds since 1970
//! for DynamoDB's TTL. TTL deletes items late, so every reader must check the expiry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::models::{Email, InvalidTimestamp, PartnerId, PartnerName, Role, Status, Timestamp, User, UserId, fold};
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
}

/// A user, with the sort keys of the indexes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserItem {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    name_key: String,
    email_key: String,
    last_sign_in_key: String,
    search: String,
    review: String,
}

/// This character sorts before all characters of names, so that "de" + "Zoe" comes before "de la" + "Ann".
const SEPARATOR: char = '\u{1}';

/// The maximum number of bytes of one folded name in a key. Two names and an id fit into the 1,024 bytes of an index
/// key.
const NAME_BYTES: usize = 450;

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        let searched = SearchText::of(&user);
        Self {
            name_key: name_key(&searched, &user.id),
            email_key: email_key(&user.email),
            last_sign_in_key: last_sign_in_key(&user.id, user.last_sign_in_at),
            search: searched.write(),
            review: ReviewText::of(&user).write(&user.id),
            user,
        }
    }
}

/// The values that a search compares. They are stored as one text, because a search reads them for all users of a
/// partner.
#[derive(Debug)]
pub struct SearchText {
    /// The folded last name. Empty if there is none.
    last_name: String,
    /// The folded first name.
    first_name: String,
    /// The folded email.
    pub(super) email: String,
    /// The status.
    pub status: Status,
}

impl SearchText {
    fn of(user: &User) -> Self {
        Self {
            last_name: user.last_name.as_ref().map(|name| fold(name.as_str())).unwrap_or_default(),
            first_name: fold(user.first_name.as_str()),
            email: fold(user.email.typed()),
            status: user.status,
        }
    }

    fn write(&self) -> String {
        let Self { last_name, first_name, email, status } = self;
        format!("{last_name}{SEPARATOR}{first_name}{SEPARATOR}{email}{SEPARATOR}{}", status.as_str())
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let (last_name, first_name, email) = (parts.next()?, parts.next()?, parts.next()?);
        let status = Status::parse(parts.next()?).ok()?;
        Some(Self {
            last_name: last_name.to_owned(),
            first_name: first_name.to_owned(),
            email: email.to_owned(),
            status,
        })
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
            [first_name, last_name, email].iter().any(|text| text.contains(word))
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
}

impl ReviewText {
    fn of(user: &User) -> Self {
        let Facts { role, exceeds_role_default, is_raised, created_at, reviewed_at, initial_password_set_at, .. } =
            Facts::of(user);
        Self { role, exceeds_role_default, is_raised, created_at, reviewed_at, initial_password_set_at }
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
            role: Role::ALL.into_iter().find(|role| role_letter(*role) == letter)?,
            exceeds_role_default: false,
            is_raised: false,
            created_at: id.at(),
            reviewed_at: None,
            initial_password_set_at: None,
        };
        for word in words {
            match word.split_at_checked(1)? {
                ("x", "") => read.exceeds_role_default = true,
                ("u", "") => read.is_raised = true,
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
        }
    }
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
pub(super) fn name_key(name: &SearchText, id: &UserId) -> String {
    let (last, first) = (within_a_key(&name.last_name), within_a_key(&name.first_name));
    let (last, first) = if last.is_empty() { (first, "") } else { (last, first) };
    format!("{last}{SEPARATOR}{first}{SEPARATOR}{id}")
}

fn within_a_key(folded: &str) -> &str {
    folded.get(..folded.floor_char_boundary(NAME_BYTES)).unwrap_or_default()
}

fn email_key(email: &Email) -> String {
    email.normalized().to_owned()
}

/// Returns the sort key of the last sign-in. Users who have never signed in sort before all others.
pub(super) fn last_sign_in_key(user: &UserId, at: Option<Timestamp>) -> String {
    at.map_or_else(|| format!("-#{user}"), |at| format!("{at}#{user}"))
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
}

/// The lifetime of a password that the user must change (OWASP ASVS 6.4.1: initial secrets are short-lived).
const INITIAL_PASSWORD_LIFETIME: Duration = Duration::from_hours(7 * 24);

impl CredentialItem {
    /// Returns the credential of a new user.
    pub fn new(digests: Digests, must_change: bool, at: Timestamp, machine_secret: String) -> Self {
        let must_change_by = must_change.then(|| at.plus(INITIAL_PASSWORD_LIFETIME));
        Self {
            version: 1,
            password_version: 1,
            digests,
            must_change,
            must_change_by,
            changed_at: at,
            machine_secret,
            is_generated: false,
        }
    }

    /// Sets whether the portal generated the password.
    #[must_use]
    pub fn generated(self, is_generated: bool) -> Self {
        Self { is_generated, ..self }
    }

    /// Returns the credential after a change of the password.
    #[must_use]
    pub fn changed(&self, digests: Digests, must_change: bool, at: Timestamp) -> Self {
        Self {
            version: self.version + 1,
            password_version: self.password_version + 1,
            ..Self::new(digests, must_change, at, self.machine_secret.clone())
        }
    }

    /// Returns the credential with the same password, hashed with today's parameters.
    #[must_use]
    pub fn renewed(&self, digests: Digests) -> Self {
        Self { version: self.version + 1, digests, ..self.clone() }
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
}

impl SessionItem {
    /// Returns whether the session is valid: it belongs to the user's current generation and has not expired.
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.generation == user.session_generation && self.expires_at > now.unix_seconds()
    }
}

/// A challenge of a sign-in that needs one more step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChallengeItem {
    /// The user's generation at the sign-in. The challenge is invalid in any other generation.
    pub generation: u64,
    /// The credential's version at the sign-in. The challenge is invalid with any other version.
    pub credential_version: u64,
    /// The time at which the challenge expires.
    pub expires_at: i64,
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
    /// The user's generation at the sign-in, as in a [`ChallengeItem`].
    pub generation: u64,
    /// The credential's version at the sign-in, as in a [`ChallengeItem`].
    pub credential_version: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{Permissions, PersonName, Profile, Reviewer};

    #[test]
    fn a_user_can_be_flattened_into_a_stored_item() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Flattened {
            pk: String,
            #[serde(flatten)]
            user: User,
        }
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let profile = Profile {
            first_name: PersonName::parse("Ada").unwrap(),
            last_name: PersonName::parse("Lovelace").ok(),
            email: Email::parse("Ada@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.ceiling(),
            must_change_password: true,
        };
        let user = User {
            signed_out_at: Some(at),
            version: 3,
            access_version: 2,
            reviewed_at: Some(at),
            reviewed_by: Some(Reviewer { id: UserId::new(at, [3; 10]), name: "Bo Chen".to_owned() }),
            ..User::new(UserId::new(at, [1; 10]), PartnerId::new(at, [2; 10]), profile, at, None)
        };
        let item = Flattened { pk: "PARTNER#p".to_owned(), user };
        let stored: serde_dynamo::Item = serde_dynamo::to_item(&item).unwrap();
        assert_eq!(serde_dynamo::from_item::<_, Flattened>(stored).unwrap(), item);
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
        let items = users.map(UserItem::from);
        assert!(items.is_sorted_by_key(|item| &item.name_key), "{items:?}");
        let single = &items[1];
        let searched = SearchText::read(&single.search).unwrap();
        assert_eq!(name_key(&searched, &single.user.id), single.name_key);
        for (words, is_found) in [(&["suharto"][..], true), (&["uhar", "example"], true), (&["ann"], false)] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(searched.has_words(&words), is_found, "{words:?}");
        }
        let stored: serde_dynamo::Item = serde_dynamo::to_item(single).unwrap();
        assert_eq!(serde_dynamo::from_item::<_, UserItem>(stored).unwrap().user, single.user);
    }

    proptest! {
        #[test]
        fn the_entry_of_a_user_in_the_index_for_reviews_has_all_facts(
            roles in 0..4_usize,
            (is_beyond, must_change_password, is_suspended) in any::<(bool, bool, bool)>(),
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
                last_sign_in_at: signed_in,
                last_refresh_at: refreshed,
                password_changed_at: changed.or(new.password_changed_at),
                reviewed_at,
                raised_at,
                ..new
            };
            let item = UserItem::from(user.clone());
            let text = ReviewText::read(&item.review, &user.id).unwrap();
            prop_assert_eq!(text.role(), user.role);
            let signed_in = last_sign_in_of_key(&item.last_sign_in_key).unwrap();
            let facts = text.facts(SearchText::read(&item.search).unwrap().status, signed_in, user.last_refresh_at);
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
