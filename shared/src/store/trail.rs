//! The audit trail, newest first.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::audit::Actor;
use super::keys::{self, ItemKey, partition};
use super::read::{Item, from_item, string};
use super::{Event, Position, Store, StoreError, Table};
use crate::models::{EventAction, EventId, PartnerId, Timestamp, UserId};

/// Events that are looked at in one go where some may be left out.
const AT_ONCE: usize = 100;

/// How often one page looks for more of them: so it examines 1,000 events at the most.
const MAX_QUERIES: usize = 10;

/// The most bytes of events on a page, as JSON: a table repeats and escapes some of them, and an answer of Lambda's has 6 MB
/// at the most. A thousand ordinary events have half of it.
const MAX_BYTES: usize = 1_000_000;

/// Which events are wanted. Every condition that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// To whom it was done.
    pub target: Option<UserId>,
    /// Who did it.
    pub actor: Option<UserId>,
    /// What was done.
    pub action: Option<EventAction>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Some events, newest first.
#[derive(Debug, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// Where to go on, if there may be more.
    pub next: Option<Position>,
}

impl EventFilter {
    /// The least and the greatest id that an event of this time can have. An id that is made of zeros alone is nobody's, so
    /// it does not matter that the upper one is included.
    fn ids(&self) -> (EventId, EventId) {
        let from = self.from.unwrap_or_else(|| Timestamp::from_unix_millis(0));
        let to = self.to.unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX));
        (EventId::new(from, [0; 10]), EventId::new(to, [0; 10]))
    }

    /// Whether a page of such events can end here.
    pub fn reaches(&self, position: &Position) -> bool {
        let (least, greatest) = self.ids();
        EventId::parse(&position.sk).is_ok_and(|id| least <= id && id <= greatest)
    }

    /// The index that lists them, its key, and whose events there are wanted.
    fn index(&self, partner: &PartnerId) -> Option<Index> {
        match (&self.target, &self.actor) {
            (Some(target), _) => {
                Some(Index { name: "by_target", key: "target_key", value: keys::person(partner, target) })
            }
            (None, Some(actor)) => {
                Some(Index { name: "by_actor", key: "actor_key", value: keys::person(partner, actor) })
            }
            (None, None) if self.is_of_reviews() => {
                Some(Index { name: "by_review", key: "review_key", value: partition(partner) })
            }
            (None, None) => None,
        }
    }

    fn is_of_reviews(&self) -> bool {
        self.action == Some(EventAction::AccessReviewed)
    }

    /// Whether keys alone find them: no event that is read is left out.
    fn is_by_key(&self) -> bool {
        match (&self.target, &self.actor) {
            (Some(_), Some(_)) => false,
            (Some(_), None) | (None, Some(_)) => self.action.is_none(),
            (None, None) => self.action.is_none() || self.is_of_reviews(),
        }
    }

    fn accepts(&self, event: &Event) -> bool {
        let is_by = |actor: &UserId| match &event.actor {
            Actor::User { id, .. } => id == actor,
            Actor::Operator { .. } | Actor::Anonymous | Actor::Other { .. } => false,
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
    /// Up to `limit` events after `after`, newest first. Reads as much whether there are a hundred events or a million; so
    /// where only some of those that it looks at are wanted, or they are large, there may be fewer than `limit`, and more to
    /// come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(
        &self,
        partner: &PartnerId,
        wanted: &EventFilter,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<EventPage, StoreError> {
        // One more than asked for tells whether there is a next page.
        let (looks, at_once) = if wanted.is_by_key() { (1, limit.saturating_add(1)) } else { (MAX_QUERIES, AT_ONCE) };
        let mut events: Vec<Event> = Vec::new();
        let mut next = after.cloned();
        for _ in 0..looks {
            let found;
            (found, next) = self.look(partner, wanted, next.as_ref(), at_once).await?;
            events.extend(found.into_iter().filter(|event| wanted.accepts(event)));
            if next.is_none() || events.len() > limit {
                break;
            }
        }
        let fitting = limit.min(how_many_fit(&events));
        if events.len() > fitting {
            events.truncate(fitting);
            next = events.last().map(|event| Position { sk: event.id.as_str().to_owned(), key: None });
        }
        Ok(EventPage { events, next })
    }

    /// The next events of the index or the table, and where the last one of them is if it was not the last of all.
    async fn look(
        &self,
        partner: &PartnerId,
        wanted: &EventFilter,
        after: Option<&Position>,
        at_once: usize,
    ) -> Result<(Vec<Event>, Option<Position>), StoreError> {
        let index = wanted.index(partner);
        let (key, value) = place_in(index.as_ref(), partner);
        let start = after.map(|position| {
            let at = HashMap::from([("pk", partition(partner)), ("sk", position.sk.clone()), (key, value)]);
            at.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect()
        });
        let answer = self
            .query_trail(partner, wanted, index.as_ref())?
            // A global index is never consistent.
            .consistent_read(index.is_none())
            .scan_index_forward(false)
            .set_limit(i32::try_from(at_once).ok())
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Query", &error))?;
        let stopped = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let stopped = stopped.map(|key| Ok::<_, StoreError>(Position { sk: string(&key, "sk")?, key: None }));
        let items = answer.items.unwrap_or_default();
        let events = match index {
            Some(_) => self.events_at(partner, &items).await?,
            None => items.iter().map(from_item).collect::<Result<_, _>>()?,
        };
        Ok((events, stopped.transpose()?))
    }

    /// Asks for the keys, or the events, of this time.
    fn query_trail(
        &self,
        partner: &PartnerId,
        wanted: &EventFilter,
        index: Option<&Index>,
    ) -> Result<QueryFluentBuilder, StoreError> {
        let (least, greatest) = wanted.ids();
        let (key, value) = place_in(index, partner);
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

    /// Whose access was decided on in this time, as far as `by_review` knows yet: it tells whom an event is about without
    /// the event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reviewed(
        &self,
        partner: &PartnerId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<HashSet<UserId>, StoreError> {
        let wanted = EventFilter {
            action: Some(EventAction::AccessReviewed),
            from: Some(from),
            to: Some(to),
            ..EventFilter::default()
        };
        let person = keys::person_prefix(partner);
        let mut reviewed = HashSet::new();
        let index = wanted.index(partner);
        let mut pages = self.query_trail(partner, &wanted, index.as_ref())?.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::from_sdk("Query", &error))?;
            let target = string(&item, "target_key")?;
            reviewed.extend(target.strip_prefix(&person).and_then(|id| UserId::parse(id).ok()));
        }
        Ok(reviewed)
    }

    /// The events whose keys an index told.
    async fn events_at(&self, partner: &PartnerId, keys: &[Item]) -> Result<Vec<Event>, StoreError> {
        let item_keys = keys.iter().map(|key| {
            let id = EventId::parse(&string(key, "sk")?)
                .map_err(|error| StoreError::Refused(format!("an event's key: {error}")))?;
            Ok(keys::event(partner, &id))
        });
        let item_keys: Vec<ItemKey> = item_keys.collect::<Result<_, StoreError>>()?;
        let stored = self.read(&item_keys).await?;
        item_keys.iter().filter_map(|item_key| stored.item(item_key)).map(from_item).collect()
    }
}

/// The key of an index, or of the table, and where this partner's events are under it.
fn place_in(index: Option<&Index>, partner: &PartnerId) -> (&'static str, String) {
    match index {
        Some(index) => (index.key, index.value.clone()),
        None => ("pk", partition(partner)),
    }
}

fn how_many_fit(events: &[Event]) -> usize {
    let mut bytes = 0;
    let fitting = events.iter().take_while(|event| {
        // What has no JSON form cannot be here, since it was read.
        bytes += serde_json::to_string(event).map_or(0, |event| event.len());
        bytes <= MAX_BYTES
    });
    fitting.count().max(1)
}
