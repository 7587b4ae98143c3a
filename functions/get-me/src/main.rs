//! `GET /v1/me`: the caller.

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_me).await
}

async fn get_me(app: &App, request: Request) -> Result<Answer, Failure> {
    let caller = session::caller(app.store(), request.claims(), app.now()).await?;
    request.no_body()?;
    Answer::user(&caller.user)
}
