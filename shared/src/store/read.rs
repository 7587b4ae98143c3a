//! Strongly consistent reads.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;

use super::keys::{ItemKey, Key, user_sort_key};
use super::{SessionItem, Store, StoreError, Table};
use crate::models::UserId;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The most keys that DynamoDB takes at once.
const MAX_KEYS_AT_ONCE: usize = 100;

/// How often keys that come back unprocessed are asked for again.
const MAX_RETRIES: u32 = 6;

/// What a read found.
#[derive(Debug, Default)]
pub struct Items(HashMap<ItemKey, Item>);

impl Items {
    /// The item at `key`, if there is one. It must have been asked for.
    ///
    /// # Errors
    /// [`StoreError::Shape`].
    pub fn get<T: DeserializeOwned>(&self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        self.0.get(&key.item_key).map(from_item).transpose()
    }

    pub(super) fn item(&self, item_key: &ItemKey) -> Option<&Item> {
        self.0.get(item_key)
    }
}

/// An item as the type that it stores.
///
/// # Errors
/// [`StoreError::Shape`].
pub fn from_item<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item.clone())?)
}

impl Store {
    /// Reads items of any table: up to 100 at once, the first ones first. A key may occur twice.
    ///
    /// # Errors
    /// Keys that DynamoDB does not get to are never taken for absent: [`StoreError::Unavailable`].
    pub async fn read(&self, item_keys: &[ItemKey]) -> Result<Items, StoreError> {
        let mut seen = HashSet::with_capacity(item_keys.len());
        let item_keys: Vec<&ItemKey> = item_keys.iter().filter(|item_key| seen.insert(*item_key)).collect();
        let mut stored = Items::default();
        for item_keys in item_keys.chunks(MAX_KEYS_AT_ONCE) {
            self.read_at_once(item_keys, &mut stored).await?;
        }
        Ok(stored)
    }

    async fn read_at_once(&self, item_keys: &[&ItemKey], stored: &mut Items) -> Result<(), StoreError> {
        let mut wanted: HashMap<String, KeysAndAttributes> = HashMap::new();
        let mut by_table: HashMap<&str, (Table, Vec<Item>)> = HashMap::new();
        for item_key in item_keys {
            let name = self.name_of(item_key.table)?;
            by_table.entry(name).or_insert_with(|| (item_key.table, Vec::new())).1.push(item_key.attributes());
        }
        let tables: HashMap<String, Table> =
            by_table.iter().map(|(name, (table, _))| ((*name).to_owned(), *table)).collect();
        for (name, (_, keys)) in by_table {
            wanted.insert(name.to_owned(), consistent(keys)?);
        }

        for ask in 0..MAX_RETRIES {
            if ask > 0 {
                tokio::time::sleep(Duration::from_millis(20 << ask)).await;
            }
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(wanted))
                .send()
                .await
                .map_err(|error| StoreError::from_sdk("BatchGetItem", &error))?;
            for (name, items) in answer.responses.unwrap_or_default() {
                let Some(table) = tables.get(&name).copied() else { continue };
                for item in items {
                    stored.0.insert(place_of(table, &item)?, item);
                }
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("BatchGetItem: keys stayed unprocessed".to_owned()))
    }

    /// Ends a session, whether or not it still stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(&self, user: &UserId, session_id: &str) -> Result<(), StoreError> {
        self.delete(&Key::session(user, session_id).item_key).await
    }

    /// Every session row of a user, expired ones too, with the token family (`origin_jti`) that it stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions_of(&self, user: &UserId) -> Result<Vec<(String, SessionItem)>, StoreError> {
        const PREFIX: &str = "SESSION#";
        let mut sessions = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(self.name_of(Table::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(user_sort_key(user)))
            .expression_attribute_values(":prefix", AttributeValue::S(PREFIX.to_owned()))
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::from_sdk("Query", &error))?;
            if let Some(origin_jti) = string(&item, "sk")?.strip_prefix(PREFIX) {
                sessions.push((origin_jti.to_owned(), from_item(&item)?));
            }
        }
        Ok(sessions)
    }
}

fn consistent(keys: Vec<Item>) -> Result<KeysAndAttributes, StoreError> {
    KeysAndAttributes::builder()
        .consistent_read(true)
        .set_keys(Some(keys))
        .build()
        .map_err(|error| StoreError::Refused(error.to_string()))
}

fn place_of(table: Table, item: &Item) -> Result<ItemKey, StoreError> {
    let sk = match table {
        Table::Credentials => None,
        Table::Users | Table::Sessions | Table::Audit => Some(string(item, "sk")?),
    };
    Ok(ItemKey { table, pk: string(item, "pk")?, sk })
}

pub(super) fn string(item: &Item, attribute: &str) -> Result<String, StoreError> {
    item.get(attribute)
        .and_then(|value| value.as_s().ok())
        .cloned()
        .ok_or_else(|| StoreError::Refused(format!("an item without {attribute}")))
}
