//! On a schedule: finishes in Cognito what a transaction has ended, wherever a process died.
//!
//! A mark younger than `older_than_seconds` (60) is left to the request that made it. An older one was made longer ago than
//! any function may run: no straggler can still bring its Cognito user back, so its end, repeated here, is final.

use std::time::Duration;

use portal::Portal;
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
const WORK_FOR: Duration = Duration::from_secs(40);

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

async fn repair_identities(portal: &'static Portal, mut input: Fields, _request: String) -> Result<Report, Failure> {
    let older_than: Option<Option<u32>> = input.optional("older_than_seconds");
    let older_than = Duration::from_secs(input.finish(older_than)?.unwrap_or(OLDER_THAN_SECONDS).into());

    let start = portal.now();
    let report = repair_due(portal, start.minus(older_than), start.plus(WORK_FOR)).await?;
    let (now, backlog) = (portal.now(), portal.store().backlog().await?);
    let age = backlog.oldest.map_or(0, |oldest| now.unix_seconds().saturating_sub(oldest.unix_seconds()));
    telemetry::report(
        now,
        &[
            ("RepairBacklog", "Count", backlog.marks),
            ("RepairOldestAge", "Seconds", u64::try_from(age).unwrap_or_default()),
            ("RepairFailed", "Count", report.failed.into()),
        ],
    );
    Ok(report)
}

/// Every mark that was due at `due`, page by page and at a pace, until `end`.
async fn repair_due(portal: &'static Portal, due: Timestamp, end: Timestamp) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way: JoinSet<Result<bool, Failure>> = JoinSet::new();
    'shards: for shard in Mark::shards(due) {
        let mut next = None;
        loop {
            let marks = portal.store().marks_due(shard, due, next).await?;
            for mark in marks.due {
                pace.tick().await;
                if portal.now() > end {
                    break 'shards;
                }
                if under_way.len() >= AT_ONCE
                    && let Some(done) = under_way.join_next().await
                {
                    report.add(finished(done)?);
                }
                under_way.spawn(repair_or_postpone(portal, mark));
            }
            next = marks.next;
            if next.is_none() {
                break;
            }
        }
    }
    while let Some(done) = under_way.join_next().await {
        report.add(finished(done)?);
    }
    Ok(report)
}

fn finished(done: Result<Result<bool, Failure>, tokio::task::JoinError>) -> Result<bool, Failure> {
    done.map_err(|error| Failure::internal("repairing", &error))?
}

/// Whether it was repaired. One that fails is put off, so that it holds nobody back, and is never given up.
async fn repair_or_postpone(portal: &'static Portal, mark: Mark) -> Result<bool, Failure> {
    match repair(portal, &mark).await {
        Ok(()) => Ok(true),
        Err(failure) => {
            tracing::warn!(?failure, attempts = mark.attempts, "a generation's end is put off");
            portal.store().postpone_mark(&mark, portal.now().plus(pause(mark.attempts))).await?;
            Ok(false)
        }
    }
}

async fn repair(portal: &Portal, mark: &Mark) -> Result<(), Failure> {
    let generation =
        Generation { partner: mark.partner_id.clone(), user: mark.user_id.clone(), number: mark.generation };
    portal.identity()?.end(&generation).await?;
    Ok(portal.store().clear_mark(mark).await?)
}

/// One minute, doubled with each failure to about an hour.
fn pause(attempts: u32) -> Duration {
    Duration::from_secs(60 << attempts.min(6))
}
