//! Marks for ended generations whose Cognito user must be deleted. The transaction that ends a generation adds its
//! mark. Only repair deletes a mark, after it has repeated the end at a time when no delayed request can undo it any
//! more.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::expression::{Expression, number, text};
use super::keys::{self, ItemKey};
use super::read::from_item;
use super::{Store, StoreError, Table};
use crate::models::{PartnerId, Timestamp, User, UserId};

/// The number of index keys over which marks are spread, so that no single key is hot.
const SHARDS: u8 = 8;

/// The maximum number of marks per page.
const PAGE: i32 = 100;

/// The maximum number of marks that are counted in a shard: 10,000 in all shards.
const MAX_COUNTED: i32 = 1_250;

/// The mark for a generation that has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// The partner.
    pub partner_id: PartnerId,
    /// The user whose sessions ended.
    pub user_id: UserId,
    /// The generation that ended.
    pub generation: u64,
    /// The time at which it ended.
    pub created_at: Timestamp,
    /// The number of failed repairs.
    pub attempts: u32,
    repair_shard: String,
    repair_due: Timestamp,
}

impl Mark {
    /// Returns the mark for the user's current generation.
    pub(super) fn new(user: &User, at: Timestamp) -> Self {
        // The id's last digits are random.
        let shard = user.id.as_str().bytes().last().unwrap_or_default() % SHARDS;
        Self {
            partner_id: user.partner_id.clone(),
            user_id: user.id.clone(),
            generation: user.session_generation,
            created_at: at,
            attempts: 0,
            repair_shard: shard.to_string(),
            repair_due: at,
        }
    }

    pub(super) fn item_key(&self) -> ItemKey {
        keys::mark(&self.partner_id, &self.user_id, self.generation)
    }
}

/// The part of a mark that the backlog needs.
#[derive(Deserialize)]
struct Created {
    created_at: Timestamp,
}

/// The backlog of repair, counted up to a limit, so that the time that this takes is limited too.
#[derive(Debug, Default, Clone, Copy)]
pub struct Backlog {
    /// The number of marks, including postponed ones. At most 10,000 are counted.
    pub marks: u64,
    /// The time at which the oldest mark was added. In a larger backlog it is the oldest of those that are due first.
    pub oldest: Option<Timestamp>,
}

/// A page of the marks of one shard.
#[derive(Debug)]
pub struct Marks {
    /// The marks.
    pub due: Vec<Mark>,
    /// The number of other marks on this page, which cannot be read.
    pub unreadable: u32,
    /// The key after which the next page starts. `None` if there are no more marks.
    pub next: Option<HashMap<String, AttributeValue>>,
}

impl Mark {
    /// Returns all shards. They start with another shard every minute, so that no shard always comes last.
    pub fn shards(at: Timestamp) -> impl Iterator<Item = u8> {
        let first = u8::try_from((at.unix_seconds() / 60).rem_euclid(SHARDS.into())).unwrap_or_default();
        (0..SHARDS).map(move |shard| (first + shard) % SHARDS)
    }
}

impl Store {
    /// Returns a page of the marks in a shard that are due at `until`, in the order of their due times.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn marks_due(
        &self,
        shard: u8,
        until: Timestamp,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<Marks, StoreError> {
        let response = self
            .marks(shard)?
            .key_condition_expression("repair_shard = :shard AND repair_due <= :until")
            .expression_attribute_values(":until", AttributeValue::S(until.to_string()))
            .limit(PAGE)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Query", &error))?;
        let items = response.items.unwrap_or_default();
        let due: Vec<Mark> = items.iter().filter_map(|item| from_item(item).ok()).collect();
        let unreadable = u32::try_from(items.len().saturating_sub(due.len())).unwrap_or(u32::MAX);
        Ok(Marks { due, unreadable, next: response.last_evaluated_key.filter(|key| !key.is_empty()) })
    }

    /// Returns the backlog of all shards. One query for each shard is enough, because the marks that it counts are
    /// smaller than a page of DynamoDB.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut backlog = Backlog::default();
        for shard in 0..SHARDS {
            let response = self
                .marks(shard)?
                .key_condition_expression("repair_shard = :shard")
                .projection_expression("created_at")
                .limit(MAX_COUNTED)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk("Query", &error))?;
            for item in response.items() {
                backlog.marks += 1;
                // A mark that cannot be read counts too.
                let Ok(Created { created_at }) = from_item(item) else { continue };
                backlog.oldest = Some(backlog.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
            }
        }
        Ok(backlog)
    }

    fn marks(&self, shard: u8) -> Result<QueryFluentBuilder, StoreError> {
        Ok(self
            .client
            .query()
            .table_name(self.name_of(Table::Users)?)
            .index_name("by_repair_due")
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_string())))
    }

    /// Deletes a mark.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn clear_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.delete(&mark.item_key()).await
    }

    /// Counts a failed repair and postpones the next one until `due`. A mark that was deleted in the meantime stays
    /// deleted.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn postpone_mark(&self, mark: &Mark, due: Timestamp) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.set("attempts", number(mark.attempts.saturating_add(1)));
        expression.set("repair_due", text(due.to_string()));
        self.update_if(&mark.item_key(), expression).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minute_starts_with_the_next_shard_and_includes_all_shards() {
        for minute in 0..20 {
            let shards: Vec<u8> = Mark::shards(Timestamp::from_unix_millis(minute * 60_000 + 59_999)).collect();
            let first = u8::try_from(minute % 8).unwrap();
            assert_eq!(shards, (0..8).map(|shard| (first + shard) % 8).collect::<Vec<u8>>());
        }
    }
}
