//! `POST /v1/sessions/refresh`: issues a new access token for a live session.
//!
//! The session's item is checked before Cognito is called, so an invalid token costs
//! one read and does not affect other clients. The first refresh on a day without a sign-in
//! records that the user was active.

use std::time::Duration;

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::claims_of;
use portal::models::{Timestamp, User};
use portal::session::{Claims, RefreshToken};
use portal::telemetry;
use serde::Serialize;
use tokio::time::timeout;

/// The time in which the activity must be recorded. The response does not wait longer.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

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
    let caller = Claims::read(&claims_of(&refreshed.access_token).unwrap_or_default())?.caller(&stored, now)?;
    record_activity(app, &request, &caller.user, now).await;
    Answer::json(
        200,
        &Refreshed { access_token: &refreshed.access_token, token_type: "Bearer", expires_in: refreshed.expires_in },
    )
}

/// Records that the user was active. A failure is logged, and does not fail the refresh.
async fn record_activity(app: &App, request: &Request, user: &User, now: Timestamp) {
    let recorded = timeout(RECORD_TIMEOUT, app.store().note_activity(user, now)).await;
    let error = match recorded {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::warn!(request_id = request.id(), error, "could not record the activity of a user; the refresh succeeded");
}
