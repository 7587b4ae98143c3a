//! `DELETE /v1/sessions/current`: ends the session of the request, and no other.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::EventAction;
use portal::session::RefreshToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_out).await
}

async fn sign_out(app: &App, request: Request) -> Result<Answer, Failure> {
    let call = Call::begin(app, &request)?.send().await?;
    let mut body = request.body_or_empty()?;
    let refresh_token: Option<Option<String>> = body.optional("refresh_token");
    let refresh_token = body.finish(|| refresh_token)?.or_else(|| request.refresh_cookie());

    let (caller, mut transaction) = (&call.caller, call.transaction());
    caller.sign_out(&mut transaction);
    transaction.record(&caller.user.partner_id, &call.event(EventAction::SessionEnded, &caller.user)?);
    transaction.commit().await?;

    // Without the session's item the refresh token is useless already.
    let refresh_token = refresh_token.as_deref().and_then(RefreshToken::parse);
    if let Some(token) = refresh_token.filter(|token| token.session_id() == caller.session_id) {
        app.identity()?.revoke_soon(token.secret()).await;
    }
    Ok(Answer::no_content().without_refresh_cookie())
}
