//! `POST /v1/sessions`: signs a user in.
//!
//! Every way to fail gives the same answer after the same work: attempts are counted before anything is hashed, and one
//! digest is computed whether or not anybody has the email.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::identity::Generation;
use portal::models::{Email, EventAction, PartnerId, Status, Timestamp, User, UserId};
use portal::passwords::{Attempt, verify_nobody};
use portal::random;
use portal::session;
use portal::store::{
    Actor, ChallengeItem, Counter, CredentialItem, Event, Key, KnownAddressItem, Rows, SessionItem, Store,
};
use serde::Serialize;
use std::time::Duration;

/// How long a challenge can be answered.
const CHALLENGE_LIFETIME: Duration = Duration::from_mins(10);

/// How long an address is remembered from which an email signed in.
const ADDRESS_KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

const WRONG: Failure = Failure::Unauthenticated("The email or the password is wrong.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_in).await
}

struct Input {
    email: Email,
    password: Attempt,
    partner: Option<PartnerId>,
    refresh_token_in: RefreshTokenIn,
}

#[derive(Serialize)]
struct Challenge {
    challenge: &'static str,
    session: String,
}

async fn sign_in(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let input = parse(&request)?;
    let (now, store) = (portal.now(), portal.store());

    let counters = Counters::of(&input.email, request.address());
    let (who, rows) = tokio::try_join!(who(store, &input), counters.read(store, &input.email, request.address()))?;
    let limits = counters.limits(&request, &rows, &input.email, now)?;
    // Whoever it is, or nobody: the same calls and one digest.
    let somebody = who.unwrap_or_else(|| (nobody(), UserId::new(Timestamp::from_unix_millis(0), [0; 10])));
    let (count, found) = tokio::join!(count(store, limits, &rows, now), load(store, &somebody));
    count?;

    let found = found?;
    let is_right = match &found {
        Some(found) => found.credential.digests.verify(&input.password)?,
        None => verify_nobody(&input.password).map(|()| false)?,
    };
    let Some(found) = found.filter(|found| is_right && found.user.status == Status::Active) else { return Err(WRONG) };
    if found.credential.is_expired(now) {
        return Err(Failure::InitialPasswordExpired);
    }
    if found.credential.must_change {
        return challenge(store, &found, &counters.pair, now).await;
    }
    open_session(portal, &request, &input, &found, &counters.pair, now).await
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let email = body.required("email");
    let password = body.required("password");
    let partner: Option<Option<String>> = body.optional("partner_id");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let input =
        body.finish((|| Some((email?, password?, partner?, refresh_token_in?.unwrap_or(RefreshTokenIn::Body))))())?;
    let (email, password, partner, refresh_token_in) = input;
    if refresh_token_in == RefreshTokenIn::Cookie && request.is_cross_origin() {
        return Err(Failure::Unauthenticated("A page of another origin cannot sign in with a cookie."));
    }
    // A malformed id is a partner that nobody has: the same answer, after the same work.
    let partner = partner.map(|id| PartnerId::parse(&id).unwrap_or_else(|_| nobody()));
    Ok(Input { email, password, partner, refresh_token_in })
}

/// The id of no partner: they are named by the time when they were made.
fn nobody() -> PartnerId {
    PartnerId::new(Timestamp::from_unix_millis(0), [0; 10])
}

/// The one user that this can be: of the partner that is named, or of the only partner that the email serves.
async fn who(store: &Store, input: &Input) -> Result<Option<(PartnerId, UserId)>, Failure> {
    let entry = if let Some(partner) = &input.partner {
        let key = Key::email(&input.email, partner);
        store.read(&[key.place()]).await?.get(&key)?
    } else {
        let mut entries = store.users_with_email(&input.email, 2).await?;
        entries.pop().filter(|_| entries.is_empty())
    };
    Ok(entry.map(|entry| (entry.partner_id, entry.user_id)))
}

struct Counters {
    pair: Counter,
    address: Counter,
    email: Counter,
}

impl Counters {
    fn of(email: &Email, address: &str) -> Self {
        Self { pair: Counter::pair(email, address), address: Counter::address(address), email: Counter::email(email) }
    }

    async fn read(&self, store: &Store, email: &Email, address: &str) -> Result<Rows, Failure> {
        let known = Key::known_address(email, address);
        let counters = [&self.pair, &self.address, &self.email].map(|counter| counter.place().clone());
        Ok(store.read(&[&counters[..], &[known.place()]].concat()).await?)
    }

