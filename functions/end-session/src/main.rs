//! `DELETE /v1/users/{user_id}/sessions/{session_id}`: ends one session of a user.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::EventAction;
use portal::policy::Action;
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(end_session).await
}

async fn end_session(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let named = request.user_id().zip(request.session_id());
    let session = named.map(|(user, id)| (read.item(|_| Key::session(&user, &id)), id));
    let own_changes = read.counter(|claims| Counter::own_changes("SESSION", claims.user()));
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::EndSession { target: &target }).await?;
    let (key, session_id) = session.ok_or(Failure::NoSuchSession)?;
    let session = call.get(&key)?.filter(|session| session.is_live(&target, call.now)).ok_or(Failure::NoSuchSession)?;

    let (caller, mut transaction) = (&call.caller, call.transaction());
    if target.id == caller.user.id && session_id == caller.session_id {
        caller.sign_out(&mut transaction);
    } else {
        caller.require_caller(&mut transaction, None);
        if target.id == caller.user.id {
            call.count_own_change(&mut transaction, &own_changes)?;
        } else {
            transaction.check_target(&target);
        }
        transaction.end_standing_session(&target.id, &session_id);
    }
    let event = call.event(EventAction::SessionEnded, &target)?.ending(&session);
    transaction.record(&target.partner_id, &event);
    transaction.commit().await?;
    // The refresh token needs no revocation: a refresh requires the session's item.
    Ok(Answer::no_content())
}
