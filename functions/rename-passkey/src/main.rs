//! `PATCH /v1/me/passkeys/{passkey_id}`: gives one of the caller's passkeys another name. Only its user sees the name, so
//! the history does not record it.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::PasskeyName;
use portal::passkeys::PublicPasskey;
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(rename_passkey).await
}

async fn rename_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let (call, name) = read.send_with(parse(&request)).await?;
    let caller = &call.caller;
    caller.require_fresh(call.now)?;
    let credential = call.own_credential(&credential)?;
    let id = request.path_parameter("passkey_id").unwrap_or_default();
    let factors = credential.factors.with_renamed_passkey(&id, &name);
    let passkey = factors.passkey(&id).ok_or(Failure::NoSuchFactor)?;
    if factors != credential.factors {
        let mut transaction = call.transaction();
        call.count_own_change(&mut transaction, &changes)?;
        caller.require_caller(&mut transaction, None);
        // The same factors have another name, so challenges stay valid.
        transaction.change_credential(&caller.user.id, &credential, &credential.with_used_factor(factors.clone()));
        transaction.commit().await?;
    }
    Answer::json(200, &PublicPasskey::from(passkey))
}

fn parse(request: &Request) -> Result<PasskeyName, Failure> {
    let mut body = request.body()?;
    let name = body.required("name");
    body.finish(|| name)
}
