//! Records all transactions in the order in which they take effect, and makes calls fail at random before or after they
//! take effect.
//!
//! Transactions pass one at a time, as they take effect in the embedded DynamoDB, so their order is certain. At the
//! end, the audit trail shows which of them were committed. Only this module of the history test knows the structure of
//! a transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portal_tests::faults::{Moment, Seen, Service, Verdict};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

use crate::model::Live;
use crate::operation::SECOND_EVENTS;
use crate::random::Random;
use crate::tables::REFUSED;

/// A transaction that changes a user or a session.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// It took effect after this moment.
    pub(crate) after: Instant,
    /// It took effect before this moment.
    pub(crate) before: Instant,
    /// The id of its request.
    pub(crate) request_id: String,
    /// The action in its audit event, or in the last one if there are two.
    pub(crate) action: String,
    /// The time in its audit event.
    pub(crate) at: String,
    /// The user that it changed, or the user who changed the settings.
    pub(crate) target: String,
    /// The user that it added or restored.
    pub(crate) added: Option<Added>,
    /// The ids of its audit events.
    pub(crate) events: Vec<String>,
    /// The sessions that it started.
    pub(crate) begun: Vec<(String, Live)>,
    /// The sessions that it ended one by one.
    pub(crate) ended: Vec<String>,
}

/// What a transaction stored about a user that it added or restored.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    pub(crate) email: String,
    /// The time of the last sign-in, if there was one.
    pub(crate) last_sign_in_at: Option<String>,
}

/// The number of faults per 1,000 calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    /// A transaction that conflicts with another.
    pub(crate) conflicts: u64,
    /// A call that is throttled.
    pub(crate) throttled: u64,
    /// A call that fails before it takes effect.
    pub(crate) failed: u64,
    /// A call that takes effect, but whose connection then breaks.
    pub(crate) lost: u64,
    /// A call that takes effect, but whose response comes after the function's timeout.
    pub(crate) late: u64,
}

/// A delay above a function's timeout for one attempt of a call.
const TOO_LATE: Duration = Duration::from_millis(3_300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Conflict,
    Throttled,
    Failed,
    Lost,
    Late,
}

/// Records commits and injects faults.
#[derive(Debug)]
pub(crate) struct Recorder {
    shares: Shares,
    is_failing: AtomicBool,
    random: Mutex<Random>,
    turn: Arc<tokio::sync::Mutex<()>>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    commits: Vec<Commit>,
    /// The transaction that is being carried out. It holds the lock, so that others wait.
    now: Option<(OwnedMutexGuard<()>, Instant)>,
    /// The planned faults of responses, by call.
    planned: BTreeMap<String, Fault>,
    injected: BTreeMap<Fault, usize>,
}

impl Recorder {
    /// A recorder without commits.
    pub(crate) fn new(random: Random, shares: Shares) -> Arc<Self> {
        let random = Mutex::new(random);
        Arc::new(Self { shares, is_failing: <_>::default(), random, turn: <_>::default(), taken: <_>::default() })
    }

    /// Starts or stops the random faults.
    pub(crate) fn fail(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// The hook for the calls of every operation.
    pub(crate) async fn pass(self: Arc<Self>, seen: Seen, moment: Moment) -> Verdict {
        let is_transaction = seen.operation == "TransactWriteItems";
        match moment {
            Moment::Before => {
                let fault = self.draw(&seen, is_transaction);
                match fault {
                    Some(Fault::Conflict) => return Verdict::conflict(&seen),
                    Some(Fault::Throttled) => return Verdict::throttled(seen.service),
                    Some(Fault::Failed) => return Verdict::fault(seen.service),
                    Some(Fault::Lost | Fault::Late) | None => {}
                }
                if is_transaction {
                    let turn = Arc::clone(&self.turn).lock_owned().await;
                    self.taken.lock().unwrap().now = Some((turn, Instant::now()));
                }
                Verdict::GoOn
            }
            Moment::After => {
                let fault = self.taken.lock().unwrap().end(&seen, is_transaction);
                match fault {
                    Some(Fault::Lost) => Verdict::BreakOff,
                    Some(Fault::Late) => {
                        sleep(TOO_LATE).await;
                        Verdict::GoOn
                    }
                    Some(Fault::Conflict | Fault::Throttled | Fault::Failed) | None => Verdict::GoOn,
                }
            }
        }
    }

    /// Selects a random fault for this call, or none.
    fn draw(&self, seen: &Seen, is_transaction: bool) -> Option<Fault> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut drawn = self.random.lock().unwrap().below(1_000);
        let shares = [
            (Fault::Conflict, if is_transaction { self.shares.conflicts } else { 0 }),
            (Fault::Throttled, self.shares.throttled),
            (Fault::Failed, self.shares.failed),
            (Fault::Lost, self.shares.lost),
            // For calls to Cognito, a late response has the same effect as a lost one.
            (Fault::Late, if seen.service == Service::DynamoDb { self.shares.late } else { 0 }),
        ];
        let (fault, _) = shares.into_iter().find(|(_, share)| {
            let is_it = drawn < *share;
            drawn = drawn.saturating_sub(*share);
            is_it
        })?;
        let mut taken = self.taken.lock().unwrap();
        *taken.injected.entry(fault).or_default() += 1;
        if matches!(fault, Fault::Lost | Fault::Late) {
            taken.planned.insert(seen.call.clone(), fault);
        }
        Some(fault)
    }

