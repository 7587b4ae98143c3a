//! Marks: generations whose Cognito user has to go. Put in the transaction that ends the generation, taken away by repair
//! only, once the end has been repeated well after any straggler could have undone it.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::expression::{Expression, number, text};
use super::keys::{self, Place};
use super::read::row;
use super::{Store, StoreError, Table};
use crate::models::{PartnerId, Timestamp, User, UserId};

/// Marks are spread over this many keys of the index, so that no single one is hot.
const SHARDS: u8 = 8;

/// That a generation has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// The partner.
    pub partner_id: PartnerId,
    /// Whose sessions ended.
    pub user_id: UserId,
    /// Which generation of them.
    pub generation: u64,
    /// When it ended.
    pub created_at: Timestamp,
    /// How often repair has failed.
    pub attempts: u32,
    repair_shard: String,
    repair_due: Timestamp,
}

impl Mark {
    /// The mark for the generation that the user is in.
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

    pub(super) fn place(&self) -> Place {
        keys::mark(&self.partner_id, &self.user_id, self.generation)
    }
}

impl Store {
    /// Every mark that was due at `until`, the oldest of each shard first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn marks_due(&self, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
        let mut marks = Vec::new();
        for shard in 0..SHARDS {
            let mut items = self
                .client
                .query()
                .table_name(self.name_of(Table::Users)?)
                .index_name("by_repair_due")
                .key_condition_expression("repair_shard = :shard AND repair_due <= :until")
                .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
                .expression_attribute_values(":until", AttributeValue::S(until.to_string()))
                .into_paginator()
                .items()
                .send();
            while let Some(item) = items.next().await {
                marks.push(row(&item.map_err(|error| StoreError::from_sdk("Query", &error))?)?);
            }
        }
        Ok(marks)
    }

    /// Takes a mark away.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.delete(&mark.place()).await
    }

    /// Counts a failed repair and puts the next one off until `due`. A mark that went meanwhile stays gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn postpone_mark(&self, mark: &Mark, due: Timestamp) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.set("attempts", number(mark.attempts.saturating_add(1)));
        expression.set("repair_due", text(due.to_string()));
        let written = expression.write();
        let result = self
            .client
            .update_item()
            .table_name(self.name_of(Table::Users)?)
            .set_key(Some(mark.place().attributes()))
            .update_expression(written.update)
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_conditional) => Ok(()),
            Err(error) => Err(StoreError::from_sdk("UpdateItem", &error)),
        }
    }
}

pub(super) fn is_conditional(error: &aws_sdk_dynamodb::operation::update_item::UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception()
}
