//! `POST /v1/sessions/refresh`: issues a new access token for a live session.
//!
//! The session's item is checked before Cognito is called, so an invalid token costs
//! one read and does not affect other clients.

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::claims_of;
use portal::session::{Claims, RefreshToken};
use portal::telemetry;
use serde::Serialize;

const WRONG: Failure = Failure::Unauthenticated("This refresh token is not valid.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(count_refused).await
}

/// Counts refused tokens for an alarm.
async fn count_refused(app: &App, request: Request) -> Result<Answer, Failure> {
    let result = refresh_session(app, request).await;
    if let Err(Failure::Unauthenticated(_)) = &result {
        telemetry::count("RefreshesRefused", 1);
    }
    result
}

#[derive(Serialize)]
struct Refreshed<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i32,
}

async fn refresh_session(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body_or_empty()?;
    let refresh_token: Option<Option<String>> = body.optional("refresh_token");
    let refresh_token = body.finish(|| refresh_token)?.or_else(|| request.refresh_cookie()).ok_or(WRONG)?;

    let token = RefreshToken::parse(&refresh_token).ok_or(WRONG)?;
    let (now, stored) = (app.now(), app.store().read(&token.item_keys()).await?);
    token.check(&stored, now)?;
    let refreshed = app.identity()?.refresh(token.secret()).await?.ok_or(WRONG)?;
    // Checks that the new access token belongs to the session that was read.
    Claims::read(&claims_of(&refreshed.access_token).unwrap_or_default())?.caller(&stored, now)?;
    Answer::json(
        200,
        &Refreshed { access_token: &refreshed.access_token, token_type: "Bearer", expires_in: refreshed.expires_in },
    )
}
