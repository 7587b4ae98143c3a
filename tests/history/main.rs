//! Runs many clients with random requests against two partners whose users have the same emails. Then it checks that
//! the responses are linearizable: that the requests could have happened one at a time.
//!
//! Each run prints its seed. With `PORTAL_HISTORY_SEED=<number>` the clients make the same choices again, but the
//! timing of their requests still varies. `PORTAL_HISTORY_OPERATIONS=<number>` sets the number of requests.
//!
//! - `clients` sends the requests, and records each [`operation`] with the times of its request and its response;
//! - `recorder` is between the functions and the servers: it records the commits in their order, and makes calls fail
//!   at random;
//! - `checker` replays the commits against `model`, a sequential model of the portal; `sign_ins` models the possible
//!   results of a sign-in;
//! - `direct` checks the main guarantees with the responses alone;
//! - `tables` compares the result of the replay with the stored items;
//! - `passkeys` has the devices of the clients' users.
//!
//! `same_moment` arranges a case that random requests reach too rarely.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod checker;
mod clients;
mod direct;
mod model;
mod operation;
mod passkeys;
mod random;
mod recorder;
mod same_moment;
mod sign_ins;
mod tables;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures::future::join_all;
use portal_tests::faults::FaultyStack;
use portal_tests::{NO_MAIL, User, new_partner, secrets};

use clients::World;
use model::{ALL, Person, State};
use operation::{Access, Operation};
use random::Random;
use recorder::{Recorder, Shares};
use tables::Tables;

const PARTNERS: usize = 2;
const CLIENTS: u64 = 10;
const OPERATIONS: usize = 2_400;
const FAULTS: Shares = Shares { conflicts: 40, throttled: 8, failed: 4, lost: 8, late: 1 };

/// The stack of these tests. Mail is off, so that users change their own email in one request.
fn stack() -> &'static FaultyStack {
    static STACK: OnceLock<FaultyStack> = OnceLock::new();
    STACK.get_or_init(|| {
        FaultyStack::start_with("history", &[NO_MAIL]).unwrap_or_else(|error| panic!("no stack: {error}"))
    })
}

/// The number in an environment variable.
#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_of_many_clients_are_linearizable() {
    let seed = number("PORTAL_HISTORY_SEED").unwrap_or_else(new_seed);
    let most = number("PORTAL_HISTORY_OPERATIONS").map_or(OPERATIONS, |count| usize::try_from(count).unwrap());
    print(&format!("PORTAL_HISTORY_SEED={seed}"));

    let stack = stack();
    // Both primary admins have the same email and the same password.
    let (email, password) = (secrets::email("owner"), secrets::password());
    let mut owners = Vec::new();
    for _ in 0..PARTNERS {
        owners.push(new_partner(&stack.ready, &email, Some(&password)).await);
    }
    let primary_admin = |owner: &User| {
        let access = Access { role: "primary_admin", permissions: ALL.into() };
        let person = Person::new(&owner.partner_id, &owner.email, "Olive", access, &owner.password);
        (owner.id.clone(), Arc::new(person))
    };
    let requirements = owners.iter().map(|owner| (owner.partner_id.clone(), "optional")).collect();
    let users = owners.iter().map(primary_admin).collect();
    let first = State { users, removed: BTreeMap::new(), requirements: Arc::new(requirements) };

    let started = Instant::now();
    let recorder = Recorder::new(Random::new(seed, u64::MAX), FAULTS);
    let world = World::new(stack, &recorder, &owners);
    world.begin(&mut Random::new(seed, 0)).await;
    recorder.fail(true);
    join_all((1..=CLIENTS).map(|client| world.run(Random::new(seed, client), most))).await;
    stack.faults.quiet().await;
    let asked_for = started.elapsed();

    let operations = world.operations();
    let tables = Tables::read(&stack.ready, &owners).await;
    let commits = recorder.commits(&tables.events);
    let verdict = checker::check(first, &operations, &commits);
    let mut violations = verdict.violations;
    violations.extend(direct::check(&operations));
    violations.extend(tables.differences(&verdict.last, &commits));

    print(&summary(&operations));
    print(&format!(
        "{} operations by {CLIENTS} clients in {asked_for:.1?}, {} commits, faults {:?}, {} violations",
        operations.len(),
        commits.len(),
        recorder.injected(),
        violations.len()
    ));
    for violation in violations.iter().take(20) {
        print(&format!("- {violation}"));
    }
    assert!(violations.is_empty(), "{} violations with PORTAL_HISTORY_SEED={seed}", violations.len());
    assert!(operations.len() >= most, "{} operations", operations.len());
    assert!(commits.len() >= most / 5, "only {} commits: too few to check anything", commits.len());
}

/// Prints a line even if the test passes.
fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The number of responses of each kind, by operation.
fn summary(operations: &[Operation]) -> String {
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for operation in operations {
        let action = format!("{:?}", operation.action);
        let many = if operation.is_part { "… of many" } else { "" };
        let action = format!("{}{many}", action.split([' ', '{']).next().unwrap_or_default());
        // The options for a passkey have a challenge too, but no session.
        let json = &operation.answer.json;
        let asks = json["challenge"].as_str().filter(|_| json["session"].is_string()).unwrap_or_default();
        let answer = format!("{} {}{asks}", operation.answer.status, operation.code()).trim().to_owned();
        *counts.entry(action).or_default().entry(answer).or_default() += 1;
    }
    let lines = counts.iter().map(|(action, answers)| {
        let answers: Vec<String> = answers.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
        format!("{action:<20} {}", answers.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A random seed for a new run.
fn new_seed() -> u64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes).into()
}
