//! What a request under an `Idempotency-Key` did, kept for a day for its retries. Written in the transaction of the change:
//! after a crash it is there exactly when the change is. It holds no secret.

use std::slice;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conflict::jitter;
use super::expression::{Expression, number, text};
use super::keys::{self, ItemKey, Key, Table};
use super::{Items, Store};
use crate::error::{Cause, Failure};
use crate::models::{PartnerId, Timestamp, UserId};
use crate::passwords::{Password, SubmittedPassword};

/// How long a key is remembered.
const RETENTION: Duration = Duration::from_hours(24);

/// How many retries with a wrong password void a key.
const MAX_MISMATCHES: u32 = 5;

/// How often a retry waits for others whose passwords are being compared.
const MAX_WAITS: u32 = 20;

/// What a request under a key did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdempotencyItem {
    /// What was asked for, without a password: the user's digest is compared with that.
    fingerprint: String,
    /// What a create made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Created>,
    /// What an import has done so far.
    #[serde(flatten)]
    import: Option<Import>,
    /// Retries whose password was being compared, less those whose password was right.
    comparisons: u32,
    /// Retries whose password was wrong.
    mismatches: u32,
    pub(super) expires_at: i64,
}

/// What a create made, and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Created {
    /// The user.
    pub user_id: UserId,
    /// The body of the answer, in JSON, without the generated password.
    pub answer: String,
}

/// What an import has done so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Names the request that carries it out. A retry takes over with a name of its own; the earlier request then changes
    /// nothing more.
    pub run: String,
    /// Who has been added.
    pub added: Vec<Imported>,
}

/// A user whom an import has added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The line of the file.
    pub line: u64,
    /// The user.
    pub id: UserId,
    /// The version of the credential that the import wrote last.
    pub credential: u64,
}

impl Key<IdempotencyItem> {
    /// What a user's request under this key did. The client chooses the key.
    pub fn idempotency(partner: &PartnerId, actor: &UserId, key: &str) -> Self {
        Self::at(ItemKey::new(Table::Users, format!("IDEMPOTENCY#{partner}#{actor}"), sort_key(key)))
    }

    /// What an operator's request under this key did.
    pub fn operator_idempotency(key: &str) -> Self {
        Self::at(ItemKey::new(Table::Users, "IDEMPOTENCY#operator".to_owned(), sort_key(key)))
    }
}

/// The prefix keeps keys that clients choose apart from every other kind of item.
fn sort_key(key: &str) -> String {
    format!("KEY#{key}")
}

impl IdempotencyItem {
    /// `asked`: everything in the request that matters, without the password. `answer`: without the generated one.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the answer has no JSON form.
    pub fn create(asked: &str, user_id: &UserId, answer: &impl Serialize, now: Timestamp) -> Result<Self, Failure> {
        let answer = serde_json::to_string(answer).map_err(|error| Failure::internal("keeping an answer", &error))?;
        Ok(Self { created: Some(Created { user_id: user_id.clone(), answer }), ..Self::new(asked, now) })
    }

    /// An import in the making.
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

    /// What an import has done so far, if it is one.
    pub fn into_import(self) -> Option<Import> {
        self.import
    }

    /// The same, after an import has done more.
    #[must_use]
    pub fn with_import(&self, import: Import) -> Self {
        Self { import: Some(import), ..self.clone() }
    }
}

impl Store {
    /// What a create under `key` made, if there was one in the last day. `stored` is a read of the key.
    ///
    /// The password of a retry is compared only while the user's credential is as the create wrote it. Later it says nothing
    /// about the create, and comparing it would be a way to guess the user's own password.
    ///
    /// # Errors
    /// [`Failure::IdempotencyKeyReused`] when something else was asked for under this key, or too many wrong passwords were
    /// sent; or why DynamoDB could not be used.
    pub async fn first_answer(
        &self,
        stored: &Items,
        key: &Key<IdempotencyItem>,
        asked: &str,
        password: Option<&Password>,
        now: Timestamp,
    ) -> Result<Option<Created>, Failure> {
        let Some(first) = kept(stored, key, asked, now)? else { return Ok(None) };
        let Some(created) = first.created.clone() else { return Err(Failure::IdempotencyKeyReused) };
        if first.mismatches >= MAX_MISMATCHES {
            return Err(Failure::IdempotencyKeyReused);
        }
        let Some(password) = password else { return Ok(Some(created)) };
        let credential_key = Key::credential(&created.user_id);
        let credential = self.read(&[credential_key.item_key()]).await?.get(&credential_key)?;
        if let Some(credential) = credential.filter(|credential| credential.version == 1) {
            self.begin_comparison(key, first).await?;
            let is_right = credential.digests.verify(&SubmittedPassword::parse(password.expose()))?;
            self.end_comparison(key, is_right).await?;
            if !is_right {
                return Err(Failure::IdempotencyKeyReused);
            }
        }
        Ok(Some(created))
    }

    /// What an import under `key` has done so far, if there was one in the last day. `stored` is a read of the key.
    ///
    /// # Errors
    /// [`Failure::IdempotencyKeyReused`] when something else was asked for under this key.
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

    /// Counts a comparison before it is made, so that no number of retries at once makes more than five wrong ones.
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
            // As many as can be wrong are being compared.
            tokio::time::sleep(jitter(wait)).await;
            first = self.read(slice::from_ref(&key.item_key)).await?.get(key)?.ok_or(Failure::StaleRead)?;
        }
        Err(Failure::Unavailable(Cause::of("too many retries under one idempotency key at once")))
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

/// What is kept under `key`, unless it has expired.
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
