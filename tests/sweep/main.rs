//! Checks that DynamoDB and Cognito stay consistent: after any fault at any call to AWS, both are as if the request had been
//! carried out completely or not at all.
//!
//! `all_faults` counts the calls of every changing action and tries the possible faults at each of them. Faults that leave the
//! same state take turns. It takes longest, so it has the first name: tests start in the order of their names.
//! `PORTAL_SWEEP_ACTION=<text>` restricts it to the actions whose names contain the text. `aws_faults`, `everyone`,
//! `import`, `mail` and `stragglers` test single scenarios. Each suite has its own stack, whose calls to AWS can be made to fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a test reports a failure with a panic"
)]

mod action;
mod all_faults;
mod aws_faults;
mod everyone;
mod fault;
mod import;
mod mail;
mod outbox;
mod scene;
mod stragglers;
mod whole;

use std::sync::OnceLock;

use portal_tests::faults::FaultyStack;
use tokio::sync::{Mutex, MutexGuard};

/// The stack that the single scenarios share.
fn faulty() -> &'static FaultyStack {
    static STACK: OnceLock<Result<FaultyStack, String>> = OnceLock::new();
    let started = STACK.get_or_init(|| FaultyStack::start("faults"));
    started.as_ref().unwrap_or_else(|error| panic!("the stack does not start: {error}"))
}

/// Lets one test about marks run at a time. Repair handles the marks of all partners, including those of other tests.
async fn marks_alone() -> MutexGuard<'static, ()> {
    static MARKS: Mutex<()> = Mutex::const_new(());
    MARKS.lock().await
}
