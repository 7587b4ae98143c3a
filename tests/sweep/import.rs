//! An import that runs out of time, or whose process dies. It has its own stack, because the test moves the clock and kills
//! processes.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_tests::faults::{FaultyStack, Moment, Seen, Trace, Verdict};
use portal_tests::{Answer, Partner, secrets};

/// The outcome and the password of each row.
fn results(answer: &Answer) -> Vec<(String, Option<String>)> {
    let result = |result: &serde_json::Value| {
        let password = result["generated_password"].as_str().map(secrets::remembered);
        (result["outcome"].as_str().unwrap().to_owned(), password)
    };
    answer.json["results"].as_array().unwrap().iter().map(result).collect()
}

fn table(emails: &[String]) -> String {
    let rows: Vec<String> = emails.iter().map(|email| format!("Nina,New,{email},viewer")).collect();
    format!("first_name,last_name,email,role\n{}", rows.join("\n"))
}

/// Hashes about 120 passwords.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the stack's clock must agree with the clock of the user pool")]
async fn an_import_that_times_out_or_dies_is_completed_by_a_retry() {
    // The user pool uses the real time, and a token must not be from the future.
    let now = (SystemTime::now() + Duration::from_mins(5)).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let (stack, clock) = FaultyStack::start_at(u64::try_from(now).unwrap(), "import").unwrap();
    let (stack, clock): (&'static FaultyStack, _) = (Box::leak(Box::new(stack)), Arc::new(clock));
    let partner = Partner::of(&stack.ready).await;
    let owner = partner.owner();
    let emails: Vec<String> = (0..30).map(|_| secrets::email("new")).collect();

    // After the first users are added, the function has a few seconds left: enough to respond, but not to hash more passwords.
    let trace = Trace::new();
    let (passing, moved) = (Arc::clone(&clock), AtomicUsize::new(0));
    stack.faults.watch(&trace, move |seen: Seen, moment| {
        let is_added = seen.operation == "TransactWriteItems" && moment == Moment::After;
        if is_added && moved.fetch_add(1, Ordering::Relaxed) == 0 {
            passing.advance(Duration::from_secs(26));
        }
        async { Verdict::GoOn }
    });
    let first = results(&owner.import(table(&emails), false).within(&trace).await.expect(200));
    let outcomes: Vec<&str> = first.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, [vec!["added"; 24], vec!["unavailable"; 6]].concat());
    owner.import(table(&emails), false).await.expect(200);

    // The process dies after the first users are added. Their passwords are lost with it.
    let emails: Vec<String> = (0..30).map(|_| secrets::email("new")).collect();
    let (key, trace, committed) = (secrets::random(20), Trace::new(), AtomicUsize::new(0));
    stack.faults.watch(&trace, move |seen: Seen, moment| {
        let is_committed = seen.operation == "TransactWriteItems" && moment == Moment::After;
        // The first transaction records the start of the import.
        let dies = is_committed && committed.fetch_add(1, Ordering::Relaxed) == 1;
        if dies {
            stack.kill("import-users");
        }
        async move { if dies { Verdict::BreakOff } else { Verdict::GoOn } }
    });
    let import = || owner.import(table(&emails), false).idempotency_key(&key);
    assert_eq!(import().within(&trace).await.status, 500);
    for _ in 0..2 {
        let again = import().await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true", "{again}");
        let rows = results(&again);
        assert!(rows.iter().all(|(outcome, password)| outcome == "added" && password.is_some()), "{rows:?}");
        for line in [0, 23, 24, 29] {
            let sign_in = owner.client.sign_in_at(&partner.id, &emails[line], rows[line].1.as_ref().unwrap());
            assert_eq!(sign_in.await.expect(200).json["challenge"], "new_password_required");
        }
    }
    assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 61);
}
