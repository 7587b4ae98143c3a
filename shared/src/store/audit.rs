//! Audit events: who did what to whom, when, from where, before → after. Never a secret.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::items::SessionItem;
use super::keys;
use crate::error::Failure;
use crate::models::{Decision, EventAction, EventId, Note, PartnerId, PersonName, Timestamp, User, UserId, browser};
use crate::random;

/// Who acted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// One of the partner's users.
    User {
        /// Who.
        id: UserId,
        /// The name at that time.
        name: String,
    },
    /// A person or a program with AWS credentials.
    Operator {
        /// The name that they gave, if any. Nothing proves it.
        #[serde(default)]
        name: Option<String>,
    },
    /// A client that did not prove who it is.
    Anonymous,
    /// Of a kind that a later version writes.
    #[serde(untagged)]
    Other {
        /// The kind.
        kind: String,
        /// Which one, where the kind has ids.
        #[serde(default)]
        id: Option<String>,
        /// The name at that time, where the kind has names.
        #[serde(default)]
        name: Option<String>,
    },
}

/// Whom it was done to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Who.
    pub id: UserId,
    /// The name at that time.
    pub name: String,
}

impl Actor {
    /// A user acts.
    pub fn user(user: &User) -> Self {
        Self::User { id: user.id.clone(), name: user.full_name() }
    }

    /// An operator acts, who may have given a name.
    pub fn operator(name: Option<&PersonName>) -> Self {
        Self::Operator { name: name.map(|name| name.as_str().to_owned()) }
    }
}

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Names it, in the order of time.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The word of an [`EventAction`]; a text, so that a trail can be read that a later version wrote to.
    pub action: String,
    /// Who.
    pub actor: Actor,
    /// To whom; nobody where somebody was refused to add a user.
    pub target: Option<Target>,
    /// From where; nowhere for operators.
    pub address: Option<String>,
    /// With which request.
    pub request_id: String,
    /// What was, of all that changed.
    pub before: Map<String, Value>,
    /// What is now.
    pub after: Map<String, Value>,
}

impl Event {
    /// An event of this moment that changes nothing one could show.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there are no random bytes for its id.
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
            before: Map::new(),
            after: Map::new(),
        })
    }

    /// Sorts after the other events of its transaction, which are of the same moment.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn sorted_last(self) -> Result<Self, Failure> {
        Ok(Self { id: event_id(self.at, true)?, ..self })
    }

    /// Adds what changed: every fact that differs. `None`: the user was not there.
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

    /// Adds what was decided on the access of `before`, and all of the access before and after, whether or not it changed:
    /// what a record of reviews tells. `None`: the user is no more.
    #[must_use]
    pub fn deciding(mut self, decision: Decision, before: &User, after: Option<&User>) -> Self {
        self.before = access(before);
        self.after = after.map(access).unwrap_or_default();
        self.after.insert("decision".to_owned(), Value::from(decision.as_str()));
        self
    }

    /// Adds which session is no more.
    #[must_use]
    pub fn ending(mut self, session: &SessionItem) -> Self {
        self.before.extend([
            ("session_created_at".to_owned(), Value::from(session.created_at.to_string())),
            ("session_address".to_owned(), Value::from(session.address.as_str())),
            ("session_browser".to_owned(), Value::from(browser(&session.user_agent))),
        ]);
        self
    }

    /// Adds what was wished, and the reason against it.
    #[must_use]
    pub fn refusing(mut self, attempted: &str, code: &str) -> Self {
        let facts = [("attempted", attempted), ("code", code)];
        self.after = facts.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect();
        self
    }

    /// Adds why, in the actor's words.
    #[must_use]
    pub fn because(mut self, reason: Option<&Note>) -> Self {
        self.after.extend(reason.map(|reason| ("reason".to_owned(), Value::from(reason.as_str()))));
        self
    }
}

/// How long the item stays that keeps a refusal from being recorded again: longer than the time that its key names.
const REFUSAL_RETENTION: Duration = Duration::from_hours(24);

/// That a refusal is recorded. It expires; events never do.
#[derive(Debug, Serialize)]
pub(super) struct RefusalItem<'a> {
    /// The event that records it.
    event_id: &'a EventId,
    /// Read by DynamoDB alone: the key names the time.
    expires_at: i64,
}

impl<'a> RefusalItem<'a> {
    pub(super) fn new(event: &'a Event) -> Self {
        Self { event_id: &event.id, expires_at: event.at.plus(REFUSAL_RETENTION).unix_seconds() }
    }
}

/// An event as it is stored: with the keys of the indexes, where it has them.
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
}

impl<'a> EventItem<'a> {
    pub(super) fn new(partner: &PartnerId, event: &'a Event) -> Self {
        let actor = match &event.actor {
            Actor::User { id, .. } => Some(id),
            Actor::Operator { .. } | Actor::Anonymous | Actor::Other { .. } => None,
        };
        Self {
            target_key: event.target.as_ref().map(|target| keys::person(partner, &target.id)),
            actor_key: actor.map(|actor| keys::person(partner, actor)),
            review_key: (event.action == EventAction::AccessReviewed.as_str()).then(|| keys::partition(partner)),
            event,
        }
    }
}

/// Of the ids of one moment, those that are last are the greater ones.
fn event_id(at: Timestamp, is_last: bool) -> Result<EventId, Failure> {
    let mut bytes: [u8; 10] = random::bytes()?;
    // Its upper half gives way to the version of the id.
    let [first, ..] = &mut bytes;
    *first = if is_last { *first | 0x08 } else { *first & 0xf7 };
    Ok(EventId::new(at, bytes))
}

/// What a reviewer wants to know of a user.
fn facts(user: &User) -> Map<String, Value> {
    let permissions = user.permissions.iter().map(|permission| Value::from(permission.as_str())).collect::<Vec<_>>();
    Map::from_iter([
        ("first_name".to_owned(), Value::from(user.first_name.as_str())),
        ("last_name".to_owned(), Value::from(user.last_name.as_str())),
        ("email".to_owned(), Value::from(user.email.typed())),
        ("role".to_owned(), Value::from(user.role.as_str())),
        ("permissions".to_owned(), Value::from(permissions)),
        ("status".to_owned(), Value::from(user.status.as_str())),
        ("must_change_password".to_owned(), Value::from(user.must_change_password)),
    ])
}

/// Who it is, and what they may do.
fn access(user: &User) -> Map<String, Value> {
    let is_wanted = |name: &str| matches!(name, "email" | "role" | "permissions" | "status");
    facts(user).into_iter().filter(|(name, _)| is_wanted(name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_actor_is_read_whatever_its_kind() {
        let kind = |stored: Value| serde_json::from_value::<Actor>(stored).unwrap();
        assert!(matches!(kind(json!({ "kind": "operator" })), Actor::Operator { name: None }));
        assert!(matches!(kind(json!({ "kind": "operator", "since": "later" })), Actor::Operator { name: None }));
        let ann = json!({ "kind": "user", "id": "usr_01a2033bf69371018101010101010101", "name": "Ann Lee" });
        assert!(matches!(kind(ann.clone()), Actor::User { .. }));
        assert_eq!(serde_json::to_value(kind(ann.clone())).unwrap(), ann);
        for later in [
            json!({ "kind": "scim", "id": "scim_1", "name": "Directory", "scope": ["users"] }),
            json!({ "kind": "system" }),
        ] {
            let Actor::Other { kind, id, name } = kind(later.clone()) else { panic!("{later}") };
            assert_eq!(json!([kind, id, name]), json!([later["kind"], later["id"], later["name"]]));
        }
    }
}
