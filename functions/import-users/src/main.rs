//! `POST /v1/users/import?dry_run=&role_if_missing=&invite=`: adds the users in a CSV file.
//!
//! A dry run, which is the default, reports every problem of every row and changes nothing. The
//! import itself adds no user when any row has a problem. A user whose email the partner has already
//! is left unchanged, so a file can be sent again.
//!
//! With an `Idempotency-Key`, a file that is sent again gives new first passwords to the users that it added before, if
//! they have not used the earlier ones. So no password has to be stored for a retry. Invited users get no password, and a
//! retry does not invite them again.

mod adding;
mod input;
mod kept;

use std::collections::BTreeMap;

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, LineError, Request, Stopped, serve_with};
use portal::models::{Email, Permissions, PersonName, Role};
use portal::policy::authorize;
use portal::store::ItemKey;
use serde::Serialize;

use crate::adding::Adding;
use crate::input::{Input, LEAST, Person, counted};
use crate::kept::Kept;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&["dry_run", "role_if_missing", "invite"]).body_bytes(1_048_576), import_users)
        .await
}

#[derive(Serialize)]
struct Preview<'a> {
    dry_run: bool,
    rows: usize,
    users: Vec<Planned<'a>>,
    /// The number of these users for each role.
    roles: BTreeMap<&'static str, usize>,
    ignored_columns: Vec<String>,
    problems: Vec<LineError>,
}

/// A user that would be added. There is none while any row has a problem.
#[derive(Serialize)]
struct Planned<'a> {
    line: u64,
    first_name: &'a PersonName,
    last_name: Option<&'a PersonName>,
    email: &'a Email,
    role: Role,
    permissions: Permissions,
}

async fn import_users(app: &App, request: Request) -> Result<Answer, Failure> {
    let parsed = parse(&request);
    let mut read = Call::begin(app, &request)?;
    let key = read.kept(&request);
    let more: Vec<ItemKey> = parsed.iter().flat_map(|(_, input)| input.item_keys(read.claims())).collect();
    read.items(more);
    let input = key.and_then(|key| Ok((key, parsed?)));
    let (call, (key, (is_dry_run, mut input))) = read.send_with(input).await?;
    if input.is_invited && !app.sends_mail() {
        return Err(Failure::field("invite", "mail_off", "This portal sends no mail."));
    }
    if is_dry_run {
        authorize(&call.caller.user, &LEAST)?;
    } else {
        call.authorize(&LEAST).await?;
    }
    let key = key.filter(|_| !is_dry_run);
    let asked = input.asked();
    let first = match &key {
        Some(key) => app.store().first_import(call.stored(), key, &asked, call.now)?,
        None => None,
    };
    let checked = input.check(&call, first.as_ref().map_or(&[], |(_, first)| &first.added))?;

    if is_dry_run {
        return preview(input, &checked.taken);
    }
    if let Some((person, denied)) = &checked.denied {
        call.record_refusal(&person.action(), *denied).await;
    }
    if !input.faults.is_empty() {
        let faults = input.faults.into_iter().map(LineError::into_field_error);
        return Err(Failure::ValidationFailed(faults.collect()));
    }
    let kept = match key {
        Some(key) => Some(Kept::begin(app.store(), key, first, &asked, call.now).await?),
        None => None,
    };
    Adding::new(call, &request, kept).run(input, &checked.taken).await
}

fn preview(input: Input, taken: &[u64]) -> Result<Answer, Failure> {
    let Input { rows, people, faults: mut problems, ignored, headings, .. } = input;
    let is_at_fault = !problems.is_empty();
    // These are warnings: an existing user is left unchanged.
    let warnings = taken.iter().map(|line| {
        LineError::new(
            *line,
            &headings.email,
            "email_taken",
            "Another user of this partner has this email and is left unchanged.",
        )
    });
    problems.extend(warnings);
    problems.sort_by_key(|problem| problem.line);
    let added = || people.iter().filter(|person| !is_at_fault && !taken.contains(&person.line));
    let users = added().map(|Person { line, profile, .. }| Planned {
        line: *line,
        first_name: &profile.first_name,
        last_name: profile.last_name.as_ref(),
        email: &profile.email,
        role: profile.role,
        permissions: profile.permissions,
    });
    let (users, roles) = (users.collect(), counted(added()));
    Answer::json(200, &Preview { dry_run: true, rows, users, roles, ignored_columns: ignored, problems })
}

fn parse(request: &Request) -> Result<(bool, Input), Failure> {
    let mut query = request.query();
    let is_dry_run = query.take("dry_run", "The value must be true or false.", |text| text.parse().ok());
    let role_if_missing = query.take("role_if_missing", "The role must be admin, manager or viewer.", |text| {
        Role::parse(text).ok().filter(|role| *role != Role::PrimaryAdmin)
    });
    let is_invited = query.take("invite", "The value must be true or false.", |text| text.parse().ok());
    query.finish()?;
    Ok((is_dry_run.unwrap_or(true), Input::read(request, role_if_missing, is_invited.unwrap_or(false))?))
}
