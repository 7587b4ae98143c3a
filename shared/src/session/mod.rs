//! Authenticates callers: checks the claims of a token against the stored items. A token is valid only while the item
//! of its session exists and belongs to the user's current generation.

mod devices;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Failure;
use crate::factors::{RecoveryCodes, is_fresh};
use crate::identity::{Generation, Tokens};
use crate::models::{Email, PartnerId, Requirement, Status, Timestamp, User, UserId};
use crate::store::{
    EmailItem, IdempotencyItem, ItemKey, Items, Key, PartnerItem, RemovedItem, SessionItem, Store, StoreError,
    Transaction, UserItem, hash,
};
pub use devices::Devices;

/// The maximum number of sessions for one user. A sign-in ends the oldest ones above it.
pub const MAX_SESSIONS: usize = 20;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// The id of the session that the request uses.
    pub session_id: String,
    /// This session, as it was read.
    pub session: SessionItem,
    /// The users of the partner who need a second factor.
    pub requirement: Requirement,
}

/// The claims of an access token.
#[derive(Debug)]
pub struct Claims {
    generation: Generation,
    session_id: String,
}

impl Claims {
    /// Reads claims that the API's authorizer or Cognito has verified.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] when the claims do not belong to an access token of this portal.
    pub fn read(claims: &BTreeMap<String, String>) -> Result<Self, Failure> {
        const WRONG: Failure = Failure::Unauthenticated("This is not an access token.");
        if claims.get("token_use").map(String::as_str) != Some("access") {
            return Err(WRONG);
        }
        let generation = claims.get("username").and_then(|name| Generation::parse(name)).ok_or(WRONG)?;
        let session_id = claims.get("origin_jti").filter(|id| !id.is_empty()).cloned().ok_or(WRONG)?;
        Ok(Self { generation, session_id })
    }

    fn user_key(&self) -> Key<UserItem> {
        Key::user(&self.generation.partner, &self.generation.user)
    }

    fn session_key(&self) -> Key<SessionItem> {
        Key::session(&self.generation.user, &self.session_id)
    }

    /// Returns the keys of the items that [`caller`](Self::caller) needs.
    pub fn item_keys(&self) -> [ItemKey; 3] {
        [self.user_key().item_key(), self.session_key().item_key(), self.partner_key().item_key()]
    }

    /// Authenticates the caller with the items at [`item_keys`](Self::item_keys).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`].
    pub fn caller(&self, stored: &Items, now: Timestamp) -> Result<Caller, Failure> {
        let user = stored.get(&self.user_key())?.ok_or(Failure::SessionEnded)?.user;
        let session = stored.get(&self.session_key())?.ok_or(Failure::SessionEnded)?;
        let requirement = requirement(stored, &self.partner_key())?;
        let is_live = is_live(&session, &user, requirement, now) && session.generation == self.generation.number;
        if is_live {
            Ok(Caller { user, session_id: self.session_id.clone(), session, requirement })
        } else {
            Err(Failure::SessionEnded)
        }
    }

    /// Returns the id of the session.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Returns the user that the token claims to be. Only [`caller`](Self::caller) verifies it.
    pub fn user(&self) -> &UserId {
        &self.generation.user
    }

    /// Returns the key of the caller's partner.
    pub fn partner_key(&self) -> Key<PartnerItem> {
        Key::partner(&self.generation.partner)
    }

    /// Returns the key of the item for an idempotency key of the caller.
    pub fn idempotency_key(&self, key: &str) -> Key<IdempotencyItem> {
        Key::idempotency(&self.generation.partner, &self.generation.user, key)
    }

    /// Returns the key of an email at the caller's partner.
    pub fn email_key(&self, email: &Email) -> Key<EmailItem> {
        Key::email(email, &self.generation.partner)
    }

    /// Returns the key of a user of the caller's partner.
    pub fn colleague_key(&self, user: &UserId) -> Key<UserItem> {
        Key::user(&self.generation.partner, user)
    }

    /// Returns the key of a removed user of the caller's partner.
    pub fn removed_key(&self, user: &UserId) -> Key<RemovedItem> {
        Key::removed(&self.generation.partner, user)
    }
}

/// Returns which users of a partner need a second factor. The partner was read with its user.
fn requirement(stored: &Items, partner: &Key<PartnerItem>) -> Result<Requirement, Failure> {
    Ok(stored.partner(partner)?.second_factor)
}

/// Returns whether a session allows requests of its user. A session without a second factor ends with the next request
/// when the partner requires one, and nothing is written for it.
fn is_live(session: &SessionItem, user: &User, requirement: Requirement, now: Timestamp) -> bool {
    session.is_live(user, now) && user.status == Status::Active && session.has_required_factor(requirement, user.role)
}

impl Caller {
    /// Returns whether the partner requires a second factor of the user.
    pub fn is_factor_required(&self) -> bool {
        self.requirement.covers(self.user.role)
    }

    /// Requires that the user was authenticated a short time ago.
    ///
    /// # Errors
    /// [`Failure::ReauthenticationRequired`].
    pub fn require_fresh(&self, now: Timestamp) -> Result<(), Failure> {
        if is_fresh(self.session.authenticated_at(), now) { Ok(()) } else { Err(Failure::ReauthenticationRequired) }
    }

    /// Makes `transaction` change the caller's session, and require that the caller's authority is as it was read. If the
    /// caller is the target, the condition on the target already covers the authority.
    pub fn change_session(&self, transaction: &mut Transaction<'_>, after: &SessionItem, target: Option<&User>) {
        if target.is_none_or(|target| target.id != self.user.id) {
            transaction.check_actor(&self.user);
        }
        transaction.change_session(&self.user.id, &self.session_id, &self.session, after);
    }

