//! The tables and keys of all kinds of items.

use std::collections::HashMap;
use std::marker::PhantomData;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::items::{
    ChallengeItem, ChoiceItem, CredentialItem, EmailItem, PartnerItem, PasskeySignInItem, SessionItem, UserItem,
};
use super::removed::RemovedItem;
use crate::models::{Email, EventId, PartnerId, Timestamp, UserId};

/// The prefix of the sort keys of removed users.
pub(super) const REMOVED: &str = "REMOVED#";

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Partners, users, removed users, email entries, idempotency keys and marks.
    Users,
    /// Digests and machine secrets.
    Credentials,
    /// Sessions, challenges, choices, mailed links, counters, sources and orders of reviews. All of them expire.
    Sessions,
    /// The audit trail.
    Audit,
    /// Mail that is to be sent.
    Outbox,
}

/// The primary key of one item, with its table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemKey {
    pub(super) table: Table,
    pub(super) pk: String,
    pub(super) sk: Option<String>,
}

impl ItemKey {
    pub(super) fn new(table: Table, pk: String, sk: String) -> Self {
        Self { table, pk, sk: Some(sk) }
    }

    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let mut key = HashMap::from([("pk".to_owned(), AttributeValue::S(self.pk.clone()))]);
        if let Some(sk) = &self.sk {
            key.insert("sk".to_owned(), AttributeValue::S(sk.clone()));
        }
        key
    }
}

/// The key of an item that is read as `T`.
#[derive(Debug, Clone)]
pub struct Key<T> {
    pub(super) item_key: ItemKey,
    item: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    pub(super) fn at(item_key: ItemKey) -> Self {
        Self { item_key, item: PhantomData }
    }

    /// Returns the untyped key, to read several kinds of items at once.
    pub fn item_key(&self) -> ItemKey {
        self.item_key.clone()
    }
}

impl Key<PartnerItem> {
    /// Returns the key of a partner.
    pub fn partner(partner: &PartnerId) -> Self {
        Self::at(ItemKey::new(Table::Users, partition(partner), "PARTNER".to_owned()))
    }
}

impl Key<UserItem> {
    /// Returns the key of a user.
    pub fn user(partner: &PartnerId, user: &UserId) -> Self {
        Self::at(ItemKey::new(Table::Users, partition(partner), user_sort_key(user)))
    }
}

impl Key<RemovedItem> {
    /// Returns the key of a removed user.
    pub fn removed(partner: &PartnerId, user: &UserId) -> Self {
        Self::at(ItemKey::new(Table::Users, partition(partner), format!("{REMOVED}{user}")))
    }
}

impl Key<EmailItem> {
    /// Returns the key of the entry that keeps an email unique within a partner.
    pub fn email(email: &Email, partner: &PartnerId) -> Self {
        Self::at(ItemKey::new(Table::Users, email_partition(email), partition(partner)))
    }
}

impl Key<CredentialItem> {
    /// Returns the key of a user's credential.
    pub fn credential(user: &UserId) -> Self {
        Self::at(ItemKey { table: Table::Credentials, pk: user_sort_key(user), sk: None })
    }
}

impl Key<SessionItem> {
    /// Returns the key of a session, which is named by the `origin_jti` of its tokens.
    pub fn session(user: &UserId, origin_jti: &str) -> Self {
        Self::at(ItemKey::new(Table::Sessions, user_sort_key(user), format!("SESSION#{origin_jti}")))
    }
}

impl Key<ChallengeItem> {
    /// Returns the key of a challenge. It holds only the hash of the challenge's token.
    pub fn challenge(user: &UserId, secret: &str) -> Self {
        Self::at(ItemKey::new(Table::Sessions, user_sort_key(user), format!("CHALLENGE#{}", hash(secret))))
    }
}

impl Key<ChoiceItem> {
    /// Returns the key of a choice between partners. It holds only the hash of the choice's token.
    pub fn choice(secret: &str) -> Self {
        Self::at(ItemKey::new(Table::Sessions, format!("CHOICE#{}", hash(secret)), "CHOICE".to_owned()))
    }
}

impl Key<PasskeySignInItem> {
    /// Returns the key of a challenge for a sign-in with a passkey. It holds only the hash of the challenge's token.
    pub fn passkey_sign_in(secret: &str) -> Self {
        Self::at(ItemKey::new(Table::Sessions, format!("PASSKEY#{}", hash(secret)), "PASSKEY".to_owned()))
    }
}

pub(super) fn mark(partner: &PartnerId, user: &UserId, generation: u64) -> ItemKey {
    ItemKey::new(Table::Users, partition(partner), format!("ENDED#{user}#{generation}"))
}

pub(super) fn counter(kind: &str, of: &str) -> ItemKey {
    // A hash has a fixed length and no special characters, so clients cannot choose the form of the key.
    ItemKey::new(Table::Sessions, format!("ATTEMPTS#{kind}#{}", hash(of)), "ATTEMPTS".to_owned())
}

/// Returns the key of a part of the order of a review. The partner is in the key, so that no other partner can read it.
pub(super) fn review_order(partner: &PartnerId, order: &str, part: usize) -> ItemKey {
    ItemKey::new(Table::Sessions, format!("REVIEW#{partner}#{order}"), format!("ORDER#{part}"))
}

pub(super) fn event(partner: &PartnerId, event: &EventId) -> ItemKey {
    ItemKey::new(Table::Audit, partition(partner), event.as_str().to_owned())
}

/// Returns the key that marks a refusal of an action within one minute. It is in the table of the audit trail, so that
/// the same IAM permissions allow both writes.
pub(super) fn refusal(partner: &PartnerId, actor: &UserId, attempted: &str, at: Timestamp) -> ItemKey {
    const MINUTE: usize = "2026-11-22T12:29".len();
    let minute: String = at.to_string().chars().take(MINUTE).collect();
    ItemKey::new(Table::Audit, format!("REFUSED#{partner}#{actor}"), format!("{minute}#{attempted}"))
}

/// Returns the key that marks an event of refused sign-ins of a user within a quarter of an hour.
pub(super) fn refused_sign_in(partner: &PartnerId, user: &UserId, action: &str, at: Timestamp) -> ItemKey {
    let quarter = at.unix_seconds() / (15 * 60);
    ItemKey::new(Table::Audit, format!("REFUSED#{partner}#{user}"), format!("{action}#{quarter}"))
}

/// Returns the key of a user in the indexes of the audit trail.
pub(super) fn person(partner: &PartnerId, user: &UserId) -> String {
    format!("{}{user}", person_prefix(partner))
}

/// Returns the prefix of all keys of a partner's users in the indexes of the audit trail.
pub(super) fn person_prefix(partner: &PartnerId) -> String {
    format!("{}#USER#", partition(partner))
}

pub(super) fn partition(partner: &PartnerId) -> String {
    format!("PARTNER#{partner}")
}

pub(super) fn email_partition(email: &Email) -> String {
    format!("EMAIL#{}", email.normalized())
}

pub(super) fn user_sort_key(user: &UserId) -> String {
    format!("USER#{user}")
}

/// Returns the SHA-256 of a text in 43 characters. This is safe for random tokens, but not for passwords.
pub fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}
