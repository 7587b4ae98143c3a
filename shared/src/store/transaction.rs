//! One transaction is the whole change: what changes, the audit event, and the conditions under which it was decided.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};
use serde::Serialize;

use super::attempts::Counter;
use super::audit::{Event, EventItem, RefusalItem};
use super::conflict::jitter;
use super::expression::{Expression, number, text};
use super::idempotency::IdempotencyItem;
use super::items::{
    ChallengeItem, ChoiceItem, CredentialItem, EmailItem, PartnerItem, SessionItem, UserItem, last_sign_in_key,
};
use super::keys::{self, ItemKey, Key};
use super::marks::Mark;
use super::read::{Item, Items};
use super::{MAX_USERS, Store, StoreError};
use crate::error::{Cause, Failure};
use crate::models::{PartnerId, Timestamp, User, UserId};
use crate::random;

/// Whose condition a transaction rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The actor's authority.
    Actor,
    /// A session: the actor's, or one that is to end.
    Session,
    /// The user who is changed.
    Target,
    /// That an email is free.
    Email,
    /// That there is room for one more user.
    Partner,
    /// The digest that was checked.
    Credential,
    /// A challenge that nobody has used.
    Challenge,
    /// That nothing is kept under an idempotency key.
    Idempotency,
    /// That a counter has room for one more.
    Counter,
    /// That a refusal has not been told.
    Refusal,
    /// What is written whatever stands there.
    Unconditional,
    /// That nothing is written over: ids are new, so it never fails.
    New,
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// These conditions do not hold.
    #[error("conditions do not hold: {0:?}")]
    Refused(Vec<Condition>),
    /// DynamoDB could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let conditions = match error {
            CommitError::Store(error) => return error.into(),
            CommitError::Refused(conditions) => conditions,
        };
        let moved = |condition: &Condition| match condition {
            Condition::Actor
            | Condition::Session
            | Condition::Target
            | Condition::Credential
            | Condition::Challenge
            | Condition::Idempotency
            | Condition::Counter => true,
            Condition::Email | Condition::Partner | Condition::Refusal | Condition::Unconditional | Condition::New => {
                false
            }
        };
        if conditions.iter().any(moved) {
            Self::StaleRead
        } else if conditions.contains(&Condition::Email) {
            Self::EmailTaken
        } else if conditions.contains(&Condition::Partner) {
            Self::UserLimitReached
        } else {
            Self::Internal(Cause::new("commit", &CommitError::Refused(conditions)))
        }
    }
}

/// A transaction in the making.
#[derive(Debug)]
pub struct Transaction<'store> {
    store: &'store Store,
    operations: Vec<(Condition, TransactWriteItem)>,
    /// The first fault met while it was made; `commit` tells it.
    fault: Option<StoreError>,
}

impl Store {
    /// An empty transaction.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction { store: self, operations: Vec::new(), fault: None }
    }
}

