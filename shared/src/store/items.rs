//! What is stored, besides its key. Times are RFC 3339, but for `expires_at`: seconds since 1970, as DynamoDB's TTL needs
//! them. TTL deletes late, so whoever reads checks it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::models::{Email, PartnerId, PartnerName, Status, Timestamp, User, UserId, fold};
use crate::passwords::Digests;

/// A partner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartnerItem {
    /// Its name.
    pub name: PartnerName,
    /// Who owns the portal.
    pub primary_admin_id: UserId,
    /// How many users there are.
    pub user_count: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A user, with the keys of the sorted lists.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserItem {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    name_key: String,
    email_key: String,
    last_sign_in_key: String,
    search: String,
}

/// Lower than any character of a name, so that "de" + "Zoe" comes before "de la" + "Ann".
const SEPARATOR: char = '\u{1}';

/// Bytes of one folded name in a key: two of them and an id stay within an index key's 1,024 bytes.
const NAME_BYTES: usize = 450;

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        let searched = SearchText::of(&user);
        Self {
            name_key: name_key(&searched, &user.id),
            email_key: email_key(&user.email),
            last_sign_in_key: last_sign_in_key(&user.id, user.last_sign_in_at),
            search: searched.write(),
            user,
        }
    }
}

/// What a search looks through. Kept as one text: a partner's searches read all of them.
#[derive(Debug)]
pub struct SearchText {
    /// Folded.
    last_name: String,
    /// Folded.
    first_name: String,
    /// Folded.
    pub(super) email: String,
    /// As it is.
    pub status: Status,
}

impl SearchText {
    fn of(user: &User) -> Self {
        Self {
            last_name: fold(user.last_name.as_str()),
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

    /// Whether any part of the full name or the email is `folded`.
    pub fn contains(&self, folded: &str) -> bool {
        format!("{} {}", self.first_name, self.last_name).contains(folded) || self.email.contains(folded)
    }
}

pub(super) fn name_key(name: &SearchText, id: &UserId) -> String {
    let (last, first) = (within_a_key(&name.last_name), within_a_key(&name.first_name));
    format!("{last}{SEPARATOR}{first}{SEPARATOR}{id}")
}

fn within_a_key(folded: &str) -> &str {
    folded.get(..folded.floor_char_boundary(NAME_BYTES)).unwrap_or_default()
}

fn email_key(email: &Email) -> String {
    email.normalized().to_owned()
}

/// Who never signed in sorts before who did.
pub(super) fn last_sign_in_key(user: &UserId, at: Option<Timestamp>) -> String {
    at.map_or_else(|| format!("-#{user}"), |at| format!("{at}#{user}"))
}

/// That an email is taken within a partner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailItem {
    /// The partner.
    pub partner_id: PartnerId,
    /// Who has the email there.
    pub user_id: UserId,
}

/// What a user signs in with.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialItem {
    /// Grows by one with every change.
    pub version: u64,
    /// The password's digest and the previous ones.
    pub digests: Digests,
    /// The user must choose a new password at the next sign-in.
    pub must_change: bool,
    /// Until when the password that must be changed can be used.
    pub must_change_by: Option<Timestamp>,
    /// When the password was set.
    pub changed_at: Timestamp,
    /// The password of the user's Cognito users. Given to nobody.
    pub machine_secret: String,
    /// The portal made the password: 100 random bits or more, which guessing does not find.
    #[serde(default)]
    pub is_generated: bool,
}

/// How long a password can be used that the user must change (OWASP ASVS 6.4.1: initial secrets are short-lived).
const INITIAL_PASSWORD_LIFETIME: Duration = Duration::from_hours(7 * 24);

impl CredentialItem {
    /// The credential of a new user.
    pub fn new(digests: Digests, must_change: bool, at: Timestamp, machine_secret: String) -> Self {
        let must_change_by = must_change.then(|| at.plus(INITIAL_PASSWORD_LIFETIME));
        Self { version: 1, digests, must_change, must_change_by, changed_at: at, machine_secret, is_generated: false }
    }

    /// The same, of a password that the portal made or that somebody chose.
    #[must_use]
    pub fn generated(self, is_generated: bool) -> Self {
        Self { is_generated, ..self }
    }

    /// The credential with another password.
    #[must_use]
    pub fn changed(&self, digests: Digests, must_change: bool, at: Timestamp) -> Self {
        Self { version: self.version + 1, ..Self::new(digests, must_change, at, self.machine_secret.clone()) }
    }

    /// The same password, hashed with today's parameters.
    #[must_use]
    pub fn renewed(&self, digests: Digests) -> Self {
        Self { version: self.version + 1, digests, ..self.clone() }
    }

    /// Whether the password was to be changed and was not, in time.
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
    /// The generation of the user's sessions that it belongs to.
    pub generation: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: i64,
    /// Where it began.
    pub address: String,
    /// What the client called itself.
    pub user_agent: String,
    /// SHA-256 of Cognito's refresh token: another one never reaches Cognito.
    pub refresh_hash: String,
}

impl SessionItem {
    /// Whether it counts: of the user's present generation, and not over by itself.
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.generation == user.session_generation && self.expires_at > now.unix_seconds()
    }
}

/// A sign-in that needs one more step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChallengeItem {
    /// The user's generation when it was made: void in any other.
    pub generation: u64,
    /// The credential's version when it was made: void with any other.
    pub credential_version: u64,
    /// When it ends by itself.
    pub expires_at: i64,
}

/// A right password of users of several partners: the answer chooses one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChoiceItem {
    /// Those whose password it is.
    pub users: Vec<Chosen>,
    /// When it ends by itself.
    pub expires_at: i64,
}

/// One of the users that a choice is between.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chosen {
    /// The partner.
    pub partner_id: PartnerId,
    /// The partner's user.
    pub user_id: UserId,
    /// As in a [`ChallengeItem`].
    pub generation: u64,
    /// As in a [`ChallengeItem`].
    pub credential_version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{PersonName, Profile, Reviewer, Role};

    /// A record of a user, in the form that the tables hold.
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
            last_name: PersonName::parse("Lovelace").unwrap(),
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
    fn the_longest_names_stay_within_an_index_key() {
        // U+FDFA folds to 18 characters.
        let name = PersonName::parse(&"\u{fdfa}".repeat(100)).unwrap();
        let folded = fold(name.as_str());
        assert!(folded.len() > NAME_BYTES);
        assert!((NAME_BYTES - 3..=NAME_BYTES).contains(&within_a_key(&folded).len()));
    }
}
