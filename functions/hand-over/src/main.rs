//! `POST /v1/primary-admin`: the primary admin makes another admin the primary admin, and becomes an admin.
//!
//! Both keep their sessions. Concurrent changes by either of them are retried with their new permissions.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::mail::MailKind;
use portal::models::{EventAction, Role, SecondFactor, User, UserId};
use portal::passwords::SubmittedPassword;
use portal::policy::Action;
use portal::store::{Counter, CredentialItem, Key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), hand_over).await
}

async fn hand_over(app: &App, request: Request) -> Result<Answer, Failure> {
    let input = parse(&request);
    let mut read = Call::begin(app, &request)?;
    let target = read.target(input.as_ref().ok().and_then(|input| UserId::parse(&input.user_id).ok()));
    let credential = read.item(|claims| Key::credential(claims.user()));
    let counter = read.counter(|claims| Counter::current_password(claims.user(), claims.session_id()));
    let (call, input) = read.send_with(input).await?;
    let target = call.target(&target)?;
    let action = Action::HandOver { target: &target };
    call.authorize(&action).await?;
    call.caller.require_fresh(call.now)?;
    if call.caller.requirement.covers(Role::PrimaryAdmin) && target.second_factor == SecondFactor::None {
        let message = "This user needs a second factor first, which your partner requires of the primary admin.";
        return Err(Failure::field("user_id", "no_second_factor", message));
    }
    request.expects(target.version)?;
    let credential = call.get(&credential)?.ok_or_else(|| Failure::bug("a user without a credential"))?;
    call.check_current_password(&action, &input.current, &credential, &counter).await?;

    let after = commit(&call, &target, &credential, &counter).await?;
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
    body.finish(|| Some(Input { user_id: user_id?, current: current? }))
}

/// Commits both changes in one transaction, so that there is exactly one
/// primary admin at any time. Returns the new one.
async fn commit(
    call: &Call<'_>,
    target: &User,
    credential: &CredentialItem,
    counter: &Counter,
) -> Result<User, Failure> {
    let caller = &call.caller;
    let with = |user: &User, role: Role| user.with_access(role, role.default_permissions(), call.now);
    let (old, new) = (with(&caller.user, Role::Admin), with(target, Role::PrimaryAdmin));
    let mut transaction = call.transaction();
    caller.require_caller(&mut transaction, Some(&caller.user));
    transaction.replace_primary_admin(&caller.user, target);
    transaction.change_user(&caller.user, &old);
    transaction.change_user(target, &new);
    transaction.check_credential(&caller.user.id, credential.version);
    transaction.clear_counter(counter);
    let stepped_down = call.event(EventAction::PermissionsSet, &caller.user)?.changing(Some(&caller.user), Some(&old));
    transaction.record(&target.partner_id, &stepped_down);
    let event = call.event(EventAction::PrimaryAdminHandedOver, target)?.changing(Some(target), Some(&new));
    let event = event.sorted_last()?;
    transaction.record(&target.partner_id, &event);
    for user in [&caller.user, target] {
        call.notify(&mut transaction, MailKind::HandedOver, user, &event)?;
    }
    transaction.commit().await?;
    Ok(new)
}
