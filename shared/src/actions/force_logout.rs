//! Ends every session of a user.

use super::{Context, PendingRevocation};
use crate::error::Failure;
use crate::models::{EventAction, User};

/// Ends every session of `target`. Answers the user as it is then.
///
/// # Errors
/// [`Failure::StaleRead`], or what kept us from it.
pub async fn force_logout(context: &Context<'_>, target: &User) -> Result<(User, PendingRevocation), Failure> {
    let after = target.signed_out(context.now);
    let event = context.event(EventAction::LogoutForced, target)?;
    context.commit(target, Some(&after), &[event]).await?;
    Ok((after, PendingRevocation::of(target)))
}
