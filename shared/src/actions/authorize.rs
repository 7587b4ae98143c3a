//! Authorizes a change, and records a refusal in the audit trail.

use std::time::Duration;

use super::Call;
use crate::error::Failure;
use crate::models::{EventAction, User};
use crate::policy::{Action, Denied, authorize};
use crate::store::CommitError;
use crate::telemetry;

/// How long a refused request waits for its audit event. It is refused in any case.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

impl Call<'_> {
    /// Like [`policy::authorize`](authorize), and records the refusal of a change.
    ///
    /// # Errors
    /// [`Failure::Denied`], and no other.
    pub async fn authorize(&self, action: &Action<'_>) -> Result<(), Failure> {
        let Err(denied) = authorize(&self.caller.user, action) else { return Ok(()) };
        self.record_refusal(action, denied).await;
        Err(denied.into())
    }

    /// Lets the caller see `target` in the response to a request that changes nothing: that is a read.
    ///
    /// # Errors
    /// [`Failure::Denied`], and no other.
    pub fn authorize_unchanged(&self, target: &User) -> Result<(), Failure> {
        Ok(authorize(&self.caller.user, &Action::GetUser { target })?)
    }

    /// Records that the caller was refused a change, at most once a minute for each caller and kind of action, so that a
    /// caller cannot flood the trail. A failure to record it is logged and otherwise ignored.
    pub async fn record_refusal(&self, action: &Action<'_>, denied: Denied) {
        let code = match denied {
            Denied::MissingPermission(_) => "missing_permission",
            Denied::PrimaryAdminProtected => "primary_admin_protected",
            Denied::SelfChangeForbidden => "self_change_forbidden",
            Denied::ExceedsOwnPermissions => "exceeds_own_permissions",
            // To the caller there is no such user, or a field is at fault.
            Denied::NoSuchUser | Denied::AboveCeiling | Denied::NotAnActiveAdmin | Denied::NotSignedInYet => return,
        };
        self.record_refusal_code(action, code).await;
    }

    /// As [`record_refusal`](Self::record_refusal), for a reason that the policy does not know.
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
        match transaction.commit().await {
            // It has been recorded in this minute.
            Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}
