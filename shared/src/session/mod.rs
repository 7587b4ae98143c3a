//! Who is calling: the claims of a token, held against the rows that we own. A token counts only while its session's row
//! stands and belongs to the user's present generation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Failure;
use crate::identity::{Generation, Tokens};
use crate::models::{Email, Status, Timestamp, User, UserId};
use crate::store::{Change, EmailItem, IdempotencyItem, Key, PartnerItem, Place, Rows, SessionItem, Store, UserItem};

/// The most sessions that one user has; a sign-in ends the oldest beyond.
pub const MOST: usize = 20;

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
    pub fn places(&self) -> [Place; 2] {
        [self.user_key().place(), self.session_key().place()]
    }

    /// The caller, by rows that hold [`places`](Self::places).
    ///
    /// # Errors
    /// [`Failure::SessionEnded`].
    pub fn caller(&self, rows: &Rows, now: Timestamp) -> Result<Caller, Failure> {
        let user = rows.get(&self.user_key())?.ok_or(Failure::SessionEnded)?.user;
        let session = rows.get(&self.session_key())?.ok_or(Failure::SessionEnded)?;
        let is_live = session.is_live(&user, now)
            && session.generation == self.generation.number
            && user.status == Status::Active;
        if is_live { Ok(Caller { user, session_id: self.session_id.clone() }) } else { Err(Failure::SessionEnded) }
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

    /// As [`colleague_key`](Self::colleague_key), of whom a body names. A malformed id names nobody.
    pub fn named_key(&self, name: &str) -> Option<Key<UserItem>> {
        UserId::parse(name).ok().map(|id| self.colleague_key(&id))
    }
}

impl Caller {
    /// Makes `change` rest on the caller's authority and session, as they were read. The target's own condition stands
    /// for the authority of somebody who changes themselves.
    pub fn vouch(&self, change: &mut Change<'_>, target: Option<&User>) {
        if target.is_none_or(|target| target.id != self.user.id) {
            change.check_actor(&self.user);
        }
        change.check_session(&self.user.id, &self.session_id);
    }

    /// Makes `change` end the caller's own session, on the caller's authority.
    pub fn sign_out(&self, change: &mut Change<'_>) {
        change.check_actor(&self.user);
        change.end_standing_session(&self.user.id, &self.session_id);
    }
}

/// When a session begins and ends by itself.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Its beginning.
    pub from: Timestamp,
    /// How long it lives when nobody ends it.
    pub lifetime: Duration,
}

/// Adds the row of the session that `tokens` stand for.
pub fn begin(change: &mut Change<'_>, user: &User, tokens: &Tokens, term: Term, address: &str, user_agent: String) {
    let session = SessionItem {
        generation: user.session_generation,
        created_at: term.from,
        expires_at: term.from.plus(term.lifetime).unix_seconds(),
        address: address.to_owned(),
        user_agent,
    };
    change.add_session(&user.id, &tokens.origin_jti, &session);
}

/// The caller.
///
/// # Errors
/// [`Failure::Unauthenticated`], [`Failure::SessionEnded`], or what kept us from reading.
pub async fn caller(store: &Store, claims: &BTreeMap<String, String>, now: Timestamp) -> Result<Caller, Failure> {
    let claims = Claims::read(claims)?;
    claims.caller(&store.read(&claims.places()).await?, now)
}

/// The caller and a user of the same partner, `None` when there is no such user; in one read.
///
/// # Errors
/// As [`caller`].
pub async fn caller_and_target(
    store: &Store,
    claims: &BTreeMap<String, String>,
    target: Option<&UserId>,
    now: Timestamp,
) -> Result<(Caller, Option<User>), Failure> {
    let claims = Claims::read(claims)?;
    let target = target.map(|id| claims.colleague_key(id));
    let mut places = claims.places().to_vec();
    places.extend(target.iter().map(Key::place));
    let rows = store.read(&places).await?;
    let caller = claims.caller(&rows, now)?;
    let target = target.map(|key| rows.get(&key)).transpose()?.flatten();
    Ok((caller, target.map(|item| item.user)))
}
