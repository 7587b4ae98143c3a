//! Never out of step: whatever goes wrong at whatever call to AWS, both stores end as if the request had been carried out
//! wholly or not at all.
//!
//! `sweep` finds every call of every changing action by counting and lets everything go wrong there that can
//! (`PORTAL_SWEEP_ACTION=<a part of its name>` sweeps one action, or those that have it in common); `aws_faults`,
//! `everyone`, `import` and `stragglers` tell single stories. Each suite has a stack of its own, whose way to AWS fails on demand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is how a test says what went wrong"
)]

mod action;
mod aws_faults;
mod everyone;
mod fault;
mod import;
mod scene;
mod stragglers;
mod sweep;
mod whole;

use std::sync::OnceLock;

use portal_tests::faults::FaultyStack;
use tokio::sync::{Mutex, MutexGuard};

/// The stack that the single stories share.
fn faulty() -> &'static FaultyStack {
    static STACK: OnceLock<Result<FaultyStack, String>> = OnceLock::new();
    let started = STACK.get_or_init(|| FaultyStack::start("faults"));
    started.as_ref().unwrap_or_else(|error| panic!("the stack does not start: {error}"))
}

/// For stories about marks: repair takes the marks of all partners, also those of other stories.
async fn marks_alone() -> MutexGuard<'static, ()> {
    static MARKS: Mutex<()> = Mutex::const_new(());
    MARKS.lock().await
}
