//! On a schedule: finishes in Cognito what a transaction has ended, wherever a process died.
//!
//! A mark younger than `older_than_seconds` (60) is left to the request that made it. An older one was made longer ago than
//! any function may run: no straggler can still bring its Cognito user back, so its end, repeated here, is final.

use std::time::Duration;

use portal::Portal;
use portal::error::Failure;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::identity::Generation;
use portal::store::Mark;
use serde::Serialize;

const OLDER_THAN_SECONDS: u32 = 60;

/// What is not done by then is left to the next run.
const WORK_FOR: Duration = Duration::from_secs(40);

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

async fn repair_identities(portal: &Portal, mut input: Fields, _request_id: String) -> Result<Report, Failure> {
    let older_than: Option<Option<u32>> = input.optional("older_than_seconds");
    let older_than = Duration::from_secs(input.finish(older_than)?.unwrap_or(OLDER_THAN_SECONDS).into());

    let start = portal.now();
    let mut report = Report::default();
    for mark in portal.store().marks_due(start.minus(older_than)).await? {
        if portal.now() > start.plus(WORK_FOR) {
            break;
        }
        report.examined += 1;
        match repair(portal, &mark).await {
            Ok(()) => report.repaired += 1,
            Err(failure) => {
                tracing::warn!(?failure, attempts = mark.attempts, "a generation's end is put off");
                report.failed += 1;
                portal.store().postpone_mark(&mark, portal.now().plus(pause(mark.attempts))).await?;
            }
        }
    }
    tracing::info!(report.examined, report.repaired, report.failed, "repaired");
    Ok(report)
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
