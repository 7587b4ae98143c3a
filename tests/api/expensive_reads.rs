//! The limit on expensive reads for each user. It stops only that user and only such reads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_tests::faults::{FaultyStack, Moment, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Call, Partner};
#[cfg(target_os = "linux")]
use portal_tests::{Ready, Stack};
use tokio::sync::watch;

/// The limits of `Counter::expensive_reads` and `Counter::reads_of_everybody` in a window.
const EXPENSIVE: (&str, u32) = ("EXPENSIVE_READS", 600);
const ALL_USERS: (&str, u32) = ("READS_OF_EVERYBODY", 150);

const WINDOW: u64 = 15 * 60;

/// The call that counts a read.
const COUNT: &str = "UpdateItem Sessions";

/// Every limited read: its counter, its path, and whether it requests a CSV table.
const READS: [((&str, u32), &str, bool); 9] = [
    (EXPENSIVE, "/v1/users?search=ann", false),
    (EXPENSIVE, "/v1/users?role=viewer", false),
    (EXPENSIVE, "/v1/users", true),
    (EXPENSIVE, "/v1/audit-events", false),
    (EXPENSIVE, "/v1/access-review/record", true),
    (ALL_USERS, "/v1/access-review", false),
    (ALL_USERS, "/v1/access-review", true),
    (ALL_USERS, "/v1/access-review?summary_only=true", false),
    (ALL_USERS, "/v1/access-review/record", false),
];

fn read(actor: &Actor, path: &str, is_table: bool) -> Call {
    let call = actor.get(path);
    if is_table { call.header("accept", "text/csv") } else { call }
}

#[track_caller]
fn is_limited(answer: &Answer) {
    answer.problem(429, "too_many_requests");
    assert!((1..=WINDOW).contains(&answer.retry_after()), "{answer}");
}

/// Starts a stack: about 2 s.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_user_over_the_read_limit_waits_and_other_users_do_not() {
    const BEGINNING: u64 = 1_800_000_000_000;
    let (stack, clock) =
        Stack::start_at(BEGINNING, "expensive-reads", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let ready: &Ready = &stack.ready;
    let (partner, rows) = (Partner::of(ready).await, Rows::of(ready));
    let (greedy, ann) = (partner.new_user("admin").await, partner.new_user("viewer").await);

    for (kind, limit) in [EXPENSIVE, ALL_USERS] {
        let limited: Vec<_> = READS.into_iter().filter(|(counter, ..)| counter.0 == kind).collect();
        let (_, path, is_table) = limited[0];
        read(&greedy, path, is_table).await.expect(200);
        rows.set_attempts(kind, limit - 1).await;
        read(&greedy, path, is_table).await.expect(200);
        for (_, path, is_table) in limited {
            let answer = read(&greedy, path, is_table).await;
            is_limited(&answer);
            assert_eq!(answer.retry_after(), WINDOW, "{path}: the clock has not moved");
        }
        assert_eq!(rows.attempts(kind).await, [limit], "rejected reads are not counted");
    }

    // The same user can still make cheap requests, in every session.
    greedy.get("/v1/users").await.expect(200);
    greedy.get("/v1/users?sort=last_sign_in_at&order=desc&limit=100").await.expect(200);
    greedy.get("/v1/me").await.expect(200);
    greedy.see(&ann).await;
    greedy.sessions(&ann).await.expect(200);
    greedy.force_logout(&ann).await.expect(200);
    greedy.decide(&ann, "keep").await.expect(200);
    let elsewhere = greedy.elsewhere().await;
    is_limited(&elsewhere.get("/v1/audit-events").await);
    elsewhere.sign_out().await.expect(204);

    // Other users are not limited, neither of the same partner nor of another one.
    let another_partner = Partner::of(ready).await;
    for reader in [partner.owner(), another_partner.owner()] {
        for (_, path, is_table) in READS {
            read(reader, path, is_table).await.expect(200);
        }
    }

    clock.advance(Duration::from_secs(WINDOW - 1));
    let greedy = greedy.elsewhere().await;
    let answer = greedy.get("/v1/audit-events").await;
    is_limited(&answer);
    assert_eq!(answer.retry_after(), 1);
    clock.advance(Duration::from_secs(1));
    for (_, path, is_table) in READS {
        read(&greedy, path, is_table).await.expect(200);
    }
    stack.end("TERM");
}

