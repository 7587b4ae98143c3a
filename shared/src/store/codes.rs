//! The submitted codes of second factors: one item for each user, and a count in each challenge. Each code counts before
//! it is checked.
//!
//! The item is never part of a transaction, because attempts by others who have the password also write it and must not
//! delay a sign-in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::conflict::jitter;
use super::expression::{Expression, number};
use super::keys::{self, ItemKey, Key, Table};
use super::read::Item;
use super::transaction::session_changes;
use super::{SessionItem, Store, StoreError};
use crate::factors::{CodeAttempts, CodeLimit, MAX_WRONG_IN_A_CHALLENGE};
use crate::models::{Timestamp, UserId};

/// The maximum number of attempts to count when other requests write the item at the same time.
const MAX_ATTEMPTS: u32 = 12;

/// The time after which the counts are deleted. Until then, consecutive wrong codes add up.
const RETENTION: Duration = Duration::from_hours(400 * 24);

/// The stored counts of a user's codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CodesItem {
    #[serde(flatten)]
    attempts: CodeAttempts,
    /// Counts the changes of the item.
    revision: u64,
    expires_at: i64,
}

impl Key<CodesItem> {
    /// Returns the key of the counts of a user's codes.
    pub fn codes(user: &UserId) -> Self {
        Self::at(ItemKey::new(Table::Sessions, keys::user_sort_key(user), "CODES".to_owned()))
    }
}

impl Store {
    /// Counts a code of a user before it is checked. `item` must be a recent read.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the code could not be counted. It must then be rejected.
    pub async fn count_code(
        &self,
        user: &UserId,
        item: Option<CodesItem>,
        password_version: u64,
        is_known_device: bool,
        now: Timestamp,
    ) -> Result<Result<(), CodeLimit>, StoreError> {
        let key = Key::codes(user);
        let mut item = item;
        for attempt in 0..MAX_ATTEMPTS {
            let before = item.as_ref().map(|item| &item.attempts);
            let attempts = match CodeAttempts::counted(before, password_version, is_known_device, now) {
                Ok(attempts) => attempts,
                Err(limit) => return Ok(Err(limit)),
            };
            let mut expression = Expression::default();
            match &item {
                Some(item) => expression.when("revision", "=", number(item.revision)),
                None => expression.when_absent(),
            }
            let after = CodesItem {
                attempts,
                revision: item.as_ref().map_or(1, |item| item.revision + 1),
                expires_at: now.plus(RETENTION).unix_seconds(),
            };
            for (attribute, value) in serde_dynamo::to_item::<_, Item>(&after)? {
                expression.set(&attribute, value);
            }
            if self.update_if(&key.item_key, expression).await? {
                return Ok(Ok(()));
            }
            sleep(jitter(attempt)).await;
            item = self.read(&[key.item_key()]).await?.get(&key)?;
        }
        Err(StoreError::Unavailable("too many concurrent writes to the counts of a user's codes".to_owned()))
    }

    /// Clears the counts of a user after a right code.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails. The code then stays counted.
    pub async fn accept_code(
        &self,
        user: &UserId,
        password_version: u64,
        is_known_device: bool,
    ) -> Result<(), StoreError> {
        let cleared = CodeAttempts::default().accepted(is_known_device);
        let mut cleared: Item = serde_dynamo::to_item(&cleared)?;
        let mut expression = Expression::default();
        expression.when("password_version", "=", number(password_version));
        for attribute in ["in_a_row", if is_known_device { "known" } else { "unknown" }] {
            if let Some(value) = cleared.remove(attribute) {
                expression.set(attribute, value);
            }
        }
        expression.add("revision", 1);
        self.update_if(&Key::codes(user).item_key, expression).await?;
        Ok(())
    }

    /// Counts a code that a challenge is answered with. Returns false if the challenge no longer exists, or has had too many.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the code could not be counted. It must then be rejected.
    pub async fn count_code_of_challenge(&self, user: &UserId, secret: &str) -> Result<bool, StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when_absent_or_less("codes", number(MAX_WRONG_IN_A_CHALLENGE));
        expression.add("codes", 1);
        self.update_if(&Key::challenge(user, secret).item_key, expression).await
    }

    /// Changes a session from `before` to `after`. Returns false if it has ended.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn change_session(
        &self,
        user: &UserId,
        session_id: &str,
        before: &SessionItem,
        after: &SessionItem,
    ) -> Result<bool, StoreError> {
        self.update_if(&Key::session(user, session_id).item_key, session_changes(before, after)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_attributes_of_the_item_and_are_read_back() {
        let now = Timestamp::from_unix_seconds(1_795_350_591);
        let attempts = CodeAttempts::counted(None, 3, true, now).unwrap();
        let item = CodesItem { attempts: attempts.clone(), revision: 1, expires_at: 2 };
        let stored: Item = serde_dynamo::to_item(&item).unwrap();
        for attribute in ["password_version", "in_a_row", "known", "unknown", "revision", "expires_at"] {
            assert!(stored.contains_key(attribute), "{attribute}: {stored:?}");
        }
        let read: CodesItem = serde_dynamo::from_item(stored).unwrap();
        assert_eq!((read.attempts, read.revision, read.expires_at), (attempts, 1, 2));
    }
}
