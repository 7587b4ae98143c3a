//! Audit events. An event records the actor, the action, the target, the time, the client's address, and values before
//! and after a change. It never contains a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::items::SessionItem;
use super::keys;
use crate::error::Failure;
use crate::models::{
    Decision, EventAction, EventId, Note, PartnerId, PersonName, Requirement, SecondFactor, Timestamp, User, UserId,
    browser,
};
use crate::random;

/// The actor of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A user of the partner.
    User {
        /// The user's id.
        id: UserId,
        /// The user's name at that time.
        name: String,
    },
    /// A person or a program with AWS credentials.
    Operator {
        /// The name that the operator gave, if any. It is not verified.
        #[serde(default)]
        name: Option<String>,
    },
    /// A client that has not authenticated.
    Anonymous,
    /// The portal itself, without a request.
    System,
    /// An actor of a kind that a later version writes.
    #[serde(untagged)]
    Other {
        /// The kind.
        kind: String,
        /// The actor's id, if actors of this kind have ids.
        #[serde(default)]
        id: Option<String>,
        /// The actor's name at that time, if actors of this kind have names.
        #[serde(default)]
        name: Option<String>,
    },
}

/// The target of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// The user's id.
    pub id: UserId,
    /// The user's name at that time.
    pub name: String,
}

impl Actor {
    /// Returns a user as an actor.
    pub fn user(user: &User) -> Self {
        Self::User { id: user.id.clone(), name: user.full_name() }
    }

    /// Returns an operator as an actor, with the name that the operator gave, if any.
    pub fn operator(name: Option<&PersonName>) -> Self {
        Self::Operator { name: name.map(|name| name.as_str().to_owned()) }
    }
}

/// An audit event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// The event's id. Ids sort by time.
    pub id: EventId,
    /// The time of the event.
    pub at: Timestamp,
    /// The word of an [`EventAction`]. It is a text, so that events of later versions can be read.
    pub action: String,
    /// The actor.
    pub actor: Actor,
    /// The target. `None` if the actor was refused to add a user.
    pub target: Option<Target>,
    /// The client's address. `None` for operators.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: String,
    /// The changed values before the action.
    pub before: BTreeMap<String, Value>,
    /// The changed values after the action.
    pub after: BTreeMap<String, Value>,
}

impl Event {
    /// Returns an event without values before and after.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if there are no random bytes for the id.
    pub fn new<'a>(
        action: EventAction,
        at: Timestamp,
        actor: Actor,
        target: impl Into<Option<&'a User>>,
        address: Option<&str>,
        request_id: &str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            id: event_id(at, false)?,
            at,
            action: action.as_str().to_owned(),
            actor,
            target: target.into().map(|target| Target { id: target.id.clone(), name: target.full_name() }),
            address: address.map(str::to_owned),
            request_id: request_id.to_owned(),
            before: BTreeMap::new(),
            after: BTreeMap::new(),
        })
    }

    /// Sorts this event after the other events of its transaction, which have the same time.
    ///
    /// # Errors
    /// Returns the same errors as [`new`](Self::new).
    pub fn sorted_last(self) -> Result<Self, Failure> {
        Ok(Self { id: event_id(self.at, true)?, ..self })
    }

    /// Adds all values that differ between `before` and `after`. `None` means that the user does not exist at that
    /// time.
    #[must_use]
    pub fn changing(mut self, before: Option<&User>, after: Option<&User>) -> Self {
        let (mut old, mut new) = (before.map(facts).unwrap_or_default(), after.map(facts).unwrap_or_default());
        let same: Vec<String> =
            old.iter().filter(|(name, value)| new.get(*name) == Some(*value)).map(|(name, _)| name.clone()).collect();
        for name in same {
            old.remove(&name);
            new.remove(&name);
        }
        self.before = old;
        self.after = new;
        self
    }

    /// Adds the decision of a review, and the user's whole access before and after it, even if nothing changed. The
    /// record of a review shows these values. `after` is `None` if the user was removed.
    #[must_use]
    pub fn deciding(mut self, decision: Decision, before: &User, after: Option<&User>) -> Self {
        self.before = access(before);
        self.after = after.map(access).unwrap_or_default();
        self.after.insert("decision".to_owned(), Value::from(decision.as_str()));
        self
    }

    /// Adds the session that ended.
    #[must_use]
    pub fn ending(mut self, session: &SessionItem) -> Self {
        self.before.extend([
            ("session_created_at".to_owned(), Value::from(session.created_at.to_string())),
            ("session_address".to_owned(), Value::from(session.address.as_str())),
            ("session_browser".to_owned(), Value::from(browser(&session.user_agent))),
        ]);
        self
    }

    /// Adds the attempted action and the code of its refusal.
    #[must_use]
    pub fn refusing(mut self, attempted: &str, code: &str) -> Self {
        let facts = [("attempted", attempted), ("code", code)];
        self.after = facts.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect();
        self
    }

    /// Adds which users needed a second factor before the action, and which need one after it.
    #[must_use]
    pub fn requiring(mut self, before: Requirement, after: Requirement) -> Self {
        let fact = |requirement: Requirement| ("second_factor".to_owned(), Value::from(requirement.as_str()));
        (self.before, self.after) = (BTreeMap::from([fact(before)]), BTreeMap::from([fact(after)]));
        self
    }

    /// Adds why a mail could not be sent.
    #[must_use]
    pub fn failing(mut self, code: &str) -> Self {
        self.after = BTreeMap::from([("code".to_owned(), Value::from(code))]);
        self
    }

    /// Adds the reason that the actor gave, if any.
    #[must_use]
    pub fn because(mut self, reason: Option<&Note>) -> Self {
        self.after.extend(reason.map(|reason| ("reason".to_owned(), Value::from(reason.as_str()))));
        self
    }
}

