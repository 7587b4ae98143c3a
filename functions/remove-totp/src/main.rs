//! `DELETE /v1/me/factors/totp`: removes the caller's authenticator app, and all other sessions. A factor that the partner
//! requires can only be replaced.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(remove_totp).await
}

async fn remove_totp(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    call.caller.require_fresh(call.now)?;
    let credential = call.own_credential(&credential)?;
    if credential.factors.app().is_none() {
        return Err(Failure::NoSuchFactor);
    }
    let factors = credential.factors.without_app();
    call.remove_factor(&credential, factors, &changes).await?;
    Ok(Answer::no_content())
}
