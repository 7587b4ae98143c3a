//! One transaction is the whole change: the changed items, the audit events, and the conditions under which it was
//! authorized.

use std::time::Duration;

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
    ChallengeItem, ChoiceItem, CredentialItem, EmailItem, PartnerItem, PasskeySignInItem, SessionItem, UserItem,
    last_sign_in_key,
};
use super::keys::{self, ItemKey, Key};
use super::marks::Mark;
use super::outbox::OutboxItem;
use super::read::{Item, Items};
use super::removed::RemovedItem;
use super::{MAX_USERS, Store, StoreError};
use crate::error::{Cause, Failure};
use crate::mail::MailKind;
use crate::models::{MailState, PartnerId, Requirement, SecondFactor, Timestamp, User, UserId};
use crate::random;

/// The attribute that [`Transaction::set_mail_state`] writes.
const MAIL_STATE: &str = "mail_state";

/// The meaning of one condition of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The actor's authority is unchanged.
    Actor,
    /// A session exists: the actor's, or one that the transaction ends.
    Session,
    /// The target is unchanged.
    Target,
    /// An email is not in use.
    Email,
    /// The partner exists, and has room for the new users.
    Partner,
    /// The credential that was checked is unchanged.
    Credential,
    /// A challenge or a choice has not been used.
    Challenge,
    /// A mailed link has not been redeemed.
    Link,
    /// A mail is still claimed by this invocation.
    Mail,
    /// The entry of an idempotency key is as expected.
    Idempotency,
    /// A counter has room for one more attempt.
    Counter,
    /// A similar refusal has not been recorded yet.
    Refusal,
    /// The operation has no condition.
    Unconditional,
    /// The operation overwrites nothing. Ids are new, so this condition never fails.
    New,
}

/// The reason why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// These conditions do not hold.
    #[error("conditions do not hold: {0:?}")]
    Refused(Vec<Condition>),
    /// A DynamoDB call failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let conditions = match error {
            CommitError::Store(error) => return error.into(),
            CommitError::Refused(conditions) => conditions,
        };
        let is_stale = |condition: &Condition| match condition {
            Condition::Actor
            | Condition::Session
            | Condition::Target
            | Condition::Credential
            | Condition::Challenge
            | Condition::Link
            | Condition::Mail
            | Condition::Idempotency
            | Condition::Counter => true,
            Condition::Email | Condition::Partner | Condition::Refusal | Condition::Unconditional | Condition::New => {
                false
            }
        };
        if conditions.iter().any(is_stale) {
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

/// A transaction that is being built.
#[derive(Debug)]
pub struct Transaction<'store> {
    store: &'store Store,
    operations: Vec<(Condition, TransactWriteItem)>,
    /// The first error while the transaction was built. `commit` returns it.
    fault: Option<StoreError>,
}

impl Store {
    /// Returns an empty transaction.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction { store: self, operations: Vec::new(), fault: None }
    }
}