    /// Makes `transaction` require that the caller's authority and session are as they were read. If the caller is the
    /// target, the condition on the target already covers the authority.
    pub fn require_caller(&self, transaction: &mut Transaction<'_>, target: Option<&User>) {
        if target.is_none_or(|target| target.id != self.user.id) {
            transaction.check_actor(&self.user);
        }
        transaction.check_session(&self.user.id, &self.session_id);
    }

    /// Makes `transaction` end the caller's own session, and require that the caller's authority is as it was read.
    pub fn sign_out(&self, transaction: &mut Transaction<'_>) {
        transaction.check_actor(&self.user);
        transaction.end_standing_session(&self.user.id, &self.session_id);
    }
}

/// The start and the lifetime of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionWindow {
    /// The start.
    pub from: Timestamp,
    /// The time after which the session expires, unless it is ended before.
    pub lifetime: Duration,
}

/// The client of a sign-in.
#[derive(Debug, Clone)]
pub struct Client {
    /// The identifiers of its device.
    pub devices: Devices,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Whether it asks for cookies, and so keeps them.
    pub keeps_cookies: bool,
}

/// A completed sign-in, as the client gets it.
pub struct SignedIn {
    /// The user after the sign-in.
    pub user: User,
    /// The tokens of the session.
    pub tokens: Tokens,
    /// The refresh token.
    pub refresh_token: RefreshToken,
    /// The lifetime of the refresh token.
    pub lifetime: Duration,
    /// The identifiers of the device, for the client to keep. `None` if they are unchanged or could not be recorded.
    pub devices: Option<Devices>,
    /// The recovery codes, if the sign-in has added a second factor.
    pub recovery_codes: Option<RecoveryCodes>,
}

/// The maximum number of sessions that one transaction ends, in addition to its other operations.
const MAX_ENDED_AT_ONCE: usize = 60;

/// Returns the ids of the sessions that must end before one more begins. They fit into one transaction.
///
/// # Errors
/// As [`that_fit`].
pub async fn superseded(
    store: &Store,
    user: &UserId,
    mut sessions: Vec<(String, SessionItem)>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    sessions.retain(|(_, session)| session.expires_at > now.unix_seconds());
    let count = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    that_fit(store, user, sessions, count).await
}

/// Returns the ids of the `count` oldest of `sessions`, or of fewer if one transaction cannot end so many. In that
/// case, which occurs only after many concurrent sign-ins, it ends the oldest ones itself.
///
/// # Errors
/// [`StoreError`].
pub async fn that_fit(
    store: &Store,
    user: &UserId,
    mut sessions: Vec<(String, SessionItem)>,
    count: usize,
) -> Result<Vec<String>, StoreError> {
    sessions.sort_by_key(|(_, session)| session.created_at);
    let mut ids = sessions.into_iter().map(|(session_id, _)| session_id).take(count);
    for session_id in ids.by_ref().take(count.saturating_sub(MAX_ENDED_AT_ONCE)) {
        store.end_session(user, &session_id).await?;
    }
    Ok(ids.collect())
}

/// A refresh token. It contains the keys of the user and the session, so one read is enough to reject an invalid token.
#[derive(Debug)]
pub struct RefreshToken {
    partner: PartnerId,
    user: UserId,
    session_id: String,
    secret: String,
}

impl RefreshToken {
    /// Creates the refresh token for the session that `tokens` belong to.
    pub fn new(user: &User, tokens: &Tokens) -> Self {
        Self {
            partner: user.partner_id.clone(),
            user: user.id.clone(),
            session_id: tokens.origin_jti.clone(),
            secret: tokens.refresh_token.clone(),
        }
    }

    /// Returns `<partner_id>.<user_id>.<session_id>.<Cognito's refresh token>`.
    pub fn as_text(&self) -> String {
        format!("{}.{}.{}.{}", self.partner, self.user, self.session_id, self.secret)
    }

    /// Parses the text that [`as_text`](Self::as_text) returns.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (partner, user) = (PartnerId::parse(parts.next()?).ok()?, UserId::parse(parts.next()?).ok()?);
        let (session_id, secret) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let is_id = (1..=64).contains(&session_id.len());
        (is_id && !secret.is_empty()).then_some(Self { partner, user, session_id, secret })
    }

    /// Returns the id of the session.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Returns Cognito's refresh token.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns the hash that the session's item contains.
    pub fn hash(&self) -> String {
        hash(&self.secret)
    }

    /// Returns the keys of the items that [`check`](Self::check) needs.
    pub fn item_keys(&self) -> [ItemKey; 3] {
        [
            Key::user(&self.partner, &self.user).item_key(),
            Key::session(&self.user, &self.session_id).item_key(),
            Key::partner(&self.partner).item_key(),
        ]
    }

    /// Checks that the session is live and that this is its token, with the items at [`item_keys`](Self::item_keys).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`], or [`Failure::Unauthenticated`] when this is not the token of the session.
    pub fn check(&self, stored: &Items, now: Timestamp) -> Result<(), Failure> {
        let session = stored.get(&Key::session(&self.user, &self.session_id))?.ok_or(Failure::SessionEnded)?;
        if session.refresh_hash != self.hash() {
            return Err(Failure::Unauthenticated("This refresh token is not valid."));
        }
        let user = stored.get(&Key::user(&self.partner, &self.user))?.ok_or(Failure::SessionEnded)?.user;
        let requirement = requirement(stored, &Key::partner(&self.partner))?;
        if is_live(&session, &user, requirement, now) { Ok(()) } else { Err(Failure::SessionEnded) }
    }
}
