//! Invoked by operators after a restore of a table: permanently ends every session of every user of every partner.
//!
//! A restored table may contain generations that were ended after the backup. So every user gets a
//! generation that was never issued, and the items of all sessions of earlier generations are deleted. It can also
//! remove all second factors: removed factors and used recovery codes are back after a restore. A run
//! ends after some minutes, or when DynamoDB remains unavailable. Its report always contains where the next
//! run must continue, and what could not be done.

use std::time::Duration;

use portal::App;
use portal::error::{Cause, Failure};
use portal::factors::Factors;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::models::{EventAction, PersonName, SecondFactor, Timestamp, User};
use portal::store::{Actor, CredentialItem, Event, Found, Key, Position, jitter};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The time limit for one run. The next run handles the remaining users. It is less
/// than the function's timeout in the template.
const RUN_TIMEOUT: Duration = Duration::from_mins(12);

/// The maximum number of users that are changed concurrently.
const AT_ONCE: usize = 16;

/// The maximum number of attempts at a call, or at the change of one user. Each
/// attempt includes the retries of the SDK.
const MAX_TRIES: u32 = 4;

/// The timeout for one attempt. A transaction that keeps conflicting with others would not end by itself.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum number of keys in each list of a report.
const MAX_LISTED: usize = 100;

/// The name of the list of all users, to which the cursors belong.
const LIST: &str = "everyone";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(end_all_sessions).await
}

#[derive(Default, Serialize)]
struct Report {
    /// Users whose sessions were ended.
    ended: u64,
    /// Items at keys of users that are not valid users. They are skipped.
    unreadable: Listed,
    /// Users who could not be changed for a reason other than an unavailable DynamoDB. They are skipped.
    failed: Listed,
    /// Why the run ended before the last user.
    stopped: Option<Reason>,
    /// The `from` of the next run. `None` after the last user.
    next: Option<String>,
}

/// Keys in the Users table: their number, and the first ones.
#[derive(Default, Serialize)]
struct Listed {
    count: u64,
    keys: Vec<String>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// The time for one run is up.
    TimeIsUp,
    /// DynamoDB throttles requests or is not available.
    Unavailable,
}

/// The result for one user.
enum Outcome {
    Ended,
    /// The user was removed in the meantime.
    Gone,
    Unreadable,
    Failed,
    /// The user must be handled again.
    Unavailable,
}

/// The data of one run.
#[derive(Clone)]
struct Run {
    app: &'static App,
    end: Timestamp,
    actor: Actor,
    request_id: String,
    /// Whether the second factors are removed, too.
    resets_factors: bool,
}

async fn end_all_sessions(app: &'static App, mut input: Fields, request_id: String) -> Result<Report, Failure> {
    let from: Option<Option<String>> = input.optional("from");
    let operator: Option<Option<PersonName>> = input.optional("operator");
    let reset_factors: Option<Option<bool>> = input.optional("reset_factors");
    let (from, operator, reset) = input.finish(|| Some((from?, operator?, reset_factors?)))?;
    let wrong = || Failure::InvalidRequest("`from` must be the `next` of an earlier run.", Vec::new());
    let mut position = match &from {
        Some(cursor) => Position::from_cursor(LIST, cursor).ok_or_else(wrong)?,
        None => beginning(),
    };

    let actor = Actor::operator(operator.as_ref());
    let end = app.now().plus(RUN_TIMEOUT);
    let run = Run { app, end, actor, request_id, resets_factors: reset.unwrap_or_default() };
    let mut report = Report::default();
    loop {
        let after = (position != beginning()).then_some(&position);
        let Ok(page) = with_retries(|| async { Ok(app.store().everyone(after).await?) }).await else {
            return Ok(report.stop(Reason::Unavailable, &position));
        };
        if let Some((reason, number)) = run.end_page(&page.positions, &mut report).await {
            // The next run continues after the last user before that one.
            let done = number.checked_sub(1).and_then(|last| page.positions.get(last));
            return Ok(report.stop(reason, done.unwrap_or(&position)));
        }
        match page.next {
            Some(next) => position = next,
            None => return Ok(report),
        }
    }
}

/// Returns the position before the first user.
fn beginning() -> Position {
    Position { sk: String::new(), key: None }
}

impl Report {
    fn stop(self, reason: Reason, position: &Position) -> Self {
        Self { stopped: Some(reason), next: Some(position.to_cursor(LIST)), ..self }
    }
}

impl Listed {
    fn add(&mut self, Position { sk, key }: &Position) {
        self.count += 1;
        if self.keys.len() < MAX_LISTED {
            self.keys.push(format!("{}/{sk}", key.as_deref().unwrap_or_default()));
        }
    }
}

