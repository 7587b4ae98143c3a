//! `PUT /v1/users/{user_id}/status`: suspends or reactivates a user.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Note, Status};
use portal::policy::Action;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_status).await
}

async fn set_status(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    let mut body = request.body()?;
    let status: Option<Status> = body.required("status");
    let reason: Option<Option<Note>> = body.optional("reason");
    let (status, reason) = body.finish(|| Some((status?, reason?)))?;
    let target = call.target(&target)?;
    call.authorize(&Action::SetStatus { target: &target }).await?;
    if status == target.status && reason.is_none() {
        call.authorize_unchanged(&target)?;
    }
    request.expects(target.version)?;

    let (after, revocation) = actions::set_status(&call, &target, status, reason.as_ref()).await?;
    call.revoke(revocation).await?;
    Answer::user(&after)
}
