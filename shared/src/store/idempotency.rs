//! Idempotency keys: the result of a request with an `Idempotency-Key`, kept for a day for retries of the request. It
//! is written in the transaction of the change, so after a crash it exists if and only if the change does. It contains
//! no secret.

use std::slice;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::conflict::jitter;
use super::expression::{Expression, number, text};
use super::keys::{self, ItemKey, Key, Table};
use super::{CredentialItem, Items, Store};
use crate::error::{Cause, Failure};
use crate::models::{PartnerId, Timestamp, UserId};
use crate::passwords::{Password, SubmittedPassword};

/// The time for which a key is remembered.
const RETENTION: Duration = Duration::from_hours(24);

/// The maximum number of retries with a wrong password. After that, the key can no longer be used.
const MAX_MISMATCHES: u32 = 5;

/// The maximum number of times that a retry waits for other retries whose passwords are being compared.
const MAX_WAITS: u32 = 20;

/// The result of a request with an idempotency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdempotencyItem {
    /// The hash of the request without its password. The password of a retry is compared with the user's digest.
    fingerprint: String,
    /// The result of a request that added or restored a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Created>,
    /// The progress of an import.
    #[serde(flatten)]
    import: Option<Import>,
    /// The number of started comparisons of a retry's password, without those that matched.
    comparisons: u32,
    /// The number of retries with a wrong password.
    mismatches: u32,
    pub(super) expires_at: i64,
}

/// The result of a request that added or restored a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Created {
    /// The user.
    pub user_id: UserId,
    /// The version of the credential that the request wrote.
    #[serde(default = "first_version")]
    credential: u64,
    /// The body of the response, in JSON, without the generated password.
    pub answer: String,
}

/// The version of the credential of a user who was added.
fn first_version() -> u64 {
    1
}

impl Created {
    /// Reads the body of the response.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if it does not have this form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.answer).map_err(|error| Failure::internal("reading a stored response", &error))
    }
}

/// The progress of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Identifies the request that performs the import. A retry takes over with its own name; after that, the earlier
    /// request cannot change anything.
    pub run: String,
    /// The users who have been added.
    pub added: Vec<Imported>,
}

/// A user who was added by an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The line in the file.
    pub line: u64,
    /// The user.
    pub id: UserId,
    /// The version of the credential that the import wrote last.
    pub credential: u64,
}

impl Key<IdempotencyItem> {
    /// Returns the key for a user's request. The client chooses the idempotency key.
    pub fn idempotency(partner: &PartnerId, actor: &UserId, key: &str) -> Self {
        Self::at(ItemKey::new(Table::Users, format!("IDEMPOTENCY#{partner}#{actor}"), sort_key(key)))
    }

    /// Returns the key for an operator's request.
    pub fn operator_idempotency(key: &str) -> Self {
        Self::at(ItemKey::new(Table::Users, "IDEMPOTENCY#operator".to_owned(), sort_key(key)))
    }
}

/// Returns the sort key. Its prefix separates keys that clients choose from all other kinds of items.
fn sort_key(key: &str) -> String {
    format!("KEY#{key}")
}

impl IdempotencyItem {
    /// Returns the result of a request that added or restored a user. `asked` is the relevant content of the request
    /// without the password, `credential` is the one that the request writes, and `answer` is the response without the
    /// generated password.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the response has no JSON form.
    pub fn create(
        asked: &str,
        user_id: &UserId,
        credential: &CredentialItem,
        answer: &impl Serialize,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let answer = serde_json::to_string(answer).map_err(|error| Failure::internal("storing a response", &error))?;
        let created = Created { user_id: user_id.clone(), credential: credential.version, answer };
        Ok(Self { created: Some(created), ..Self::new(asked, now) })
    }

    /// Returns the progress of a started import.
    pub fn import(asked: &str, import: Import, now: Timestamp) -> Self {
        Self { import: Some(import), ..Self::new(asked, now) }
    }

    fn new(asked: &str, now: Timestamp) -> Self {
        Self {
            fingerprint: keys::hash(asked),
            created: None,
            import: None,
            comparisons: 0,
            mismatches: 0,
            expires_at: now.plus(RETENTION).unix_seconds(),
        }
    }

    /// Returns the progress of an import, if the request was one.
    pub fn into_import(self) -> Option<Import> {
        self.import
    }

    /// Returns the item with the new progress of an import.
    #[must_use]
    pub fn with_import(&self, import: Import) -> Self {
        Self { import: Some(import), ..self.clone() }
    }
}

impl Store {
    /// Returns the result of the first request with `key` that added a user, if there was one in the last day. `stored`
    /// must contain a read of the key.
    ///
    /// # Errors
    /// As [`first_created`](Self::first_created) and [`check_retry`](Self::check_retry).
    pub async fn first_answer(
        &self,
        stored: &Items,
        key: &Key<IdempotencyItem>,
        asked: &str,
        password: Option<&Password>,
        now: Timestamp,
    ) -> Result<Option<Created>, Failure> {
        let Some((first, created)) = self.first_created(stored, key, asked, now)? else { return Ok(None) };
        self.check_retry(key, first, &created, password).await?;
        Ok(Some(created))
    }

