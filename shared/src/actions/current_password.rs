//! What cannot be taken back asks for the caller's present password once more: a session that was left open is not enough.

use super::Context;
use crate::error::Failure;
use crate::passwords::SubmittedPassword;
use crate::policy::Action;
use crate::store::{Counter, CredentialItem, Items};
use crate::telemetry;

impl Context<'_> {
    /// Checks that `attempt` is the caller's present password, which `action` takes. It counts as an attempt, once for each
    /// request; who clears `counter` knows that it was right. A wrong one is told as a refusal. `stored` is a read of the
    /// counter, a moment ago.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], [`Failure::ValidationFailed`] for `current_password`, or what kept us from checking.
    pub async fn check_current_password(
        &self,
        action: &Action<'_>,
        attempt: &SubmittedPassword,
        credential: &CredentialItem,
        counter: &Counter,
        stored: &Items,
    ) -> Result<(), Failure> {
        if !self.request.is_retry()
            && let Some(seconds) = self.app.store().count(counter, stored, self.now).await?
        {
            return Err(Failure::TooManyRequests(seconds));
        }
        if credential.digests.verify(attempt)? {
            Ok(())
        } else {
            telemetry::count("CurrentPasswordsRefused", 1);
            self.record_refusal_code(action, "wrong_current_password").await;
            Err(Failure::field("current_password", "wrong", "This is not the present password."))
        }
    }
}
