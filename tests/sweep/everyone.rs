//! Ending every session of everybody, and what goes wrong there. On a stack of its own, since it spares nobody.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Seen, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Client, Invoked, Partner, invoke_within};
use serde_json::json;

use crate::fault::failing;
use crate::sweep::repair;
use crate::whole::Whole;

/// How it ends when `hook` decides what becomes of its calls.
async fn end_all_with<A>(stack: &FaultyStack, hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static) -> Invoked
where
    A: Future<Output = Verdict> + Send + 'static,
{
    let trace = Trace::new();
    stack.faults.watch(&trace, hook);
    invoke_within(&trace, &stack.ready, "end-all-sessions", &json!({})).await
}

#[tokio::test]
async fn ending_all_sessions_that_dies_or_fails_at_any_call_is_finished_by_the_next_run() {
    let stack: &'static FaultyStack = Box::leak(Box::new(FaultyStack::start("end-all").unwrap()));
    let ready = &stack.ready;
    let rows = Rows::of(ready);
    let partners = [Partner::of(ready).await, Partner::of(ready).await];
    let ann = partners[0].owner().add("Ann", "Lee").created().await;

    let operations = Arc::new(Mutex::new(BTreeSet::new()));
    let counted = Arc::clone(&operations);
    let ended = end_all_with(stack, move |seen, _| {
        counted.lock().unwrap().insert(seen.operation);
        async { Verdict::GoOn }
    });
    // Two are the primary admins of the demo partners that the stack and its servers begin with.
    assert_eq!(ended.await.worked(), json!({ "ended": 5, "next": null }));
    let operations = operations.lock().unwrap().clone();
    assert!(operations.len() >= 3, "{operations:?}");

    for operation in operations {
        for at in [Moment::Before, Moment::After] {
            for dies in [true, false] {
                let mut signed_in = vec![Client::of(ready).signed_in(&ann).await];
                for partner in &partners {
                    signed_in.push(partner.owner().elsewhere().await);
                }
                let hook = failing(stack, "end-all-sessions", &operation, at, dies);
                let failed = end_all_with(stack, hook).await;
                assert!(failed.error.is_some(), "{operation} {at:?}, dies: {dies}: {}", failed.payload);

                let report = end_all_with(stack, |_, _| async { Verdict::GoOn }).await.worked();
                // More, where what was under way came to pass meanwhile: those are read and ended once more.
                assert!(report["ended"].as_u64() >= Some(5) && report["next"].is_null(), "{report}");
                for person in &signed_in {
                    person.is_signed_out().await;
                    person.cannot_refresh().await;
                    assert!(rows.sessions(person).await.is_empty(), "no row of a session is left");
                }
                repair(ready).await;
                let violations = Whole::read(ready).await.violations();
                // Everybody gets a generation that never was, so none is what the audit trail counts to.
                let is_other = |what: &String| !what.contains("session_generation is");
                let violations: Vec<String> =
                    violations.into_iter().map(|violation| violation.what).filter(is_other).collect();
                assert!(violations.is_empty(), "{operation} {at:?}, dies: {dies}: {violations:?}");
            }
        }
    }
}
