//! The outbox: mail that is to be sent. A change that notifies a user adds the item in its own transaction, so there is
//! no mail without its change, and no change without its mail. The table's stream starts `send-mail`, and `sweep-outbox`
//! handles what the stream missed or what is retried.
//!
//! The table is separate from the others, and has no point-in-time recovery: an item contains an address until its mail
//! is sent, and no backup should keep it, or send the mail again. Only the functions that send mail can read it. Its key
//! is the mail's id after the rank of its kind. A sweep scans the whole table: it is empty as long as mail can be sent,
//! and an index would add a write to every mail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::audit::{Actor, Event};
use super::expression::{Expression, number, text};
use super::keys::{self, ItemKey, Key, Table};
use super::read::{from_item, integer, string};
use super::{Store, StoreError};
use crate::error::Failure;
use crate::mail::{Binding, LinkKind, MailKind};
use crate::models::{Email, EventId, Language, MailId, PartnerId, Timestamp, User, UserId, browser};
use crate::random;

/// The time in which a claimed mail must be sent. Then another invocation can claim it.
const LEASE: Duration = Duration::from_mins(2);

/// The time after which TTL deletes an item that was neither sent nor dropped.
const RETENTION: Duration = Duration::from_hours(7 * 24);

/// A mail that is to be sent. It contains neither a token nor a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutboxItem {
    #[serde(skip_serializing)]
    pk: String,
    /// The reason for the mail.
    pub kind: MailKind,
    /// The partner. A request to reset a password may name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<PartnerId>,
    /// The user. A request to reset a password names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The email of a request to reset a password, or the address that a notification goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The state of the user for which a link is to be sent. In any other state the mail is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The audit event of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The user who made the change. `None` for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<UserId>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name of the client's program, as in "Firefox on Windows".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The language of the mail.
    pub language: Language,
    /// The time of the change.
    pub created_at: Timestamp,
    /// The number of times that the item was claimed.
    pub attempts: u32,
    /// The time from which the item can be claimed, in milliseconds since 1970. A claim moves it by the lease.
    due_at: i64,
    expires_at: i64,
}

impl OutboxItem {
    fn new(kind: MailKind, language: Language, at: Timestamp) -> Result<Self, Failure> {
        Ok(Self {
            pk: format!("{}#{}", kind.rank(), MailId::new(at, random::bytes()?)),
            kind,
            partner_id: None,
            user_id: None,
            email: None,
            binding: None,
            event_id: None,
            actor_id: None,
            address: None,
            browser: None,
            language,
            created_at: at,
            attempts: 0,
            due_at: at.unix_millis(),
            expires_at: at.plus(RETENTION).unix_seconds(),
        })
    }

    /// Returns a notification of `user` about the change that `event` records. It goes to the email that `user` has.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if there are no random bytes for the id.
    pub fn notification(kind: MailKind, user: &User, event: &Event) -> Result<Self, Failure> {
        let actor = match &event.actor {
            Actor::User { id, .. } => Some(id),
            Actor::Operator { .. } | Actor::Anonymous | Actor::System | Actor::Other { .. } => None,
        };
        Ok(Self {
            partner_id: Some(user.partner_id.clone()),
            user_id: Some(user.id.clone()),
            email: Some(user.email.clone()),
            event_id: Some(event.id.clone()),
            actor_id: actor.cloned(),
            address: event.address.clone(),
            ..Self::new(kind, user.language, event.at)?
        })
    }

    /// Returns a mail with an invitation or a link to confirm a new email. `user` is the user after the change. The mail
    /// contains the current address of the user when it is sent.
    ///
    /// # Errors
    /// Returns the same errors as [`notification`](Self::notification), and if the user needs no such link.
    pub fn link(kind: MailKind, user: &User, event: &Event) -> Result<Self, Failure> {
        let binding = kind.link().and_then(|link| Binding::of(link, user));
        let binding = binding.ok_or_else(|| Failure::bug("a link that the user does not need"))?;
        Ok(Self { email: None, binding: Some(binding), ..Self::notification(kind, user, event)? })
    }

    /// Returns a request to reset the password for an email, at one partner or at all of them.
    ///
    /// # Errors
    /// Returns the same errors as [`notification`](Self::notification).
    pub fn reset_request(
        email: &Email,
        partner: Option<&PartnerId>,
        language: Language,
        at: Timestamp,
    ) -> Result<Self, Failure> {
        let item = Self::new(MailKind::PasswordReset, language, at)?;
        Ok(Self { partner_id: partner.cloned(), email: Some(email.clone()), ..item })
    }

    /// Returns the same mail with the client's address and `User-Agent`.
    #[must_use]
    pub fn from_client(self, address: &str, user_agent: &str) -> Self {
        Self { address: Some(address.to_owned()), ..self }.with_program(Some(user_agent))
    }

    /// Returns the same mail with the client's `User-Agent`.
    #[must_use]
    pub(super) fn with_program(self, user_agent: Option<&str>) -> Self {
        Self { browser: user_agent.and_then(browser), ..self }
    }

    /// Returns the kind of the link in the mail.
    pub fn link_kind(&self) -> Option<LinkKind> {
        self.kind.link()
    }

