//! `GET /v1/me/factors`: the second factors of the caller, without anything secret.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{SecondFactor, Timestamp};
use portal::passkeys::PublicPasskey;
use portal::store::Key;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_factors).await
}

#[derive(Serialize)]
struct Own<'a> {
    second_factor: SecondFactor,
    /// Whether the partner requires a second factor of this user.
    is_required: bool,
    totp: Option<Authenticator>,
    recovery_codes_left: usize,
    passkeys: Vec<PublicPasskey<'a>>,
}

#[derive(Serialize)]
struct Authenticator {
    added_at: Timestamp,
}

async fn get_factors(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let credential = call.own_credential(&credential)?;
    let factors = &credential.factors;
    let own = Own {
        second_factor: factors.kind(),
        is_required: call.caller.is_factor_required(),
        totp: factors.app().map(|app| Authenticator { added_at: app.added_at }),
        recovery_codes_left: factors.recovery_codes_left(),
        passkeys: factors.passkeys().iter().map(PublicPasskey::from).collect(),
    };
    Answer::json(200, &own)
}
