//! `POST /v1/removed-users/{user_id}/restore`: restores a removed user, with a first password or with an invitation to
//! choose one.

use portal::App;
use portal::actions::{self, Call};
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{PartnerName, Permissions, Role, Status, User};
use portal::passwords::{About, Password};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::RemovedItem;
use serde::Deserialize;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(restore_user).await
}

async fn restore_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let id = request.user_id();
    let removed = id.as_ref().map(|id| read.item(|claims| claims.removed_key(id)));
    let kept = read.kept(&request);
    let partner = read.item(Claims::partner_key);
    let (call, kept) = read.send_with(kept).await?;
    let password = parse(&request, app.sends_mail())?;
    let asked = json!(["restore", id, password.is_some()]).to_string();
    if let Some(kept) = &kept
        && let Some((first, created)) = app.store().first_created(call.stored(), kept, &asked, call.now)?
    {
        // The removed user no longer exists. The response shows the access that the caller has given.
        let Restored { role, permissions, version } = created.read()?;
        call.authorize(&Action::RestoreUser { role, permissions: &permissions }).await?;
        app.store().check_retry(kept, first, &created, password.as_ref()).await?;
        return Ok(Answer::written(200, created.answer).with_version(version).as_replay());
    }

    let removed: Option<RemovedItem> = removed.map(|key| call.get(&key)).transpose()?.flatten();
    let removed = removed.filter(|removed| removed.is_restorable(call.now)).ok_or(Failure::NotFound)?;
    let User { role, permissions, status, .. } = &removed.user;
    call.authorize(&Action::RestoreUser { role: *role, permissions }).await?;
    match &password {
        Some(password) => check_strength(password, &removed.user, &call.partner(&partner)?.name)?,
        None if *status != Status::Active => return Err(Failure::CannotBeInvited),
        None => {}
    }
    let kept = kept.as_ref().map(|key| (key, asked.as_str()));
    Answer::user(&actions::restore_user(&call, &removed, password.as_ref(), kept).await?)
}

/// The user in a stored response.
#[derive(Deserialize)]
struct Restored {
    role: Role,
    permissions: Permissions,
    version: u64,
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
