//! Restores a removed user.

use super::Call;
use crate::error::Failure;
use crate::identity::machine_secret;
use crate::mail::MailKind;
use crate::models::{EventAction, PublicUser, User};
use crate::passwords::{Digests, Password};
use crate::random;
use crate::store::{CredentialItem, IdempotencyItem, Key, OutboxItem, RemovedItem};

/// Restores `removed` with `password`, or with an invitation to choose one, and returns the user. The user keeps the id, the
/// history, the role, the permissions and the status, and gets a new generation of sessions. `kept` is the idempotency key of the
/// request, with what identifies its retries.
///
/// # Errors
/// [`Failure::EmailTaken`], [`Failure::UserLimitReached`], [`Failure::StaleRead`], or why it could not be committed.
pub async fn restore_user(
    call: &Call<'_>,
    removed: &RemovedItem,
    password: Option<&Password>,
    kept: Option<(&Key<IdempotencyItem>, &str)>,
) -> Result<User, Failure> {
    let (now, restored) = (call.now, removed.user.restored(call.now));
    let (user, digests) = match password {
        Some(password) => (restored, Digests::new(password, random::bytes()?)?),
        None => (
            User { password_changed_at: None, ..restored.invited(now) },
            Digests::without_password(random::bytes()?, random::bytes()?),
        ),
    };
    let credential = CredentialItem::new(digests, user.must_change_password, now, machine_secret()?);
    let credential = credential.restored(&user, now);
    let mut transaction = call.transaction();
    call.caller.require_caller(&mut transaction, None);
    transaction.restore_user(removed, &user, &credential);
    let event = call.event(EventAction::UserRestored, &user)?.changing(None, Some(&user));
    transaction.record(&user.partner_id, &event);
    if user.invited_at.is_some() {
        transaction.send(&OutboxItem::link(MailKind::Invitation, &user, &event)?);
        call.count_invitation(&mut transaction, &user.email).await?;
    }
    if let Some((key, asked)) = kept {
        let answer = PublicUser::from(&user);
        let item = IdempotencyItem::create(asked, &user.id, &credential, &answer, now)?;
        transaction.keep(key, &item, now);
    }
    transaction.commit().await?;
    Ok(user)
}