impl Transaction<'_> {
    /// Requires that the actor still has the authority that the decision was based on. If the actor is the target, the
    /// condition on the target's version already covers this, and DynamoDB rejects two operations on one item.
    pub fn check_actor(&mut self, actor: &User) {
        self.check_access(Condition::Actor, actor);
    }

    /// Requires that the target's access is unchanged. This is for changes that do not write the target's item.
    pub fn check_target(&mut self, target: &User) {
        self.check_access(Condition::Target, target);
    }

    fn check_access(&mut self, condition: Condition, user: &User) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("access_version", "=", number(user.access_version));
        self.check(condition, &Key::user(&user.partner_id, &user.id).item_key, expression);
    }

    /// Requires that the session still exists.
    pub fn check_session(&mut self, user: &UserId, session_id: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.check(Condition::Session, &Key::session(user, session_id).item_key, expression);
    }

    /// Requires that the credential still has the version that was read.
    pub fn check_credential(&mut self, user: &UserId, version: u64) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(version));
        self.check(Condition::Credential, &Key::credential(user).item_key, expression);
    }

    /// Adds a partner with its primary admin.
    pub fn add_partner(&mut self, partner: &PartnerItem, primary_admin: &User) {
        self.put_new(Condition::New, &Key::partner(&primary_admin.partner_id).item_key, partner);
        self.put_user(primary_admin);
    }

    /// Adds users to a partner, and requires that it has room for them.
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

    /// Changes a user from `before` to `after`. It writes only the attributes that differ, and the email's entry if the
    /// email changes. It requires that the stored user still has the versions of `before`.
    pub fn change_user(&mut self, before: &User, after: &User) {
        self.write_user(before, after, Expression::default());
    }

    /// Does the same as [`change_user`](Self::change_user), and also requires that the user has not signed in since
    /// `before` was read.
    pub fn change_user_unless_signed_in(&mut self, before: &User, after: &User) {
        let mut expression = Expression::default();
        expression.when("sign_ins", "=", number(before.sign_ins));
        self.write_user(before, after, expression);
    }

    fn write_user(&mut self, before: &User, after: &User, mut expression: Expression) {
        expression.when_present();
        expression.when("version", "=", number(before.version));
        expression.when("access_version", "=", number(before.access_version));
        let items = (item(&UserItem::from(before.clone())), item(&UserItem::from(after.clone())));
        let (Some(old), Some(new)) = (self.record_error(items.0), self.record_error(items.1)) else { return };
        let item_key = Key::user(&before.partner_id, &before.id).item_key;
        let mut removed: Vec<&str> = old.keys().filter(|name| !new.contains_key(*name)).map(String::as_str).collect();
        // A bounce of the previous email can be recorded after the read, without a change of the version.
        if !before.email.same_address(&after.email) && !removed.contains(&MAIL_STATE) && !new.contains_key(MAIL_STATE) {
            removed.push(MAIL_STATE);
        }
        let differing: Vec<_> = new.iter().filter(|(name, value)| old.get(*name) != Some(value)).collect();
        if differing.is_empty() && removed.is_empty() {
            // An update that sets nothing is not possible.
            self.check(Condition::Target, &item_key, expression);
        } else {
            for (attribute, value) in differing {
                expression.set(attribute, value.clone());
            }
            for attribute in removed {
                expression.remove(attribute);
            }
            self.update(Condition::Target, &item_key, expression);
        }
        if !before.email.same_address(&after.email) {
            self.delete_email(before);
            self.put_email(after);
        }
    }

    /// Removes a user with the email's entry and the credential, and adds the item from which the user can be restored.
    /// Sessions are invalid without the user, and expire.
    pub fn remove_user(&mut self, user: &User, removed: &RemovedItem) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(user.version));
        expression.when("access_version", "=", number(user.access_version));
        self.delete(Condition::Target, &Key::user(&user.partner_id, &user.id).item_key, expression);
        self.delete_email(user);
        let item_key = Key::removed(&user.partner_id, &user.id).item_key;
        self.put(Condition::Unconditional, &item_key, removed, Expression::default());
        self.delete(Condition::Unconditional, &Key::credential(&user.id).item_key, Expression::default());
        let mut expression = Expression::default();
        expression.when_present();
        expression.add("user_count", -1);
        self.update(Condition::Partner, &Key::partner(&user.partner_id).item_key, expression);
    }

    /// Restores a removed user as `after`. It requires that the removal is still the one that was read, that the email is
    /// not in use, and that the partner has room.
    pub fn restore_user(&mut self, removed: &RemovedItem, after: &User, credential: &CredentialItem) {
        self.add_users(&after.partner_id, [after]);
        self.add_credential(&after.id, credential);
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("removed_at", "=", text(removed.removed_at.to_string().as_str()));
        self.delete(Condition::Target, &Key::removed(&after.partner_id, &after.id).item_key, expression);
    }

    /// Replaces the primary admin in the partner's item, and requires that it still names `from`. The items of both users
    /// must be changed separately.
    pub fn replace_primary_admin(&mut self, from: &User, to: &User) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("primary_admin_id", "=", text(from.id.as_str()));
        expression.set("primary_admin_id", text(to.id.as_str()));
        self.update(Condition::Actor, &Key::partner(&from.partner_id).item_key, expression);
    }

    /// Records a sign-in, and requires that the user is active, still in the generation that was read, and still has the
    /// password of `credential` and the same kind of second factor. Every change of the password or of the factors also
    /// writes the user, so the user's own attributes show one, and the credential needs no condition.
    pub fn note_sign_in(&mut self, user: &User, credential: &CredentialItem, at: Timestamp) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("session_generation", "=", number(user.session_generation));
        expression.when("status", "=", text(crate::models::Status::Active.as_str()));
        expression.when("password_version", "=", number(credential.password_version));
        match user.second_factor {
            SecondFactor::None => expression.when_missing("second_factor"),
            factor => expression.when("second_factor", "=", text(factor.as_str())),
        }
        expression.set("last_sign_in_key", text(last_sign_in_key(&user.id, Some(at))));
        expression.set("issued_generation", number(user.session_generation));
        expression.add("sign_ins", 1);
        self.update(Condition::Target, &Key::user(&user.partner_id, &user.id).item_key, expression);
    }

    /// Adds the mark for the end of the user's current generation in Cognito.
    pub fn end_generation(&mut self, user: &User, at: Timestamp) {
        let mark = Mark::new(user, at);
        self.put(Condition::Unconditional, &mark.item_key(), &mark, Expression::default());
    }

    /// Adds the credential of a new user.
    pub fn add_credential(&mut self, user: &UserId, credential: &CredentialItem) {
        self.put_new(Condition::New, &Key::credential(user).item_key, credential);
    }

    /// Replaces the whole credential, and requires that the stored one still has the version of `before`.
    pub fn change_credential(&mut self, user: &UserId, before: &CredentialItem, after: &CredentialItem) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("version", "=", number(before.version));
        let (old, new) = (self.record_error(item(before)), self.record_error(item(after)));
        let Some((old, new)) = old.zip(new) else { return };
        for attribute in old.keys().filter(|name| !new.contains_key(*name)) {
            expression.remove(attribute);
        }
        for (attribute, value) in new {
            expression.set(&attribute, value);
        }
        self.update(Condition::Credential, &Key::credential(user).item_key, expression);
    }

    /// Stores the result of a request under this idempotency key, and requires that there is no live entry.
    pub fn keep(&mut self, key: &Key<IdempotencyItem>, item: &IdempotencyItem, now: Timestamp) {
        let mut expression = Expression::default();
        expression.when_absent_or_expired(now);
        self.put(Condition::Idempotency, &key.item_key, item, expression);
    }

    /// Replaces the entry of an idempotency key, and requires that the import `run` was the last to write it.
    pub fn keep_in_place_of(&mut self, run: &str, key: &Key<IdempotencyItem>, item: &IdempotencyItem) {
        let mut expression = Expression::default();
        expression.when("run", "=", text(run));
        self.put(Condition::Idempotency, &key.item_key, item, expression);
    }

    /// Adds a session.
    pub fn add_session(&mut self, user: &UserId, session_id: &str, session: &SessionItem) {
        self.put_new(Condition::New, &Key::session(user, session_id).item_key, session);
    }

    /// Changes a session from `before` to `after`, and requires that it exists.
    pub fn change_session(&mut self, user: &UserId, session_id: &str, before: &SessionItem, after: &SessionItem) {
        let changes = session_changes(before, after);
        let Some(expression) = self.record_error(changes) else { return };
        self.update(Condition::Session, &Key::session(user, session_id).item_key, expression);
    }

    /// Sets which users of a partner need a second factor, and requires that it was `before`.
    pub fn set_requirement(&mut self, partner: &PartnerId, before: Requirement, after: Requirement) {
        let mut expression = Expression::default();
        expression.when_present();
        match before {
            Requirement::Optional => expression.when_missing("second_factor"),
            other => expression.when("second_factor", "=", text(other.as_str())),
        }
        match after {
            Requirement::Optional => expression.remove("second_factor"),
            other => expression.set("second_factor", text(other.as_str())),
        }
        self.update(Condition::Target, &Key::partner(partner).item_key, expression);
    }

    /// Deletes a session, and requires that it exists.
    pub fn end_standing_session(&mut self, user: &UserId, session_id: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Session, &Key::session(user, session_id).item_key, expression);
    }

    /// Deletes a session, whether or not it exists.
    pub fn end_session(&mut self, user: &UserId, session_id: &str) {
        self.delete(Condition::Unconditional, &Key::session(user, session_id).item_key, Expression::default());
    }

    /// Adds a challenge.
    pub fn add_challenge(&mut self, user: &UserId, secret: &str, challenge: &ChallengeItem) {
        self.put_new(Condition::New, &Key::challenge(user, secret).item_key, challenge);
    }

    /// Uses a challenge, and requires that it has not been used.
    pub fn use_challenge(&mut self, user: &UserId, secret: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Challenge, &Key::challenge(user, secret).item_key, expression);
    }

    /// Adds a choice between partners.
    pub fn add_choice(&mut self, secret: &str, choice: &ChoiceItem) {
        self.put_new(Condition::New, &Key::choice(secret).item_key, choice);
    }

    /// Uses a choice, and requires that it has not been used.
    pub fn use_choice(&mut self, secret: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Challenge, &Key::choice(secret).item_key, expression);
    }

    /// Adds a challenge for a sign-in with a passkey.
    pub fn add_passkey_sign_in(&mut self, secret: &str, challenge: &PasskeySignInItem) {
        self.put_new(Condition::New, &Key::passkey_sign_in(secret).item_key, challenge);
    }

    /// Uses a challenge for a sign-in with a passkey, and requires that it has not been used.
    pub fn use_passkey_sign_in(&mut self, secret: &str) {
        let mut expression = Expression::default();
        expression.when_present();
        self.delete(Condition::Challenge, &Key::passkey_sign_in(secret).item_key, expression);
    }

    /// Counts one more attempt, and requires that the counter has room. `stored` must be a recent read of the counter.
    ///
    /// # Errors
    /// Returns [`StoreError::Shape`] if the counter's item is not valid.
    pub fn count(&mut self, counter: &Counter, stored: &Items, now: Timestamp) -> Result<(), StoreError> {
        self.update(Condition::Counter, counter.item_key(), counter.one_more(stored, now)?);
        Ok(())
    }

    /// Deletes a counter, so that its attempts no longer count.
    pub fn clear_counter(&mut self, counter: &Counter) {
        self.delete(Condition::Unconditional, counter.item_key(), Expression::default());
    }

    /// Adds a mail, which is sent after the commit. It adds nothing if mail is off.
    pub fn send(&mut self, mail: &OutboxItem) {
        if self.store.has_outbox() {
            self.put_new(Condition::New, &mail.item_key(), mail);
        }
    }

    /// Adds a notification of `user` about the change that `event` records, made by a client with this `User-Agent`. The
    /// mail goes to the email that `user` has. It adds nothing if mail is off.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if there are no random bytes.
    pub fn notify(
        &mut self,
        kind: MailKind,
        user: &User,
        event: &Event,
        user_agent: Option<&str>,
    ) -> Result<(), Failure> {
        if self.store.has_outbox() {
            let mail = OutboxItem::notification(kind, user, event)?;
            self.send(&mail.with_program(user_agent));
        }
        Ok(())
    }

    /// Drops a mail that cannot be sent, and requires that no other invocation has claimed it since.
    pub fn drop_mail(&mut self, mail: &OutboxItem) {
        let mut expression = Expression::default();
        expression.when("attempts", "=", number(mail.attempts));
        self.delete(Condition::Mail, &mail.item_key(), expression);
    }

    /// Records what the mail service reported about the user's email, and requires that the user still has this email. It
    /// does not move the version.
    pub fn set_mail_state(&mut self, user: &User, state: MailState) {
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("email", "=", text(user.email.normalized()));
        expression.set(MAIL_STATE, text(state.as_str()));
        self.update(Condition::Target, &Key::user(&user.partner_id, &user.id).item_key, expression);
    }

    /// Adds an audit event. Every change has one. A second event records a review's decision, the change of another
    /// user, or a sign-in in the same transaction.
    pub fn record(&mut self, partner: &PartnerId, event: &Event) {
        self.put_new(Condition::New, &keys::event(partner, &event.id), &EventItem::new(partner, event, None));
    }

    /// Adds an audit event that expires.
    pub fn record_for(&mut self, retention: Duration, partner: &PartnerId, event: &Event) {
        let item = EventItem::new(partner, event, Some(retention));
        self.put_new(Condition::New, &keys::event(partner, &event.id), &item);
    }

    /// Adds an audit event for an attempted action of `actor` that was refused. It requires that no similar refusal has
    /// been recorded in this minute.
    pub fn record_refused(&mut self, actor: &User, attempted: &str, event: &Event) {
        let item_key = keys::refusal(&actor.partner_id, &actor.id, attempted, event.at);
        self.put_new(Condition::Refusal, &item_key, &RefusalItem::new(event));
        self.record(&actor.partner_id, event);
    }

    /// Adds an audit event for a refused sign-in of `user`. It requires that no similar event has been recorded in this
    /// quarter of an hour. If the user does not exist (`exists` is false), it sends the same call with a condition that
    /// fails.
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

    /// Commits the transaction if its conditions hold. Returns whether they do.
    ///
    /// # Errors
    /// Returns [`StoreError`] as [`commit`](Self::commit) does.
    pub async fn commit_if_possible(self) -> Result<bool, StoreError> {
        match self.commit().await {
            Ok(()) => Ok(true),
            Err(CommitError::Refused(_)) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Commits the transaction. If it conflicts with another one, it is retried with jitter until the function's
    /// deadline.
    ///
    /// # Errors
    /// Returns [`CommitError`] if nothing was committed. Exceptions are [`StoreError::Unavailable`] and a dropped
    /// future: in these cases, either the whole change or nothing has been committed.
    pub async fn commit(self) -> Result<(), CommitError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let (conditions, operations): (Vec<Condition>, Vec<TransactWriteItem>) = self.operations.into_iter().unzip();
        // All attempts have the same token, so that DynamoDB executes at most one of them.
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
                    let is_transient = |code: &&str| {
                        matches!(
                            *code,
                            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
                        )
                    };
                    if !codes.iter().all(is_transient) {
                        return Err(StoreError::Refused(format!("TransactWriteItems: {codes:?}")).into());
                    }
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                Some(_) | None if error.code() == Some("TransactionConflictException") => {}
                Some(_) | None => return Err(StoreError::from_sdk("TransactWriteItems", &error).into()),
            }
            tokio::time::sleep(jitter(attempt)).await;
        }
        Err(StoreError::Unavailable("TransactWriteItems: too many conflicts".to_owned()).into())
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

    pub(super) fn delete(&mut self, condition: Condition, item_key: &ItemKey, expression: Expression) {
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

/// Returns the update of a session from `before` to `after`. It requires that the session exists.
pub(super) fn session_changes(before: &SessionItem, after: &SessionItem) -> Result<Expression, StoreError> {
    let (old, new) = (item(before)?, item(after)?);
    let mut expression = Expression::default();
    expression.when_present();
    for attribute in old.keys().filter(|name| !new.contains_key(*name)) {
        expression.remove(attribute);
    }
    for (attribute, value) in new {
        if old.get(&attribute) != Some(&value) {
            expression.set(&attribute, value);
        }
    }
    Ok(expression)
}

fn item(value: &impl Serialize) -> Result<Item, StoreError> {
    Ok(serde_dynamo::to_item(value)?)
}
