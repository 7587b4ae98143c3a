//! `POST /v1/sessions/refresh`: a new access token for a session that still stands.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::claims_of;
use portal::session::Claims;
use portal::store::Counter;
use serde::Serialize;

const WRONG: Failure = Failure::Unauthenticated("This refresh token is no good, or no longer.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(refresh_session).await
}

#[derive(Serialize)]
struct Refreshed<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i32,
}

async fn refresh_session(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body_or_empty()?;
    let refresh_token: Option<Option<String>> = body.optional("refresh_token");
    let refresh_token = body.finish(refresh_token)?.or_else(|| request.refresh_cookie()).ok_or(WRONG)?;

    let (now, store) = (portal.now(), portal.store());
    let counter = Counter::refused_refresh(request.address());
    let rows = store.read(&[counter.place().clone()]).await?;
    if let Some(seconds) = counter.blocked(&rows, now)? {
        return Err(Failure::TooManyRequests(seconds));
    }
    let Some(refreshed) = portal.identity()?.refresh(&refresh_token).await? else {
        return Err(store.count(&counter, &rows, now).await?.map_or(WRONG, Failure::TooManyRequests));
    };

    // Cognito does not know our sessions: the rows decide.
    let claims = Claims::read(&claims_of(&refreshed.access_token).unwrap_or_default())?;
    claims.caller(&store.read(&claims.places()).await?, now)?;
    Answer::json(
        200,
        &Refreshed { access_token: &refreshed.access_token, token_type: "Bearer", expires_in: refreshed.expires_in },
    )
}
