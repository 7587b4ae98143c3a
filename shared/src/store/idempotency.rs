//! What a create answered, kept for a day, so that a retry with the same `Idempotency-Key` finds it. Written in the
//! transaction of the create: after a crash it is there exactly when what was created is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::keys::{self, Key};
use super::{Rows, Store};
use crate::error::Failure;
use crate::models::{PublicUser, Timestamp, User, UserId};
use crate::passwords::Password;

/// How long a key is remembered.
const KEPT: Duration = Duration::from_hours(24);

/// The first answer to a create.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdempotencyItem {
    /// What was asked for, without the password: that one is held against the user's digests instead.
    fingerprint: String,
    /// Who was created.
    pub user_id: UserId,
    /// The user as first answered, in JSON.
    user: String,
    pub(super) expires_at: i64,
}

impl IdempotencyItem {
    /// `asked`: everything in the request that matters, but for the password.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the user has no JSON form.
    pub fn new(asked: &str, user: &User, now: Timestamp) -> Result<Self, Failure> {
        let user_json = serde_json::to_string(&PublicUser::from(user))
            .map_err(|error| Failure::internal("keeping an answer", &error))?;
        Ok(Self {
            fingerprint: keys::hash(asked),
            user_id: user.id.clone(),
            user: user_json,
            expires_at: now.plus(KEPT).unix_seconds(),
        })
    }

    /// The user as first answered.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn user(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_str(&self.user).map_err(|error| Failure::internal("reading a kept answer", &error))
    }
}

impl Store {
    /// The first answer under `key`, if there is one that has not expired. `rows` is a read of the key.
    ///
    /// # Errors
    /// [`Failure::IdempotencyKeyReused`] when something else was asked for under this key; or what kept us from reading.
    pub async fn first_answer(
        &self,
        rows: &Rows,
        key: &Key<IdempotencyItem>,
        asked: &str,
        password: Option<&Password>,
        now: Timestamp,
    ) -> Result<Option<IdempotencyItem>, Failure> {
        let first = rows.get(key)?.filter(|first| first.expires_at > now.unix_seconds());
        let Some(first) = first else { return Ok(None) };
        if first.fingerprint != keys::hash(asked) || !self.had_password(&first.user_id, password).await? {
            return Err(Failure::IdempotencyKeyReused);
        }
        Ok(Some(first))
    }

    /// Whether this is, or was lately, the user's password. Of a removed user nobody can tell any more.
    async fn had_password(&self, user: &UserId, password: Option<&Password>) -> Result<bool, Failure> {
        let Some(password) = password else { return Ok(true) };
        let key = Key::credential(user);
        let Some(credential) = self.read(&[key.place()]).await?.get(&key)? else { return Ok(true) };
        Ok(credential.digests.remember(password)?)
    }
}
