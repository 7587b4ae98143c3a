//! Reads of the audit trail, newest event first.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::audit::Actor;
use super::keys::{self, ItemKey, partition};
use super::read::{Item, from_item, string};
use super::{Event, Position, Store, StoreError, Table};
use crate::models::{EventAction, EventId, PartnerId, Timestamp, UserId};

/// The number of events per query when the filter may leave some out.
const AT_ONCE: usize = 100;

/// The maximum number of queries for one page. A page therefore examines at most 1,000 events.
const MAX_QUERIES: usize = 10;

/// The maximum size of the events on a page, in bytes of JSON. CSV repeats and escapes some of these bytes, and a
/// response of Lambda has at most 6 MB. A thousand ordinary events have half of the maximum.
const MAX_BYTES: usize = 1_000_000;

/// A filter for events. All conditions that are present must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// The target.
    pub target: Option<UserId>,
    /// The actor.
    pub actor: Option<UserId>,
    /// The action.
    pub action: Option<EventAction>,
    /// The start of the period (inclusive).
    pub from: Option<Timestamp>,
    /// The end of the period (exclusive).
    pub to: Option<Timestamp>,
}

/// A page of events, newest first.
#[derive(Debug, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The position after which the next page starts, if there may be more events.
    pub next: Option<Position>,
}

impl EventFilter {
    /// Returns the lowest and the highest id of events in the period. The highest id has only zeros after its time, and
    /// no event has such an id. So it makes no difference that queries include it.
    fn ids(&self) -> (EventId, EventId) {
        let from = self.from.unwrap_or_else(|| Timestamp::from_unix_millis(0));
        let to = self.to.unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX));
        (EventId::new(from, [0; 10]), EventId::new(to, [0; 10]))
    }

    /// Returns whether a page of these events can end at this position.
    pub fn reaches(&self, position: &Position) -> bool {
        let (least, greatest) = self.ids();
        EventId::parse(&position.sk).is_ok_and(|id| least <= id && id <= greatest)
    }

    /// Returns the index that lists these events, and the key to query. `None` means that the table itself lists them.
    fn index(&self, partner: &PartnerId) -> Option<Index> {
        match (&self.target, &self.actor) {
            (Some(target), _) => {
                Some(Index { name: "by_target", key: "target_key", value: keys::person(partner, target) })
            }
            (None, Some(actor)) => {
                Some(Index { name: "by_actor", key: "actor_key", value: keys::person(partner, actor) })
            }
            (None, None) if self.is_for_reviews() => {
                Some(Index { name: "by_review", key: "review_key", value: partition(partner) })
            }
            (None, None) => None,
        }
    }

    fn is_for_reviews(&self) -> bool {
        self.action == Some(EventAction::AccessReviewed)
    }

    /// Returns whether a query by key finds only matching events, so that none of them needs to be left out.
    fn is_by_key(&self) -> bool {
        match (&self.target, &self.actor) {
            (Some(_), Some(_)) => false,
            (Some(_), None) | (None, Some(_)) => self.action.is_none(),
            (None, None) => self.action.is_none() || self.is_for_reviews(),
        }
    }

    fn accepts(&self, event: &Event) -> bool {
        let is_by = |actor: &UserId| match &event.actor {
            Actor::User { id, .. } => id == actor,
            Actor::Operator { .. } | Actor::Anonymous | Actor::System | Actor::Other { .. } => false,
        };
        self.action.is_none_or(|action| event.action == action.as_str())
            && self.actor.as_ref().is_none_or(is_by)
            && self.target.as_ref().is_none_or(|id| event.target.as_ref().is_some_and(|target| target.id == *id))
    }
}

struct Index {
    name: &'static str,
    key: &'static str,
    value: String,
}

