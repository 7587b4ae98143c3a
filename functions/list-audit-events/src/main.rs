//! `GET /v1/audit-events`: the partner's history, newest first, filtered, page by page.

mod summary;

use std::collections::BTreeMap;

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{EventAction, EventId, Timestamp, UserId};
use portal::policy::Action;
use portal::store::{Actor, Counter, Event, EventFilter, Position, Target};
use serde::Serialize;
use serde_json::Value;
use summary::summary;

const PARAMETERS: [&str; 7] = ["limit", "cursor", "user_id", "actor_id", "action", "from", "to"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&PARAMETERS), list_audit_events).await
}

/// The columns of a CSV response.
const COLUMNS: [&str; 12] = [
    "id",
    "at",
    "action",
    "actor.kind",
    "actor.id",
    "actor.name",
    "target.id",
    "target.name",
    "address",
    "before",
    "after",
    "summary",
];

#[derive(Serialize)]
struct List<'a> {
    items: Vec<Item<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a EventId,
    at: Timestamp,
    action: &'a str,
    actor: PublicActor<'a>,
    target: Option<&'a Target>,
    address: Option<&'a str>,
    before: &'a BTreeMap<String, Value>,
    after: &'a BTreeMap<String, Value>,
    summary: String,
}

#[derive(Serialize)]
struct PublicActor<'a> {
    kind: &'a str,
    id: Option<&'a str>,
    name: Option<&'a str>,
}

async fn list_audit_events(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let counter = read.counter(|claims| Counter::expensive_reads(claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let input = parse(&request)?;
    call.authorize(&Action::ListAuditEvents).await?;

    let partner = &call.caller.user.partner_id;
    let list = format!("{partner} events {:?}", input.filter);
    let after = input.cursor.map(|cursor| position(&list, &cursor, &input.filter)).transpose()?;
    let events = async { Ok(app.store().events(partner, &input.filter, after.as_ref(), input.limit).await?) };
    let page = call.counted(&counter, Box::pin(events)).await?;
    let next_cursor = page.next.map(|position| position.to_cursor(&list));
    let items: Vec<Item<'_>> = page.events.iter().map(Item::from).collect();
    match request.format() {
        Format::Json => Answer::json(200, &List { items, next_cursor }),
        Format::Csv => Answer::csv("history.csv", &COLUMNS, &items, &request, next_cursor.as_deref()),
    }
}

fn position(list: &str, cursor: &str, filter: &EventFilter) -> Result<Position, Failure> {
    Position::from_cursor(list, cursor).filter(|position| filter.reaches(position)).ok_or_else(Failure::cursor)
}

struct Input {
    limit: usize,
    cursor: Option<String>,
    filter: EventFilter,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    const ID: &str = "This is not the id of a user.";
    let mut query = request.query();
    let limit = query.limit(request.format());
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    let target = query.take("user_id", ID, |text| UserId::parse(text).ok());
    let actor = query.take("actor_id", ID, |text| UserId::parse(text).ok());
    let action = query.take("action", "There is no such action.", |text| EventAction::parse(text).ok());
    let from = query.time("from");
    let to = query.time("to");
    query.finish()?;
    if from.is_some_and(|from| to.is_some_and(|to| to <= from)) {
        return Err(Failure::query("to", "The end must be after the beginning."));
    }
    Ok(Input { limit, cursor, filter: EventFilter { target, actor, action, from, to } })
}

impl<'a> From<&'a Event> for Item<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: &event.id,
            at: event.at,
            action: &event.action,
            actor: match &event.actor {
                Actor::User { id, name } => PublicActor { kind: "user", id: Some(id.as_str()), name: Some(name) },
                Actor::Operator { name } => PublicActor { kind: "operator", id: None, name: name.as_deref() },
                Actor::Anonymous => PublicActor { kind: "anonymous", id: None, name: None },
                Actor::System => PublicActor { kind: "system", id: None, name: None },
                Actor::Other { kind, id, name } => PublicActor { kind, id: id.as_deref(), name: name.as_deref() },
            },
            target: event.target.as_ref(),
            address: event.address.as_deref(),
            before: &event.before,
            after: &event.after,
            summary: summary(event),
        }
    }
}
