//! Faults while all sessions of all users are ended. These tests have their own stacks, because this ends every session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Seen, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Client, Invoked, Partner, invoke_within};
use serde_json::{Value, json};

use crate::all_faults::repair;
use crate::fault::failing;
use crate::whole::Whole;

/// Invokes `end-all-sessions` while `hook` decides what happens to its calls.
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

/// Invokes `end-all-sessions` without faults.
async fn end_all(stack: &FaultyStack, input: &Value) -> Value {
    end_all_with(stack, input, |_, _| async { Verdict::GoOn }).await.worked()
}

#[tokio::test]
async fn an_interrupted_end_of_all_sessions_is_completed_by_the_next_run() {
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
    // Two of them are the primary admins of the demo partners of the stack and of its servers.
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
                    assert!(rows.sessions(person).await.is_empty(), "no session item is left");
                }
                repair(ready).await;
                let violations = Whole::read(ready).await.violations();
                // Every user gets a new, unused generation, so the number differs from the count in the audit trail.
                let is_other = |what: &String| !what.contains("session_generation is");
                let violations: Vec<String> =
                    violations.into_iter().map(|violation| violation.what).filter(is_other).collect();
                assert!(violations.is_empty(), "{operation} {at:?}, dies: {dies}: {violations:?}");
            }
        }
    }
}

/// The number of forced logouts of each user of a partner.
async fn signed_out(rows: &Rows, partner: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for event in rows.audit(partner).await {
        if event["action"].as_s().unwrap() == "logout.forced" {
            *times.entry(event["target"].as_m().unwrap()["id"].as_s().unwrap().clone()).or_default() += 1;
        }
    }
    times
}

/// Uses more users than one page of the table has.
#[tokio::test]
async fn in_a_large_portal_a_run_continues_where_the_last_one_stopped() {
    const COPIES: usize = 450;
    let stack: &'static FaultyStack = Box::leak(Box::new(FaultyStack::start("end-all-large").unwrap()));
    let rows = Rows::of(&stack.ready);
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    rows.put_copies_of_user(&ann, COPIES).await;

    // DynamoDB throttles every read of the second page, so the run stops.
    let stopping = |seen: Seen, moment| {
        let is_next_page = seen.operation == "Scan" && seen.body["ExclusiveStartKey"].is_object();
        let fails = is_next_page && moment == Moment::Before;
        async move { if fails { Verdict::throttled(seen.service) } else { Verdict::GoOn } }
    };
    let first = end_all_with(stack, &json!({}), stopping).await.worked();
    assert_eq!(first["stopped"], "unavailable", "{first}");
    let ended = first["ended"].as_u64().unwrap();
    assert!((100..=200).contains(&ended), "{first}");
    // A run that makes no progress keeps its position.
    let again = end_all_with(stack, &json!({ "from": first["next"] }), stopping).await.worked();
    assert_eq!((&again["ended"], &again["next"]), (&json!(0), &first["next"]), "{again}");
    let second = end_all(stack, &json!({ "from": first["next"] })).await;
    assert_eq!((&second["stopped"], &second["next"]), (&Value::Null, &Value::Null), "{second}");

    // The total includes this partner's two other users and the primary admins of the two demo partners.
    let total = COPIES as u64 + 4;
    assert_eq!(ended + second["ended"].as_u64().unwrap(), total);
    let times = signed_out(&rows, &partner.id).await;
    assert_eq!(times.len(), COPIES + 2);
    assert!(times.values().all(|times| *times == 1), "each user was signed out once");

    // One user changes between the read and the commit. Only this user is read again.
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
    assert!(times.values().all(|times| *times == 2), "each user was signed out once more");
}
