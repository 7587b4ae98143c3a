//! `POST /v1/email-changes/confirm`: confirms a new email of the caller with the link that was mailed to it.
//!
//! The link alone changes nothing: the request also needs the user's own access token. A request for another email, a
//! forced logout, another password and an admin's change of the email make the link invalid.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::mail::{LinkKind, LinkToken};
use portal::models::EventAction;
use portal::policy::Action;
use portal::store::Key;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(confirm_email_change).await
}

async fn confirm_email_change(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let token = parse(&request);
    let is_own = |token: &LinkToken| token.kind() == LinkKind::EmailChange && token.user() == read.claims().user();
    let token = token.map(|text| LinkToken::parse(&text).ok().filter(is_own));
    let links = token.as_ref().ok().and_then(Option::as_ref).map(|token| read.item(|_| Key::link(token)));
    let call = read.send().await?;
    let (user, now) = (&call.caller.user, call.now);
    call.authorize(&Action::EditUser { target: user, email: true }).await?;
    let (token, links) = token?.zip(links).ok_or(Failure::InvalidLink)?;
    let is_valid = call.get(&links)?.is_some_and(|links| links.expiry(&token, user, now).is_some());
    let email = user.pending_email.as_ref().filter(|_| is_valid).ok_or(Failure::InvalidLink)?;

    let after = user.changed(now).with_email(email.clone());
    let mut transaction = call.transaction();
    transaction.redeem_link(&token);
    let event = call.event(EventAction::UserEdited, user)?.changing(Some(user), Some(&after));
    call.notify_of_email(&mut transaction, user, &after, &event)?;
    // The generation continues, so Cognito has nothing to revoke.
    let _ = call.commit(transaction, user, Some(&after), &[event]).await?;
    Answer::user(&after)
}

fn parse(request: &Request) -> Result<String, Failure> {
    let mut body = request.body()?;
    let token: Option<String> = body.required("token");
    body.finish(|| token)
}
