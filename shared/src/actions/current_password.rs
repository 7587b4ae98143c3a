//! Changes that cannot be undone require the caller's current password: a session that was left open is not enough.

use super::Call;
use crate::error::Failure;
use crate::passwords::SubmittedPassword;
use crate::policy::Action;
use crate::store::{Counter, CredentialItem};
use crate::telemetry;

impl Call<'_> {
    /// Checks that `submitted` is the caller's current password, which `action` requires. Each request counts as one
    /// attempt in `counter`, which was read with the call. If the password is right, the action clears the counter. If
    /// it is wrong, the refusal is recorded.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], [`Failure::ValidationFailed`] for
    /// `current_password`, or why it could not be checked.
    pub async fn check_current_password(
        &self,
        action: &Action<'_>,
        submitted: &SubmittedPassword,
        credential: &CredentialItem,
        counter: &Counter,
    ) -> Result<(), Failure> {
        if self.is_current_password(submitted, credential, counter).await? {
            Ok(())
        } else {
            self.record_refusal_code(action, "wrong_current_password").await;
            Err(Failure::field("current_password", "wrong", "The current password is wrong."))
        }
    }

    /// Counts a submitted password in `counter`, which was read with the call, and returns whether it is the caller's
    /// current password. If it is, the action clears the counter.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], or why it could not be checked.
    pub async fn is_current_password(
        &self,
        submitted: &SubmittedPassword,
        credential: &CredentialItem,
        counter: &Counter,
    ) -> Result<bool, Failure> {
        if !self.origin.is_retry
            && let Some(seconds) = self.app.store().count(counter, self.stored(), self.now).await?
        {
            return Err(Failure::TooManyRequests(seconds));
        }
        let is_right = credential.digests.verify(submitted)?;
        if !is_right {
            telemetry::count("CurrentPasswordsRefused", 1);
        }
        Ok(is_right)
    }
}