    /// The counters that count, when none of them blocks. An address from which this email has signed in is spared the
    /// limit per email, so that nobody can be locked out from outside.
    ///
    /// A request that is decided anew has been counted.
    fn limits(&self, request: &Request, rows: &Rows, email: &Email, now: Timestamp) -> Result<Limits<'_>, Failure> {
        if request.is_decided_anew() {
            return Ok([None; 3]);
        }
        let known = rows.get(&Key::known_address(email, request.address()))?;
        let is_known = known.is_some_and(|known| known.expires_at > now.unix_seconds());
        let limits = [Some(&self.pair), Some(&self.address), (!is_known).then_some(&self.email)];
        for counter in limits.into_iter().flatten() {
            if let Some(seconds) = counter.blocked(rows, now)? {
                return Err(Failure::TooManyRequests(seconds));
            }
        }
        Ok(limits)
    }
}

/// Per pair, per address, per email.
type Limits<'a> = [Option<&'a Counter>; 3];

async fn count(store: &Store, limits: Limits<'_>, rows: &Rows, now: Timestamp) -> Result<(), Failure> {
    let count = async |counter: Option<&Counter>| match counter {
        Some(counter) => store.count(counter, rows, now).await,
        None => Ok(None),
    };
    let [pair, address, email] = limits;
    let (pair, address, email) = tokio::try_join!(count(pair), count(address), count(email))?;
    pair.max(address).max(email).map_or(Ok(()), |seconds| Err(Failure::TooManyRequests(seconds)))
}

struct Found {
    user: User,
    credential: CredentialItem,
    sessions: Vec<(String, SessionItem)>,
}

async fn load(store: &Store, (partner, id): &(PartnerId, UserId)) -> Result<Option<Found>, Failure> {
    let (user, credential) = (Key::user(partner, id), Key::credential(id));
    let places = [user.place(), credential.place()];
    let (rows, sessions) = tokio::try_join!(store.read(&places), store.sessions_of(id))?;
    Ok(match (rows.get(&user)?, rows.get(&credential)?) {
        (Some(item), Some(credential)) => Some(Found { user: item.user, credential, sessions }),
        (Some(_), None) | (None, _) => None,
    })
}

/// The password is right but has to be changed first.
async fn challenge(store: &Store, found: &Found, pair: &Counter, now: Timestamp) -> Result<Answer, Failure> {
    let secret = random::token()?;
    let challenge = ChallengeItem {
        generation: found.user.session_generation,
        credential_version: found.credential.version,
        expires_at: now.plus(CHALLENGE_LIFETIME).unix_seconds(),
    };
    let mut change = store.change();
    change.add_challenge(&found.user.id, &secret, &challenge);
    change.clear_counter(pair);
    change.commit().await?;
    let session = format!("{}.{}.{secret}", found.user.partner_id, found.user.id);
    Answer::json(200, &Challenge { challenge: "new_password_required", session })
}

async fn open_session(
    portal: &Portal,
    request: &Request,
    input: &Input,
    found: &Found,
    pair: &Counter,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let Found { user, credential, sessions } = found;
    let term = session::Term { from: now, lifetime: portal.session_lifetime()? };
    let tokens = portal.identity()?.issue(&Generation::of(user), &credential.machine_secret).await?;

    let mut change = portal.store().change();
    change.note_sign_in(user, now);
    if credential.digests.is_outdated() {
        let renewed = credential.renewed(credential.digests.renewed(&input.password, random::bytes()?)?);
        change.change_credential(&user.id, credential, &renewed);
    } else {
        change.check_credential(&user.id, credential.version);
    }
    session::begin(&mut change, user, &tokens, term, request.address(), request.user_agent());
    for (id, _) in oldest(sessions, now) {
        change.end_session(&user.id, id);
    }
    change.clear_counter(pair);
    let known = KnownAddressItem { expires_at: now.plus(ADDRESS_KNOWN_FOR).unix_seconds() };
    change.know_address(&input.email, request.address(), &known);
    let event =
        Event::new(EventAction::SessionStarted, now, Actor::user(user), user, Some(request.address()), request.id())?;
    change.record(&user.partner_id, &event);
    change.commit().await?;

    Answer::signed_in(&user.signed_in(now), &tokens, input.refresh_token_in, term.lifetime)
}

/// The sessions that have to go for one more.
fn oldest(sessions: &[(String, SessionItem)], now: Timestamp) -> Vec<&(String, SessionItem)> {
    let mut live: Vec<_> = sessions.iter().filter(|(_, session)| session.expires_at > now.unix_seconds()).collect();
    live.sort_by_key(|(_, session)| session.created_at);
    live.truncate((live.len() + 1).saturating_sub(session::MOST));
    live
}