/// What happens to the calls of a read.
#[derive(Clone, Copy)]
enum Calls {
    /// Every call succeeds.
    Succeed,
    /// The calls of this operation get a 500.
    Fail(&'static str),
    /// Queries wait until the read is counted. They never start if the count waits for them.
    WaitForCount,
}

/// Makes a read. Returns its answer and the names of its calls to AWS.
async fn calls(
    stack: &FaultyStack,
    actor: &Actor,
    read: impl FnOnce(&Actor) -> Call,
    fate: Calls,
) -> (Answer, Vec<String>) {
    let (trace, calls) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&calls);
    let counted = watch::Sender::new(false);
    stack.faults.watch(&trace, move |call, moment| {
        if moment == Moment::Before {
            seen.lock().unwrap().push(call.name());
            if call.name() == COUNT {
                counted.send_replace(true);
            }
        }
        let fails = matches!(fate, Calls::Fail(operation) if operation == call.operation);
        let waits = matches!(fate, Calls::WaitForCount) && call.operation == "Query";
        let mut counted = counted.subscribe();
        async move {
            if waits {
                counted.wait_for(|counted| *counted).await.unwrap();
            }
            if fails && moment == Moment::Before { Verdict::fault(Service::DynamoDb) } else { Verdict::GoOn }
        }
    });
    let answer = read(actor).within(&trace).await;
    let calls = calls.lock().unwrap().clone();
    (answer, calls)
}

/// Starts two stacks: about 3 s.
#[tokio::test]
async fn the_counter_is_read_with_the_caller_and_updated_with_the_read() {
    let stack = FaultyStack::start("expensive-reads-faults").unwrap();
    let (partner, rows) = (Partner::of(&stack.ready).await, Rows::of(&stack.ready));
    let owner = partner.owner();

    for ((kind, limit), path, is_table) in READS {
        let call = |actor: &Actor| read(actor, path, is_table);
        let (answer, made) = calls(&stack, owner, call, Calls::WaitForCount).await;
        answer.expect(200);
        assert_eq!(made[0], "BatchGetItem Sessions Users", "{path}: the counter is read with the caller: {made:?}");
        assert_eq!(made.iter().filter(|name| *name == COUNT).count(), 1, "{path}: {made:?}");

        let counted = rows.attempts(kind).await[0];
        let (answer, made) = calls(&stack, owner, call, Calls::Fail("Query")).await;
        answer.problem(503, "unavailable");
        assert!(made.iter().any(|name| name.starts_with("Query")), "{path}: {made:?}");
        assert_eq!(rows.attempts(kind).await, [counted + 1], "{path}: a failed read is counted");

        let (answer, _) = calls(&stack, owner, call, Calls::Fail("UpdateItem")).await;
        answer.problem(503, "unavailable");
        assert!(answer.retry_after() > 0, "{path}");

        rows.set_attempts(kind, limit).await;
        let (answer, made) = calls(&stack, owner, call, Calls::Succeed).await;
        is_limited(&answer);
        assert_eq!(made, ["BatchGetItem Sessions Users"], "{path}: a read over the limit never starts");
        rows.set_attempts(kind, 1).await;
    }

    // A page of the list without a search or filter is not counted.
    let (answer, made) = calls(&stack, owner, |actor| actor.get("/v1/users"), Calls::Succeed).await;
    answer.expect(200);
    assert!(!made.contains(&COUNT.to_owned()), "{made:?}");
}
