//! `POST /v1/me/reauthentication/passkey/options`: starts to authenticate the caller again with a passkey. The challenge is in
//! the caller's session.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::factors::PasskeyPurpose;
use portal::http::{Answer, Request, Stopped, serve};
use portal::passkeys::RequestOptions;
use portal::random;
use portal::store::{Key, PasskeyStart, SessionItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(start_passkey_reauthentication).await
}

async fn start_passkey_reauthentication(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let (caller, now) = (&call.caller, call.now);
    let party = app.require_passkeys()?;
    let credential = call.own_credential(&credential)?;
    let passkeys = credential.factors.passkeys();
    if passkeys.is_empty() {
        return Err(Failure::NoSuchFactor);
    }

    let start = PasskeyStart::new(PasskeyPurpose::Reauthentication, random::token()?, &credential, now);
    let challenge = start.challenge();
    let after = SessionItem { passkey: Some(start), ..caller.session.clone() };
    if !app.store().change_session(&caller.user.id, &caller.session_id, &caller.session, &after).await? {
        return Err(Failure::SessionEnded);
    }
    Answer::json(200, &RequestOptions::new(party, challenge, passkeys))
}