    /// Returns the result of the first request with `key` that added or restored a user, if there was one in the last
    /// day. `stored` must contain a read of the key. [`check_retry`](Self::check_retry) has to follow.
    ///
    /// # Errors
    /// Returns [`Failure::IdempotencyKeyReused`] if the key was used for a different request.
    pub fn first_created(
        &self,
        stored: &Items,
        key: &Key<IdempotencyItem>,
        asked: &str,
        now: Timestamp,
    ) -> Result<Option<(IdempotencyItem, Created)>, Failure> {
        let Some(first) = kept(stored, key, asked, now)? else { return Ok(None) };
        let created = first.created.clone().ok_or(Failure::IdempotencyKeyReused)?;
        Ok(Some((first, created)))
    }

    /// Checks that a retry has the password of the first request.
    ///
    /// The password of a retry is compared only while the user's credential is the one that the first request wrote.
    /// Later the comparison would not identify the request, and it would be a way to guess the user's own password.
    ///
    /// # Errors
    /// Returns [`Failure::IdempotencyKeyReused`] if the password is another one, or if too many wrong passwords were
    /// sent. Returns another failure if a DynamoDB call fails.
    pub async fn check_retry(
        &self,
        key: &Key<IdempotencyItem>,
        first: IdempotencyItem,
        created: &Created,
        password: Option<&Password>,
    ) -> Result<(), Failure> {
        if first.mismatches >= MAX_MISMATCHES {
            return Err(Failure::IdempotencyKeyReused);
        }
        let Some(password) = password else { return Ok(()) };
        let credential_key = Key::credential(&created.user_id);
        let credential = self.read(&[credential_key.item_key()]).await?.credential(&credential_key)?;
        if let Some(credential) = credential.filter(|credential| credential.version == created.credential) {
            self.begin_comparison(key, first).await?;
            let is_right = credential.digests.verify(&SubmittedPassword::parse(password.expose()))?;
            self.end_comparison(key, is_right).await?;
            if !is_right {
                return Err(Failure::IdempotencyKeyReused);
            }
        }
        Ok(())
    }

    /// Returns the progress of the import with `key`, if there was one in the last day. `stored` must contain a read of
    /// the key.
    ///
    /// # Errors
    /// Returns [`Failure::IdempotencyKeyReused`] if the key was used for a different request.
    pub fn first_import(
        &self,
        stored: &Items,
        key: &Key<IdempotencyItem>,
        asked: &str,
        now: Timestamp,
    ) -> Result<Option<(IdempotencyItem, Import)>, Failure> {
        let Some(first) = kept(stored, key, asked, now)? else { return Ok(None) };
        let import = first.import.clone().ok_or(Failure::IdempotencyKeyReused)?;
        Ok(Some((first, import)))
    }

    /// Counts a comparison before it is made, so that concurrent retries cannot make more than five wrong ones.
    async fn begin_comparison(&self, key: &Key<IdempotencyItem>, mut first: IdempotencyItem) -> Result<(), Failure> {
        for wait in 0..MAX_WAITS {
            if first.mismatches >= MAX_MISMATCHES {
                return Err(Failure::IdempotencyKeyReused);
            }
            if first.comparisons < MAX_MISMATCHES {
                let mut expression = Expression::default();
                expression.when("fingerprint", "=", text(&first.fingerprint));
                expression.when("comparisons", "<", number(MAX_MISMATCHES));
                expression.add("comparisons", 1);
                if self.update_if(&key.item_key, expression).await? {
                    return Ok(());
                }
            }
            // The maximum number of comparisons is running. Some may match, so the retry waits.
            tokio::time::sleep(jitter(wait)).await;
            first = self.read(slice::from_ref(&key.item_key)).await?.get(key)?.ok_or(Failure::StaleRead)?;
        }
        Err(Failure::Unavailable(Cause::of("too many concurrent retries with one idempotency key")))
    }

    async fn end_comparison(&self, key: &Key<IdempotencyItem>, is_right: bool) -> Result<(), Failure> {
        let mut expression = Expression::default();
        expression.when("comparisons", ">", number(0));
        if is_right {
            expression.add("comparisons", -1);
        } else {
            expression.add("mismatches", 1);
        }
        self.update_if(&key.item_key, expression).await?;
        Ok(())
    }
}

/// Returns the entry of `key`, unless it has expired.
fn kept(
    stored: &Items,
    key: &Key<IdempotencyItem>,
    asked: &str,
    now: Timestamp,
) -> Result<Option<IdempotencyItem>, Failure> {
    let first = stored.get(key)?.filter(|first| first.expires_at > now.unix_seconds());
    if first.as_ref().is_some_and(|first| first.fingerprint != keys::hash(asked)) {
        return Err(Failure::IdempotencyKeyReused);
    }
    Ok(first)
}
