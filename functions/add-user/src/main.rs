//! `POST /v1/users`: adds a user, with admin-level access unless given less.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::machine_secret;
use portal::models::{Profile, PublicUser, Role, User, UserId};
use portal::passwords::{Digests, Password};
use portal::policy::{Wish, authorize};
use portal::random;
use portal::session;
use portal::store::{Actor, CredentialItem, Event};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(add_user).await
}

#[derive(Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    user: PublicUser<'a>,
    /// Told this once, when we made it.
    generated_password: Option<&'a str>,
}

async fn add_user(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let now = portal.now();
    let caller = session::caller(portal.store(), request.claims(), now).await?;
    let (profile, password) = parse(&request)?;
    authorize(&caller.user, &Wish::AddUser { role: profile.role, permissions: &profile.permissions })?;

    let generated = if password.is_none() { Some(Password::generate(&random::bytes()?)) } else { None };
    let Some(password) = password.as_ref().or(generated.as_ref()) else { return Err(Failure::bug("no password")) };
    let must_change = profile.must_change_password;
    let actor = &caller.user;
    let user =
        User::new(UserId::new(now, random::bytes()?), actor.partner_id.clone(), profile, now, Some(actor.id.clone()));
    let digests = Digests::new(password, random::bytes()?)?;
    let credential = CredentialItem::new(digests, must_change, now, machine_secret()?);

    let mut change = portal.store().change();
    caller.vouch(&mut change, None);
    change.add_user(&user);
    change.add_credential(&user.id, &credential);
    let event = Event::new("user.added", now, Actor::user(actor), &user, Some(request.address()), request.id())?
        .changing(None, Some(&user));
    change.record(&user.partner_id, &event);
    change.commit().await?;

    let added = Added { user: (&user).into(), generated_password: generated.as_ref().map(Password::expose) };
    Ok(Answer::json(201, &added)?.with_version(user.version).with_location(format!("/v1/users/{}", user.id)))
}

fn parse(request: &Request) -> Result<(Profile, Option<Password>), Failure> {
    let mut body = request.body()?;
    let person = body.person();
    let access = body.access(Some(Role::Admin));
    let must_change: Option<Option<bool>> = body.optional("must_change");
    body.finish((|| {
        let (first_name, last_name, email, password) = person?;
        let (role, permissions) = access?;
        let must_change_password = must_change?.unwrap_or(true);
        Some((Profile { first_name, last_name, email, role, permissions, must_change_password }, password))
    })())
}
