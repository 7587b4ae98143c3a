//! Ending every session of everybody, and what goes wrong there. On a stack of its own, since it spares nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Seen, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Client, Invoked, Partner, invoke_within};
use serde_json::{Value, json};

use crate::fault::failing;
use crate::sweep::repair;
use crate::whole::Whole;

/// How it ends when `hook` decides what becomes of its calls.
async fn end_all_with<A>(
    stack: &FaultyStack,
    input: &Value,
    hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static,
) -> Invoked
where
    A: Future<Output = Verdict> + Send + 'static,
{
    let trace = Trace::new();
    stack.faults.watch(&trace, hook);
    invoke_within(&trace, &stack.ready, "end-all-sessions", input).await
}

/// How it ends when nothing goes wrong.
async fn end_all(stack: &FaultyStack, input: &Value) -> Value {
    end_all_with(stack, input, |_, _| async { Verdict::GoOn }).await.worked()
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
    let everyone = json!({});
    let ended = end_all_with(stack, &everyone, move |seen, _| {
        counted.lock().unwrap().insert(seen.operation);
        async { Verdict::GoOn }
    });
    // Two are the primary admins of the demo partners that the stack and its servers begin with.
    let ended = ended.await.worked();
    assert_eq!((&ended["ended"], &ended["next"]), (&json!(5), &Value::Null), "{ended}");
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
                let failed = end_all_with(stack, &json!({}), hook).await;
                assert_eq!(failed.error.is_some(), dies, "{operation} {at:?}, dies: {dies}: {}", failed.payload);
                let next = failed.payload["next"].clone();
                let is_unavailable = failed.payload["stopped"] == "unavailable";
                assert_eq!(next.is_string(), is_unavailable, "{operation} {at:?}: {}", failed.payload);
                if dies || is_unavailable {
                    let report = end_all(stack, &json!({ "from": next })).await;
                    assert_eq!((&report["stopped"], &report["next"]), (&Value::Null, &Value::Null), "{report}");
                }
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

/// How often each user of a partner was signed out.
async fn signed_out(rows: &Rows, partner: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for event in rows.audit(partner).await {
        if event["action"].as_s().unwrap() == "logout.forced" {
            *times.entry(event["target"].as_m().unwrap()["id"].as_s().unwrap().clone()).or_default() += 1;
        }
    }
    times
}

/// More users than one page of the table has.
#[tokio::test]
async fn in_a_large_portal_a_run_goes_on_where_the_one_before_it_stopped() {
    const COPIES: usize = 450;
    let stack: &'static FaultyStack = Box::leak(Box::new(FaultyStack::start("end-all-large").unwrap()));
    let rows = Rows::of(&stack.ready);
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    rows.put_copies_of_user(&ann, COPIES).await;

    // The second page cannot be read, until the run gives up.
    let stopping = |seen: Seen, moment| {
        let is_next_page = seen.operation == "Scan" && seen.body["ExclusiveStartKey"].is_object();
        let fails = is_next_page && moment == Moment::Before;
        async move { if fails { Verdict::throttled(seen.service) } else { Verdict::GoOn } }
    };
    let first = end_all_with(stack, &json!({}), stopping).await.worked();
    assert_eq!(first["stopped"], "unavailable", "{first}");
    let ended = first["ended"].as_u64().unwrap();
    assert!((100..=200).contains(&ended), "{first}");
    // One that gets nowhere loses nothing.
    let again = end_all_with(stack, &json!({ "from": first["next"] }), stopping).await.worked();
    assert_eq!((&again["ended"], &again["next"]), (&json!(0), &first["next"]), "{again}");
    let second = end_all(stack, &json!({ "from": first["next"] })).await;
    assert_eq!((&second["stopped"], &second["next"]), (&Value::Null, &Value::Null), "{second}");

    // Beside these there are the primary admins of the two demo partners.
    let total = COPIES as u64 + 4;
    assert_eq!(ended + second["ended"].as_u64().unwrap(), total);
    let times = signed_out(&rows, &partner.id).await;
    assert_eq!(times.len(), COPIES + 2);
    assert!(times.values().all(|times| *times == 1), "each of them once");

    // One moves between the read and the change. That one alone is read again.
    let edited = Arc::new(tokio::sync::OnceCell::new());
    let pages = Arc::new(Mutex::new(Vec::new()));
    let (owner, counted, user) = (Arc::new(partner.owner().elsewhere().await), Arc::clone(&pages), ann.clone());
    let moving = move |seen: Seen, moment| {
        let is_first = seen.operation == "TransactWriteItems" && seen.body.to_string().contains(&user.id);
        if seen.operation == "Scan" && moment == Moment::Before {
            counted.lock().unwrap().push(seen.body["ExclusiveStartKey"].to_string());
        }
        let (edited, owner, user) = (Arc::clone(&edited), Arc::clone(&owner), user.clone());
        async move {
            if is_first && moment == Moment::Before {
                let edit = async || owner.edit(&user, &json!({ "first_name": "Anna" })).await.status;
                edited.get_or_init(edit).await;
            }
            Verdict::GoOn
        }
    };
    let third = end_all_with(stack, &json!({}), moving).await.worked();
    assert_eq!((&third["ended"], &third["next"]), (&json!(total), &Value::Null), "{third}");
    let pages = pages.lock().unwrap().clone();
    assert_eq!(pages.iter().collect::<BTreeSet<_>>().len(), pages.len(), "each page is read once: {pages:?}");
    let times = signed_out(&rows, &partner.id).await;
    assert!(times.values().all(|times| *times == 2), "each of them once more");
}
