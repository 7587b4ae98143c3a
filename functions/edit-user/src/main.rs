//! `PATCH /v1/users/{user_id}`: changes a user's name, email or language.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, LastName, Request, Stopped, serve_with};
use portal::models::{Email, EventAction, Language, PersonName, User};
use portal::policy::Action;
use portal::store::Counter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), edit_user).await
}

struct Input {
    first_name: Option<PersonName>,
    last_name: Option<LastName>,
    email: Option<Email>,
    language: Option<Language>,
}

async fn edit_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let own_id = request.user_id().filter(|id| id == read.claims().user());
    let own_changes = own_id.map(|id| read.counter(|_| Counter::own_changes("EDIT", &id)));
    let target = read.target(request.user_id());
    let call = read.send().await?;
    let input = parse(&request)?;
    let target = call.target(&target)?;
    let email = input.email.unwrap_or_else(|| target.email.clone());
    let edited = User {
        first_name: input.first_name.unwrap_or_else(|| target.first_name.clone()),
        last_name: input.last_name.map_or_else(|| target.last_name.clone(), |LastName(name)| name),
        language: input.language.unwrap_or(target.language),
        ..target.clone()
    };
    let edited = if email == target.email { edited } else { edited.with_email(email) };
    call.authorize(&Action::EditUser { target: &target, email: edited.email != target.email }).await?;
    let is_unchanged = edited == target;
    if is_unchanged {
        call.authorize_unchanged(&target)?;
    }
    request.expects(target.version)?;
    if is_unchanged {
        return Answer::user(&target);
    }

    let after = edited.changed(call.now);
    let mut transaction = call.transaction();
    if let Some(counter) = &own_changes {
        call.count_own_change(&mut transaction, counter)?;
    }
    let event = call.event(EventAction::UserEdited, &target)?.changing(Some(&target), Some(&after));
    call.notify_of_email(&mut transaction, &target, &after, &event)?;
    // An edit keeps the generation, so Cognito has nothing to revoke.
    let _ = call.commit(transaction, &target, Some(&after), &[event]).await?;
    Answer::user(&after)
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let (first_name, last_name) = (body.given("first_name"), body.given("last_name"));
    let (email, language) = (body.given("email"), body.given("language"));
    body.finish(|| {
        Some(Input { first_name: first_name?, last_name: last_name?, email: email?, language: language? })
    })
}
