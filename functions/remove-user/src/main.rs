//! `DELETE /v1/users/{user_id}`: removes a user for good.

use portal::App;
use portal::actions::{self, Context};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::policy::Action;
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), remove_user).await
}

async fn remove_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(app.store(), request.claims(), id.as_ref(), now).await?;
    request.no_body()?;
    let target = target.ok_or(Failure::NotFound)?;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::RemoveUser { target: &target }).await?;
    request.expects(target.version)?;

    let ended = actions::remove_user(&context, &target).await?;
    context.end([ended]).await?;
    Ok(Answer::no_content())
}
