//! A DynamoDB that takes down every transaction it commits, in the order in which it commits them, and that fails at
//! random on the way there or back.
//!
//! Transactions pass one at a time, as they take effect in DynamoDB itself: so the order is known, not guessed. All that
//! the history test knows of keys and attributes is here.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::random::Random;

/// A committed transaction that changed a user or a session.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// It took effect after this moment.
    pub(crate) after: Instant,
    /// And before this one.
    pub(crate) before: Instant,
    /// The request that made it.
    pub(crate) request_id: String,
    /// The audit event's word for it.
    pub(crate) action: String,
    /// When the function says that it happened.
    pub(crate) at: String,
    /// Whom it changed.
    pub(crate) target: String,
    /// The audit event's id.
    pub(crate) event: String,
    /// The sessions that it began, with their generation.
    pub(crate) begun: Vec<(String, u64)>,
    /// The sessions that it ended one by one.
    pub(crate) ended: Vec<String>,
}

/// How often what goes wrong, of 1,000 calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// A transaction that meets another. The embedded DynamoDB never says so.
    pub(crate) conflicts: u64,
    /// A call that is throttled.
    pub(crate) throttled: u64,
    /// A call that fails on the way there.
    pub(crate) failed: u64,
    /// A call that is carried out, and its answer lost.
    pub(crate) lost: u64,
    /// A call that is carried out, and whose answer comes after the function's patience is at an end.
    pub(crate) late: u64,
}

/// Longer than a function waits for one try of a call.
const TOO_LATE: Duration = Duration::from_millis(3_300);

/// The database, and what was taken down.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Where it answers.
    pub(crate) url: String,
    upstream: String,
    http: reqwest::Client,
    /// Held while a transaction is carried out.
    turn: tokio::sync::Mutex<HashSet<String>>,
    commits: Mutex<Vec<Commit>>,
    random: Mutex<Random>,
    faults: Faults,
    is_faulty: AtomicBool,
    injected: Mutex<Vec<&'static str>>,
}

impl Recorder {
    /// Starts it, empty and without faults at first.
    pub(crate) async fn start(random: Random, faults: Faults) -> Arc<Self> {
        let (database, port) = listener().await;
        let (proxy, url) = listener().await;
        tokio::spawn(dynoxide::server::serve_with_shutdown(
            database,
            Database::memory().unwrap(),
            std::future::pending(),
        ));
        let recorder = Arc::new(Self {
            url,
            upstream: port,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            turn: tokio::sync::Mutex::default(),
            commits: Mutex::default(),
            random: Mutex::new(random),
            faults,
            is_faulty: AtomicBool::new(false),
            injected: Mutex::default(),
        });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&recorder));
        tokio::spawn(async move { axum::serve(proxy, router).await });
        recorder
    }

    /// From now on calls fail at random, or no longer.
    pub(crate) fn fail(&self, is_faulty: bool) {
        self.is_faulty.store(is_faulty, Ordering::Relaxed);
    }

    /// What was committed so far, in order.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        self.commits.lock().unwrap().clone()
    }

    /// What was made to fail: each kind, and how often.
    pub(crate) fn injected(&self) -> std::collections::BTreeMap<&'static str, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for fault in self.injected.lock().unwrap().iter() {
            *counts.entry(*fault).or_default() += 1;
        }
        counts
    }

    /// What goes wrong with this call, if anything.
    fn fault(&self, is_transaction: bool) -> Option<Fault> {
        if !self.is_faulty.load(Ordering::Relaxed) {
            return None;
        }
        let mut drawn = self.random.lock().unwrap().below(1_000);
        let faults = [
            (if is_transaction { self.faults.conflicts } else { 0 }, Fault::Conflict),
            (self.faults.throttled, Fault::Throttled),
            (self.faults.failed, Fault::Failed),
            (self.faults.lost, Fault::Lost),
            (self.faults.late, Fault::Late),
        ];
        let (_, fault) = faults.into_iter().find(|(share, _)| {
            let is_it = drawn < *share;
            drawn = drawn.saturating_sub(*share);
            is_it
        })?;
        self.injected.lock().unwrap().push(fault.name());
        Some(fault)
    }

    async fn forward(&self, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, Bytes) {
        let answer = self.http.post(&self.upstream).headers(headers).body(body).send().await.unwrap();
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        headers.remove("connection");
        (status, headers, answer.bytes().await.unwrap())
    }

    async fn transact(&self, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, Bytes) {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let mut committed = self.turn.lock().await;
        let after = Instant::now();
        let answer = self.forward(headers, body).await;
        let before = Instant::now();
        let token = request["ClientRequestToken"].as_str().unwrap().to_owned();
        // A token that comes again is answered again, and carried out once.
        if answer.0.is_success()
            && committed.insert(token)
            && let Some(commit) = commit(&request, after, before)
        {
            self.commits.lock().unwrap().push(commit);
        }
        answer
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Conflict,
    Throttled,
    Failed,
    Lost,
    Late,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Late => "late",
        }
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn handle(State(recorder): State<Arc<Recorder>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 16 << 20).await.unwrap();
    let mut headers = head.headers;
    for name in ["host", "connection", "content-length", "transfer-encoding"] {
        headers.remove(name);
    }
    let operation = headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.split('.').nth(1));
    let is_transaction = operation == Some("TransactWriteItems");
    let fault = recorder.fault(is_transaction);
    match fault {
        Some(Fault::Conflict) => return conflict(&body),
        Some(Fault::Throttled) => {
            let code = if is_transaction { "ThrottlingException" } else { "ProvisionedThroughputExceededException" };
            return error(StatusCode::BAD_REQUEST, &json!({ "__type": code, "message": "Slow down." }));
        }
        Some(Fault::Failed) => return broken(),
        Some(Fault::Lost | Fault::Late) | None => {}
    }
    // In a task of its own: it runs to its end when the caller has gone.
    let carried_out = tokio::spawn({
        let recorder = Arc::clone(&recorder);
        async move {
            if is_transaction { recorder.transact(headers, body).await } else { recorder.forward(headers, body).await }
        }
    });
    let answer = carried_out.await.unwrap();
    match fault {
        Some(Fault::Lost) => return broken(),
        Some(Fault::Late) => tokio::time::sleep(TOO_LATE).await,
        Some(Fault::Conflict | Fault::Throttled | Fault::Failed) | None => {}
    }
    answer.into_response()
}

