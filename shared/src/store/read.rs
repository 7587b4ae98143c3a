//! Strongly consistent reads.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;

use super::keys::{ItemKey, Key, user_sort_key};
use super::{CredentialItem, PartnerItem, SessionItem, Store, StoreError, Table};
use crate::error::Failure;
use crate::models::UserId;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The maximum number of keys in one `BatchGetItem` call.
const MAX_KEYS_AT_ONCE: usize = 100;

/// The maximum number of calls for a set of keys when some of them come back unprocessed.
const MAX_CALLS: u32 = 6;

/// The items that a read found.
#[derive(Debug, Default)]
pub struct Items(HashMap<ItemKey, Item>);

impl Items {
    /// Returns the item at `key`, if it exists. The key must be one of those that were read.
    ///
    /// # Errors
    /// Returns [`StoreError::Shape`] if the item is not valid.
    pub fn get<T: DeserializeOwned>(&self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        self.0.get(&key.item_key).map(from_item).transpose()
    }

    /// Returns the partner of a user, which exists as long as the user does. The key must be one of those that were read.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if it does not exist, or if the item is not valid.
    pub fn partner(&self, key: &Key<PartnerItem>) -> Result<PartnerItem, Failure> {
        self.get(key)?.ok_or_else(|| Failure::bug("a user without a partner"))
    }

    /// Does the same as [`get`](Self::get) for a credential. A program that called `get` would compile the largest of all
    /// items itself, with the optimisation for functions, which takes 20 KB more.
    ///
    /// # Errors
    /// Returns [`StoreError::Shape`] if the item is not valid.
    pub fn credential(&self, key: &Key<CredentialItem>) -> Result<Option<CredentialItem>, StoreError> {
        self.get(key)
    }

    pub(super) fn item(&self, item_key: &ItemKey) -> Option<&Item> {
        self.0.get(item_key)
    }
}

/// Converts an item to the type that it stores.
///
/// # Errors
/// Returns [`StoreError::Shape`] if the item is not valid.
pub fn from_item<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    owned_item(item.clone())
}

/// Does the same as [`from_item`] without a copy of the item.
pub(super) fn owned_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

impl Store {
    /// Reads items of any tables, with up to 100 keys per call in the given order. A key may occur twice.
    ///
    /// # Errors
    /// Returns [`StoreError::Unavailable`] if DynamoDB leaves keys unprocessed: these items are never taken for absent.
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

        for call in 0..MAX_CALLS {
            if call > 0 {
                tokio::time::sleep(Duration::from_millis(20 << call)).await;
            }
            let response = self
                .client
                .batch_get_item()
                .set_request_items(Some(wanted))
                .send()
                .await
                .map_err(|error| StoreError::from_sdk("BatchGetItem", &error))?;
            for (name, items) in response.responses.unwrap_or_default() {
                let Some(table) = tables.get(&name).copied() else { continue };
                for item in items {
                    stored.0.insert(key_of(table, &item)?, item);
                }
            }
            wanted = response.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("BatchGetItem: some keys are still unprocessed".to_owned()))
    }

    /// Deletes a session, whether or not it exists.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn end_session(&self, user: &UserId, session_id: &str) -> Result<(), StoreError> {
        self.delete(&Key::session(user, session_id).item_key).await
    }

    /// Returns all session items of a user, including expired ones, each with its token family (`origin_jti`).
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn sessions_of(&self, user: &UserId) -> Result<Vec<(String, SessionItem)>, StoreError> {
        self.query_sessions(user, true).await
    }

    /// Does the same as [`sessions_of`](Self::sessions_of) for half the cost. Sign-ins and sign-outs of the last moment
    /// can be missing.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn sessions_of_eventually(&self, user: &UserId) -> Result<Vec<(String, SessionItem)>, StoreError> {
        self.query_sessions(user, false).await
    }

    async fn query_sessions(
        &self,
        user: &UserId,
        is_consistent: bool,
    ) -> Result<Vec<(String, SessionItem)>, StoreError> {
        const PREFIX: &str = "SESSION#";
        let mut sessions = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(self.name_of(Table::Sessions)?)
            .consistent_read(is_consistent)
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

fn key_of(table: Table, item: &Item) -> Result<ItemKey, StoreError> {
    let sk = match table {
        Table::Credentials | Table::Outbox => None,
        Table::Users | Table::Sessions | Table::Audit => Some(string(item, "sk")?),
    };
    Ok(ItemKey { table, pk: string(item, "pk")?, sk })
}

/// Returns a number, if the item has this attribute.
pub(super) fn integer(item: &Item, attribute: &str) -> Result<Option<i64>, StoreError> {
    let Some(value) = item.get(attribute) else { return Ok(None) };
    let number = value.as_n().ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or_else(|| StoreError::Refused(format!("an item with an invalid {attribute}")))
}

/// Returns a text.
pub(super) fn text<'a>(item: &'a Item, attribute: &str) -> Result<&'a str, StoreError> {
    let value = item.get(attribute).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| StoreError::Refused(format!("an item without {attribute}")))
}

pub(super) fn string(item: &Item, attribute: &str) -> Result<String, StoreError> {
    text(item, attribute).map(str::to_owned)
}

/// Makes a query return only these attributes. It costs the same, but less is parsed and in memory.
pub(super) fn projected(query: QueryFluentBuilder, attributes: &[&str]) -> QueryFluentBuilder {
    let placeholders: Vec<String> = attributes.iter().map(|attribute| format!("#{attribute}")).collect();
    let expression = placeholders.join(", ");
    let names = placeholders.into_iter().zip(attributes.iter().map(|attribute| (*attribute).to_owned())).collect();
    query.projection_expression(expression).set_expression_attribute_names(Some(names))
}
