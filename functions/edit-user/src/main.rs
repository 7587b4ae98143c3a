//! `PATCH /v1/users/{user_id}`: changes a user's name or email.

use portal::Portal;
use portal::actions::Context;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Email, EventAction, PersonName, User};
use portal::policy::Wish;
use portal::session;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), edit_user).await
}

struct Input {
    first_name: Option<PersonName>,
    last_name: Option<PersonName>,
    email: Option<Email>,
}

async fn edit_user(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let now = portal.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(portal.store(), request.claims(), id.as_ref(), now).await?;
    let input = parse(&request)?;
    let target = target.ok_or(Failure::NotFound)?;
    let changes_email = input.email.as_ref().is_some_and(|email| *email != target.email);
    let context = Context { portal, request: &request, caller: &caller, now };
    context.authorize(&Wish::EditUser { target: &target, email: changes_email }).await?;
    request.expects(target.version)?;
    if input.first_name.is_none() && input.last_name.is_none() && input.email.is_none() {
        return Answer::user(&target);
    }

    let after = User {
        first_name: input.first_name.unwrap_or_else(|| target.first_name.clone()),
        last_name: input.last_name.unwrap_or_else(|| target.last_name.clone()),
        email: input.email.unwrap_or_else(|| target.email.clone()),
        ..target.changed(now)
    };
    let mut change = portal.store().change();
    caller.vouch(&mut change, Some(&target));
    change.change_user(&target, &after);
    let event = context.event(EventAction::UserEdited, &target)?.changing(Some(&target), Some(&after));
    change.record(&target.partner_id, &event);
    change.commit().await?;
    Answer::user(&after)
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let (first_name, last_name, email) = (body.given("first_name"), body.given("last_name"), body.given("email"));
    body.finish((|| Some(Input { first_name: first_name?, last_name: last_name?, email: email? }))())
}