    /// Returns the mail's id, which logs contain.
    pub fn id(&self) -> &str {
        self.pk.split_once('#').map_or(self.pk.as_str(), |(_, id)| id)
    }

    pub(super) fn item_key(&self) -> ItemKey {
        Key::mail(&self.pk).item_key
    }
}

impl Key<OutboxItem> {
    /// Returns the key of a mail, from the `pk` in an item or in the stream.
    pub fn mail(pk: &str) -> Self {
        Self::at(ItemKey { table: Table::Outbox, pk: pk.to_owned(), sk: None })
    }
}

/// A mail in the outbox, as a sweep finds it.
#[derive(Debug)]
pub struct Waiting {
    /// The key.
    pub key: Key<OutboxItem>,
    /// The time of the change.
    pub created_at: Timestamp,
    /// The time from which it can be claimed.
    pub due_at: Timestamp,
}

impl Store {
    /// Claims a mail for the time of the lease, and counts the attempt. Returns `None` if it was sent or dropped, if
    /// another invocation has claimed it, or if it is not due.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn claim_mail(&self, key: &Key<OutboxItem>, now: Timestamp) -> Result<Option<OutboxItem>, StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("due_at", "<=", number(now.unix_millis()));
        expression.set("due_at", number(now.plus(LEASE).unix_millis()));
        expression.add("attempts", 1);
        self.update(&key.item_key, expression).await?.as_ref().map(from_item).transpose()
    }

    /// Makes a claimed mail due again at `due`, unless another invocation has claimed it since.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails. The mail is then due again when the lease ends.
    pub async fn postpone_mail(&self, item: &OutboxItem, due: Timestamp) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("attempts", "=", number(item.attempts));
        expression.set("due_at", number(due.unix_millis()));
        self.update_if(&item.item_key(), expression).await?;
        Ok(())
    }

    /// Deletes a mail that was sent, or that is dropped.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails. The mail is then sent again when the lease ends.
    pub async fn delete_mail(&self, item: &OutboxItem) -> Result<(), StoreError> {
        self.delete(&item.item_key()).await
    }

    /// Marks that a mail about blocked sign-ins is sent to a user today (in UTC). Returns false if another mail is.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn mark_block_mail(&self, user: &UserId, mail: &OutboxItem) -> Result<bool, StoreError> {
        const MARK_RETENTION: Duration = Duration::from_hours(2 * 24);
        let day = mail.created_at.start_of_day();
        let item_key =
            ItemKey::new(Table::Sessions, keys::user_sort_key(user), format!("BLOCK_MAIL#{}", day.unix_seconds()));
        let mut expression = Expression::default();
        // A mail that is retried finds its own mark.
        expression.when_absent_or_same("mail", text(mail.id()));
        expression.set("mail", text(mail.id()));
        expression.set("expires_at", number(day.plus(MARK_RETENTION).unix_seconds()));
        self.update_if(&item_key, expression).await
    }

    /// Returns all mail in the outbox, in the order in which it should be sent: by rank, and then by time.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails.
    pub async fn waiting_mail(&self) -> Result<Vec<Waiting>, StoreError> {
        let mut pages = self
            .client
            .scan()
            .table_name(self.name_of(Table::Outbox)?)
            .projection_expression("pk, created_at, due_at")
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| StoreError::from_sdk("Scan", &error))?;
            let created_at = Timestamp::parse(&string(&item, "created_at")?)
                .map_err(|_| StoreError::Refused("an item with an invalid created_at".to_owned()))?;
            let due_at = Timestamp::from_unix_millis(integer(&item, "due_at")?.unwrap_or_default());
            found.push(Waiting { key: Key::mail(&string(&item, "pk")?), created_at, due_at });
        }
        found.sort_by(|one, other| one.key.item_key.pk.cmp(&other.key.item_key.pk));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_unix_millis(1_795_350_591_123)
    }

    #[test]
    fn a_stored_mail_is_read_back_and_logs_only_its_id() {
        let email = Email::parse("Ann@example.com").unwrap();
        let item = OutboxItem::reset_request(&email, None, Language::French, at()).unwrap();
        assert!(item.id().starts_with("mail_01a2033bf693"), "{}", item.id());
        let mut stored: super::super::read::Item = serde_dynamo::to_item(&item).unwrap();
        assert!(!stored.contains_key("pk") && !stored.contains_key("user_id"), "{stored:?}");
        stored.extend(item.item_key().attributes());
        let read: OutboxItem = from_item(&stored).unwrap();
        assert_eq!(format!("{read:?}"), format!("{item:?}"));
        assert_eq!(read.email.as_ref().map(Email::typed), Some("Ann@example.com"));
        assert!(!format!("{read:?}").contains("example.com"));
    }

    #[test]
    fn links_that_were_asked_for_come_first_and_invitations_last() {
        let mut keys: Vec<String> = [(MailKind::Invitation, 0), (MailKind::Suspended, 1), (MailKind::PasswordReset, 2)]
            .map(|(kind, later)| {
                OutboxItem::new(kind, Language::English, at().plus(Duration::from_secs(later))).unwrap().pk
            })
            .to_vec();
        keys.sort();
        let ranks: Vec<_> = keys.iter().filter_map(|key| key.chars().next()).collect();
        assert_eq!(ranks, ['0', '1', '2']);
    }
}
