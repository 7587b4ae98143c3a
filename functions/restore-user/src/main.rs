//! `POST /v1/removed-users/{user_id}/restore`: restores a removed user, with a first password or with an invitation to
//! choose one.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{PartnerName, Status, User};
use portal::passwords::{About, Password};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::RemovedItem;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(restore_user).await
}

async fn restore_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let removed = request.user_id().map(|id| read.item(|claims| claims.removed_key(&id)));
    let partner = read.item(Claims::partner_key);
    let call = read.send().await?;
    let password = parse(&request, app.sends_mail())?;
    let removed: Option<RemovedItem> = removed.map(|key| call.get(&key)).transpose()?.flatten();
    let removed = removed.filter(|removed| removed.is_restorable(call.now)).ok_or(Failure::NotFound)?;
    let User { role, permissions, status, .. } = &removed.user;
    call.authorize(&Action::RestoreUser { role: *role, permissions }).await?;
    match &password {
        Some(password) => check_strength(password, &removed.user, &call.partner(&partner)?.name)?,
        None if *status != Status::Active => return Err(Failure::CannotBeInvited),
        None => {}
    }
    Answer::user(&actions::restore_user(&call, &removed, password.as_ref()).await?)
}

/// Returns the first password, or `None` if the user is invited.
fn parse(request: &Request, sends_mail: bool) -> Result<Option<Password>, Failure> {
    let mut body = request.body()?;
    let password: Option<Option<Password>> = body.optional("password");
    let invite: Option<Option<bool>> = body.optional("invite");
    let is_invited = invite == Some(Some(true));
    if is_invited && !sends_mail {
        body.refuse("invite", "mail_off", "This portal sends no mail.");
    }
    if is_invited && matches!(password, Some(Some(_))) {
        body.refuse("password", "not_allowed", "An invited user chooses the password.");
    }
    if !is_invited && matches!(password, Some(None)) {
        body.refuse("password", "required", "This field is required, unless the user is invited.");
    }
    body.finish(|| password)
}

fn check_strength(password: &Password, user: &User, partner: &PartnerName) -> Result<(), Failure> {
    let checked = password.check_strength(&About::of(user, partner));
    checked.map_err(|rejection| Failure::password("password", rejection))
}
