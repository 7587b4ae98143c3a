//! `DELETE /v1/me/passkeys/{passkey_id}`: removes one of the caller's passkeys, and all other sessions. A last factor that
//! the partner requires can only be replaced.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(remove_passkey).await
}

async fn remove_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    call.caller.require_fresh(call.now)?;
    let credential = call.own_credential(&credential)?;
    let id = request.path_parameter("passkey_id").unwrap_or_default();
    if credential.factors.passkey(&id).is_none() {
        return Err(Failure::NoSuchFactor);
    }
    let factors = credential.factors.without_passkey(&id);
    call.remove_factor(&credential, factors, &changes).await?;
    Ok(Answer::no_content())
}
