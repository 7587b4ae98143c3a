//! Injects faults into calls to AWS. A server forwards calls to the tables, the user pool and SES of one stack. A second stack,
//! the one under test, reaches them only through this server. So the product needs no code for faults.
//!
//! A call belongs to a trace: a test sends a root in `X-Amzn-Trace-Id` with its request, and every call that the function
//! makes for this request has the same root. A test watches its own trace and decides what happens to each call, or counts
//! the units of its calls.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

#[cfg(target_os = "linux")]
use crate::clock::Clock;
use crate::{NO_STREAMS, Ready, Stack, secrets};

/// The maximum size of a forwarded body. DynamoDB accepts less.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// One request and all calls that are made for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trace(String);

impl Trace {
    /// Makes a unique trace.
    pub fn new() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).unwrap();
        let number = u128::from_be_bytes(bytes);
        Self(format!("1-{:08x}-{:024x}", number >> 96, number & (u128::MAX >> 32)))
    }

    /// The value of `X-Amzn-Trace-Id`.
    pub fn header(&self) -> String {
        format!("Root={}", self.0)
    }

    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("x-amzn-trace-id")?.to_str().ok()?;
        value.split(';').find_map(|part| part.strip_prefix("Root=")).map(|root| Self(root.to_owned()))
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// The service that a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB, which has the tables.
    DynamoDb,
    /// Cognito, which has the user pool.
    Cognito,
    /// SES, which sends mail.
    Ses,
}

/// A call to AWS.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The service that it is for.
    pub service: Service,
    /// The operation, such as `BatchGetItem`.
    pub operation: String,
    /// The body of the request.
    pub body: Value,
    /// The SDK's invocation id, which is the same for every attempt of one call.
    pub call: String,
}

impl Seen {
    fn read(head: &Parts, body: &[u8]) -> Option<Self> {
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (service, operation) = target(head)?;
        Some(Self {
            service,
            operation: operation.to_owned(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            call: text("amz-sdk-invocation-id").to_owned(),
        })
    }

    /// Whether it writes one item.
    pub fn is_single_write(&self) -> bool {
        matches!(self.operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem")
    }

    /// Whether it writes items. The portal makes no other writes.
    fn is_write(&self) -> bool {
        self.is_single_write() || self.operation == "TransactWriteItems"
    }

    /// The operation and its tables: `TransactWriteItems Audit Users`.
    pub fn name(&self) -> String {
        let mut tables = Vec::new();
        collect_tables(&self.body, &mut tables);
        tables.sort_unstable();
        tables.dedup();
        let tables: Vec<String> = tables.iter().map(|name| short_name(name)).collect();
        format!("{} {}", self.operation, tables.join(" ")).trim_end().to_owned()
    }
}

/// The service that a call is for, and the name of the operation.
fn target(head: &Parts) -> Option<(Service, &str)> {
    if head.uri.path().starts_with("/v2/email/") {
        // The portal uses one operation of SES.
        return Some((Service::Ses, "SendEmail"));
    }
    let (service, operation) = head.headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
    let service = if service.starts_with("DynamoDB") { Service::DynamoDb } else { Service::Cognito };
    Some((service, operation))
}

/// Collects the values of `TableName` and the keys of `RequestItems`, which are names of tables.
fn collect_tables(value: &Value, tables: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("TableName", Value::String(table)) => tables.push(table.clone()),
                    ("RequestItems", Value::Object(requests)) => tables.extend(requests.keys().cloned()),
                    _ => collect_tables(value, tables),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_tables(value, tables)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The point at which a hook sees a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before the call is forwarded: AWS has done nothing.
    Before,
    /// Before the response is returned: AWS has carried out the call.
    After,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The call continues.
    GoOn,
    /// The connection closes without a response.
    BreakOff,
    /// The caller gets this status and this body.
    Answer(u16, Value),
}

impl Verdict {
    /// An AWS error.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Answer(status, json!({ "__type": code, "message": "a planned fault" }))
    }

    /// AWS throttles the call.
    pub fn throttled(service: Service) -> Self {
        match service {
            Service::DynamoDb => Self::error(400, "ThrottlingException"),
            Service::Cognito => Self::error(400, "TooManyRequestsException"),
            Service::Ses => Self::error(429, "TooManyRequestsException"),
        }
    }

    /// AWS fails with an internal error.
    pub fn fault(service: Service) -> Self {
        match service {
            Service::DynamoDb => Self::error(500, "InternalServerError"),
            Service::Cognito => Self::error(500, "InternalErrorException"),
            Service::Ses => Self::error(500, "InternalServiceErrorException"),
        }
    }

    /// AWS rejects a valid call.
    pub fn refused(service: Service) -> Self {
        match service {
            Service::DynamoDb => Self::error(400, "ValidationException"),
            Service::Cognito => Self::error(400, "AccessDeniedException"),
            // As for a recipient while the account is in SES's sandbox.
            Service::Ses => Self::error(400, "MessageRejected"),
        }
    }

    /// Another transaction holds one of the items that the call writes.
    pub fn conflict(seen: &Seen) -> Self {
        if seen.operation != "TransactWriteItems" {
            return Self::error(400, "TransactionConflictException");
        }
        let mut codes = vec!["None"; transacted(seen)];
        codes[0] = "TransactionConflict";
        Self::canceled(&codes)
    }

    /// None of the conditions of a transaction holds.
    pub fn unmet(seen: &Seen) -> Self {
        Self::canceled(&vec!["ConditionalCheckFailed"; transacted(seen)])
    }

    fn canceled(codes: &[&str]) -> Self {
        let reasons: Vec<Value> =
            codes.iter().map(|code| json!({ "Code": code, "Message": "a planned fault" })).collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "a planned fault",
            "CancellationReasons": reasons,
        });
        Self::Answer(400, body)
    }

    /// DynamoDB returns all keys unprocessed.
    pub fn unprocessed(seen: &Seen) -> Self {
        Self::Answer(200, json!({ "Responses": {}, "UnprocessedKeys": seen.body["RequestItems"] }))
    }
}

