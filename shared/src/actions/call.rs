//! The entry point of every action of a signed-in user. One read authenticates
//! the caller and loads what the action needs:
//!
//! ```ignore
//! let mut read = Call::begin(app, &request)?; // checks the claims; no read yet
//! let target = read.target(request.user_id());
//! let call = read.send().await?; // one BatchGetItem; authenticates the caller
//! let target = call.target(&target)?;
//! call.authorize(&Action::ForceLogout { target: &target }).await?;
//! ```

use futures_util::future::try_join;
use serde::de::DeserializeOwned;

use super::PendingRevocation;
use super::code_attempt::record_refused;
use crate::App;
use crate::error::Failure;
use crate::http::Request;
use crate::identity::Generation;
use crate::mail::MailKind;
use crate::models::{EventAction, Timestamp, User, UserId};
use crate::origin::Origin;
use crate::session::{self, Caller, Claims};
use crate::store::{
    Actor, Counter, CredentialItem, Event, IdempotencyItem, ItemKey, Items, Key, PartnerItem, RemovedItem, Transaction,
    UserItem,
};

/// The read that begins a call: the caller, the caller's session, and the items that the action adds.
pub struct Read<'a> {
    app: &'a App,
    origin: Origin<'a>,
    now: Timestamp,
    claims: Claims,
    item_keys: Vec<ItemKey>,
}

/// The key of the user that a request names. A malformed id names no user.
#[derive(Debug)]
pub struct TargetKey(Option<Key<UserItem>>);

/// A request of an authenticated user, with the items that were read for it.
pub struct Call<'a> {
    /// The state of the function.
    pub app: &'a App,
    /// The request.
    pub origin: Origin<'a>,
    /// The user, and the session that the request uses.
    pub caller: Caller,
    /// The time of the read. Everything that the call writes has this time.
    pub now: Timestamp,
    claims: Claims,
    stored: Items,
}

impl<'a> Read<'a> {
    /// Returns the claims of the access token. The caller is not authenticated before [`send`](Self::send) succeeds.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Adds an item to the read.
    pub fn item<T>(&mut self, key: impl FnOnce(&Claims) -> Key<T>) -> Key<T> {
        let key = key(&self.claims);
        self.item_keys.push(key.item_key());
        key
    }

    /// Adds items of different types to the read.
    pub fn items(&mut self, item_keys: impl IntoIterator<Item = ItemKey>) {
        self.item_keys.extend(item_keys);
    }

    /// Adds a counter to the read.
    pub fn counter(&mut self, counter: impl FnOnce(&Claims) -> Counter) -> Counter {
        let counter = counter(&self.claims);
        self.item_keys.push(counter.item_key().clone());
        counter
    }

    /// Adds what is stored under the request's `Idempotency-Key` to the read, if the request has one.
    ///
    /// # Errors
    /// [`Failure::InvalidRequest`] if the key is malformed. [`send_with`](Self::send_with) reports it.
    pub fn kept(&mut self, request: &Request) -> Result<Option<Key<IdempotencyItem>>, Failure> {
        let key = request.idempotency_key()?;
        Ok(key.map(|key| self.item(|claims| claims.idempotency_key(key.as_str()))))
    }

    /// Adds a user of the caller's partner to the read.
    pub fn target(&mut self, id: Option<UserId>) -> TargetKey {
        TargetKey(id.map(|id| self.item(|claims| claims.colleague_key(&id))))
    }

    /// Reads all items at once and authenticates the caller.
    ///
    /// # Errors
    /// [`Failure::SessionEnded`], or why the items could not be read.
    pub async fn send(self) -> Result<Call<'a>, Failure> {
        let Self { app, origin, now, claims, item_keys } = self;
        let stored = app.store().read(&item_keys).await?;
        let caller = claims.caller(&stored, now)?;
        Ok(Call { app, origin, caller, now, claims, stored })
    }

    /// Like [`send`](Self::send), for input that names some of the items. A problem with the input is reported only to
    /// an authenticated caller.
    ///
    /// # Errors
    /// As [`send`](Self::send), then the failure of `input`.
    pub async fn send_with<T>(self, input: Result<T, Failure>) -> Result<(Call<'a>, T), Failure> {
        let call = self.send().await?;
        Ok((call, input?))
    }
}

