//! `POST /v1/me/passkeys/options`: starts to add a passkey. The challenge is in the caller's session until `add-passkey` uses
//! it.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::factors::{MAX_PASSKEYS, PasskeyPurpose};
use portal::http::{Answer, Request, Stopped, serve};
use portal::passkeys::CreationOptions;
use portal::random;
use portal::session::Claims;
use portal::store::{Key, PasskeyStart, SessionItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(start_passkey).await
}

async fn start_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let partner = read.item(Claims::partner_key);
    let credential = read.item(|claims| Key::credential(claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let (caller, now) = (&call.caller, call.now);
    caller.require_fresh(now)?;
    let party = app.require_passkeys()?;
    let credential = call.own_credential(&credential)?;
    let passkeys = credential.factors.passkeys();
    if passkeys.len() >= MAX_PASSKEYS {
        return Err(Failure::PasskeyLimitReached);
    }

    let start = PasskeyStart::new(PasskeyPurpose::Registration, random::token()?, &credential, now);
    let challenge = start.challenge();
    let after = SessionItem { passkey: Some(start), ..caller.session.clone() };
    if !app.store().change_session(&caller.user.id, &caller.session_id, &caller.session, &after).await? {
        return Err(Failure::SessionEnded);
    }
    let partner = call.partner(&partner)?;
    Answer::json(200, &CreationOptions::new(party, challenge, &caller.user, &partner.name, passkeys))
}
