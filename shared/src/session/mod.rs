//! Who is calling: the claims of a token, held against the rows that we own. A token counts only while its session's row
//! stands and belongs to the user's present generation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Failure;
use crate::identity::{Generation, Tokens};
use crate::models::{Email, PartnerId, Status, Timestamp, User, UserId};
use crate::store::{
    EmailItem, IdempotencyItem, ItemKey, Items, Key, PartnerItem, SessionItem, Store, StoreError, Transaction,
    UserItem, hash,
};

/// The most sessions that one user has; a sign-in ends the oldest beyond.
pub const MAX_SESSIONS: usize = 20;

/// Who is calling, and with which session.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// Names the session's row.
    pub session_id: String,
}

/// What an access token says.
#[derive(Debug)]
pub struct Claims {
    generation: Generation,
    session_id: String,
}

impl Claims {
    /// Reads claims that the API's authorizer, or Cognito itself, vouches for.
    ///
    /// # Errors
    /// [`Failure::Unauthenticated`] when it is not an access token of ours.
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

    /// The rows to read.
    pub fn item_keys(&self) -> [ItemKey; 2] {
        [self.user_key().item_key(), self.session_key().item_key()]
    }

    /// The caller, by rows that hold [`item_keys`](Self::item_keys).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`].
    pub fn caller(&self, stored: &Items, now: Timestamp) -> Result<Caller, Failure> {
        let user = stored.get(&self.user_key())?.ok_or(Failure::SessionEnded)?.user;
        let session = stored.get(&self.session_key())?.ok_or(Failure::SessionEnded)?;
        let is_live = session.is_live(&user, now)
            && session.generation == self.generation.number
            && user.status == Status::Active;
        if is_live { Ok(Caller { user, session_id: self.session_id.clone() }) } else { Err(Failure::SessionEnded) }
    }

    /// Names the session.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Who calls, if the rows say so.
    pub fn user(&self) -> &UserId {
        &self.generation.user
    }

    /// Where the partner of the caller is kept.
    pub fn partner_key(&self) -> Key<PartnerItem> {
        Key::partner(&self.generation.partner)
    }

    /// Where the answer to a create of the caller's is kept.
    pub fn idempotency_key(&self, key: &str) -> Key<IdempotencyItem> {
        Key::idempotency(&self.generation.partner, &self.generation.user, key)
    }

    /// Where an email of the caller's partner is kept.
    pub fn email_key(&self, email: &Email) -> Key<EmailItem> {
        Key::email(email, &self.generation.partner)
    }

    /// Where a user of the caller's partner is kept.
    pub fn colleague_key(&self, user: &UserId) -> Key<UserItem> {
        Key::user(&self.generation.partner, user)
    }
}

impl Caller {
    /// Makes `transaction` rest on the caller's authority and session, as they were read. The target's own condition stands
    /// for the authority of somebody who changes themselves.
    pub fn require_caller(&self, transaction: &mut Transaction<'_>, target: Option<&User>) {
        if target.is_none_or(|target| target.id != self.user.id) {
            transaction.check_actor(&self.user);
        }
        transaction.check_session(&self.user.id, &self.session_id);
    }

    /// Makes `transaction` end the caller's own session, on the caller's authority.
    pub fn sign_out(&self, transaction: &mut Transaction<'_>) {
        transaction.check_actor(&self.user);
        transaction.end_standing_session(&self.user.id, &self.session_id);
    }
}

/// When a session begins and ends by itself.
#[derive(Debug, Clone, Copy)]
pub struct SessionWindow {
    /// Its beginning.
    pub from: Timestamp,
    /// How long it lives when nobody ends it.
    pub lifetime: Duration,
}

/// The most sessions that one transaction ends, among its other operations.
const MAX_ENDED_AT_ONCE: usize = 60;

/// Which of `sessions` have to end for one more to begin. They fit into one transaction.
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

/// The names of the `count` oldest of `sessions`, as many as one transaction can end. Any beyond, which only many sign-ins
/// at the same moment leave, are ended at once, the oldest first.
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
    let mut names = sessions.into_iter().map(|(session_id, _)| session_id).take(count);
    for session_id in names.by_ref().take(count.saturating_sub(MAX_ENDED_AT_ONCE)) {
        store.end_session(user, &session_id).await?;
    }
    Ok(names.collect())
}

/// What renews a session: names its row, so that nothing else is needed to refuse a token that is no good.
#[derive(Debug)]
pub struct RefreshToken {
    partner: PartnerId,
    user: UserId,
    session_id: String,
    secret: String,
}

impl RefreshToken {
    /// The token of the session that `tokens` stand for.
    pub fn new(user: &User, tokens: &Tokens) -> Self {
        Self {
            partner: user.partner_id.clone(),
            user: user.id.clone(),
            session_id: tokens.origin_jti.clone(),
            secret: tokens.refresh_token.clone(),
        }
    }

    /// `<partner_id>.<user_id>.<session_id>.<Cognito's refresh token>`.
    pub fn as_text(&self) -> String {
        format!("{}.{}.{}.{}", self.partner, self.user, self.session_id, self.secret)
    }

    /// Reads [`as_text`](Self::as_text).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (partner, user) = (PartnerId::parse(parts.next()?).ok()?, UserId::parse(parts.next()?).ok()?);
        let (session_id, secret) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let is_name = (1..=64).contains(&session_id.len());
        (is_name && !secret.is_empty()).then_some(Self { partner, user, session_id, secret })
    }

    /// Names the session.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// What Cognito takes.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What the session's row holds of it.
    pub fn hash(&self) -> String {
        hash(&self.secret)
    }

    /// The rows to read.
    pub fn item_keys(&self) -> [ItemKey; 2] {
        [Key::user(&self.partner, &self.user).item_key(), Key::session(&self.user, &self.session_id).item_key()]
    }

    /// Whether the session stands and this is its token, by rows that hold [`item_keys`](Self::item_keys).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`]; [`Failure::Unauthenticated`] for another token.
    pub fn check(&self, stored: &Items, now: Timestamp) -> Result<(), Failure> {
        let session = stored.get(&Key::session(&self.user, &self.session_id))?.ok_or(Failure::SessionEnded)?;
        if session.refresh_hash != self.hash() {
            return Err(Failure::Unauthenticated("This refresh token is not valid."));
        }
        let user = stored.get(&Key::user(&self.partner, &self.user))?.ok_or(Failure::SessionEnded)?.user;
        let is_live = session.is_live(&user, now) && user.status == Status::Active;
        if is_live { Ok(()) } else { Err(Failure::SessionEnded) }
    }
}