impl<'a> Call<'a> {
    /// Begins a call with the claims that the authorizer has verified. Nothing is read yet.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`].
    pub fn begin(app: &'a App, request: &'a Request) -> Result<Read<'a>, Failure> {
        let claims = Claims::read(request.claims())?;
        let item_keys = claims.item_keys().to_vec();
        Ok(Read { app, origin: request.origin(), now: app.now(), claims, item_keys })
    }

    /// Returns the claims of the caller's token.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns all items that were read.
    pub fn stored(&self) -> &Items {
        &self.stored
    }

    /// Returns an item that was read, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the item cannot be deserialized.
    pub fn get<T: DeserializeOwned>(&self, key: &Key<T>) -> Result<Option<T>, Failure> {
        Ok(self.stored.get(key)?)
    }

    /// Returns the caller's partner, which was read.
    ///
    /// # Errors
    /// [`Failure::Internal`] if it does not exist.
    pub fn partner(&self, key: &Key<PartnerItem>) -> Result<PartnerItem, Failure> {
        self.stored.partner(key)
    }

    /// Returns the caller's credential, which was read.
    ///
    /// # Errors
    /// [`Failure::Internal`] if it does not exist.
    pub fn own_credential(&self, key: &Key<CredentialItem>) -> Result<CredentialItem, Failure> {
        self.get(key)?.ok_or_else(|| Failure::bug("a user without a credential"))
    }

    /// Makes `transaction` end all sessions of the caller except for that of the request. The transaction also has to require
    /// that the caller has not signed in since the read.
    ///
    /// # Errors
    /// Why the sessions could not be read.
    pub async fn end_other_sessions(&self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        let (store, caller) = (self.app.store(), &self.caller);
        // Read after the user: a sign-in since then makes the transaction fail, and the change is retried.
        let mut others = store.sessions_of(&caller.user.id).await?;
        others.retain(|(id, session)| session.expires_at > self.now.unix_seconds() && *id != caller.session_id);
        let count = others.len();
        for session_id in session::that_fit(store, &caller.user.id, others, count).await? {
            transaction.end_session(&caller.user.id, &session_id);
        }
        Ok(())
    }

    /// Records that the caller was not authenticated again, at most once in 15 minutes. A failure is logged and otherwise
    /// ignored.
    pub async fn record_refused_sign_in(&self) {
        let Self { app, origin, now, .. } = *self;
        let user = &self.caller.user;
        record_refused(EventAction::SignInRefused, app, origin, now, user, Actor::user(user)).await;
    }

    /// Returns the user that the request names.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn target(&self, key: &TargetKey) -> Result<User, Failure> {
        let item = key.0.as_ref().map(|key| self.get(key)).transpose()?.flatten();
        item.map(|item| item.user).ok_or(Failure::NotFound)
    }

    /// Reads the caller again, together with other items. [`authenticate`](Self::authenticate) then has to follow.
    ///
    /// # Errors
    /// Why the items could not be read.
    pub async fn reread(&mut self, items: impl IntoIterator<Item = ItemKey>) -> Result<(), Failure> {
        let item_keys: Vec<ItemKey> = self.claims.item_keys().into_iter().chain(items).collect();
        self.stored = self.app.store().read(&item_keys).await?;
        self.now = self.app.now();
        Ok(())
    }

    /// Authenticates the caller again, after [`reread`](Self::reread).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`].
    pub fn authenticate(&mut self) -> Result<(), Failure> {
        self.caller = self.claims.caller(&self.stored, self.now)?;
        Ok(())
    }

    /// Runs an expensive read, and counts it at the same time. A read that fails counts,
    /// too. The counter was read with the call.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`] when the user has made too many such reads, why the
    /// read could not be counted, or why it failed.
    pub async fn counted<T>(
        &self,
        counter: &Counter,
        read: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let count = async {
            let wait = self.app.store().count(counter, &self.stored, self.now).await?;
            wait.map_or(Ok(()), |seconds| Err(Failure::TooManyRequests(seconds)))
        };
        // The count is polled first. It finds a full counter in the items of the call, and then the read never starts.
        let ((), result) = try_join(count, async { Ok(read.await) }).await?;
        result
    }

    /// Returns an empty transaction.
    pub fn transaction(&self) -> Transaction<'a> {
        self.app.store().transaction()
    }

    /// Returns an audit event for an action of the caller on `target`.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn event<'b>(&self, action: EventAction, target: impl Into<Option<&'b User>>) -> Result<Event, Failure> {
        let Origin { address, request_id, .. } = self.origin;
        Event::new(action, self.now, Actor::user(&self.caller.user), target, Some(address), request_id)
    }

    /// Adds a notification of `user` about the change that `event` records. It adds nothing if mail is off.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn notify(
        &self,
        transaction: &mut Transaction<'_>,
        kind: MailKind,
        user: &User,
        event: &Event,
    ) -> Result<(), Failure> {
        transaction.notify(kind, user, event, Some(self.origin.user_agent))
    }

    /// Adds notifications about a change of the email: to the previous address and to the new one. It adds nothing if mail
    /// is off, or if both are the same address.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn notify_of_email(
        &self,
        transaction: &mut Transaction<'_>,
        before: &User,
        after: &User,
        event: &Event,
    ) -> Result<(), Failure> {
        if !before.email.same_address(&after.email) {
            self.notify(transaction, MailKind::EmailChanged, before, event)?;
            self.notify(transaction, MailKind::EmailChanged, after, event)?;
        }
        Ok(())
    }

    /// Adds the change from `target` to `after` (`None` removes the user) and its events to
    /// `transaction`, and commits it. The commit requires that the caller's authority and session are as
    /// they were read. Returns what Cognito must then revoke.
    ///
    /// # Errors
    /// [`Failure::StaleRead`], or why it could not be committed.
    pub async fn commit(
        &self,
        mut transaction: Transaction<'_>,
        target: &User,
        after: Option<&User>,
        events: &[Event],
    ) -> Result<Option<PendingRevocation>, Failure> {
        self.caller.require_caller(&mut transaction, Some(target));
        match after {
            Some(after) => transaction.change_user(target, after),
            None => transaction.remove_user(target, &RemovedItem::new(target, self.caller.user.id.clone(), self.now)),
        }
        let revocation = PendingRevocation::after(target, after);
        if revocation.is_some() {
            transaction.end_generation(target, self.now);
        }
        for event in events {
            transaction.record(&target.partner_id, event);
        }
        transaction.commit().await?;
        Ok(revocation)
    }

    /// Revokes ended generations in Cognito. If that fails, `repair-identities` retries: the marks are committed.
    ///
    /// # Errors
    /// As [`App::identity`].
    pub async fn revoke(&self, pending: impl IntoIterator<Item = PendingRevocation>) -> Result<(), Failure> {
        let generations: Vec<Generation> =
            pending.into_iter().map(|PendingRevocation(generation)| generation).collect();
        if !generations.is_empty() {
            self.app.identity()?.end_soon(&generations).await;
        }
        Ok(())
    }
}
