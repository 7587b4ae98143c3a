//! `POST /v1/me/recovery-codes`: replaces the caller's recovery codes.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::factors::RecoveryCodes;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::EventAction;
use portal::random;
use portal::store::{Counter, Key};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(renew_recovery_codes).await
}

#[derive(Serialize)]
struct Renewed {
    recovery_codes: Vec<String>,
}

async fn renew_recovery_codes(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let caller = &call.caller;
    caller.require_fresh(call.now)?;
    let credential = call.own_credential(&credential)?;
    if credential.factors.is_empty() {
        return Err(Failure::NoSuchFactor);
    }

    let user = &caller.user;
    let codes = RecoveryCodes::generate(&random::bytes()?);
    let factors = credential.factors.with_recovery_codes(&user.id, &codes);
    let mut transaction = call.transaction();
    call.count_own_change(&mut transaction, &changes)?;
    caller.require_caller(&mut transaction, None);
    transaction.change_credential(&user.id, &credential, &credential.with_factors(factors));
    transaction.record(&user.partner_id, &call.event(EventAction::RecoveryCodesRenewed, user)?);
    transaction.commit().await?;
    Answer::json(200, &Renewed { recovery_codes: codes.shown() })
}
