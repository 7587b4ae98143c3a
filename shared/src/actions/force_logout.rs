//! Ends every session of a user.

use super::{Call, PendingRevocation};
use crate::error::Failure;
use crate::mail::MailKind;
use crate::models::{EventAction, User};

/// Ends every session of `target`. Returns the user after the change.
///
/// # Errors
/// [`Failure::StaleRead`], or why it could not be committed.
pub async fn force_logout(call: &Call<'_>, target: &User) -> Result<(User, Option<PendingRevocation>), Failure> {
    let after = target.signed_out(call.now);
    let event = call.event(EventAction::LogoutForced, target)?;
    let mut transaction = call.transaction();
    call.notify(&mut transaction, MailKind::LogoutForced, target, &event)?;
    let revocation = call.commit(transaction, target, Some(&after), &[event]).await?;
    Ok((after, revocation))
}
