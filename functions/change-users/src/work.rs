//! Changes one user after another until the time is up.

use std::mem;
use std::time::Duration;

use portal::actions::{self, Call, PendingRevocation};
use portal::error::{Cause, Failure, FieldError};
use portal::http::{FromField, MAX_ATTEMPTS, Request};
use portal::identity::BATCH_TIMEOUT;
use portal::models::{Status, User};
use portal::policy::{Action, authorize};
use serde_json::Value;

use crate::result::Outcome;

/// The part of the function's time that is reserved for Cognito after the last commit.
const END_RESERVE: Duration = BATCH_TIMEOUT.saturating_add(Duration::from_millis(500));

/// The change that is made to each user.
#[derive(Clone, Copy)]
pub(crate) enum Task {
    Remove,
    ForceLogout,
    Suspend,
}

impl FromField for Task {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        match value.as_str() {
            Some("remove") => Ok(Self::Remove),
            Some("force_logout") => Ok(Self::ForceLogout),
            Some("suspend") => Ok(Self::Suspend),
            Some(_) => {
                let message = "The action must be remove, force_logout or suspend.";
                Err(FieldError::new(name, "unknown_action", message))
            }
            None => Err(FieldError::new(name, "wrong_type", "This field must be a string.")),
        }
    }
}

pub(crate) struct Work<'a> {
    call: Call<'a>,
    request: &'a Request,
    task: Task,
    is_refusal_recorded: bool,
    /// Whether the caller was read again, later than the users that remain.
    is_caller_reread: bool,
    /// The generations whose end is committed, and that are not yet revoked in Cognito.
    pending: Vec<PendingRevocation>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(call: Call<'a>, request: &'a Request, task: Task) -> Self {
        Self { call, request, task, is_refusal_recorded: false, is_caller_reread: false, pending: Vec::new() }
    }

    pub(crate) fn is_nothing_done(&self) -> bool {
        self.pending.is_empty()
    }

    /// Carries out the task for one user. Returns the user after it, unless the user is removed.
    pub(crate) async fn carry_out(&mut self, target: User) -> Result<(Outcome, Option<User>), Failure> {
        let time = self.request.time_left(self.call.app).saturating_sub(END_RESERVE);
        // Even with a timeout of zero the work would begin.
        let is_up = || Failure::Unavailable(Cause::of("no time is left for more changes"));
        if time.is_zero() {
            return Err(is_up());
        }
        tokio::time::timeout(time, self.with_retries(target)).await.unwrap_or_else(|_| Err(is_up()))
    }

    /// Makes the change, and retries it when the user or the caller's authority has changed since they were read. The user
    /// and the caller are always read together: otherwise a refusal could combine two points in time.
    async fn with_retries(&mut self, mut target: User) -> Result<(Outcome, Option<User>), Failure> {
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 || self.is_caller_reread {
                self.is_caller_reread = true;
                let key = self.call.claims().colleague_key(&target.id);
                self.call.reread([key.item_key()]).await?;
                self.call.authenticate()?;
                target = self.call.get(&key)?.ok_or(Failure::NotFound)?.user;
            }
            match self.change(&target).await {
                Err(Failure::StaleRead) => {}
                result => return result,
            }
        }
        Err(Failure::Conflict)
    }

    async fn change(&mut self, target: &User) -> Result<(Outcome, Option<User>), Failure> {
        self.call.now = self.call.app.now();
        let call = &self.call;
        let action = match self.task {
            Task::Remove => Action::RemoveUser { target },
            Task::ForceLogout => Action::ForceLogout { target },
            Task::Suspend => Action::SetStatus { target },
        };
        if let Err(denied) = authorize(&call.caller.user, &action) {
            // At most one refusal a minute is recorded for all targets together, so one attempt per request is enough.
            if !mem::replace(&mut self.is_refusal_recorded, true) {
                call.record_refusal(&action, denied).await;
            }
            return Err(denied.into());
        }
        let (user, revocation) = match self.task {
            Task::Remove => (None, actions::remove_user(call, target).await?),
            Task::ForceLogout => {
                let (user, revocation) = actions::force_logout(call, target).await?;
                (Some(user), revocation)
            }
            Task::Suspend => {
                if target.status == Status::Suspended {
                    call.authorize_unchanged(target)?;
                }
                let (user, revocation) = actions::set_status(call, target, Status::Suspended, None).await?;
                (Some(user), revocation)
            }
        };
        let outcome = if revocation.is_some() { Outcome::Done } else { Outcome::Unchanged };
        self.pending.extend(revocation);
        Ok((outcome, user))
    }

    /// Revokes the ended generations in Cognito. If that fails, `repair-identities` retries.
    pub(crate) async fn revoke(self) -> Result<(), Failure> {
        self.call.revoke(self.pending).await
    }
}
