//! `GET /v1/removed-users`: the removed users who can be restored, page by page.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{Email, Permissions, PersonName, Role, Status, Timestamp, UserId};
use portal::policy::Action;
use portal::store::{Position, RemovedItem};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&["limit", "cursor"]), list_removed_users).await
}

#[derive(Serialize)]
struct List<'a> {
    items: Vec<Item<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a UserId,
    first_name: &'a PersonName,
    last_name: Option<&'a PersonName>,
    email: &'a Email,
    role: Role,
    permissions: Permissions,
    status: Status,
    removed_at: Timestamp,
    removed_by: &'a UserId,
    restorable_until: Timestamp,
}

impl<'a> From<&'a RemovedItem> for Item<'a> {
    fn from(removed: &'a RemovedItem) -> Self {
        let user = &removed.user;
        Self {
            id: &user.id,
            first_name: &user.first_name,
            last_name: user.last_name.as_ref(),
            email: &user.email,
            role: user.role,
            permissions: user.permissions,
            status: user.status,
            removed_at: removed.removed_at,
            removed_by: &removed.removed_by,
            restorable_until: removed.restorable_until(),
        }
    }
}

async fn list_removed_users(app: &App, request: Request) -> Result<Answer, Failure> {
    let call = Call::begin(app, &request)?.send().await?;
    request.no_body()?;
    let (limit, cursor) = parse(&request)?;
    call.authorize(&Action::ListRemovedUsers).await?;

    let partner = &call.caller.user.partner_id;
    let list = format!("{partner} removed");
    let position = |cursor: &str| Position::from_cursor(&list, cursor).ok_or_else(Failure::cursor);
    let after = cursor.as_deref().map(position).transpose()?;
    let page = app.store().removed_users(partner, after.as_ref(), limit, call.now).await?;
    let next_cursor = page.next.map(|position| position.to_cursor(&list));
    Answer::json(200, &List { items: page.removed.iter().map(Item::from).collect(), next_cursor })
}

fn parse(request: &Request) -> Result<(usize, Option<String>), Failure> {
    let mut query = request.query();
    let limit = query.limit(Format::Json);
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    query.finish()?;
    Ok((limit, cursor))
}
