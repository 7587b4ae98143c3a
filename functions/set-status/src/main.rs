//! `PUT /v1/users/{user_id}/status`: suspends a user, or lets a suspended one in again.

use portal::App;
use portal::actions::{self, Context};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Note, Status};
use portal::policy::Action;
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_status).await
}

async fn set_status(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(app.store(), request.claims(), id.as_ref(), now).await?;
    let mut body = request.body()?;
    let status: Option<Status> = body.required("status");
    let reason: Option<Option<Note>> = body.optional("reason");
    let (status, reason) = body.finish((|| Some((status?, reason?)))())?;
    let target = target.ok_or(Failure::NotFound)?;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::SetStatus { target: &target }).await?;
    if status == target.status && reason.is_none() {
        context.authorize_unchanged(&target)?;
    }
    request.expects(target.version)?;

    let (after, ended) = actions::set_status(&context, &target, status, reason.as_ref()).await?;
    context.end(ended).await?;
    Answer::user(&after)
}
