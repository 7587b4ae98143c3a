//! `GET /v1/me`: the caller.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_me).await
}

async fn get_me(app: &App, request: Request) -> Result<Answer, Failure> {
    let call = Call::begin(app, &request)?.send().await?;
    request.no_body()?;
    Answer::user(&call.caller.user)
}
