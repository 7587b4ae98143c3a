//! `POST /v1/users/{user_id}/force-logout`: ends every session of a user, now.

use portal::Portal;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::identity::Generation;
use portal::models::Timestamp;
use portal::policy::{Wish, authorize};
use portal::session;
use portal::store::{Actor, Event};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(force_logout).await
}

#[derive(Serialize)]
struct SignedOut {
    signed_out_at: Timestamp,
}

async fn force_logout(portal: &Portal, request: Request) -> Result<Answer, Failure> {
    let now = portal.now();
    let id = request.user_id();
    let (caller, target) = session::caller_and_target(portal.store(), request.claims(), id.as_ref(), now).await?;
    request.no_body()?;
    let target = target.ok_or(Failure::NotFound)?;
    authorize(&caller.user, &Wish::ForceLogout { target: &target })?;
    request.expects(target.version)?;

    let after = target.signed_out(now);
    let mut change = portal.store().change();
    caller.vouch(&mut change, Some(&target));
    change.change_user(&target, &after);
    change.end_generation(&target, now);
    let actor = Actor::user(&caller.user);
    let event = Event::new("logout.forced", now, actor, &target, Some(request.address()), request.id())?;
    change.record(&target.partner_id, &event);
    change.commit().await?;

    portal.identity()?.end_soon(&Generation::of(&target)).await;
    Answer::json(200, &SignedOut { signed_out_at: now })
}
