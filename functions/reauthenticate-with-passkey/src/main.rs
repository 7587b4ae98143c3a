//! `POST /v1/me/reauthentication/passkey`: authenticates the caller again with a passkey, which makes the session fresh for
//! 15 minutes.

use portal::App;
use portal::actions::{Call, record_refused_factor};
use portal::error::Failure;
use portal::factors::PasskeyPurpose;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::UsedFactor;
use portal::passkeys::PasskeyAnswer;
use portal::store::{Actor, Key, SessionItem};
use portal_webauthn::{Rejected, verify_use};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(reauthenticate_with_passkey).await
}

async fn reauthenticate_with_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let (call, answer) = read.send_with(parse(&request)).await?;
    let (caller, now) = (&call.caller, call.now);
    let party = app.require_passkeys()?;
    let credential = call.own_credential(&credential)?;
    let start = caller.session.passkey.as_ref();
    let challenge = start.and_then(|start| start.open(PasskeyPurpose::Reauthentication, &credential, now));
    let challenge = challenge.ok_or_else(|| {
        Failure::field("credential", "not_started", "No passkey was asked for, or the time is over. Start again.")
    })?;
    let user = &caller.user;
    let passkey = credential.factors.passkey(answer.passkey_id()).filter(|_| !answer.is_of_another(user));
    let verified =
        passkey.ok_or(Rejected).and_then(|passkey| Ok((passkey, verify_use(party, challenge, passkey, &answer)?)));
    let (passkey, verified) = match verified {
        Ok(verified) => verified,
        Err(rejected) => {
            record_refused_factor(app, call.origin, now, user, Actor::user(user)).await;
            return Err(rejected.into());
        }
    };

    let session = SessionItem { passkey: None, ..caller.session.reauthenticated(Some(UsedFactor::Passkey), now) };
    let factors = credential.factors.with_used_passkey(&passkey.id, verified.counter, verified.synced, now);
    let mut transaction = call.transaction();
    caller.change_session(&mut transaction, &session, None);
    // The version of the credential is a condition, so of two answers to one challenge one is accepted.
    transaction.change_credential(&user.id, &credential, &credential.with_used_factor(factors));
    transaction.commit().await?;
    Ok(Answer::no_content())
}

fn parse(request: &Request) -> Result<PasskeyAnswer, Failure> {
    let mut body = request.body()?;
    let credential = body.required("credential");
    body.finish(|| credential)
}
