//! `POST /v1/sessions/challenge`: finishes a sign-in that asks for a new password.

use portal::Portal;
use portal::error::{Failure, FieldError};
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::identity::Generation;
use portal::models::{EventAction, PartnerId, Status, Timestamp, User, UserId};
use portal::passwords::{About, Password};
use portal::session;
use portal::store::{Actor, ChallengeItem, Counter, CredentialItem, Event, Key, Rows, Store};

const WRONG: Failure = Failure::Unauthenticated("This challenge is not open, or no longer.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(answer_challenge).await
}

async fn answer_challenge(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let kind: Option<Kind> = body.required("challenge");
    let session: Option<String> = body.required("session");
    let new_password: Option<Password> = body.required("new_password");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let token = session.clone();
    // Held back: whoever has no challenge learns nothing else.
    let input = body.finish((|| Some((kind?, session?, new_password?, refresh_token_in?)))());
    let Some(token) = token else { return Err(input.err().unwrap_or(WRONG)) };

    let (now, store) = (portal.now(), portal.store());
    let open = open(store, &token, request.address(), now).await?;
    let (_, _, new_password, refresh_token_in) = input?;
    if !request.is_decided_anew()
        && let Some(seconds) = store.count(&open.counter, &open.rows, now).await?
    {
        return Err(Failure::TooManyRequests(seconds));
    }

    let about = About { email: &open.user.email, first_name: &open.user.first_name, last_name: &open.user.last_name };
    let digests = match new_password.check_strength(&about) {
        Ok(()) => open.credential.digests.change_to(&new_password)?,
        Err(rejection) => Err(rejection),
    };
    let digests = digests
        .map_err(|rejection| Failure::PasswordRejected(vec![FieldError::password("new_password", rejection)]))?;

    let before = &open.user;
    let after = before.changed(now).signed_in(now).with_new_password(false, now);
    let credential = open.credential.changed(digests, false, now);
    let term = session::Term { from: now, lifetime: portal.session_lifetime()? };
    let tokens = portal.identity()?.issue(&Generation::of(before), &credential.machine_secret).await?;

    let mut change = store.change();
    change.use_challenge(&before.id, &open.secret);
    change.change_user(before, &after);
    change.change_credential(&before.id, &open.credential, &credential);
    session::begin(&mut change, before, &tokens, term, request.address(), request.user_agent());
    change.clear_counter(&open.counter);
    let event = |action| Event::new(action, now, Actor::user(before), before, Some(request.address()), request.id());
    let changed = event(EventAction::PasswordChanged)?.changing(Some(before), Some(&after));
    change.record(&before.partner_id, &changed);
    change.record(&before.partner_id, &event(EventAction::SessionStarted)?.told_last()?);
    change.commit().await?;

    Answer::signed_in(&after, &tokens, refresh_token_in.unwrap_or(RefreshTokenIn::Body), term.lifetime)
}

/// The only challenge there is.
struct Kind;

impl portal::http::FromField for Kind {
    fn from_field(name: &str, value: &serde_json::Value) -> Result<Self, FieldError> {
        match value.as_str() {
            Some("new_password_required") => Ok(Self),
            Some(_) => Err(FieldError::new(name, "invalid", "This field must be new_password_required.")),
            None => Err(FieldError::new(name, "wrong_type", "This field must be a string.")),
        }
    }
}

/// An open challenge, and whose it is.
struct Open {
    user: User,
    credential: CredentialItem,
    secret: String,
    counter: Counter,
    rows: Rows,
}

async fn open(store: &Store, token: &str, address: &str, now: Timestamp) -> Result<Open, Failure> {
    let unknown = Counter::unknown_challenge(address);
    let Some((partner, id, secret)) = split(token) else {
        let rows = store.read(&[unknown.place().clone()]).await?;
        return Err(refuse(store, &unknown, &rows, now).await);
    };
    let (user, credential, challenge) = (Key::user(&partner, &id), Key::credential(&id), Key::challenge(&id, secret));
    let counter = Counter::challenge(&id);
    let counters = [&counter, &unknown].map(|counter| counter.place().clone());
    let places = [user.place(), credential.place(), challenge.place()];
    let rows = store.read(&[&places[..], &counters[..]].concat()).await?;
    if let Some(seconds) = unknown.blocked(&rows, now)? {
        return Err(Failure::TooManyRequests(seconds));
    }
    if let (Some(user), Some(credential), Some(challenge)) =
        (rows.get(&user)?, rows.get(&credential)?, rows.get(&challenge)?)
        && stands(&challenge, &user.user, &credential, now)
    {
        return Ok(Open { user: user.user, credential, secret: secret.to_owned(), counter, rows });
    }
    Err(refuse(store, &unknown, &rows, now).await)
}

/// Made in the user's present generation, for the present password, and not too long ago.
fn stands(challenge: &ChallengeItem, user: &User, credential: &CredentialItem, now: Timestamp) -> bool {
    challenge.generation == user.session_generation
        && challenge.credential_version == credential.version
        && challenge.expires_at > now.unix_seconds()
        && user.status == Status::Active
        && !credential.is_expired(now)
}

/// Counts the guess.
async fn refuse(store: &Store, unknown: &Counter, rows: &Rows, now: Timestamp) -> Failure {
    match store.count(unknown, rows, now).await {
        Ok(None) => WRONG,
        Ok(Some(seconds)) => Failure::TooManyRequests(seconds),
        Err(error) => error.into(),
    }
}

/// `<partner_id>.<user_id>.<secret>`.
fn split(token: &str) -> Option<(PartnerId, UserId, &str)> {
    let (partner, rest) = token.split_once('.')?;
    let (user, secret) = rest.split_once('.')?;
    Some((PartnerId::parse(partner).ok()?, UserId::parse(user).ok()?, secret))
}
