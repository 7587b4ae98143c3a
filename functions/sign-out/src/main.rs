//! `DELETE /v1/sessions/current`: signs out here, and only here.

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::EventAction;
use portal::session::{self, RefreshToken};
use portal::store::{Actor, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_out).await
}

async fn sign_out(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let caller = session::caller(app.store(), request.claims(), now).await?;
    let mut body = request.body_or_empty()?;
    let refresh_token: Option<Option<String>> = body.optional("refresh_token");
    let refresh_token = body.finish(refresh_token)?.or_else(|| request.refresh_cookie());

    let user = &caller.user;
    let mut transaction = app.store().transaction();
    caller.sign_out(&mut transaction);
    let event =
        Event::new(EventAction::SessionEnded, now, Actor::user(user), user, Some(request.address()), request.id())?;
    transaction.record(&user.partner_id, &event);
    transaction.commit().await?;

    // The row is gone, so the refresh token is of no use already.
    let refresh_token = refresh_token.as_deref().and_then(RefreshToken::parse);
    if let Some(token) = refresh_token.filter(|token| token.session_id() == caller.session_id) {
        app.identity()?.revoke_soon(token.secret()).await;
    }
    Ok(Answer::no_content().without_refresh_cookie())
}
