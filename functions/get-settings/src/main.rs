//! `GET /v1/settings`: the settings of the caller's partner.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::Requirement;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_settings).await
}

#[derive(Serialize)]
struct Settings {
    /// The users who need a second factor.
    second_factor: Requirement,
}

async fn get_settings(app: &App, request: Request) -> Result<Answer, Failure> {
    let call = Call::begin(app, &request)?.send().await?;
    request.no_body()?;
    Answer::json(200, &Settings { second_factor: call.caller.requirement })
}