/// How many operations a transaction has.
fn transacted(seen: &Seen) -> usize {
    seen.body["TransactItems"].as_array().map_or(1, Vec::len)
}

/// Decides what happens to the calls of a trace. It may wait before it decides.
pub type Hook = Arc<dyn Fn(Seen, Moment) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// The units that the calls of a trace consumed, by table and index: `Users` or `Users/by_name`.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    writes: Arc<Mutex<BTreeMap<String, f64>>>,
    reads: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Ledger {
    /// The write units by table and index.
    pub fn units(&self) -> BTreeMap<String, f64> {
        self.writes.lock().unwrap().clone()
    }

    /// The sum of all write units.
    pub fn total(&self) -> f64 {
        self.units().values().sum()
    }

    /// The read units by table and index.
    pub fn reads(&self) -> BTreeMap<String, f64> {
        self.reads.lock().unwrap().clone()
    }

    /// The sum of all read units.
    pub fn total_reads(&self) -> f64 {
        self.reads().values().sum()
    }

    fn enter(&self, seen: &Seen, status: StatusCode, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let code = answer["__type"].as_str().unwrap_or_default();
        let mut units = Vec::new();
        if status.is_success() {
            match &answer["ConsumedCapacity"] {
                Value::Array(tables) => tables.iter().for_each(|table| collect_units(table, &mut units)),
                table => collect_units(table, &mut units),
            }
        } else if code.ends_with("ConditionalCheckFailedException") {
            // `DynamoDB` charges a write whose condition fails like one that succeeds, but the error does not say so. All
            // items that single writes of the portal concern have less than 1 KB.
            units.push((short_name(seen.body["TableName"].as_str().unwrap_or_default()), 1.0));
        }
        let mut ledger = if seen.is_write() { self.writes.lock().unwrap() } else { self.reads.lock().unwrap() };
        for (place, amount) in units {
            *ledger.entry(place).or_default() += amount;
        }
    }
}

/// Collects the units of a table and of its indexes.
fn collect_units(table: &Value, units: &mut Vec<(String, f64)>) {
    let name = short_name(table["TableName"].as_str().unwrap_or_default());
    let amount = |place: &Value| place["CapacityUnits"].as_f64().unwrap_or_default();
    units.push((name.clone(), amount(&table["Table"])));
    for indexes in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        let indexes = table[indexes].as_object().into_iter().flatten();
        units.extend(indexes.map(|(index, place)| (format!("{name}/{index}"), amount(place))));
    }
    units.retain(|(_, amount)| *amount > 0.0);
}

/// The name of a table without the stack: `Users`.
fn short_name(table: &str) -> String {
    table.rsplit('-').next().unwrap_or(table).trim_end_matches("Table").to_owned()
}

/// The server. It runs on its own thread.
#[derive(Debug)]
pub struct Faults {
    url: String,
    shared: Arc<Shared>,
    _alive: oneshot::Sender<()>,
}

