//! `DELETE /v1/users/{user_id}/sessions/{session_id}`: signs a user out in one place.

use portal::App;
use portal::actions::Context;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::EventAction;
use portal::policy::Action;
use portal::session::Claims;
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(end_session).await
}

async fn end_session(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let claims = Claims::read(request.claims())?;
    let target = request.user_id().map(|id| (claims.colleague_key(&id), id));
    let session = target.as_ref().zip(request.session_id()).map(|((_, user), id)| (Key::session(user, &id), id));
    let mut item_keys = claims.item_keys().to_vec();
    item_keys.extend(target.iter().map(|(key, _)| key.item_key()));
    item_keys.extend(session.iter().map(|(key, _)| key.item_key()));
    let own = Counter::own_changes("SESSION", claims.user());
    item_keys.push(own.item_key().clone());
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, now)?;
    request.no_body()?;
    let (key, _) = target.ok_or(Failure::NotFound)?;
    let target = stored.get(&key)?.ok_or(Failure::NotFound)?.user;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::EndSession { target: &target }).await?;
    let (key, session_id) = session.ok_or(Failure::NoSuchSession)?;
    let session = stored.get(&key)?.filter(|session| session.is_live(&target, now)).ok_or(Failure::NoSuchSession)?;

    let mut transaction = app.store().transaction();
    if target.id == caller.user.id && session_id == caller.session_id {
        caller.sign_out(&mut transaction);
    } else {
        caller.require_caller(&mut transaction, None);
        if target.id == caller.user.id {
            context.count_own_change(&mut transaction, &own, &stored)?;
        } else {
            transaction.check_target(&target);
        }
        transaction.end_standing_session(&target.id, &session_id);
    }
    let event = context.event(EventAction::SessionEnded, &target)?.ending(&session);
    transaction.record(&target.partner_id, &event);
    transaction.commit().await?;
    // Its refresh token needs no end of its own: a refresh counts only while the row stands.
    Ok(Answer::no_content())
}
