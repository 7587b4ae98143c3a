//! `POST /v1/me/factors/totp`: starts to add an authenticator app, or to replace it. The app counts once its first code is
//! confirmed; until then only the caller's session has the token from which the secret is derived.

use std::time::Duration;

use portal::App;
use portal::actions::{Call, NewApp};
use portal::error::Failure;
use portal::factors::TotpSecret;
use portal::http::{Answer, Request, Stopped, serve};
use portal::random;
use portal::session::Claims;
use portal::store::{EnrolmentItem, SessionItem};

/// The time in which the app has to be confirmed.
const ENROLMENT_LIFETIME: Duration = Duration::from_mins(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(start_totp).await
}

async fn start_totp(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let partner = read.item(Claims::partner_key);
    let call = read.send().await?;
    request.no_body()?;
    let (caller, now) = (&call.caller, call.now);
    caller.require_fresh(now)?;

    let token = random::token()?;
    let secret = TotpSecret::derived(&token)?;
    let enrolment = EnrolmentItem { token, until: now.plus(ENROLMENT_LIFETIME).unix_seconds() };
    let after = SessionItem { enrolment: Some(enrolment), ..caller.session.clone() };
    if !app.store().change_session(&caller.user.id, &caller.session_id, &caller.session, &after).await? {
        return Err(Failure::SessionEnded);
    }
    Answer::json(200, &NewApp::new(&secret, &caller.user, &call.partner(&partner)?.name))
}