struct Shared {
    dynamodb: String,
    cognito: String,
    ses: String,
    client: reqwest::Client,
    hooks: Mutex<HashMap<Trace, Hook>>,
    mail_hook: Mutex<Option<Hook>>,
    ledgers: Mutex<HashMap<Trace, Ledger>>,
    on_their_way: watch::Sender<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Faults {
    fn start(servers: &Ready) -> Self {
        let shared = Arc::new(Shared {
            dynamodb: servers.dynamodb_url.clone(),
            cognito: servers.cognito_url.clone(),
            ses: servers.ses_url.clone(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            hooks: Mutex::default(),
            mail_hook: Mutex::default(),
            ledgers: Mutex::default(),
            on_their_way: watch::Sender::new(0),
        });
        let (alive, gone) = oneshot::channel::<()>();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        // The runtime of a test ends with the test, so the server needs its own.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let serving = axum::serve(TcpListener::from_std(listener).unwrap(), router).into_future();
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = gone => {}
                }
            });
        });
        Self { url, shared, _alive: alive }
    }

    /// From now on `hook` decides what happens to the calls of `trace`.
    pub fn watch<A>(&self, trace: &Trace, hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Verdict> + Send + 'static,
    {
        let hook: Hook = Arc::new(move |seen, moment| Box::pin(hook(seen, moment)));
        self.shared.hooks.lock().unwrap().insert(trace.clone(), hook);
    }

    /// From now on `hook` decides what happens to the calls to SES that belong to no watched trace, such as those that the
    /// stream causes. Tests that share a stack must distinguish their messages, for example by the recipient.
    pub fn watch_mail<A>(&self, hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Verdict> + Send + 'static,
    {
        let hook: Hook = Arc::new(move |seen, moment| Box::pin(hook(seen, moment)));
        *self.shared.mail_hook.lock().unwrap() = Some(hook);
    }

    /// From now on the units of `trace` are counted.
    pub fn meter(&self, trace: &Trace) -> Ledger {
        self.shared.ledgers.lock().unwrap().entry(trace.clone()).or_default().clone()
    }

    /// Waits until no call is in progress. When every request has its response, the only calls in progress are those that a
    /// hook holds and those of processes that have ended.
    pub async fn quiet(&self) {
        self.shared.on_their_way.subscribe().wait_for(|count| *count == 0).await.unwrap();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.on_their_way.send_modify(|count| *count += 1);
    // The call is forwarded even if its sender no longer waits for the response.
    let passing = tokio::spawn(async move {
        let answer = shared.pass(request).await;
        shared.on_their_way.send_modify(|count| *count -= 1);
        answer
    });
    passing.await.unwrap_or_else(|_| broken_off())
}

impl Shared {
    async fn pass(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(body, BODY_LIMIT).await else { return broken_off() };
        let trace = Trace::of(&head.headers);
        let ledger = trace.as_ref().and_then(|trace| self.ledgers.lock().unwrap().get(trace).cloned());
        if let Some((ledger, seen)) = ledger.and_then(|ledger| Some((ledger, Seen::read(&head, &body)?)))
            && seen.service == Service::DynamoDb
        {
            return self.forward_metered(head, &ledger, &seen).await;
        }
        let hook = trace.and_then(|trace| self.hooks.lock().unwrap().get(&trace).cloned());
        let is_mail = matches!(target(&head), Some((Service::Ses, _)));
        let hook = hook.or_else(|| self.mail_hook.lock().unwrap().clone().filter(|_| is_mail));
        let watched = hook.and_then(|hook| Some((hook, Seen::read(&head, &body)?)));
        let Some((hook, seen)) = watched else { return self.forward(head, body).await };
        match hook(seen.clone(), Moment::Before).await {
            Verdict::GoOn => {}
            other => return other.into_response(),
        }
        let answer = self.forward(head, body).await;
        match hook(seen, Moment::After).await {
            Verdict::GoOn => answer,
            other => other.into_response(),
        }
    }

    /// Asks for the consumed capacity, and enters the units in the ledger.
    async fn forward_metered(&self, head: Parts, ledger: &Ledger, seen: &Seen) -> Response {
        let mut body = seen.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("ReturnConsumedCapacity".to_owned(), json!("INDEXES"));
        }
        let (head, answer) = self.forward(head, body.to_string().into()).await.into_parts();
        let Ok(answer) = to_bytes(answer, BODY_LIMIT).await else { return broken_off() };
        ledger.enter(seen, head.status, &answer);
        Response::from_parts(head, answer.into())
    }

    async fn forward(&self, head: Parts, body: Bytes) -> Response {
        // A request without a target asks for the user pool's public keys.
        let server = match target(&head) {
            Some((Service::DynamoDb, _)) => &self.dynamodb,
            Some((Service::Ses, _)) => &self.ses,
            Some((Service::Cognito, _)) | None => &self.cognito,
        };
        let mut headers = head.headers;
        for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let request = self.client.request(head.method, format!("{server}{}", head.uri)).headers(headers).body(body);
        let Ok(answer) = request.send().await else { return broken_off() };
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(header::CONNECTION);
        headers.remove(header::TRANSFER_ENCODING);
        match answer.bytes().await {
            Ok(body) => (status, headers, body).into_response(),
            Err(_) => broken_off(),
        }
    }
}

impl Verdict {
    fn into_response(self) -> Response {
        match self {
            Self::GoOn | Self::BreakOff => broken_off(),
            Self::Answer(status, body) => {
                let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
                (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
            }
        }
    }
}

/// Closes the connection: the body of this response fails before its first byte.
fn broken_off() -> Response {
    let failure = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(stream::once(async { Err::<Bytes, _>(failure) })).into_response()
}

/// A stack that reaches its tables, its user pool and SES through [`Faults`]. No stream invokes its functions, unless it is
/// started with [`start_with_streams`](FaultyStack::start_with_streams) or
/// [`start_at_with_streams`](FaultyStack::start_at_with_streams). The events of SES invoke the functions of the stack that
/// has the servers, not of the one under test.
#[derive(Debug)]
pub struct FaultyStack {
    /// The addresses of the stack. Those of the tables, the user pool and SES lead to them directly, not through
    /// [`Faults`].
    pub ready: Ready,
    /// The server that injects faults.
    pub faults: Faults,
    stack: Stack,
    _servers: Stack,
}

impl FaultyStack {
    /// Starts both stacks. `name` distinguishes their logs from others of this test binary.
    pub fn start(name: &str) -> Result<Self, String> {
        Self::start_with(name, &[])
    }

    /// Starts both stacks, and adds these options to the one under test.
    pub fn start_with(name: &str, options: &[&str]) -> Result<Self, String> {
        Self::start_with_streams(name, &[options, &[NO_STREAMS]].concat())
    }

    /// Like [`start_with`](Self::start_with), but a stream invokes functions, as in other stacks.
    pub fn start_with_streams(name: &str, options: &[&str]) -> Result<Self, String> {
        Ok(Self::start_by(name, options, |name, options| Ok((Stack::start(name, options)?, ())))?.0)
    }

    /// Starts both stacks. The one under test has its own clock, as with [`Stack::start_at`].
    #[cfg(target_os = "linux")]
    pub fn start_at(millis: u64, name: &str) -> Result<(Self, Clock), String> {
        Self::start_by(name, &[NO_STREAMS], |name, options| Stack::start_at(millis, name, options))
    }

    /// Like [`start_at`](Self::start_at), but a stream invokes functions, as in other stacks.
    #[cfg(target_os = "linux")]
    pub fn start_at_with_streams(millis: u64, name: &str) -> Result<(Self, Clock), String> {
        Self::start_by(name, &[], |name, options| Stack::start_at(millis, name, options))
    }

    fn start_by<T>(
        name: &str,
        options: &[&str],
        start: impl FnOnce(&str, &[&str]) -> Result<(Stack, T), String>,
    ) -> Result<(Self, T), String> {
        // The stack with the servers must not process the streams of the tables that both stacks share.
        let servers = Stack::start(&format!("{name}-servers"), &["--ephemeral", NO_STREAMS])?;
        let faults = Faults::start(&servers.ready);
        let way = ["--dynamodb-endpoint", "--cognito-endpoint", "--ses-endpoint"];
        let way: Vec<&str> = way.into_iter().flat_map(|option| [option, &faults.url]).chain(["--ephemeral"]).collect();
        let (stack, time) = start(name, &[&way[..], options].concat())?;
        let ready = Ready {
            dynamodb_url: servers.ready.dynamodb_url.clone(),
            cognito_url: servers.ready.cognito_url.clone(),
            ses_url: servers.ready.ses_url.clone(),
            mail_url: servers.ready.mail_url.clone(),
            ..stack.ready.clone()
        };
        secrets::remembered(ready.primary_admin.password.as_str());
        Ok((Self { ready, faults, stack, _servers: servers }, time))
    }

    /// Kills every process of a function with `SIGKILL`, so that it cannot finish any work.
    pub fn kill(&self, function: &str) {
        kill(self.stack.processes().into_iter().filter(|(_, binary)| binary == function));
    }

    /// Kills the processes of all functions and waits for their exit. None of them may have a request in progress.
    pub async fn kill_idle(&self) {
        kill(self.stack.processes().into_iter());
        while !self.stack.processes().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn kill(processes: impl Iterator<Item = (u32, String)>) {
    let processes: Vec<String> = processes.map(|(process, _)| process.to_string()).collect();
    if !processes.is_empty() {
        // A process may have ended in the meantime, which is fine.
        let _ = Command::new("kill").arg("-KILL").args(processes).status();
    }
}

/// The processes that `parent` started, each with the name of its binary.
pub(crate) fn children(parent: u32) -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let folder = Path::new("/proc").join(id.to_string());
        // `17 (add-user) S 12 …`: the parent is the second value after the name. The name may contain any character.
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        let of: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        let command = std::fs::read_to_string(folder.join("cmdline")).ok()?;
        let binary = command.split('\0').next()?.rsplit('/').next()?.to_owned();
        (of == parent).then_some((id, binary))
    })
    .collect()
}