/// The retention of the item that prevents a refusal from being recorded again. It is longer than the period in the
/// item's key.
const REFUSAL_RETENTION: Duration = Duration::from_hours(24);

/// Marks a refusal as recorded.
#[derive(Debug, Serialize)]
pub(super) struct RefusalItem<'a> {
    /// The event that records it.
    event_id: &'a EventId,
    /// For DynamoDB's TTL only. The item's key contains the period.
    expires_at: i64,
}

impl<'a> RefusalItem<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { event_id: &event.id, expires_at: event.at.plus(REFUSAL_RETENTION).unix_seconds() }
    }
}

/// An event in its stored form, with the keys of the indexes that contain it.
#[derive(Debug, Serialize)]
pub(super) struct EventItem<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl<'a> EventItem<'a> {
    pub(super) fn new(partner: &PartnerId, event: &'a Event, retention: Option<Duration>) -> Self {
        let actor = match &event.actor {
            Actor::User { id, .. } => Some(id),
            Actor::Operator { .. } | Actor::Anonymous | Actor::System | Actor::Other { .. } => None,
        };
        Self {
            target_key: event.target.as_ref().map(|target| keys::person(partner, &target.id)),
            actor_key: actor.map(|actor| keys::person(partner, actor)),
            review_key: (event.action == EventAction::AccessReviewed.as_str()).then(|| keys::partition(partner)),
            expires_at: retention.map(|retention| event.at.plus(retention).unix_seconds()),
            event,
        }
    }
}

/// Returns a new id. Ids with `is_last` are greater than the other ids of the same millisecond.
fn event_id(at: Timestamp, is_last: bool) -> Result<EventId, Failure> {
    let mut bytes: [u8; 10] = random::bytes()?;
    // The id's version replaces the upper four bits of this byte.
    let [first, ..] = &mut bytes;
    *first = if is_last { *first | 0x08 } else { *first & 0xf7 };
    Ok(EventId::new(at, bytes))
}

/// Returns the values of a user that events record.
fn facts(user: &User) -> BTreeMap<String, Value> {
    let pending_email = user.pending_email.as_ref().map(|email| ("pending_email".to_owned(), email.typed().into()));
    let second_factor = (user.second_factor != SecondFactor::None)
        .then(|| ("second_factor".to_owned(), user.second_factor.as_str().into()));
    let permissions = user.permissions.iter().map(|permission| Value::from(permission.as_str())).collect::<Vec<_>>();
    let facts = [
        ("first_name".to_owned(), Value::from(user.first_name.as_str())),
        ("last_name".to_owned(), Value::from(user.last_name.as_ref().map(PersonName::as_str))),
        ("email".to_owned(), Value::from(user.email.typed())),
        ("language".to_owned(), Value::from(user.language.as_str())),
        ("role".to_owned(), Value::from(user.role.as_str())),
        ("permissions".to_owned(), Value::from(permissions)),
        ("status".to_owned(), Value::from(user.status.as_str())),
        ("must_change_password".to_owned(), Value::from(user.must_change_password)),
    ];
    facts.into_iter().chain(pending_email).chain(second_factor).collect()
}

/// Returns the values that identify a user and describe the user's access.
fn access(user: &User) -> BTreeMap<String, Value> {
    let is_wanted = |name: &str| matches!(name, "email" | "role" | "permissions" | "status");
    facts(user).into_iter().filter(|(name, _)| is_wanted(name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_actor_of_any_kind_can_be_read() {
        let kind = |stored: Value| serde_json::from_value::<Actor>(stored).unwrap();
        assert!(matches!(kind(json!({ "kind": "operator" })), Actor::Operator { name: None }));
        assert!(matches!(kind(json!({ "kind": "operator", "since": "later" })), Actor::Operator { name: None }));
        let ann = json!({ "kind": "user", "id": "usr_01a2033bf69371018101010101010101", "name": "Ann Lee" });
        assert!(matches!(kind(ann.clone()), Actor::User { .. }));
        assert_eq!(serde_json::to_value(kind(ann.clone())).unwrap(), ann);
        for later in [
            json!({ "kind": "scim", "id": "scim_1", "name": "Directory", "scope": ["users"] }),
            json!({ "kind": "api_key" }),
        ] {
            let Actor::Other { kind, id, name } = kind(later.clone()) else { panic!("{later}") };
            assert_eq!(json!([kind, id, name]), json!([later["kind"], later["id"], later["name"]]));
        }
    }
}
