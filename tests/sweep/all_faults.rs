//! Tries every possible fault at every call of every changing action. Faults that leave the same state take turns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use portal_tests::faults::{FaultyStack, Moment, Trace};
use portal_tests::rows::Rows;
use portal_tests::{Ready, invoke};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::action::Action;
use crate::fault::{Fault, Planned, Point, counting};
use crate::outbox::send_all;
use crate::scene::{Models, Outcome, Scene};
use crate::whole::Whole;

/// The number of concurrent requests. More would not be faster on two processors.
const LANES: usize = 8;

/// The number of delayed requests of one function at a time. Each needs a process, and a function has at most 32.
const DELAYS: usize = 22;

/// The number of delayed requests that have not reached their delay yet. If all of them hashed passwords at the same time, a
/// loaded machine would leave a function no time for its response: it ends its work 0.7 s before its timeout.
const STARTS: usize = 4;

/// One fault in one scene.
struct Run {
    scene: Arc<Scene>,
    planned: Arc<Planned>,
}

/// A run whose request has ended. Its checks are still to be made.
struct Ran {
    run: Run,
    outcome: Outcome,
}

/// The results of one action in the printed table.
#[derive(Default)]
struct Line {
    calls: usize,
    runs: usize,
    answered: usize,
    failed_committed: usize,
    failed_uncommitted: usize,
    refused: usize,
    violations: usize,
}

