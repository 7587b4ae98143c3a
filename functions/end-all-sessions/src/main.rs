//! Invoked by operators after a table was restored: ends every session of every user of every partner, for good.
//!
//! A restored table may name generations that were issued and ended since. So every user gets a generation that never was,
//! and all session rows of earlier ones are deleted. A run works for some minutes, or until DynamoDB stays unavailable; its
//! answer always says where the next run goes on, and what could not be done.

use std::time::Duration;

use portal::App;
use portal::error::{Cause, Failure};
use portal::http::{Fields, Stopped, serve_invocations};
use portal::models::{EventAction, PersonName, Timestamp, User};
use portal::store::{Actor, Event, Found, Position, jitter};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What is not begun by then is left to the next run. Less than the function's time in the template.
const RUN_TIMEOUT: Duration = Duration::from_mins(12);

/// Users under way at once.
const AT_ONCE: usize = 16;

/// How often a call, or the change of one user, is tried. The SDK's own retries are within each try.
const MAX_TRIES: u32 = 4;

/// The longest that one try may take: a transaction that keeps meeting others would not end by itself.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);

/// The most keys that a run lists of those that it could not do.
const MAX_LISTED: usize = 100;

/// What cursors of this list are sealed with.
const LIST: &str = "everyone";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(end_all_sessions).await
}

#[derive(Default, Serialize)]
struct Report {
    /// Users whose sessions were ended.
    ended: u64,
    /// Items at the keys of users that cannot be read as users. They are skipped.
    unreadable: Listed,
    /// Users who could not be changed, for another reason than that DynamoDB is unavailable. They are skipped.
    failed: Listed,
    /// Why the run ended before the last user.
    stopped: Option<Reason>,
    /// Where the next run has to go on `from`; none: that was the last user.
    next: Option<String>,
}

/// Keys of the Users table, the first ones of them.
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
    /// DynamoDB throttles or is down.
    Unavailable,
}

/// What was done about one user.
enum Outcome {
    Ended,
    /// Removed meanwhile.
    Gone,
    Unreadable,
    Failed,
    /// To be done again.
    Unavailable,
}

/// Who ends them, and until when.
#[derive(Clone)]
struct Run {
    app: &'static App,
    end: Timestamp,
    actor: Actor,
    request_id: String,
}

async fn end_all_sessions(app: &'static App, mut input: Fields, request_id: String) -> Result<Report, Failure> {
    let from: Option<Option<String>> = input.optional("from");
    let operator: Option<Option<PersonName>> = input.optional("operator");
    let (from, operator) = input.finish(|| Some((from?, operator?)))?;
    let wrong = || Failure::InvalidRequest("`from` is not what an earlier run gave as `next`.", Vec::new());
    let mut position = match &from {
        Some(cursor) => Position::from_cursor(LIST, cursor).ok_or_else(wrong)?,
        None => beginning(),
    };

    let actor = Actor::operator(operator.as_ref());
    let run = Run { app, end: app.now().plus(RUN_TIMEOUT), actor, request_id };
    let mut report = Report::default();
    loop {
        let after = (position != beginning()).then_some(&position);
        let Ok(page) = patiently(|| async { Ok(app.store().everyone(after).await?) }).await else {
            return Ok(report.stop(Reason::Unavailable, &position));
        };
        if let Some((reason, number)) = run.end_page(&page.positions, &mut report).await {
            // The page goes on after the last user before that one.
            let done = number.checked_sub(1).and_then(|last| page.positions.get(last));
            return Ok(report.stop(reason, done.unwrap_or(&position)));
        }
        match page.next {
            Some(next) => position = next,
            None => return Ok(report),
        }
    }
}

/// Before the first user.
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
    /// Ends the sessions of these. Returns the number of the first who is left to another run, and why, if anyone is.
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
                tracing::warn!(cause = cause.as_str(), "sessions are left to another run");
                Outcome::Unavailable
            }
            Err(failure) => {
                tracing::error!(?failure, "sessions cannot be ended");
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
            let user = match patiently(|| async { Ok(store.user_at(position).await?) }).await? {
                Found::User(user) => user,
                Found::Nothing => return Ok(Outcome::Gone),
                Found::Unreadable => return Ok(Outcome::Unreadable),
            };
            // An earlier try may have been committed although its answer did not arrive.
            let mut generation = user.session_generation;
            if !written.contains(&generation) {
                let after = user.signed_out_past_any_generation(self.app.now());
                generation = after.session_generation;
                written.push(generation);
                match within_a_try(self.commit(&user, &after)).await {
                    Ok(()) => {}
                    Err(Failure::StaleRead) => continue,
                    Err(failure @ Failure::Unavailable(_)) => {
                        last = failure;
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            patiently(|| async { Ok(store.purge_sessions(&user.id, generation).await?) }).await?;
            return Ok(Outcome::Ended);
        }
        Err(last)
    }

    async fn commit(&self, user: &User, after: &User) -> Result<(), Failure> {
        let now = self.app.now();
        let mut transaction = self.app.store().transaction();
        transaction.change_user(user, after);
        transaction.end_generation(user, now);
        let event = Event::new(EventAction::LogoutForced, now, self.actor.clone(), user, None, &self.request_id)?;
        transaction.record(&user.partner_id, &event);
        Ok(transaction.commit().await?)
    }
}

impl Report {
    /// Counts what was done. Returns the user's number if that is to be done again.
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

/// The one with the lower number.
fn earlier(one: Option<(Reason, usize)>, other: Option<(Reason, usize)>) -> Option<(Reason, usize)> {
    one.into_iter().chain(other).min_by_key(|(_, number)| *number)
}

/// Tries again, after a pause, while DynamoDB is unavailable.
async fn patiently<T, F>(work: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for attempt in 1..MAX_TRIES {
        match within_a_try(work()).await {
            Err(Failure::Unavailable(_)) => pause(attempt).await,
            result => return result,
        }
    }
    within_a_try(work()).await
}

async fn within_a_try<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let elapsed = |error| Failure::Unavailable(Cause::new("a try takes too long", &error));
    timeout(RETRY_TIMEOUT, work).await.map_err(elapsed)?
}

/// Some tenths of a second, at random.
async fn pause(attempt: u32) {
    sleep(jitter(4 + attempt)).await;
}
