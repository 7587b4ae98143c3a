//! `DELETE /v1/users/{user_id}`: removes a user for good.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::Generation;
use portal::policy::{Wish, authorize};
use portal::session;
use portal::store::{Actor, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(remove_user).await
}

async fn remove_user(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let now = portal.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(portal.store(), request.claims(), id.as_ref(), now).await?;
    request.no_body()?;
    let target = target.ok_or(Failure::NotFound)?;
    authorize(&caller.user, &Wish::RemoveUser { target: &target })?;
    request.expects(target.version)?;

    let mut change = portal.store().change();
    caller.vouch(&mut change, Some(&target));
    change.remove_user(&target);
    change.end_generation(&target, now);
    let actor = Actor::user(&caller.user);
    let event = Event::new("user.removed", now, actor, &target, Some(request.address()), request.id())?
        .changing(Some(&target), None);
    change.record(&target.partner_id, &event);
    change.commit().await?;

    portal.identity()?.end_soon(&Generation::of(&target)).await;
    Ok(Answer::no_content())
}
