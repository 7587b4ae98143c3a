//! `POST /v1/users`: adds a user, by default as an admin, with a first password or with an invitation to choose one.

use std::slice;

use portal::App;
use portal::actions::{Call, FirstPassword};
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{Language, PartnerName, Profile, PublicUser, Role, UserId};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::IdempotencyItem;
use serde::Serialize;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(add_user).await
}

async fn add_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let kept = read.kept(&request);
    let partner = read.item(Claims::partner_key);
    let (call, kept) = read.send_with(kept).await?;
    let partner = call.partner(&partner)?.name;
    let Input { profile, language, first } = parse(&request, &partner, app.sends_mail())?;
    call.authorize(&Action::AddUser { role: profile.role, permissions: &profile.permissions }).await?;
    let asked = json!([profile, language, first.kind()]).to_string();
    if let Some(kept) = &kept
        && let Some(first) = app.store().first_answer(call.stored(), kept, &asked, first.given(), call.now).await?
    {
        return Ok(added(Answer::written(201, first.answer), &first.user_id).as_replay());
    }

    let newcomer = call.newcomer(profile, language, first)?;
    let mut transaction = call.adding(slice::from_ref(&newcomer))?;
    let user = &newcomer.user;
    if user.invited_at.is_some() {
        call.count_invitation(&mut transaction, &user.email).await?;
    }
    let answer = Added { user: user.into(), generated_password: newcomer.generated_password() };
    if let Some(kept) = &kept {
        let without_password = Added { generated_password: None, ..answer };
        let item = IdempotencyItem::create(&asked, &user.id, &newcomer.credential, &without_password, call.now)?;
        transaction.keep(kept, &item, call.now);
    }
    transaction.commit().await?;
    Ok(added(Answer::json(201, &answer)?, &user.id))
}

#[derive(Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    user: PublicUser<'a>,
    /// Only in the first response, and only if the portal generated it.
    generated_password: Option<&'a str>,
}

/// Adds the headers of the response. They are the same for a retry: a new user has version 1.
fn added(answer: Answer, id: &UserId) -> Answer {
    answer.with_version(1).with_location(format!("/v1/users/{id}"))
}

struct Input {
    profile: Profile,
    /// By default the caller's.
    language: Option<Language>,
    first: FirstPassword,
}

fn parse(request: &Request, partner: &PartnerName, sends_mail: bool) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let person = body.person_with_password(Some(partner));
    let access = body.access(Some(Role::Admin));
    let must_change: Option<Option<bool>> = body.optional("must_change");
    let language: Option<Option<Language>> = body.optional("language");
    let invite: Option<Option<bool>> = body.optional("invite");
    let is_invited = invite == Some(Some(true));
    if is_invited && !sends_mail {
        body.refuse("invite", "mail_off", "This portal sends no mail.");
    }
    if is_invited && matches!(&person, Some((.., Some(_)))) {
        body.refuse("password", "not_allowed", "An invited user chooses the password.");
    }
    if is_invited && must_change == Some(Some(false)) {
        body.refuse("must_change", "not_allowed", "An invited user chooses the password.");
    }
    body.finish(|| {
        let (first_name, last_name, email, password) = person?;
        let (role, permissions) = access?;
        let must_change_password = must_change?.unwrap_or(true);
        let profile = Profile { first_name, last_name, email, role, permissions, must_change_password };
        let first = match password {
            _ if invite?.unwrap_or(false) => FirstPassword::Invited,
            Some(password) => FirstPassword::Given(password),
            None => FirstPassword::Generated,
        };
        Some(Input { profile, language: language?, first })
    })
}
