//! Audit events: who did what to whom, when, from where, before → after. Never a secret.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Failure;
use crate::models::{EventId, Timestamp, User, UserId};
use crate::random;

/// Who acted.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// One of the partner's users.
    User {
        /// Who.
        id: UserId,
        /// The name at that time.
        name: String,
    },
    /// Somebody with AWS credentials.
    Operator,
}

/// Whom it was done to.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    id: UserId,
    name: String,
}

impl Actor {
    /// A user acts.
    pub fn user(user: &User) -> Self {
        Self::User { id: user.id.clone(), name: full_name(user) }
    }
}

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    id: EventId,
    at: Timestamp,
    action: &'static str,
    actor: Actor,
    target: Target,
    address: Option<String>,
    request_id: String,
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Event {
    /// An event of this moment that changes nothing one could show.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there are no random bytes for its id.
    pub fn new(
        action: &'static str,
        at: Timestamp,
        actor: Actor,
        target: &User,
        address: Option<&str>,
        request_id: &str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            id: EventId::new(at, random::bytes()?),
            at,
            action,
            actor,
            target: Target { id: target.id.clone(), name: full_name(target) },
            address: address.map(str::to_owned),
            request_id: request_id.to_owned(),
            before: Map::new(),
            after: Map::new(),
        })
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

    pub(super) fn id(&self) -> &EventId {
        &self.id
    }
}

fn full_name(user: &User) -> String {
    format!("{} {}", user.first_name.as_str(), user.last_name.as_str())
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
