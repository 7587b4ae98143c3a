//! Runs every minute: sends the mail in the outbox that the stream has missed, or that is to be retried.
//!
//! A mail younger than `older_than_seconds` (60) is left to the stream unless it was tried already. The mail is sent in
//! the order of its rank and age.

use std::time::Duration;

use portal::App;
use portal::actions::{SendOutcome, send_mail};
use portal::error::Failure;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::telemetry;
use serde::Serialize;

const OLDER_THAN_SECONDS: u32 = 60;

/// The time limit for one run. The next run sends the rest. It is less than the function's timeout in the template.
const RUN_TIMEOUT: Duration = Duration::from_secs(45);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(sweep_outbox).await
}

#[derive(Default, Serialize)]
struct Report {
    /// The mail that was due.
    examined: u32,
    sent: u32,
    failed: u32,
}

async fn sweep_outbox(app: &'static App, mut input: Fields, _request: String) -> Result<Report, Failure> {
    let older_than: Option<Option<u32>> = input.optional("older_than_seconds");
    let older_than = Duration::from_secs(input.finish(|| older_than)?.unwrap_or(OLDER_THAN_SECONDS).into());

    let start = app.now();
    let waiting = app.store().waiting_mail().await?;
    let oldest = waiting.iter().map(|mail| mail.created_at).min();
    let age = oldest.map_or(0, |oldest| start.unix_seconds().saturating_sub(oldest.unix_seconds()));
    let backlog = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
    telemetry::report(
        start,
        &[("MailBacklog", "Count", backlog), ("MailOldestAge", "Seconds", u64::try_from(age).unwrap_or_default())],
    );

    let mut report = Report::default();
    let (added_until, end) = (start.minus(older_than), start.plus(RUN_TIMEOUT));
    for mail in waiting {
        // A mail that was tried is due later than it was added.
        let is_left = mail.due_at <= mail.created_at && mail.created_at > added_until;
        if is_left || mail.due_at > start {
            continue;
        }
        if app.now() > end {
            break;
        }
        report.examined += 1;
        match send_mail(app, &mail.key).await {
            Ok(SendOutcome::Sent) => report.sent += 1,
            Ok(SendOutcome::Failed | SendOutcome::Postponed) => report.failed += 1,
            Ok(SendOutcome::Dropped | SendOutcome::NotClaimed) => {}
            Err(failure) => {
                let problem = format!("{failure:?}");
                tracing::warn!(problem, "could not send a mail; a later run retries");
                report.failed += 1;
            }
        }
    }
    Ok(report)
}
