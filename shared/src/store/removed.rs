//! Removed users, who can be restored for 30 days. The item has the user as one attribute, so that no index contains it.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::items::{Stored, UserItem};
use super::keys::{REMOVED, partition};
use super::listing::Position;
use super::read::{Item, owned_item, string};
use super::{Store, StoreError, Table};
use crate::models::{PartnerId, REMOVED_RETENTION, Timestamp, User, UserId};

/// A removed user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "StoredRemoved", try_from = "StoredRemoved")]
pub struct RemovedItem {
    /// The user at the removal, without what is not restored.
    pub user: User,
    /// The time of the removal.
    pub removed_at: Timestamp,
    /// The user who removed this user.
    pub removed_by: UserId,
}

/// A page of removed users, in order.
#[derive(Debug, Default)]
pub struct RemovedPage {
    /// The removed users.
    pub removed: Vec<RemovedItem>,
    /// The position after which the next page starts, if there is one.
    pub next: Option<Position>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredRemoved {
    #[serde(skip_serializing)]
    pk: String,
    #[serde(skip_serializing)]
    sk: String,
    user: Stored,
    removed_at: Timestamp,
    removed_by: UserId,
    expires_at: i64,
}

impl RemovedItem {
    /// Returns the item for a user who is removed at `at` by `by`.
    pub fn new(user: &User, by: UserId, at: Timestamp) -> Self {
        Self { user: user.removed(), removed_at: at, removed_by: by }
    }

    /// Returns the time until which the user can be restored.
    pub fn restorable_until(&self) -> Timestamp {
        self.removed_at.plus(REMOVED_RETENTION)
    }

    /// Returns whether the user can still be restored. DynamoDB deletes expired items late.
    pub fn is_restorable(&self, now: Timestamp) -> bool {
        now < self.restorable_until()
    }
}

impl From<RemovedItem> for StoredRemoved {
    fn from(item: RemovedItem) -> Self {
        let expires_at = item.restorable_until().unix_seconds();
        let RemovedItem { user, removed_at, removed_by } = item;
        let user = Stored::from(UserItem::from(user));
        Self { pk: String::new(), sk: String::new(), user, removed_at, removed_by, expires_at }
    }
}

impl TryFrom<StoredRemoved> for RemovedItem {
    type Error = &'static str;

    fn try_from(stored: StoredRemoved) -> Result<Self, Self::Error> {
        let StoredRemoved { pk, sk, user, removed_at, removed_by, expires_at: _ } = stored;
        let id = sk.strip_prefix(REMOVED).and_then(|id| UserId::parse(id).ok()).ok_or("an invalid user id")?;
        let UserItem { user } = user.with_key(pk, &id).try_into()?;
        Ok(Self { user, removed_at, removed_by })
    }
}

impl Store {
    /// Returns up to `limit` removed users who can be restored at `now`, after the position `after`. The user who was added
    /// last comes first.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn removed_users(
        &self,
        partner: &PartnerId,
        after: Option<&Position>,
        limit: usize,
        now: Timestamp,
    ) -> Result<RemovedPage, StoreError> {
        let key = |position: &Position| {
            let sk = AttributeValue::S(position.sk.clone());
            Item::from([("pk".to_owned(), AttributeValue::S(partition(partner))), ("sk".to_owned(), sk)])
        };
        let mut start = after.map(key);
        let mut found: Vec<(Position, RemovedItem)> = Vec::new();
        loop {
            // One user more than the limit shows that there is a next page.
            let missing = limit.saturating_add(1).saturating_sub(found.len());
            let response = self
                .client
                .query()
                .table_name(self.name_of(Table::Users)?)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND begins_with(sk, :removed)")
                .expression_attribute_values(":pk", AttributeValue::S(partition(partner)))
                .expression_attribute_values(":removed", AttributeValue::S(REMOVED.to_owned()))
                .scan_index_forward(false)
                .set_limit(i32::try_from(missing).ok())
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk("Query", &error))?;
            for item in response.items.unwrap_or_default() {
                let position = Position { sk: string(&item, "sk")?, key: None };
                let removed: RemovedItem = owned_item(item)?;
                if removed.is_restorable(now) {
                    found.push((position, removed));
                }
            }
            start = response.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || found.len() > limit {
                let is_more = found.len() > limit;
                found.truncate(limit);
                let next = found.last().map(|(position, _)| position.clone()).filter(|_| is_more);
                return Ok(RemovedPage { removed: found.into_iter().map(|(_, removed)| removed).collect(), next });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;
    use crate::models::{Email, PersonName, Profile, Role};

    #[test]
    fn a_removed_user_is_read_back_and_has_no_key_of_an_index() {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: None,
            email: Email::parse("Ann@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.default_permissions(),
            must_change_password: false,
        };
        let user = User::new(UserId::new(at, [1; 10]), PartnerId::new(at, [2; 10]), profile, at, None);
        let removed = RemovedItem::new(&user, UserId::new(at, [3; 10]), at);
        let mut item: Item = serde_dynamo::to_item(removed.clone()).unwrap();
        let mut attributes: Vec<&str> = item.keys().map(String::as_str).collect();
        attributes.sort_unstable();
        assert_eq!(attributes, ["expires_at", "removed_at", "removed_by", "user"]);
        item.extend(Key::removed(&user.partner_id, &user.id).item_key.attributes());
        let read: RemovedItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!((read.user, read.removed_at, read.removed_by), (user, at, removed.removed_by));
    }
}