fn error(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn broken() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "__type": "InternalServerError", "message": "Try again." }))
}

/// The first of the items is in another transaction.
fn conflict(body: &Bytes) -> Response {
    let request: Value = serde_json::from_slice(body).unwrap();
    let reasons: Vec<Value> = (0..request["TransactItems"].as_array().unwrap().len())
        .map(|index| json!({ "Code": if index == 0 { "TransactionConflict" } else { "None" } }))
        .collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    });
    error(StatusCode::BAD_REQUEST, &body)
}

/// `None`: it has no audit event, and so changes nothing that counts here.
fn commit(request: &Value, after: Instant, before: Instant) -> Option<Commit> {
    let items = request["TransactItems"].as_array().unwrap();
    let in_table = |operation: &Value, table: &str| operation["TableName"].as_str().unwrap().contains(table);
    let puts = |table: &'static str| {
        items.iter().map(|item| &item["Put"]).filter(move |put| put.is_object() && in_table(put, table))
    };
    let session = |key: &Value| key["sk"]["S"].as_str().and_then(|key| key.strip_prefix("SESSION#")).map(str::to_owned);
    let text = |value: &Value| value["S"].as_str().unwrap().to_owned();

    let mut events = puts("AuditTable").map(|put| &put["Item"]);
    let event = events.next()?;
    assert!(events.next().is_none(), "a change has one event: {request}");
    let begun = puts("SessionsTable").filter_map(|put| {
        let item = &put["Item"];
        Some((session(item)?, item["generation"]["N"].as_str()?.parse().ok()?))
    });
    let ended = items.iter().map(|item| &item["Delete"]).filter(|delete| delete.is_object());
    let ended = ended.filter(|delete| in_table(delete, "SessionsTable")).filter_map(|delete| session(&delete["Key"]));
    Some(Commit {
        after,
        before,
        request_id: text(&event["request_id"]),
        action: text(&event["action"]),
        at: text(&event["at"]),
        target: text(&event["target"]["M"]["id"]),
        event: text(&event["id"]),
        begun: begun.collect(),
        ended: ended.collect(),
    })
}
