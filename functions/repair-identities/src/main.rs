//! Runs every minute: deletes the Cognito users of generations whose end is committed, in case a request has not.
//!
//! Each of them has a mark. A mark younger than `older_than_seconds` (60) is left to the request that created it. An
//! older mark was created longer ago than any function may run, so no request is left that could create the Cognito
//! user again, and the end is final.

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

/// The time limit for one run. The next run handles the remaining marks. It is less
/// than the function's timeout in the template.
const RUN_TIMEOUT: Duration = Duration::from_secs(40);

/// The interval between two marks. Each takes one call of Cognito, so a rate of 20 a second leaves a fifth of the
/// default quota for `AdminDeleteUser` (25 requests a second, category `UserUpdate`) to the requests of users.
const PACE: Duration = Duration::from_millis(50);

/// The maximum number of marks that are repaired concurrently.
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

/// Repairs every mark that was due at `due`, page by page and at a limited rate, until `end`. A read that fails ends
/// only its shard. Returns the report, and the first failure of a read.
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

/// Returns whether the mark was repaired. If the repair fails, the mark is postponed, so that it does not delay others.
/// There is no limit to the number of retries.
async fn repair_or_postpone(app: &'static App, mark: Mark) -> bool {
    let Err(failure) = repair(app, &mark).await else { return true };
    tracing::warn!(
        ?failure,
        attempts = mark.attempts,
        "could not delete an ended generation from Cognito; a later run retries"
    );
    if let Err(error) = app.store().postpone_mark(&mark, app.now().plus(retry_delay(mark.attempts))).await {
        tracing::warn!(%error, attempts = mark.attempts, "could not postpone a mark; the next run retries");
    }
    false
}

async fn repair(app: &App, mark: &Mark) -> Result<(), Failure> {
    let generation =
        Generation { partner: mark.partner_id.clone(), user: mark.user_id.clone(), number: mark.generation };
    app.identity()?.delete(&generation).await?;
    Ok(app.store().clear_mark(mark).await?)
}

/// Returns the delay before the next repair: one minute, doubled with each failure, up to about an hour.
fn retry_delay(attempts: u32) -> Duration {
    Duration::from_secs(60 << attempts.min(6))
}
