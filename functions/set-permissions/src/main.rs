//! `PUT /v1/users/{user_id}/permissions`: sets a user's role and permissions.

use portal::App;
use portal::actions::{self, Context};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::policy::Action;
use portal::review::Access;
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_permissions).await
}

async fn set_permissions(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(app.store(), request.claims(), id.as_ref(), now).await?;
    let mut body = request.body()?;
    let access = body.access(None);
    let (role, permissions) = body.finish(access)?;
    let target = target.ok_or(Failure::NotFound)?;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::SetPermissions { target: &target, role, permissions: &permissions }).await?;
    let access = Access { role, permissions };
    if access == Access::of(&target) {
        context.authorize_unchanged(&target)?;
    }
    request.expects(target.version)?;

    let after = actions::set_permissions(&context, &target, access).await?;
    Answer::user(&after)
}
