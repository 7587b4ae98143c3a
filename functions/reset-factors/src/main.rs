//! `DELETE /v1/users/{user_id}/factors`: removes the second factors of a user who has lost them, and ends every session of
//! the user.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::factors::Factors;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::mail::MailKind;
use portal::models::{EventAction, SecondFactor};
use portal::policy::Action;
use portal::store::Key;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), reset_factors).await
}

async fn reset_factors(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = request.user_id().map(|id| read.item(|_| Key::credential(&id)));
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::ResetFactors { target: &target }).await?;
    call.caller.require_fresh(call.now)?;
    request.expects(target.version)?;
    let credential = credential.map(|key| call.get(&key)).transpose()?.flatten();
    let credential = credential.ok_or_else(|| Failure::bug("a user without a credential"))?;
    if credential.factors.is_empty() {
        return Ok(Answer::no_content());
    }

    let after = target.signed_out(call.now).with_second_factor(SecondFactor::None);
    let mut transaction = call.transaction();
    transaction.change_credential(&target.id, &credential, &credential.with_factors(Factors::default()));
    let event = call.event(EventAction::SecondFactorReset, &target)?.changing(Some(&target), Some(&after));
    call.notify(&mut transaction, MailKind::SecondFactorReset, &target, &event)?;
    let revocation = call.commit(transaction, &target, Some(&after), &[event]).await?;
    call.revoke(revocation).await?;
    Ok(Answer::no_content())
}
