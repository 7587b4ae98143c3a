//! `POST /v1/users/{user_id}/invitation`: mails another invitation to a user who has not chosen a password. Links of
//! earlier invitations become invalid.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::mail::MailKind;
use portal::models::{EventAction, PublicUser, Status};
use portal::policy::Action;
use portal::store::OutboxItem;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), invite_user).await
}

async fn invite_user(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let target = read.target(request.user_id());
    let call = read.send().await?;
    request.no_body()?;
    let target = call.target(&target)?;
    call.authorize(&Action::InviteUser { target: &target }).await?;
    request.expects(target.version)?;
    app.require_mail()?;
    if target.pending().is_none() || target.status != Status::Active {
        return Err(Failure::CannotBeInvited);
    }

    let after = target.changed(call.now).invited(call.now);
    let mut transaction = call.transaction();
    call.count_invitation(&mut transaction, &target.email).await?;
    let event = call.event(EventAction::InvitationSent, &target)?.changing(Some(&target), Some(&after));
    transaction.send(&OutboxItem::link(MailKind::Invitation, &after, &event)?);
    // The generation continues, so Cognito has nothing to revoke.
    let _ = call.commit(transaction, &target, Some(&after), &[event]).await?;
    Ok(Answer::json(202, &PublicUser::from(&after))?.with_version(after.version))
}
