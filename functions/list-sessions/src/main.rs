//! `GET /v1/users/{user_id}/sessions`: the open sessions of a user, newest first.

use std::cmp::Reverse;

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{Timestamp, browser};
use portal::policy::Action;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(list_sessions).await
}

#[derive(Serialize)]
struct List<'a> {
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    /// The `origin_jti` of the tokens. It grants no access: a token is valid only with its signature.
    id: &'a str,
    created_at: Timestamp,
    expires_at: Timestamp,
    address: &'a str,
    browser: Option<String>,
    is_current: bool,
}

async fn list_sessions(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::ListSessions { target: &target }).await?;

    let mut sessions = app.store().sessions_of(&target.id).await?;
    sessions.retain(|(_, session)| session.is_live(&target, call.now));
    sessions.sort_by_key(|(_, session)| Reverse(session.created_at));
    let items = sessions.iter().map(|(id, session)| Item {
        id,
        created_at: session.created_at,
        expires_at: Timestamp::from_unix_seconds(session.expires_at),
        address: &session.address,
        browser: browser(&session.user_agent),
        is_current: *id == call.caller.session_id,
    });
    Answer::json(200, &List { items: items.collect() })
}