impl Store {
    /// Returns up to `limit` events after the position `after`, newest first. The amount of data read per page is
    /// limited. So if the filter leaves events out, or events are large, a page may have fewer than `limit` events and
    /// still have a next page.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn events(
        &self,
        partner: &PartnerId,
        filter: &EventFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        // One event more than the limit shows that there is a next page.
        let (queries, at_once) = if filter.is_by_key() { (1, limit.saturating_add(1)) } else { (MAX_QUERIES, AT_ONCE) };
        let mut events: Vec<Event> = Vec::new();
        let mut next = after.cloned();
        for _ in 0..queries {
            let found;
            (found, next) = self.query_once(partner, filter, next.as_ref(), at_once).await?;
            events.extend(found.into_iter().filter(|event| filter.accepts(event)));
            if next.is_none() || events.len() > limit {
                break;
            }
        }
        let fitting = limit.min(count_fitting(&events));
        if events.len() > fitting {
            events.truncate(fitting);
            next = events.last().map(|event| Position { sk: event.id.as_str().to_owned(), key: None });
        }
        Ok(EventPage { events, next })
    }

    /// Returns the next events of the index or the table, and the position of the last one if there are more events.
    async fn query_once(
        &self,
        partner: &PartnerId,
        filter: &EventFilter,
        after: Option<&Position>,
        at_once: usize,
    ) -> Result<(Vec<Event>, Option<Position>), StoreError> {
        let index = filter.index(partner);
        let (key, value) = partition_key(index.as_ref(), partner);
        let start = after.map(|position| {
            let at = HashMap::from([("pk", partition(partner)), ("sk", position.sk.clone()), (key, value)]);
            at.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect()
        });
        let response = self
            .query_trail(partner, filter, index.as_ref())?
            // Reads of a global index are never strongly consistent.
            .consistent_read(index.is_none())
            .scan_index_forward(false)
            .set_limit(i32::try_from(at_once).ok())
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Query", &error))?;
        let stopped = response.last_evaluated_key.filter(|key| !key.is_empty());
        let stopped = stopped.map(|key| Ok::<_, StoreError>(Position { sk: string(&key, "sk")?, key: None }));
        let items = response.items.unwrap_or_default();
        let events = match index {
            Some(_) => self.events_at(partner, &items).await?,
            None => items.iter().map(from_item).collect::<Result<_, _>>()?,
        };
        Ok((events, stopped.transpose()?))
    }

    /// Builds the query for the events of the period, or for their keys if there is an index.
    fn query_trail(
        &self,
        partner: &PartnerId,
        filter: &EventFilter,
        index: Option<&Index>,
    ) -> Result<QueryFluentBuilder, StoreError> {
        let (least, greatest) = filter.ids();
        let (key, value) = partition_key(index, partner);
        let query = self
            .client
            .query()
            .table_name(self.name_of(Table::Audit)?)
            .set_index_name(index.map(|index| index.name.to_owned()))
            .key_condition_expression("#key = :key AND sk BETWEEN :least AND :greatest")
            .expression_attribute_names("#key", key)
            .expression_attribute_values(":key", AttributeValue::S(value))
            .expression_attribute_values(":least", AttributeValue::S(least.as_str().to_owned()))
            .expression_attribute_values(":greatest", AttributeValue::S(greatest.as_str().to_owned()));
        Ok(query)
    }

    /// Returns the users whose access was reviewed in this period. The index `by_review` contains the target of each
    /// event, so the events are not read. The index is eventually consistent.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn reviewed(
        &self,
        partner: &PartnerId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<HashSet<UserId>, StoreError> {
        let filter = EventFilter {
            action: Some(EventAction::AccessReviewed),
            from: Some(from),
            to: Some(to),
            ..EventFilter::default()
        };
        let person = keys::person_prefix(partner);
        let mut reviewed = HashSet::new();
        let index = filter.index(partner);
        let mut pages = self.query_trail(partner, &filter, index.as_ref())?.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::from_sdk("Query", &error))?;
            let target = string(&item, "target_key")?;
            reviewed.extend(target.strip_prefix(&person).and_then(|id| UserId::parse(id).ok()));
        }
        Ok(reviewed)
    }

    /// Reads the events whose keys an index returned.
    async fn events_at(&self, partner: &PartnerId, keys: &[Item]) -> Result<Vec<Event>, StoreError> {
        let item_keys = keys.iter().map(|key| {
            let id = EventId::parse(&string(key, "sk")?)
                .map_err(|error| StoreError::Refused(format!("an event has an invalid key: {error}")))?;
            Ok(keys::event(partner, &id))
        });
        let item_keys: Vec<ItemKey> = item_keys.collect::<Result<_, StoreError>>()?;
        let stored = self.read(&item_keys).await?;
        item_keys.iter().filter_map(|item_key| stored.item(item_key)).map(from_item).collect()
    }
}

/// Returns the name and the value of the partition key for this partner's events in an index or the table.
fn partition_key(index: Option<&Index>, partner: &PartnerId) -> (&'static str, String) {
    match index {
        Some(index) => (index.key, index.value.clone()),
        None => ("pk", partition(partner)),
    }
}

/// Returns the number of events that fit on a page, which is at least one.
fn count_fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let fitting = events.iter().take_while(|event| {
        // An event that was read always has a JSON form.
        bytes += serde_json::to_string(event).map_or(0, |event| event.len());
        bytes <= MAX_BYTES
    });
    fitting.count().max(1)
}
