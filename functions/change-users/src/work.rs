//! One user after another, as long as there is time.

use std::mem;
use std::time::Duration;

use portal::App;
use portal::actions::{self, Context, PendingRevocation};
use portal::error::{Cause, Failure, FieldError};
use portal::http::{FromField, MAX_ATTEMPTS, Request};
use portal::identity::BATCH_TIMEOUT;
use portal::models::{Status, User, UserId};
use portal::policy::{Action, authorize};
use portal::session::{self, Caller};
use serde_json::Value;

use crate::result::Outcome;

/// Kept back from the function's time, to end in Cognito what is committed.
const END_RESERVE: Duration = BATCH_TIMEOUT.saturating_add(Duration::from_millis(500));

/// What is done to each user.
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
    app: &'a App,
    request: &'a Request,
    task: Task,
    /// As read last.
    caller: Caller,
    is_refusal_told: bool,
    /// What is committed, and not yet ended in Cognito.
    ended: Vec<PendingRevocation>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(app: &'a App, request: &'a Request, task: Task, caller: Caller) -> Self {
        Self { app, request, task, caller, is_refusal_told: false, ended: Vec::new() }
    }

    pub(crate) fn is_nothing_done(&self) -> bool {
        self.ended.is_empty()
    }

    /// Carries the task out on one user, `target` as it was read. Answers the user as it is then, unless it is removed.
    pub(crate) async fn carry_out(
        &mut self,
        id: &UserId,
        target: Option<User>,
    ) -> Result<(Outcome, Option<User>), Failure> {
        let time = self.request.time_left(self.app).saturating_sub(END_RESERVE);
        // A timeout would let work without any time begin.
        let is_up = || Failure::Unavailable(Cause::of("the time for changes is up"));
        if time.is_zero() {
            return Err(is_up());
        }
        tokio::time::timeout(time, self.with_retries(id, target)).await.unwrap_or_else(|_| Err(is_up()))
    }

    /// Makes the change, and retries it when the user or the caller's authority has changed since they were read.
    async fn with_retries(
        &mut self,
        id: &UserId,
        mut target: Option<User>,
    ) -> Result<(Outcome, Option<User>), Failure> {
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                let (store, claims) = (self.app.store(), self.request.claims());
                (self.caller, target) = session::caller_and_target(store, claims, Some(id), self.app.now()).await?;
            }
            match self.change(target.as_ref().ok_or(Failure::NotFound)?).await {
                Err(Failure::StaleRead) => {}
                result => return result,
            }
        }
        Err(Failure::Conflict)
    }

    async fn change(&mut self, target: &User) -> Result<(Outcome, Option<User>), Failure> {
        let Self { app, request, caller, .. } = self;
        let context = Context { app, request, caller, now: app.now() };
        let action = match self.task {
            Task::Remove => Action::RemoveUser { target },
            Task::ForceLogout => Action::ForceLogout { target },
            Task::Suspend => Action::SetStatus { target },
        };
        if let Err(denied) = authorize(&caller.user, &action) {
            // Told once in a minute, whoever the target is: the others' turns need not try.
            if !mem::replace(&mut self.is_refusal_told, true) {
                context.record_refusal(&action, denied).await;
            }
            return Err(denied.into());
        }
        let (user, ended) = match self.task {
            Task::Remove => (None, Some(actions::remove_user(&context, target).await?)),
            Task::ForceLogout => {
                let (user, ended) = actions::force_logout(&context, target).await?;
                (Some(user), Some(ended))
            }
            Task::Suspend => {
                if target.status == Status::Suspended {
                    context.authorize_unchanged(target)?;
                }
                let (user, ended) = actions::set_status(&context, target, Status::Suspended, None).await?;
                (Some(user), ended)
            }
        };
        let outcome = if ended.is_some() { Outcome::Done } else { Outcome::Unchanged };
        self.ended.extend(ended);
        Ok((outcome, user))
    }

    /// Ends in Cognito what is committed, as far as that works at once.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let Self { app, request, caller, ended, .. } = self;
        Context { app, request, caller: &caller, now: app.now() }.end(ended).await
    }
}
