//! `DELETE /v1/users/{user_id}`: removes a user, who can be restored for 30 days.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::policy::Action;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), remove_user).await
}

async fn remove_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::RemoveUser { target: &target }).await?;
    request.expects(target.version)?;

    let revocation = actions::remove_user(&call, &target).await?;
    call.revoke(revocation).await?;
    Ok(Answer::no_content())
}