    /// The committed transactions in their order: those whose events are in the audit trail. A transaction that is sent
    /// again after a lost response took effect the first time.
    pub(crate) fn commits(&self, audit_trail: &HashSet<String>) -> Vec<Commit> {
        let mut seen = HashSet::new();
        let taken = self.taken.lock().unwrap();
        let committed =
            taken.commits.iter().filter(|commit| commit.events.iter().all(|event| audit_trail.contains(event)));
        committed.filter(|commit| seen.insert(&commit.events)).cloned().collect()
    }

    /// The number of injected faults of each kind.
    pub(crate) fn injected(&self) -> BTreeMap<Fault, usize> {
        self.taken.lock().unwrap().injected.clone()
    }
}

impl Taken {
    /// Records a call that took effect. Returns the planned fault of its response.
    fn end(&mut self, seen: &Seen, is_transaction: bool) -> Option<Fault> {
        if is_transaction && let Some((turn, after)) = self.now.take() {
            self.commits.extend(commits(&seen.body, after, Instant::now()));
            drop(turn);
        }
        self.planned.remove(&seen.call)
    }
}

/// The commits of a transaction. There are none if it has no audit event, or only one that records a refusal. Each user
/// that a transaction adds is a commit.
fn commits(request: &Value, after: Instant, before: Instant) -> Vec<Commit> {
    let items = request["TransactItems"].as_array().unwrap();
    let in_table = |operation: &Value, table: &str| operation["TableName"].as_str().unwrap().contains(table);
    let puts = |table: &'static str| {
        let puts = items.iter().map(|item| &item["Put"]).filter(move |put| put.is_object() && in_table(put, table));
        puts.map(|put| &put["Item"])
    };
    let session = |key: &Value| key["sk"]["S"].as_str().and_then(|key| key.strip_prefix("SESSION#")).map(str::to_owned);
    let text = |value: &Value| value["S"].as_str().unwrap().to_owned();
    let action = |event: &Value| event["action"]["S"].as_str().unwrap_or_default().to_owned();

    let is_change = |event: &&Value| event["action"].is_object() && !REFUSED.contains(&action(event).as_str());
    let events: Vec<&Value> = puts("AuditTable").filter(is_change).collect();
    let is_addition = events.iter().all(|event| action(event) == "user.added");
    assert!(
        events.len() <= 1 || is_addition || (events.len() == 2 && SECOND_EVENTS.contains(&action(events[1]).as_str())),
        "a change has one event: {request}"
    );
    let begun = puts("SessionsTable").filter_map(|item| {
        let generation = item["generation"]["N"].as_str()?.parse().ok()?;
        Some((session(item)?, Live { generation, has_factor: item["factors"].is_object() }))
    });
    let begun: Vec<_> = begun.collect();
    let ended = items.iter().map(|item| &item["Delete"]).filter(|delete| delete.is_object());
    let ended = ended.filter(|delete| in_table(delete, "SessionsTable")).filter_map(|delete| session(&delete["Key"]));
    let ended: Vec<_> = ended.collect();
    let commit = |events: &[&Value]| {
        let event = events.last()?;
        let party = if event["target"]["M"].is_object() { "target" } else { "actor" };
        let target = text(&event[party]["M"]["id"]);
        let key = format!("USER#{target}");
        Some(Commit {
            after,
            before,
            request_id: text(&event["request_id"]),
            action: action(event),
            at: text(&event["at"]),
            added: puts("UsersTable").find(|item| item["sk"]["S"] == key.as_str()).map(|item| Added {
                email: text(&item["email"]),
                last_sign_in_at: Some(text(&item["last_sign_in_key"])).filter(|at| !at.starts_with('-')),
            }),
            target,
            events: events.iter().map(|event| text(&event["id"])).collect(),
            begun: begun.clone(),
            ended: ended.clone(),
        })
    };
    let changes = events.chunks(if is_addition { 1 } else { events.len().max(1) });
    changes.filter_map(commit).collect()
}
