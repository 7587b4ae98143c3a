//! `POST /v1/sessions/challenge`: continues a sign-in whose password was right.
//!
//! An accepted answer uses up its challenge. Every answer is checked against the
//! current items, which also decide the next step.

use portal::App;
use portal::actions::{CHOOSE_PARTNER, Challenge, NEW_PASSWORD, SignIn, SigningIn};
use portal::error::{Failure, FieldError};
use portal::http::{Answer, Fields, FromField, RefreshTokenIn, Request, Stopped, serve};
use portal::mail::MailKind;
use portal::models::{EventAction, PartnerId, PartnerName, Status, Timestamp, UserId};
use portal::passwords::{About, Password};
use portal::session::SignedIn;
use portal::store::{Chosen, Items, Key, Store};
use portal::telemetry;

const WRONG: Failure = Failure::Unauthenticated("The challenge is invalid or has expired.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(count_refused).await
}

/// Counts refused answers for an alarm.
async fn count_refused(app: &App, request: Request) -> Result<Answer, Failure> {
    let result = Box::pin(answer_challenge(app, request)).await;
    if let Err(Failure::Unauthenticated(_)) = &result {
        telemetry::count("ChallengesRefused", 1);
    }
    result
}

async fn answer_challenge(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let kind: Option<Kind> = body.required("challenge");
    let token: Option<String> = body.required("session");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let refresh_token_in = refresh_token_in.map(|wanted| wanted.unwrap_or(RefreshTokenIn::Body));
    let answer = ChallengeAnswer::read(kind, &mut body);
    // Other input errors are reported only to a client that has a challenge.
    let input = body.finish(|| Some((token.clone()?, answer?, refresh_token_in?)));
    let Some(token) = token else { return Err(input.err().unwrap_or(WRONG)) };

    let (now, store) = (app.now(), app.store());
    let open = open(store, &token, now).await?;
    let (_, answer, refresh_token_in) = input?;
    let client = request.client(refresh_token_in);
    let sign_in = SignIn { app, origin: request.origin(), client: &client, now };
    match (open, answer) {
        (Open::Choice { secret, offered }, ChallengeAnswer::Partner(partner)) => {
            match Box::pin(choose_partner(&sign_in, &secret, offered, &partner)).await? {
                Step::Challenged(challenge) => Answer::json(200, &challenge),
                Step::SignedIn(signed_in) => Answer::signed_in(&signed_in, refresh_token_in),
            }
        }
        (Open::NewPassword { secret, signing_in, partner }, ChallengeAnswer::Password(password)) => {
            let signed_in = Box::pin(set_password(&sign_in, &secret, &signing_in, &partner, &password)).await?;
            Answer::signed_in(&signed_in, refresh_token_in)
        }
        // The answer is for another kind of challenge.
        (Open::Choice { .. } | Open::NewPassword { .. }, _) => Err(WRONG),
    }
}

/// The kind of a challenge.
#[derive(Clone, Copy)]
enum Kind {
    ChoosePartner,
    NewPassword,
}

/// The answer to a challenge.
enum ChallengeAnswer {
    Partner(PartnerId),
    Password(Password),
}

impl ChallengeAnswer {
    /// Reads the answer to a challenge of this kind. Without a known kind it
    /// only checks the fields, and returns `None`.
    fn read(kind: Option<Kind>, body: &mut Fields) -> Option<Self> {
        match kind {
            Some(Kind::ChoosePartner) => body.required("partner_id").map(Self::Partner),
            Some(Kind::NewPassword) => body.required("new_password").map(Self::Password),
            None => {
                let _: Option<Option<PartnerId>> = body.optional("partner_id");
                let _: Option<Option<Password>> = body.optional("new_password");
                None
            }
        }
    }
}

impl FromField for Kind {
    fn from_field(name: &str, value: &serde_json::Value) -> Result<Self, FieldError> {
        match value.as_str() {
            Some(CHOOSE_PARTNER) => Ok(Self::ChoosePartner),
            Some(NEW_PASSWORD) => Ok(Self::NewPassword),
            Some(_) => {
                let message = format!("This field must be {CHOOSE_PARTNER} or {NEW_PASSWORD}.");
                Err(FieldError::new(name, "invalid", message))
            }
            None => Err(FieldError::new(name, "wrong_type", "This field must be a string.")),
        }
    }
}

/// A challenge that can be answered, and the items that were read for it.
enum Open {
    Choice { secret: String, offered: Vec<Offered> },
    NewPassword { secret: String, signing_in: Box<SigningIn>, partner: PartnerName },
}

/// A partner that the user can choose.
struct Offered {
    partner_id: PartnerId,
    /// The user at this partner, unless the user can no longer sign in with this challenge.
    signing_in: Option<SigningIn>,
}

/// Reads the challenge that the token names. A token has 256 random bits, so failed attempts are not counted.
async fn open(store: &Store, token: &str, now: Timestamp) -> Result<Open, Failure> {
    let Some((partner, id, secret)) = split(token) else { return open_choice(store, token, now).await };
    let (challenge, partner_key) = (Key::challenge(&id, secret), Key::partner(&partner));
    let mut item_keys = item_keys(&partner, &id);
    item_keys.extend([challenge.item_key(), partner_key.item_key()]);
    let stored = store.read(&item_keys).await?;
    let challenge =
        stored.get(&challenge)?.filter(|challenge| challenge.expires_at > now.unix_seconds()).ok_or(WRONG)?;
    let signing_in =
        unchanged(&stored, &partner, &id, challenge.generation, challenge.credential_version)?.ok_or(WRONG)?;
    if signing_in.credential.is_expired(now) {
        return Err(Failure::InitialPasswordExpired);
    }
    let partner = stored.partner(&partner_key)?.name;
    Ok(Open::NewPassword { secret: secret.to_owned(), signing_in: Box::new(signing_in), partner })
}

