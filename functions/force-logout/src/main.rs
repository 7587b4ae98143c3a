//! `POST /v1/users/{user_id}/force-logout`: ends every session of a user immediately.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::Timestamp;
use portal::policy::Action;
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
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::ForceLogout { target: &target }).await?;
    request.expects(target.version)?;

    let (_, revocation) = actions::force_logout(&call, &target).await?;
    call.revoke(revocation).await?;
    Answer::json(200, &SignedOut { signed_out_at: call.now })
}
