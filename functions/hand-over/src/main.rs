//! `POST /v1/primary-admin`: the primary admin makes another admin the primary one, and becomes an admin.
//!
//! Nobody is signed out. Whatever is being decided on what either of them may do is decided anew.

use portal::App;
use portal::actions::Context;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{EventAction, Role, User};
use portal::passwords::SubmittedPassword;
use portal::policy::Action;
use portal::session::Claims;
use portal::store::{Counter, CredentialItem, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), hand_over).await
}

async fn hand_over(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let claims = Claims::read(request.claims())?;
    // Told only to who is signed in.
    let input = parse(&request);
    let target = input.as_ref().ok().and_then(|input| claims.named_key(&input.user_id));
    let (credential, counter) =
        (Key::credential(claims.user()), Counter::current_password(claims.user(), claims.session_id()));
    let mut item_keys = claims.item_keys().to_vec();
    item_keys.extend([credential.item_key(), counter.item_key().clone()]);
    item_keys.extend(target.iter().map(Key::item_key));
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, now)?;
    let input = input?;
    let target = target.map(|key| stored.get(&key)).transpose()?.flatten().ok_or(Failure::NotFound)?.user;
    let context = Context { app, request: &request, caller: &caller, now };
    let action = Action::HandOver { target: &target };
    context.authorize(&action).await?;
    request.expects(target.version)?;
    let credential = stored.get(&credential)?.ok_or_else(|| Failure::bug("a user without a credential"))?;
    context.check_current_password(&action, &input.current, &credential, &counter, &stored).await?;

    let after = commit(&context, &target, &credential, &counter).await?;
    Answer::user(&after)
}

struct Input {
    user_id: String,
    current: SubmittedPassword,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let user_id = body.required("user_id");
    let current = body.required("current_password");
    body.finish((|| Some(Input { user_id: user_id?, current: current? }))())
}

/// One transaction, so that there is exactly one primary admin at every instant. Answers the new one.
async fn commit(
    context: &Context<'_>,
    target: &User,
    credential: &CredentialItem,
    counter: &Counter,
) -> Result<User, Failure> {
    let caller = context.caller;
    let with = |user: &User, role: Role| user.with_access(role, role.default_permissions(), context.now);
    let (old, new) = (with(&caller.user, Role::Admin), with(target, Role::PrimaryAdmin));
    let mut transaction = context.app.store().transaction();
    caller.require_caller(&mut transaction, Some(&caller.user));
    transaction.hand_over(&caller.user, target);
    transaction.change_user(&caller.user, &old);
    transaction.change_user(target, &new);
    transaction.check_credential(&caller.user.id, credential.version);
    transaction.clear_counter(counter);
    let stepped_down =
        context.event(EventAction::PermissionsSet, &caller.user)?.changing(Some(&caller.user), Some(&old));
    transaction.record(&target.partner_id, &stepped_down);
    let event = context.event(EventAction::PrimaryAdminHandedOver, target)?.changing(Some(target), Some(&new));
    transaction.record(&target.partner_id, &event.sorted_last()?);
    transaction.commit().await?;
    Ok(new)
}
