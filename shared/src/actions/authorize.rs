//! Authorizes a change, and records a refusal in the audit trail.

use std::time::Duration;

use super::Call;
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::policy::{Action, Denied, authorize};
use crate::telemetry;

/// How long a refused request waits for its audit event. A timeout does not change the refusal.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

impl Call<'_> {
    /// Like [`policy::authorize`](authorize), and records the refusal if the action is a change.
    ///
    /// # Errors
    /// Only [`Failure::Denied`].
    pub async fn authorize(&self, action: &Action<'_>) -> Result<(), Failure> {
        let Err(denied) = authorize(&self.caller.user, action) else { return Ok(()) };
        self.record_refusal(action, denied).await;
        Err(denied.into())
    }

    /// Authorizes the caller to see `target` in the response to a request that
    /// changes nothing. Such a request is a read.
    ///
    /// # Errors
    /// Only [`Failure::Denied`].
    pub fn authorize_unchanged(&self, target: &User) -> Result<(), Failure> {
        Ok(authorize(&self.caller.user, &Action::GetUser { target })?)
    }

    /// Records a refused change, at most once a minute for each caller and kind of action, so that a caller cannot
    /// flood the audit trail. A failure to record it is logged and otherwise ignored.
    pub async fn record_refusal(&self, action: &Action<'_>, denied: Denied) {
        let code = match denied {
            Denied::MissingPermission(_) => "missing_permission",
            Denied::PrimaryAdminProtected => "primary_admin_protected",
            Denied::SelfChangeForbidden => "self_change_forbidden",
            Denied::ExceedsOwnPermissions => "exceeds_own_permissions",
            // The response reports an unknown user or an invalid field, and no refusal.
            Denied::NoSuchUser | Denied::InvalidGrant(_) | Denied::NotAnActiveAdmin | Denied::NotSignedInYet => return,
        };
        self.record_refusal_code(action, code).await;
    }

    /// Like [`record_refusal`](Self::record_refusal), for a reason that is not part of the policy.
    pub(super) async fn record_refusal_code(&self, action: &Action<'_>, code: &str) {
        let Some(attempted) = action.change() else { return };
        telemetry::count("ChangesRefused", 1);
        let recorded = tokio::time::timeout(RECORD_TIMEOUT, self.write_refusal(action, attempted, code));
        let problem = match recorded.await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => format!("{failure:?}"),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(
            request_id = self.origin.request_id,
            problem,
            "could not record a refused change in the audit trail"
        );
    }

    async fn write_refusal(&self, action: &Action<'_>, attempted: &str, code: &str) -> Result<(), Failure> {
        let event = self.event(EventAction::ChangeRefused, action.target())?.refusing(attempted, code);
        let mut transaction = self.transaction();
        transaction.record_refused(&self.caller.user, attempted, &event);
        // If a condition fails, an event of this minute records the refusal already.
        transaction.commit_if_possible().await?;
        Ok(())
    }
}
