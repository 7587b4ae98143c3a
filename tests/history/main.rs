//! Many clients at random against two partners whose users have the same emails, and then the question whether all that
//! they were answered could have happened one at a time.
//!
//! Each run prints its seed. `PORTAL_HISTORY_SEED=<number>` lets the clients make the same choices again (which requests
//! meet is up to the machine), `PORTAL_HISTORY_OPERATIONS=<number>` lets them make more of them.
//!
//! - `clients` do it, and write each [`operation`] down with the times of its request and its answer;
//! - `recorder` is on the way to the tables and the user pool: it takes the commits down in their order, and lets calls
//!   fail at random;
//! - `checker` replays the commits against `model`, the portal as it would be with one request at a time, and `sign_ins`
//!   says what a sign-in can have come to;
//! - `direct` looks for broken promises in the answers alone;
//! - `tables` compares what the replay leaves with what is stored.
//!
//! What chance brings too seldom is arranged: see `same_moment`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test says what went wrong"
)]

mod checker;
mod clients;
mod direct;
mod model;
mod operation;
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
use portal_tests::{User, new_partner, secrets};

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

/// The stack of these tests.
fn stack() -> &'static FaultyStack {
    static STACK: OnceLock<FaultyStack> = OnceLock::new();
    STACK.get_or_init(|| FaultyStack::start("history").unwrap_or_else(|error| panic!("no stack: {error}")))
}

/// The number in an environment variable.
#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_clients_are_answered_could_have_happened_one_at_a_time() {
    let seed = number("PORTAL_HISTORY_SEED").unwrap_or_else(new_seed);
    let most = number("PORTAL_HISTORY_OPERATIONS").map_or(OPERATIONS, |count| usize::try_from(count).unwrap());
    tell(&format!("PORTAL_HISTORY_SEED={seed}"));

    let stack = stack();
    // Both have the same email and the same password, too.
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
    let first = State { users: owners.iter().map(primary_admin).collect() };

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

    tell(&summary(&operations));
    tell(&format!(
        "{} operations by {CLIENTS} clients in {asked_for:.1?}, {} commits, faults {:?}, {} violations",
        operations.len(),
        commits.len(),
        recorder.injected(),
        violations.len()
    ));
    for violation in violations.iter().take(20) {
        tell(&format!("- {violation}"));
    }
    assert!(violations.is_empty(), "{} violations with PORTAL_HISTORY_SEED={seed}", violations.len());
    assert!(operations.len() >= most, "{} operations", operations.len());
    assert!(commits.len() >= most / 5, "only {} commits: too little happened to tell", commits.len());
}

/// Says it to whoever runs the tests, also when all is well.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// How often what was answered how.
fn summary(operations: &[Operation]) -> String {
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for operation in operations {
        let wish = format!("{:?}", operation.wish);
        let many = if operation.is_part { "… of many" } else { "" };
        let wish = format!("{}{many}", wish.split([' ', '{']).next().unwrap_or_default());
        let asks = operation.answer.json["challenge"].as_str().unwrap_or_default();
        let answer = format!("{} {}{asks}", operation.answer.status, operation.code()).trim().to_owned();
        *counts.entry(wish).or_default().entry(answer).or_default() += 1;
    }
    let lines = counts.iter().map(|(wish, answers)| {
        let answers: Vec<String> = answers.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
        format!("{wish:<20} {}", answers.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One that no run has had.
fn new_seed() -> u64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes).into()
}