impl Line {
    fn numbers(&self) -> [usize; 7] {
        let Self { calls, runs, answered, failed_committed, failed_uncommitted, refused, violations } = *self;
        [calls, runs, answered, failed_committed, failed_uncommitted, refused, violations]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_fault_at_any_call_both_stores_are_consistent() {
    let began = Instant::now();
    // The stack and its processes live until this process ends.
    let stack: &'static FaultyStack = Box::leak(Box::new(FaultyStack::start("sweep").unwrap()));
    let ready = &stack.ready;
    let mut table: BTreeMap<Action, Line> = BTreeMap::new();
    let (runs, shared) = Box::pin(plan(stack, &mut table)).await;
    say(&format!("{} runs are set up after {:?}", runs.len(), began.elapsed()));

    let before = Whole::read(ready).await;
    let (heal, healed) = watch::channel(false);
    let ran = run(stack, runs, &healed).await;
    heal.send_replace(true);
    stack.faults.quiet().await;
    say(&format!("all runs are done after {:?}", began.elapsed()));

    let mut violations = Vec::new();
    repair(ready).await;
    let whole = Whole::read(ready).await;
    let mut runs_by_partner: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for Ran { run, .. } in &ran {
        runs_by_partner.entry(run.scene.partner(&whole)).or_default().push(run);
    }
    let report = |whole: &Whole, violations: &mut Vec<String>, table: &mut BTreeMap<Action, Line>| {
        for violation in whole.violations().into_iter().chain(whole.outbox.violations(&before.outbox)) {
            let runs = runs_by_partner.get(&violation.partner).map(Vec::as_slice).unwrap_or_default();
            let is_its_run = |run: &&&Run| violation.user.as_ref().is_some_and(|user| run.scene.has_target(user));
            let context = match (runs, runs.iter().find(is_its_run)) {
                ([run], _) | (_, Some(run)) => run.to_string(),
                ([], None) => "set-up".to_owned(),
                ([run, ..], None) => format!("{}, one of {} runs", run.scene.action.label, runs.len()),
            };
            let text = format!("{context}: {}", violation.what);
            if violations.contains(&text) {
                continue;
            }
            violations.push(text);
            if let Some(run) = runs.first() {
                table.entry(run.scene.action).or_default().violations += 1;
            }
        }
    };
    report(&whole, &mut violations, &mut table);
    // A killed process leaves work undone, which the stores show. Other faults may also do too much, so they come first.
    let mut states = HashSet::new();
    let (killed, others): (Vec<&Ran>, Vec<&Ran>) = ran.iter().partition(|ran| ran.run.planned.fault == Fault::Kill);
    let checks: Vec<(&Ran, bool)> = others
        .into_iter()
        .chain(killed)
        .map(|ran| {
            let description = ran.run.scene.description(&ran.run.planned, &before, &whole);
            (ran, states.insert((ran.run.scene.action, description)))
        })
        .collect();
    let checks = checks.into_iter().map(|(ran, has_new_state)| ran.check(&before, &whole, has_new_state));
    let checked = stream::iter(checks).buffer_unordered(LANES).collect::<Vec<_>>().await;
    for (ran, found) in checked {
        let line = table.entry(ran.run.scene.action).or_default();
        line.runs += 1;
        match found {
            Ok(_) if ran.outcome.is_success() => line.answered += 1,
            Ok(_) if ran.outcome.status < 500 => line.refused += 1,
            Ok(true) => line.failed_committed += 1,
            Ok(false) => line.failed_uncommitted += 1,
            Err(violation) => {
                line.violations += 1;
                violations.push(format!("{}: {violation}", ran.run));
            }
        }
    }
    for scene in &shared {
        if let Err(violation) = without_panic(scene.check_shared_caller()).await {
            table.entry(scene.action).or_default().violations += 1;
            violations.push(format!("{}, the caller of its runs: {violation}", scene.action.label));
        }
    }
    // A function may run out of time and leave a call to repair before it makes the call. On a busy machine this happens now
    // and then, but not with every fault at this call.
    let (come, missed): (Vec<&Ran>, Vec<&Ran>) = ran.iter().partition(|ran| ran.run.planned.has_come());
    let come: HashSet<_> = come.into_iter().map(|ran| ran.run.place()).collect();
    for ran in missed.into_iter().filter(|ran| !come.contains(&ran.run.place())) {
        violations.push(format!("{}: the call never came", ran.run));
    }
    repair(ready).await;
    let whole = Whole::read(ready).await;
    report(&whole, &mut violations, &mut table);
    let (mails, wrong) = send_all(ready, &whole).await;
    violations.extend(wrong);
    say(&format!("{mails} items of the outbox are handled after {:?}", began.elapsed()));

    say(&written(&table));
    let calls: usize = table.values().map(|line| line.calls).sum();
    let (points, runs) = (2 * calls, ran.len());
    say(&format!("{points} points, {runs} runs, {} violations after {:?}", violations.len(), began.elapsed()));
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// The text that the names of the swept actions contain. It is empty for all actions.
#[allow(clippy::disallowed_methods, reason = "a test's own setting")]
fn chosen_actions() -> String {
    std::env::var("PORTAL_SWEEP_ACTION").unwrap_or_default()
}

/// Counts the calls of each action without faults, and prepares a scene for every possible fault. Also returns the scenes whose
/// partners and callers are shared.
async fn plan(stack: &'static FaultyStack, table: &mut BTreeMap<Action, Line>) -> (Vec<Run>, Vec<Scene>) {
    let (word, models, rows) = (chosen_actions(), Models::new(&stack.ready).await, Rows::of(&stack.ready));
    let chosen = Action::all().filter(|action| action.label.contains(&word));
    let counted = chosen.map(async |action| {
        let (scene, trace) = (Scene::new(&models, &rows, action).await, Trace::new());
        let calls = counting(stack, &trace);
        let outcome = scene.act(&trace).await;
        assert!(outcome.is_success(), "{}: {outcome:?}", action.label);
        (scene, calls())
    });
    let (mut planned, mut shared) = (Vec::new(), BTreeMap::new());
    for (scene, calls) in stream::iter(counted).buffer_unordered(LANES).collect::<Vec<_>>().await {
        let action = scene.action;
        assert!(!calls.is_empty(), "{} makes no calls, or they do not belong to its trace", action.label);
        table.entry(action).or_default().calls = calls.len();
        let last = calls.len() - 1;
        for (number, point) in calls.into_iter().enumerate() {
            let faults = Fault::all(action).into_iter();
            let faults = faults.filter(|(fault, moment)| {
                fault.can_happen_at(&point) && fault.has_turn_at(*moment, &point, action, number, number == last)
            });
            planned.extend(faults.map(|(fault, moment)| (action, Planned::new(point.clone(), fault, moment))));
        }
        if action.changes_target_only() {
            shared.insert(action, scene);
        }
    }
    let runs = planned.into_iter().map(async |(action, planned)| {
        // A recovery ends the sessions of the caller.
        let shared = shared.get(&action).filter(|_| planned.fault != Fault::OvertakenByRecovery);
        let scene = match shared {
            Some(shared) => shared.beside(&models, &rows).await,
            None => Scene::new(&models, &rows, action).await,
        };
        Run { scene: Arc::new(scene), planned: Arc::new(planned) }
    });
    let runs = stream::iter(runs).buffer_unordered(LANES).collect().await;
    (runs, shared.into_values().collect())
}

/// Runs everything. Runs that kill processes come first and one by one for each function, because a run kills all processes
/// of its function.
async fn run(stack: &'static FaultyStack, runs: Vec<Run>, healed: &watch::Receiver<bool>) -> Vec<Ran> {
    let (kills, others): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.planned.fault == Fault::Kill);
    let (delays, others): (Vec<Run>, Vec<Run>) = others.into_iter().partition(|run| run.planned.fault == Fault::Delay);
    // Otherwise an idle process that is about to die could get a request.
    stack.kill_idle().await;
    let mut kills = by_function(kills);
    kills.sort_by_key(|runs| Reverse(runs.len()));
    let killed = kills.into_iter().map(async |runs| {
        let mut ran = Vec::new();
        for run in runs {
            ran.push(run.go(stack, healed).await);
        }
        ran
    });
    // Killing takes time. If many processes were killed at once, a function could respond before its turn.
    let killed: Vec<Vec<Ran>> = stream::iter(killed).buffer_unordered(LANES).collect().await;
    let mut ran: Vec<Ran> = killed.into_iter().flatten().collect();
    // From their delay on, delayed requests only wait, so many of them can run at once.
    let starts = Semaphore::new(STARTS);
    let delayed = join_all(by_function(delays).into_iter().map(|runs| {
        let delayed = stream::iter(runs).map(|run| run.go_delayed(stack, healed, &starts));
        delayed.buffer_unordered(DELAYS).collect::<Vec<_>>()
    }));
    let others = stream::iter(others).map(|run| run.go(stack, healed)).buffer_unordered(LANES).collect::<Vec<_>>();
    let (delayed, others) = tokio::join!(delayed, others);
    ran.extend(delayed.into_iter().flatten());
    ran.extend(others);
    ran
}

fn by_function(runs: Vec<Run>) -> Vec<Vec<Run>> {
    let mut by_function: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    for run in runs {
        by_function.entry(run.scene.action.function).or_default().push(run);
    }
    by_function.into_values().collect()
}

impl Run {
    /// The action, the call, and whether the fault comes before or after the call.
    fn place(&self) -> (Action, Point, Moment) {
        (self.scene.action, self.planned.point.clone(), self.planned.moment)
    }

    async fn go(self, stack: &'static FaultyStack, healed: &watch::Receiver<bool>) -> Ran {
        let trace = Trace::new();
        self.planned.arm(stack, &self.scene, &trace, healed);
        let outcome = self.scene.act(&trace).await;
        Ran { run: self, outcome }
    }

    /// Like [`go`](Self::go). The request is one of `starts` until its call is delayed.
    async fn go_delayed(self, stack: &'static FaultyStack, healed: &watch::Receiver<bool>, starts: &Semaphore) -> Ran {
        let start = starts.acquire().await.unwrap();
        let planned = Arc::clone(&self.planned);
        let mut ran = pin!(self.go(stack, healed));
        tokio::select! {
            ran = &mut ran => return ran,
            () = planned.comes() => {}
        }
        drop(start);
        ran.await
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Planned { point, fault, moment, .. } = self.planned.as_ref();
        write!(f, "{}, {point}, {fault:?} {moment:?}", self.scene.action.label)
    }
}

impl Ran {
    /// Returns whether the action was committed, or the violation that a check found.
    async fn check(&self, before: &Whole, whole: &Whole, has_new_state: bool) -> (&Self, Result<bool, String>) {
        let check = self.run.scene.check(&self.outcome, &self.run.planned, before, whole, has_new_state);
        (self, without_panic(check).await)
    }
}

/// Returns the message of a panic as an error.
async fn without_panic<T>(check: impl Future<Output = T>) -> Result<T, String> {
    let said = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or("a panic".to_owned(), |text| (*text).to_owned()),
    };
    AssertUnwindSafe(check).catch_unwind().await.map_err(said)
}

/// Runs repair until no mark is left.
pub(crate) async fn repair(ready: &Ready) {
    loop {
        let answer = invoke(ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();
        assert_eq!(answer["failed"], 0, "{answer}");
        if answer["examined"] == 0 {
            return;
        }
    }
}

fn written(table: &BTreeMap<Action, Line>) -> String {
    let titles = ["calls", "runs", "answered", "5xx committed", "5xx nothing", "refused", "violations"];
    let rows = table.iter().map(|(action, line)| (action.label, line.numbers()));
    let sums =
        table.values().map(Line::numbers).reduce(|sum, line| std::array::from_fn(|index| sum[index] + line[index]));
    let mut lines = vec![row("action", &titles)];
    lines.extend(rows.chain(sums.map(|sums| ("all", sums))).map(|(label, numbers)| row(label, &numbers)));
    lines.join("\n")
}

fn row<T: std::fmt::Display>(label: &str, cells: &[T; 7]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>15}")).collect::<Vec<_>>().concat();
    format!("{label:<26}{cells}")
}

/// Prints a line directly to stdout, so that it is shown although the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
