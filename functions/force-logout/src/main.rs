//! `POST /v1/users/{user_id}/force-logout`: ends every session of a user, now.

use portal::App;
use portal::actions::{self, Context};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::Timestamp;
use portal::policy::Action;
use portal::session;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), force_logout).await
}

#[derive(Serialize)]
struct SignedOut {
    signed_out_at: Timestamp,
}

async fn force_logout(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(app.store(), request.claims(), id.as_ref(), now).await?;
    request.no_body()?;
    let target = target.ok_or(Failure::NotFound)?;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::ForceLogout { target: &target }).await?;
    request.expects(target.version)?;

    let (_, ended) = actions::force_logout(&context, &target).await?;
    context.end([ended]).await?;
    Answer::json(200, &SignedOut { signed_out_at: now })
}
