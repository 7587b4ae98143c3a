//! `POST /v1/me/passkeys`: adds the passkey that an authenticator has made for the options of `start-passkey`.
//!
//! The first second factor comes with recovery codes. The session counts as one that has used a second factor.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::factors::{MAX_PASSKEYS, PasskeyPurpose, RecoveryCodes};
use portal::http::{Answer, Request, Stopped, serve};
use portal::mail::MailKind;
use portal::models::{EventAction, PasskeyName, UsedFactor};
use portal::passkeys::{PasskeyAnswer, PublicPasskey};
use portal::random;
use portal::store::{Counter, Key, SessionItem};
use portal_webauthn::verify_registration;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(add_passkey).await
}

#[derive(Serialize)]
struct Added<'a> {
    passkey: PublicPasskey<'a>,
    /// `None` if the user has recovery codes already.
    recovery_codes: Option<Vec<String>>,
}

async fn add_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let (call, (name, answer)) = read.send_with(parse(&request)).await?;
    let (caller, now) = (&call.caller, call.now);
    caller.require_fresh(now)?;
    let party = app.require_passkeys()?;
    let credential = call.own_credential(&credential)?;
    let known = credential.factors.passkeys();
    if known.len() >= MAX_PASSKEYS {
        return Err(Failure::PasskeyLimitReached);
    }
    let start = caller.session.passkey.as_ref();
    let challenge = start.and_then(|start| start.open(PasskeyPurpose::Registration, &credential, now));
    let challenge = challenge.ok_or_else(|| {
        Failure::field("credential", "not_started", "No passkey is being added, or the time is over. Start again.")
    })?;
    let passkey = verify_registration(party, challenge, known, &answer)?.named(name, now);

    let user = &caller.user;
    let is_first = credential.factors.is_empty();
    let codes = if is_first { Some(RecoveryCodes::generate(&random::bytes()?)) } else { None };
    let mut factors = credential.factors.with_passkey(passkey.clone());
    if let Some(codes) = &codes {
        factors = factors.with_recovery_codes(&user.id, codes);
    }
    let after = user.changed(now).with_second_factor(factors.kind());
    let session = SessionItem { passkey: None, ..caller.session.reauthenticated(Some(UsedFactor::Passkey), now) };
    let mut transaction = call.transaction();
    call.count_own_change(&mut transaction, &changes)?;
    transaction.change_user(user, &after);
    caller.change_session(&mut transaction, &session, Some(user));
    // The version of the credential is a condition, so of two answers to one challenge one is accepted.
    transaction.change_credential(&user.id, &credential, &credential.with_factors(factors));
    let event = call.event(EventAction::SecondFactorAdded, user)?.changing(Some(user), Some(&after));
    transaction.record(&user.partner_id, &event);
    call.notify(&mut transaction, MailKind::SecondFactorAdded, user, &event)?;
    transaction.commit().await?;
    let recovery_codes = codes.as_ref().map(RecoveryCodes::shown);
    Answer::json(201, &Added { passkey: PublicPasskey::from(&passkey), recovery_codes })
}

fn parse(request: &Request) -> Result<(PasskeyName, PasskeyAnswer), Failure> {
    let mut body = request.body()?;
    let (name, credential) = (body.required("name"), body.required("credential"));
    body.finish(|| Some((name?, credential?)))
}