async fn open_choice(store: &Store, token: &str, now: Timestamp) -> Result<Open, Failure> {
    let key = Key::choice(token);
    let choice = store.read(&[key.item_key()]).await?.get(&key)?;
    let choice = choice.filter(|choice| choice.expires_at > now.unix_seconds()).ok_or(WRONG)?;
    let item_keys: Vec<_> = choice.users.iter().flat_map(|user| item_keys(&user.partner_id, &user.user_id)).collect();
    let stored = store.read(&item_keys).await?;
    let mut offered = Vec::new();
    for Chosen { partner_id, user_id, generation, credential_version } in choice.users {
        let signing_in = unchanged(&stored, &partner_id, &user_id, generation, credential_version)?;
        offered.push(Offered { partner_id, signing_in });
    }
    Ok(Open::Choice { secret: token.to_owned(), offered })
}

fn item_keys(partner: &PartnerId, id: &UserId) -> Vec<portal::store::ItemKey> {
    vec![Key::user(partner, id).item_key(), Key::credential(id).item_key(), Key::sources(id).item_key()]
}

/// Returns the user, if active, and if the generation and the password are the same as when the challenge was created.
fn unchanged(
    stored: &Items,
    partner: &PartnerId,
    id: &UserId,
    generation: u64,
    credential_version: u64,
) -> Result<Option<SigningIn>, Failure> {
    let (Some(item), Some(credential)) = (stored.get(&Key::user(partner, id))?, stored.get(&Key::credential(id))?)
    else {
        return Ok(None);
    };
    let (user, sources) = (item.user, stored.get(&Key::sources(id))?);
    let is_unchanged = generation == user.session_generation
        && credential_version == credential.version
        && user.status == Status::Active;
    Ok(is_unchanged.then_some(SigningIn { user, credential, sources }))
}

/// Splits `<partner_id>.<user_id>.<secret>`.
fn split(token: &str) -> Option<(PartnerId, UserId, &str)> {
    let (partner, rest) = token.split_once('.')?;
    let (user, secret) = rest.split_once('.')?;
    Some((PartnerId::parse(partner).ok()?, UserId::parse(user).ok()?, secret))
}

/// The next step of a sign-in whose partner was chosen.
enum Step {
    Challenged(Challenge),
    SignedIn(Box<SignedIn>),
}

async fn choose_partner(
    sign_in: &SignIn<'_>,
    secret: &str,
    offered: Vec<Offered>,
    partner: &PartnerId,
) -> Result<Step, Failure> {
    let chosen = offered.into_iter().find(|one| one.partner_id == *partner);
    let chosen = chosen
        .ok_or_else(|| Failure::field("partner_id", "not_offered", "The challenge does not offer this partner."))?;
    let signing_in = chosen.signing_in.ok_or(WRONG)?;
    let SigningIn { user, credential, .. } = &signing_in;
    if credential.is_expired(sign_in.now) {
        return Err(Failure::InitialPasswordExpired);
    }
    let mut transaction = sign_in.app.store().transaction();
    transaction.use_choice(secret);
    if credential.must_change {
        let challenge = sign_in.ask_for_new_password(&mut transaction, &signing_in)?;
        transaction.commit().await?;
        return Ok(Step::Challenged(challenge));
    }
    let issued = sign_in.issue(&signing_in).await?;
    let event = sign_in.note(&mut transaction, &signing_in)?;
    let after = user.signed_in(sign_in.now);
    let signed_in = sign_in.commit(transaction, issued, &signing_in, &event, after, credential.changed_at).await?;
    Ok(Step::SignedIn(Box::new(signed_in)))
}

async fn set_password(
    sign_in: &SignIn<'_>,
    secret: &str,
    signing_in: &SigningIn,
    partner: &PartnerName,
    password: &Password,
) -> Result<SignedIn, Failure> {
    let SigningIn { user: before, credential, .. } = signing_in;
    let about = About::of(before, partner);
    let digests = match password.check_strength(&about) {
        Ok(()) => credential.digests.change_to(password)?,
        Err(rejection) => Err(rejection),
    };
    let digests = digests
        .map_err(|rejection| Failure::PasswordRejected(vec![FieldError::password("new_password", rejection)]))?;

    let now = sign_in.now;
    let after = before.changed(now).signed_in(now).with_new_password(false, now);
    let changed = credential.changed(digests, false, now);
    let issued = sign_in.issue(signing_in).await?;
    let mut transaction = sign_in.app.store().transaction();
    transaction.use_challenge(&before.id, secret);
    transaction.change_user(before, &after);
    transaction.change_credential(&before.id, credential, &changed);
    let event = sign_in.event(EventAction::PasswordChanged, before)?.changing(Some(before), Some(&after));
    transaction.record(&before.partner_id, &event);
    sign_in.notify(&mut transaction, MailKind::PasswordChanged, before, &event)?;
    let started = sign_in.event(EventAction::SessionStarted, before)?.sorted_last()?;
    sign_in.record(&mut transaction, before, &started)?;
    sign_in.commit(transaction, issued, signing_in, &started, after, changed.changed_at).await
}