impl Transaction<'_> {
    /// The actor has the authority that the decision read. Not for an actor who is the target: there the target's
    /// version says it, and two operations on one item are not possible.
    pub fn check_actor(&mut self, actor: &User) {
        self.check_access(Condition::Actor, actor);
    }

    /// The user whom the decision was about is who it read, where the change itself is not of the user's item.
    pub fn check_target(&mut self, target: &User) {
        self.check_access(Condition::Target, target);
    }

    fn check_access(&mut self, condition: Condition, user: &User) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("access_version", "=", number(user.access_version));
        self.check(condition, &Key::user(&user.partner_id, &user.id).item_key, expression);
    }

    /// The session still stands.
    pub fn check_session(&mut self, user: &UserId, session_id: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.check(Condition::Session, &Key::session(user, session_id).item_key, expression);
    }

    /// The digest is the one that was read.
    pub fn check_credential(&mut self, user: &UserId, version: u64) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(version));
        self.check(Condition::Credential, &Key::credential(user).item_key, expression);
    }

    /// A new partner with its first user.
    pub fn add_partner(&mut self, partner: &PartnerItem, primary_admin: &User) {
        self.put_new(Condition::New, &Key::partner(&primary_admin.partner_id).item_key, partner);
        self.put_user(primary_admin);
    }

    /// More users of one partner.
    pub fn add_users<'a>(&mut self, partner: &PartnerId, users: impl IntoIterator<Item = &'a User>) {
        let mut count = 0;
        for user in users {
            self.put_user(user);
            count += 1;
        }
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("user_count", "<=", number(MAX_USERS.saturating_sub(count)));
        expression.add("user_count", i64::try_from(count).unwrap_or(i64::MAX));
        self.update(Condition::Partner, &Key::partner(partner).item_key, expression);
    }

    fn put_user(&mut self, user: &User) {
        self.put_new(Condition::New, &Key::user(&user.partner_id, &user.id).item_key, &UserItem::from(user.clone()));
        self.put_email(user);
    }

    fn put_email(&mut self, user: &User) {
        let item = EmailItem { partner_id: user.partner_id.clone(), user_id: user.id.clone() };
        self.put_new(Condition::Email, &Key::email(&user.email, &user.partner_id).item_key, &item);
    }

    fn delete_email(&mut self, user: &User) {
        let mut expression = Expression::default();
        expression.when("user_id", "=", text(user.id.as_str()));
        self.delete(Condition::Target, &Key::email(&user.email, &user.partner_id).item_key, expression);
    }

    /// Turns `before` into `after`: only what differs, only if `before` is what is there. Moves the email's entry along.
    pub fn change_user(&mut self, before: &User, after: &User) {
        self.turn_user(before, after, Expression::default());
    }

    /// As [`change_user`](Self::change_user), and only if the user has not signed in since `before` was read.
    pub fn change_user_unless_signed_in(&mut self, before: &User, after: &User) {
        let mut expression = Expression::default();
        expression.when("sign_ins", "=", number(before.sign_ins));
        self.turn_user(before, after, expression);
    }

    fn turn_user(&mut self, before: &User, after: &User, mut expression: Expression) {
        expression.when_present();
        expression.when("version", "=", number(before.version));
        expression.when("access_version", "=", number(before.access_version));
        let items = (item(&UserItem::from(before.clone())), item(&UserItem::from(after.clone())));
        let (Some(old), Some(new)) = (self.record_error(items.0), self.record_error(items.1)) else { return };
        let item_key = Key::user(&before.partner_id, &before.id).item_key;
        let differing: Vec<_> = new.into_iter().filter(|(name, value)| old.get(name) != Some(value)).collect();
        if differing.is_empty() {
            // An update must set something.
            self.check(Condition::Target, &item_key, expression);
        } else {
            for (attribute, value) in differing {
                expression.set(&attribute, value);
            }
            self.update(Condition::Target, &item_key, expression);
        }
        if !before.email.same_address(&after.email) {
            self.delete_email(before);
            self.put_email(after);
        }
    }

    /// Takes a user out, with email and credential. Sessions mean nothing without the user, and expire.
    pub fn remove_user(&mut self, user: &User) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(user.version));
        expression.when("access_version", "=", number(user.access_version));
        self.delete(Condition::Target, &Key::user(&user.partner_id, &user.id).item_key, expression);
        self.delete_email(user);
        self.delete(Condition::Unconditional, &Key::credential(&user.id).item_key, Expression::default());
        let mut expression = Expression::default();
        expression.when_present();
        expression.add("user_count", -1);
        self.update(Condition::Partner, &Key::partner(&user.partner_id).item_key, expression);
    }

    /// The portal goes from one primary admin to the next, as far as the partner's own item says it.
    pub fn hand_over(&mut self, from: &User, to: &User) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("primary_admin_id", "=", text(from.id.as_str()));
        expression.set("primary_admin_id", text(to.id.as_str()));
        self.update(Condition::Actor, &Key::partner(&from.partner_id).item_key, expression);
    }

    /// A sign-in: only while the user is active and in the generation that was read.
    pub fn note_sign_in(&mut self, user: &User, at: Timestamp) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("session_generation", "=", number(user.session_generation));
        expression.when("status", "=", text(crate::models::Status::Active.as_str()));
        expression.set("last_sign_in_at", text(at.to_string()));
        expression.set("last_sign_in_key", text(last_sign_in_key(&user.id, Some(at))));
        expression.add("sign_ins", 1);
        self.update(Condition::Target, &Key::user(&user.partner_id, &user.id).item_key, expression);
    }

    /// The end of the user's present generation is due in Cognito.
    pub fn end_generation(&mut self, user: &User, at: Timestamp) {
        let mark = Mark::new(user, at);
        self.put(Condition::Unconditional, &mark.item_key(), &mark, Expression::default());
    }

    /// A new user's credential.
    pub fn add_credential(&mut self, user: &UserId, credential: &CredentialItem) {
        self.put_new(Condition::New, &Key::credential(user).item_key, credential);
    }

    /// The whole credential anew, if `before` is the one that is there.
    pub fn change_credential(&mut self, user: &UserId, before: &CredentialItem, after: &CredentialItem) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(before.version));
        let Some(new) = self.record_error(item(after)) else { return };
        for (attribute, value) in new {
            expression.set(&attribute, value);
        }
        self.update(Condition::Credential, &Key::credential(user).item_key, expression);
    }

    /// Keeps what a request under this key did, if nothing is kept there.
    pub fn keep(&mut self, key: &Key<IdempotencyItem>, item: &IdempotencyItem, now: Timestamp) {
        let mut expression = Expression::default();
        expression.when_absent_or_expired(now);
        self.put(Condition::Idempotency, &key.item_key, item, expression);
    }

    /// Replaces what is kept, if it is what the import called `run` has written last.
    pub fn keep_in_place_of(&mut self, run: &str, key: &Key<IdempotencyItem>, item: &IdempotencyItem) {
        let mut expression = Expression::default();
        expression.when("run", "=", text(run));
        self.put(Condition::Idempotency, &key.item_key, item, expression);
    }

    /// A new session.
    pub fn add_session(&mut self, user: &UserId, session_id: &str, session: &SessionItem) {
        self.put_new(Condition::New, &Key::session(user, session_id).item_key, session);
    }

    /// Ends a session, if it still stands.
    pub fn end_standing_session(&mut self, user: &UserId, session_id: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Session, &Key::session(user, session_id).item_key, expression);
    }

    /// Ends a session, whether or not it still stands.
    pub fn end_session(&mut self, user: &UserId, session_id: &str) {
        self.delete(Condition::Unconditional, &Key::session(user, session_id).item_key, Expression::default());
    }

    /// A new challenge.
    pub fn add_challenge(&mut self, user: &UserId, secret: &str, challenge: &ChallengeItem) {
        self.put_new(Condition::New, &Key::challenge(user, secret).item_key, challenge);
    }

    /// Uses a challenge up, if nobody has.
    pub fn use_challenge(&mut self, user: &UserId, secret: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Challenge, &Key::challenge(user, secret).item_key, expression);
    }

    /// A new choice between partners.
    pub fn add_choice(&mut self, secret: &str, choice: &ChoiceItem) {
        self.put_new(Condition::New, &Key::choice(secret).item_key, choice);
    }

    /// Uses a choice up, if nobody has.
    pub fn use_choice(&mut self, secret: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Challenge, &Key::choice(secret).item_key, expression);
    }

    /// Counts one more, if there is room. `stored` is a read of the counter, a moment ago.
    ///
    /// # Errors
    /// [`StoreError::Shape`].
    pub fn count(&mut self, counter: &Counter, stored: &Items, now: Timestamp) -> Result<(), StoreError> {
        self.update(Condition::Counter, counter.item_key(), counter.one_more(stored, now)?);
        Ok(())
    }

    /// Forgets the attempts that a counter has counted.
    pub fn clear_counter(&mut self, counter: &Counter) {
        self.delete(Condition::Unconditional, counter.item_key(), Expression::default());
    }

    /// An audit event. Every change has one; beside it, one tells that it was decided in a review, that somebody else was
    /// changed by it, or that it was a sign-in too.
    pub fn record(&mut self, partner: &PartnerId, event: &Event) {
        self.put_new(Condition::New, &keys::event(partner, &event.id), &EventItem::new(partner, event));
    }

    /// As [`record`](Self::record), of what `actor` was refused; only if nothing tells of the like in this minute.
    pub fn record_refused(&mut self, actor: &User, attempted: &str, event: &Event) {
        let item_key = keys::refusal(&actor.partner_id, &actor.id, attempted, event.at);
        self.put_new(Condition::Refusal, &item_key, &RefusalItem::new(event));
        self.record(&actor.partner_id, event);
    }

    /// As [`record`](Self::record), of a sign-in of `user` that was refused; only if no event records the like in this
    /// quarter of an hour. Without `exists` the same is sent, under a condition that fails.
    pub fn record_refused_sign_in(&mut self, partner: &PartnerId, user: &UserId, event: &Event, exists: bool) {
        let item_key = keys::refused_sign_in(partner, user, &event.action, event.at);
        let mut expression = Expression::default();
        if exists {
            expression.when_absent();
        } else {
            expression.when_present();
        }
        self.put(Condition::Refusal, &item_key, &RefusalItem::new(event), expression);
        self.record(partner, event);
    }

    /// Commits. A transaction that met another is tried again, with jitter, until the function's time is up.
    ///
    /// # Errors
    /// [`CommitError`]: nothing was committed. When the future is dropped, or the store is unavailable, the whole change
    /// may have been committed, or nothing.
    pub async fn commit(self) -> Result<(), CommitError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let (conditions, operations): (Vec<Condition>, Vec<TransactWriteItem>) = self.operations.into_iter().unzip();
        // The same token for every try: DynamoDB carries out at most one of them.
        let token = random::token().map_err(|_| StoreError::Unavailable("no random bytes".to_owned()))?;
        let token: String = token.chars().take(36).collect();
        for attempt in 0_u32.. {
            let result = self
                .store
                .client
                .transact_write_items()
                .set_transact_items(Some(operations.clone()))
                .client_request_token(&token)
                .send()
                .await;
            let Err(error) = result else { return Ok(()) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    let codes: Vec<&str> =
                        canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
                    let refused: Vec<Condition> = codes
                        .iter()
                        .zip(&conditions)
                        .filter(|(code, _)| **code == "ConditionalCheckFailed")
                        .map(|(_, condition)| *condition)
                        .collect();
                    if !refused.is_empty() {
                        return Err(CommitError::Refused(refused));
                    }
                    let passing = |code: &&str| {
                        matches!(
                            *code,
                            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
                        )
                    };
                    if !codes.iter().all(passing) {
                        return Err(StoreError::Refused(format!("TransactWriteItems: {codes:?}")).into());
                    }
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                Some(_) | None if error.code() == Some("TransactionConflictException") => {}
                Some(_) | None => return Err(StoreError::from_sdk("TransactWriteItems", &error).into()),
            }
            tokio::time::sleep(jitter(attempt)).await;
        }
        Err(StoreError::Unavailable("TransactWriteItems: conflicts without end".to_owned()).into())
    }

    fn put_new(&mut self, condition: Condition, item_key: &ItemKey, value: &impl Serialize) {
        let mut expression = Expression::default();
        expression.when_absent();
        self.put(condition, item_key, value, expression);
    }

    fn put(&mut self, condition: Condition, item_key: &ItemKey, value: &impl Serialize, expression: Expression) {
        let Some(mut attributes) = self.record_error(item(value)) else { return };
        attributes.extend(item_key.attributes());
        let Some(table) = self.table(item_key) else { return };
        let written = expression.write();
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(attributes))
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .build();
        self.push(condition, put.map(|put| TransactWriteItem::builder().put(put).build()));
    }

    fn update(&mut self, condition: Condition, item_key: &ItemKey, expression: Expression) {
        let Some(table) = self.table(item_key) else { return };
        let written = expression.write();
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(item_key.attributes()))
            .update_expression(written.update)
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .build();
        self.push(condition, update.map(|update| TransactWriteItem::builder().update(update).build()));
    }

    fn delete(&mut self, condition: Condition, item_key: &ItemKey, expression: Expression) {
        let Some(table) = self.table(item_key) else { return };
        let written = expression.write();
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(item_key.attributes()))
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .build();
        self.push(condition, delete.map(|delete| TransactWriteItem::builder().delete(delete).build()));
    }

    fn check(&mut self, condition: Condition, item_key: &ItemKey, expression: Expression) {
        let Some(table) = self.table(item_key) else { return };
        let written = expression.write();
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(item_key.attributes()))
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .build();
        self.push(condition, check.map(|check| TransactWriteItem::builder().condition_check(check).build()));
    }

    fn push(
        &mut self,
        condition: Condition,
        operation: Result<TransactWriteItem, aws_smithy_types::error::operation::BuildError>,
    ) {
        let operation = operation.map_err(|error| StoreError::Refused(error.to_string()));
        if let Some(operation) = self.record_error(operation) {
            self.operations.push((condition, operation));
        }
    }

    fn table(&mut self, item_key: &ItemKey) -> Option<String> {
        let name = self.store.name_of(item_key.table).map(str::to_owned);
        self.record_error(name)
    }

    fn record_error<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault.get_or_insert(error);
                None
            }
        }
    }
}

fn item(value: &impl Serialize) -> Result<Item, StoreError> {
    Ok(serde_dynamo::to_item(value)?)
}