impl Run {
    /// Ends the sessions of these users. If some are left to the next run, it
    /// returns the number of the first one, and why.
    async fn end_page(&self, positions: &[Position], report: &mut Report) -> Option<(Reason, usize)> {
        let mut under_way = JoinSet::new();
        let mut left: Option<(Reason, usize)> = None;
        for (number, position) in positions.iter().enumerate() {
            if under_way.len() >= AT_ONCE
                && let Some(done) = under_way.join_next().await
            {
                left = earlier(left, report.add(positions, done));
            }
            if left.is_some() {
                break;
            }
            if self.app.now() > self.end {
                left = Some((Reason::TimeIsUp, number));
                break;
            }
            let (run, position) = (self.clone(), position.clone());
            under_way.spawn(async move { (number, run.end_sessions(&position).await) });
        }
        while let Some(done) = under_way.join_next().await {
            left = earlier(left, report.add(positions, done));
        }
        left
    }

    async fn end_sessions(&self, position: &Position) -> Outcome {
        match self.try_to_end_sessions(position).await {
            Ok(outcome) => outcome,
            Err(Failure::Unavailable(cause)) => {
                tracing::warn!(cause = cause.as_str(), "could not end the sessions of a user; the next run retries");
                Outcome::Unavailable
            }
            Err(failure) => {
                tracing::error!(?failure, "could not end the sessions of a user; the run skips and reports the user");
                Outcome::Failed
            }
        }
    }

    async fn try_to_end_sessions(&self, position: &Position) -> Result<Outcome, Failure> {
        let store = self.app.store();
        let mut written = Vec::new();
        let mut last = Failure::Conflict;
        for attempt in 0..MAX_TRIES {
            if attempt > 0 {
                pause(attempt).await;
            }
            let user = match with_retries(|| async { Ok(store.user_at(position).await?) }).await? {
                Found::User(user) => user,
                Found::Nothing => return Ok(Outcome::Gone),
                Found::Unreadable => return Ok(Outcome::Unreadable),
            };
            // An earlier attempt may have been committed although its response was lost.
            let mut generation = user.session_generation;
            if !written.contains(&generation) {
                let after = user.signed_out_past_any_generation(self.app.now());
                generation = after.session_generation;
                written.push(generation);
                match with_timeout(self.commit(&user, &after)).await {
                    Ok(()) => {}
                    Err(Failure::StaleRead) => continue,
                    Err(failure @ Failure::Unavailable(_)) => {
                        last = failure;
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            with_retries(|| async { Ok(store.purge_sessions(&user.id, generation).await?) }).await?;
            return Ok(Outcome::Ended);
        }
        Err(last)
    }

    async fn commit(&self, user: &User, after: &User) -> Result<(), Failure> {
        let now = self.app.now();
        let credential = self.credential_to_reset(user).await?;
        let mut transaction = self.app.store().transaction();
        let action = if let Some(credential) = &credential {
            transaction.change_user(user, &after.clone().with_second_factor(SecondFactor::None));
            transaction.change_credential(&user.id, credential, &credential.with_factors(Factors::default()));
            EventAction::SecondFactorReset
        } else {
            transaction.change_user(user, after);
            EventAction::LogoutForced
        };
        transaction.end_generation(user, now);
        let event = Event::new(action, now, self.actor.clone(), user, None, &self.request_id)?;
        transaction.record(&user.partner_id, &event);
        Ok(transaction.commit().await?)
    }

    /// Returns the user's credential if its second factors have to be removed.
    async fn credential_to_reset(&self, user: &User) -> Result<Option<CredentialItem>, Failure> {
        if !self.resets_factors {
            return Ok(None);
        }
        let key = Key::credential(&user.id);
        let credential = self.app.store().read(&[key.item_key()]).await?.get(&key)?;
        let has_factor =
            |credential: &CredentialItem| !credential.factors.is_empty() || user.second_factor != SecondFactor::None;
        Ok(credential.filter(has_factor))
    }
}

impl Report {
    /// Adds the result for one user. Returns the user's number if the next run must handle the user again.
    fn add(
        &mut self,
        positions: &[Position],
        done: Result<(usize, Outcome), tokio::task::JoinError>,
    ) -> Option<(Reason, usize)> {
        let Ok((number, outcome)) = done else {
            self.failed.count += 1;
            return None;
        };
        let position = positions.get(number)?;
        match outcome {
            Outcome::Ended => self.ended += 1,
            Outcome::Gone => {}
            Outcome::Unreadable => self.unreadable.add(position),
            Outcome::Failed => self.failed.add(position),
            Outcome::Unavailable => return Some((Reason::Unavailable, number)),
        }
        None
    }
}

/// Returns the one with the lower number.
fn earlier(one: Option<(Reason, usize)>, other: Option<(Reason, usize)>) -> Option<(Reason, usize)> {
    one.into_iter().chain(other).min_by_key(|(_, number)| *number)
}

/// Retries after a pause while DynamoDB is unavailable.
async fn with_retries<T, F>(work: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for attempt in 1..MAX_TRIES {
        match with_timeout(work()).await {
            Err(Failure::Unavailable(_)) => pause(attempt).await,
            result => return result,
        }
    }
    with_timeout(work()).await
}

async fn with_timeout<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let elapsed = |error| Failure::Unavailable(Cause::new("an attempt took too long", &error));
    timeout(RETRY_TIMEOUT, work).await.map_err(elapsed)?
}

/// Waits for a random time of at most 640 ms.
async fn pause(attempt: u32) {
    sleep(jitter(4 + attempt)).await;
}
