//! On a schedule: finishes in Cognito what a transaction has ended, wherever a process died.
//!
//! A mark younger than `older_than_seconds` (60) is left to the request that made it. An older one was made longer ago than
//! any function may run: no straggler can still bring its Cognito user back, so its end, repeated here, is final.

use std::time::Duration;

use portal::App;
use portal::error::Failure;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::identity::Generation;
use portal::models::Timestamp;
use portal::store::Mark;
use portal::telemetry;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const OLDER_THAN_SECONDS: u32 = 60;

/// What is not done by then is left to the next run. Less than the function's time in the template.
const RUN_TIMEOUT: Duration = Duration::from_secs(40);

/// One mark in this time: 20 a second, which leaves a fifth of Cognito's default quota for `AdminDeleteUser` (25 requests a
/// second, category `UserUpdate`) to people's own requests.
const PACE: Duration = Duration::from_millis(50);

/// Marks under way at once.
const AT_ONCE: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(repair_identities).await
}

#[derive(Default, Serialize)]
struct Report {
    examined: u32,
    repaired: u32,
    failed: u32,
}

impl Report {
    fn add(&mut self, repaired: bool) {
        self.examined += 1;
        if repaired { self.repaired += 1 } else { self.failed += 1 }
    }
}

async fn repair_identities(app: &'static App, mut input: Fields, _request: String) -> Result<Report, Failure> {
    let older_than: Option<Option<u32>> = input.optional("older_than_seconds");
    let older_than = Duration::from_secs(input.finish(|| older_than)?.unwrap_or(OLDER_THAN_SECONDS).into());

    let start = app.now();
    let (report, repaired) = repair_due(app, start.minus(older_than), start.plus(RUN_TIMEOUT)).await;
    let (now, backlog) = (app.now(), app.store().backlog().await);
    let mut metrics = vec![("RepairFailed", "Count", report.failed.into())];
    if let Ok(backlog) = &backlog {
        let age = backlog.oldest.map_or(0, |oldest| now.unix_seconds().saturating_sub(oldest.unix_seconds()));
        metrics.push(("RepairBacklog", "Count", backlog.marks));
        metrics.push(("RepairOldestAge", "Seconds", u64::try_from(age).unwrap_or_default()));
    }
    telemetry::report(now, &metrics);
    repaired?;
    backlog?;
    Ok(report)
}

/// Every mark that was due at `due`, page by page and at a pace, until `end`. Returns the first failure of a read beside what
/// was done in spite of it.
async fn repair_due(app: &'static App, due: Timestamp, end: Timestamp) -> (Report, Result<(), Failure>) {
    let (mut report, mut read) = (Report::default(), Ok(()));
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way: JoinSet<bool> = JoinSet::new();
    'shards: for shard in Mark::shards(due) {
        let mut next = None;
        loop {
            let marks = match app.store().marks_due(shard, due, next).await {
                Ok(marks) => marks,
                Err(error) => {
                    read = read.and(Err(error.into()));
                    break;
                }
            };
            (0..marks.unreadable).for_each(|_| report.add(false));
            for mark in marks.due {
                pace.tick().await;
                if app.now() > end {
                    break 'shards;
                }
                if under_way.len() >= AT_ONCE
                    && let Some(done) = under_way.join_next().await
                {
                    report.add(done.unwrap_or(false));
                }
                under_way.spawn(repair_or_postpone(app, mark));
            }
            next = marks.next;
            if next.is_none() {
                break;
            }
        }
    }
    while let Some(done) = under_way.join_next().await {
        report.add(done.unwrap_or(false));
    }
    (report, read)
}

/// Returns whether it was repaired. A mark that fails is postponed, so that it does not delay others, and is never given up.
async fn repair_or_postpone(app: &'static App, mark: Mark) -> bool {
    let Err(failure) = repair(app, &mark).await else { return true };
    tracing::warn!(?failure, attempts = mark.attempts, "a generation's end is postponed");
    if let Err(error) = app.store().postpone_mark(&mark, app.now().plus(pause(mark.attempts))).await {
        // It stays due.
        tracing::warn!(%error, attempts = mark.attempts, "a mark cannot be postponed");
    }
    false
}

async fn repair(app: &App, mark: &Mark) -> Result<(), Failure> {
    let generation =
        Generation { partner: mark.partner_id.clone(), user: mark.user_id.clone(), number: mark.generation };
    app.identity()?.end(&generation).await?;
    Ok(app.store().clear_mark(mark).await?)
}

/// One minute, doubled with each failure to about an hour.
fn pause(attempts: u32) -> Duration {
    Duration::from_secs(60 << attempts.min(6))
}
