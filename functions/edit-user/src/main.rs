//! `PATCH /v1/users/{user_id}`: changes a user's name or email.

use portal::App;
use portal::actions::Context;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Email, EventAction, PersonName, User};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::{Counter, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), edit_user).await
}

struct Input {
    first_name: Option<PersonName>,
    last_name: Option<PersonName>,
    email: Option<Email>,
}

async fn edit_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let claims = Claims::read(request.claims())?;
    let id = request.user_id();
    let key = id.as_ref().map(|id| claims.colleague_key(id));
    let own = id.filter(|id| id == claims.user()).map(|id| Counter::own_changes("EDIT", &id));
    let mut item_keys = claims.item_keys().to_vec();
    item_keys.extend(key.iter().map(Key::item_key));
    item_keys.extend(own.iter().map(|counter| counter.item_key().clone()));
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, now)?;
    let input = parse(&request)?;
    let target = key.map(|key| stored.get(&key)).transpose()?.flatten().ok_or(Failure::NotFound)?.user;
    let edited = User {
        first_name: input.first_name.unwrap_or_else(|| target.first_name.clone()),
        last_name: input.last_name.unwrap_or_else(|| target.last_name.clone()),
        email: input.email.unwrap_or_else(|| target.email.clone()),
        ..target.clone()
    };
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::EditUser { target: &target, email: edited.email != target.email }).await?;
    let is_unchanged = edited == target;
    if is_unchanged {
        context.authorize_unchanged(&target)?;
    }
    request.expects(target.version)?;
    if is_unchanged {
        return Answer::user(&target);
    }

    let after = edited.changed(now);
    let mut transaction = app.store().transaction();
    if let Some(counter) = &own {
        context.count_own_change(&mut transaction, counter, &stored)?;
    }
    caller.require_caller(&mut transaction, Some(&target));
    transaction.change_user(&target, &after);
    let event = context.event(EventAction::UserEdited, &target)?.changing(Some(&target), Some(&after));
    transaction.record(&target.partner_id, &event);
    transaction.commit().await?;
    Answer::user(&after)
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let (first_name, last_name, email) = (body.given("first_name"), body.given("last_name"), body.given("email"));
    body.finish((|| Some(Input { first_name: first_name?, last_name: last_name?, email: email? }))())
}
