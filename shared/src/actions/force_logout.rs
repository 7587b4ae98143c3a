//! Ends every session of a user.

use super::Context;
use crate::error::Failure;
use crate::models::{EventAction, User};

/// Ends every session of `target`.
///
/// # Errors
/// [`Failure::Moved`], or what kept us from it.
pub async fn force_logout(context: &Context<'_>, target: &User) -> Result<(), Failure> {
    let mut change = context.change(target);
    change.change_user(target, &target.signed_out(context.now));
    change.end_generation(target, context.now);
    change.record(&target.partner_id, &context.event(EventAction::LogoutForced, target)?);
    change.commit().await?;
    context.end_generation(target).await
}
