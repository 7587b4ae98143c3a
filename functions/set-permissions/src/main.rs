//! `PUT /v1/users/{user_id}/permissions`: sets a user's role and permissions.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::policy::Action;
use portal::review::Access;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_permissions).await
}

async fn set_permissions(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    let mut body = request.body()?;
    let access = body.access(None);
    let (role, permissions) = body.finish(|| access)?;
    let target = call.target(&target)?;
    call.authorize(&Action::SetPermissions { target: &target, role, permissions: &permissions }).await?;
    let access = Access { role, permissions };
    if access == Access::of(&target) {
        call.authorize_unchanged(&target)?;
    } else {
        call.caller.require_fresh(call.now)?;
    }
    request.expects(target.version)?;

    let after = actions::set_permissions(&call, &target, access).await?;
    Answer::user(&after)
}
