//! `PATCH /v1/users/{user_id}`: changes a user's name, email or language.
//!
//! While mail is on, users who change their own email have to confirm the new one with a mailed link. Until then they
//! keep the old one.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, LastName, Request, Stopped, serve_with};
use portal::mail::{LinkKind, MailKind};
use portal::models::{Email, EventAction, Language, PersonName, User};
use portal::policy::Action;
use portal::store::{Counter, OutboxItem, Transaction};

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
    let confirms = app.sends_mail() && target.id == call.caller.user.id;
    let (edited, new_email) = input.edit(&target, confirms);
    let changes_email = new_email.is_some() || edited.email != target.email;
    call.authorize(&Action::EditUser { target: &target, email: changes_email }).await?;
    if changes_email && target.id == call.caller.user.id {
        call.caller.require_fresh(call.now)?;
    }
    // The same new email again gets another link.
    let is_unchanged = edited == target && new_email.is_none();
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
    let action = if new_email.is_some() { EventAction::EmailChangeRequested } else { EventAction::UserEdited };
    let event = call.event(action, &target)?.changing(Some(&target), Some(&after));
    match &new_email {
        Some(email) => {
            ask_for_confirmation(&call, &mut transaction, email).await?;
            transaction.send(&OutboxItem::link(MailKind::EmailChange, &after, &event)?);
        }
        None => call.notify_of_email(&mut transaction, &target, &after, &event)?,
    }
    // An edit keeps the generation, so Cognito has nothing to revoke.
    let _ = call.commit(transaction, &target, Some(&after), &[event]).await?;
    Answer::user(&after)
}

impl Input {
    /// Returns the edited user, and the new email that the user has to confirm, if any.
    fn edit(self, target: &User, confirms: bool) -> (User, Option<Email>) {
        let edited = User {
            first_name: self.first_name.unwrap_or_else(|| target.first_name.clone()),
            last_name: self.last_name.map_or_else(|| target.last_name.clone(), |LastName(name)| name),
            language: self.language.unwrap_or(target.language),
            ..target.clone()
        };
        match self.email {
            None => (edited, None),
            Some(email) if confirms && !email.same_address(&target.email) => {
                (User { pending_email: Some(email.clone()), ..edited }, Some(email))
            }
            // The present email of another user changes nothing. One's own withdraws a request for another.
            Some(email) if email == target.email && !confirms => (edited, None),
            Some(email) => (edited.with_email(email), None),
        }
    }
}

/// Adds what a mail to the caller's new email needs: earlier links become invalid, and the mail is counted as an invitation
/// to this address, because the address can be another person's.
async fn ask_for_confirmation(
    call: &Call<'_>,
    transaction: &mut Transaction<'_>,
    email: &Email,
) -> Result<(), Failure> {
    let user = &call.caller.user;
    let (entry, counter) = (call.claims().email_key(email), Counter::invitations_to(&user.partner_id, email));
    let stored = call.app.store().read(&[entry.item_key(), counter.item_key().clone()]).await?;
    if stored.get(&entry)?.is_some() {
        return Err(Failure::EmailTaken);
    }
    if let Some(seconds) = counter.full(&stored, call.now)? {
        return Err(Failure::TooManyRequests(seconds));
    }
    transaction.count(&counter, &stored, call.now)?;
    transaction.void_links(&user.id, LinkKind::EmailChange);
    Ok(())
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let (first_name, last_name) = (body.given("first_name"), body.given("last_name"));
    let (email, language) = (body.given("email"), body.given("language"));
    body.finish(|| Some(Input { first_name: first_name?, last_name: last_name?, email: email?, language: language? }))
}
