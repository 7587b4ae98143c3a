//! `GET /v1/users/{user_id}`: one user.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::policy::Action;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_user).await
}

async fn get_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::GetUser { target: &target }).await?;
    Answer::user(&target)
}
