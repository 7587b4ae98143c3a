//! `GET /v1/users/{user_id}`: one user.

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::policy::{Action, authorize};
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_user).await
}

async fn get_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(app.store(), request.claims(), id.as_ref(), app.now()).await?;
    request.no_body()?;
    let target = target.ok_or(Failure::NotFound)?;
    authorize(&caller.user, &Action::GetUser { target: &target })?;
    Answer::user(&target)
}
