//! `PUT /v1/users/{user_id}/permissions`: sets a user's role and permissions.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::User;
use portal::policy::{Wish, authorize};
use portal::session;
use portal::store::{Actor, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(set_permissions).await
}

async fn set_permissions(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let now = portal.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(portal.store(), request.claims(), id.as_ref(), now).await?;
    let mut body = request.body()?;
    let access = body.access(None);
    let (role, permissions) = body.finish(access)?;
    let target = target.ok_or(Failure::NotFound)?;
    authorize(&caller.user, &Wish::SetPermissions { target: &target, role, permissions: &permissions })?;
    request.expects(target.version)?;

    let after = User { role, permissions, access_version: target.access_version + 1, ..target.changed(now) };
    let mut change = portal.store().change();
    caller.vouch(&mut change, Some(&target));
    change.change_user(&target, &after);
    let actor = Actor::user(&caller.user);
    let event = Event::new("permissions.set", now, actor, &target, Some(request.address()), request.id())?
        .changing(Some(&target), Some(&after));
    change.record(&target.partner_id, &event);
    change.commit().await?;
    Answer::user(&after)
}
