//! Checks a code of a second factor, at a sign-in and at a re-authentication.

use crate::App;
use crate::error::Failure;
use crate::factors::{Accepted, CodeLimit, SubmittedCode};
use crate::models::{EventAction, Timestamp, User};
use crate::origin::Origin;
use crate::store::{Actor, CodesItem, CredentialItem, Event};
use crate::telemetry;

/// A request with a code, and the items that were read for it.
pub struct CodeAttempt<'a> {
    /// The state of the function.
    pub app: &'a App,
    /// The request.
    pub origin: Origin<'a>,
    /// The time of the request.
    pub now: Timestamp,
    /// The user whose code it is.
    pub user: &'a User,
    /// The credential with the second factors.
    pub credential: &'a CredentialItem,
    /// Whether the user has signed in from this device.
    pub is_known_device: bool,
}

impl CodeAttempt<'_> {
    /// Counts a code and then checks it. `codes` is a recent read of the user's counts. A wrong code is recorded in the
    /// history, as an action of `actor`. If the code is right, the caller of this method commits its use, and calls
    /// [`clear`](Self::clear).
    ///
    /// # Errors
    /// [`Failure::ValidationFailed`] for `code`, [`Failure::TooManyRequests`], or why it could not be checked.
    pub async fn check(
        &self,
        code: &SubmittedCode,
        codes: Option<CodesItem>,
        actor: Actor,
    ) -> Result<Accepted, Failure> {
        let Self { app, origin, now, user, credential, is_known_device } = *self;
        if !origin.is_retry {
            let version = credential.password_version;
            match app.store().count_code(&user.id, codes, version, is_known_device, now).await? {
                Ok(()) => {}
                Err(CodeLimit::Wait(seconds)) => return Err(Failure::TooManyRequests(seconds)),
                Err(CodeLimit::UntilNewPassword) => {
                    let message = "There were too many wrong codes. Codes are accepted again after a new password.";
                    return Err(Failure::field("code", "blocked", message));
                }
            }
        }
        let Some(accepted) = credential.factors.accept(&user.id, code, now) else {
            telemetry::count("CodesRefused", 1);
            record_refused_factor(app, origin, now, user, actor).await;
            return Err(wrong_code());
        };
        Ok(accepted)
    }

    /// Clears the counts after a right code. A failure is logged, and the code stays counted.
    pub async fn clear(&self) {
        let Self { app, origin, user, credential, is_known_device, .. } = *self;
        let cleared = app.store().accept_code(&user.id, credential.password_version, is_known_device).await;
        if let Err(error) = cleared {
            let request_id = origin.request_id;
            tracing::warn!(request_id, %error, "could not clear the counts of a user's codes; the code was accepted");
        }
    }
}

/// Records a wrong code or a wrong answer of a passkey in the user's history, at most once in 15 minutes. A failure is
/// logged and otherwise ignored.
pub async fn record_refused_factor(app: &App, origin: Origin<'_>, now: Timestamp, user: &User, actor: Actor) {
    record_refused(EventAction::SecondFactorRefused, app, origin, now, user, actor).await;
}

/// Records that a user was not authenticated, at most once in 15 minutes. A failure is logged and otherwise ignored.
pub(super) async fn record_refused(
    action: EventAction,
    app: &App,
    origin: Origin<'_>,
    now: Timestamp,
    user: &User,
    actor: Actor,
) {
    let result = async {
        let event = Event::new(action, now, actor, user, Some(origin.address), origin.request_id)?;
        let mut transaction = app.store().transaction();
        transaction.record_refused_sign_in(&user.partner_id, &user.id, &event, true);
        // If a condition fails, it is already recorded.
        transaction.commit_if_possible().await?;
        Ok::<_, Failure>(())
    };
    if let Err(failure) = result.await {
        let problem = format!("{failure:?}");
        tracing::warn!(
            request_id = origin.request_id,
            problem,
            "could not record a refused authentication; the response is unchanged"
        );
    }
}

/// Returns the failure for a wrong code.
pub fn wrong_code() -> Failure {
    Failure::field("code", "wrong_code", "The code is wrong, or was used before.")
}
