//! Invokes functions with the records of a table's stream, as an event source mapping of Lambda does.
//!
//! Each mapping has a poller. It reads the shards in order, filters the records, and invokes the function with batches.
//! A batch that fails is retried, at most as often as the template says; then it is discarded. The poller reads when the
//! proxy has forwarded a write to the table, and once a second for the writes of others.

mod client;
mod positions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use self::client::{Client, StreamError};
pub(crate) use self::positions::Positions;
use crate::iam::{Need, Policy, Record, Verdict};
use crate::lambda::{InvokeError, Lambda, clock, log};
use crate::plan::Stream;
use crate::servers::Server;
use crate::template::{REGION, table_arn};

const POLL_EVERY: Duration = Duration::from_secs(1);
/// The time before the first retry of a batch. It doubles with every retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// DynamoDB's limit for one page of records.
const MAX_PAGE: usize = 1000;
/// The actions that change items.
const WRITES: [&str; 4] = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];

/// A function's role lacks a permission with which Lambda reads its stream.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role of {function} lacks {action} on {resource}, which Lambda needs for the stream")]
pub(crate) struct MissingPermission {
    function: String,
    action: String,
    resource: String,
}

/// Checks that the role of the stream's function lets Lambda read the stream and report batches that failed.
pub(crate) fn check_role<'a>(
    stream: &Stream,
    mut policies: impl Iterator<Item = &'a Policy>,
    record: Option<&Record>,
) -> Result<(), MissingPermission> {
    let need = |action: &str, resource: &str| Need { action: action.to_owned(), resource: resource.to_owned() };
    let read = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
    let read = read.map(|action| need(&format!("dynamodb:{action}"), &stream.arn));
    let policy = policies.find(|policy| policy.function() == stream.function);
    for need in read.into_iter().chain(stream.on_failure.iter().map(|queue| need("sqs:SendMessage", queue))) {
        let verdict = policy.map_or(Verdict::NotAllowed, |policy| policy.decide(&need));
        if let Some((policy, record)) = policy.zip(record) {
            record.note(policy, &need, verdict);
        }
        if verdict != Verdict::Allowed {
            let Need { action, resource } = need;
            return Err(MissingPermission { function: stream.function.clone(), action, resource });
        }
    }
    Ok(())
}

/// Wakes pollers after a write. A poller that is busy reads again afterwards, so no wake-up is lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wakes(BTreeMap<String, Vec<Arc<Notify>>>);

impl Wakes {
    /// A wake-up for each of the mappings.
    pub(crate) fn new(streams: &[Stream]) -> (Self, Vec<Arc<Notify>>) {
        let mut wakes = Self::default();
        let all: Vec<Arc<Notify>> = streams
            .iter()
            .map(|stream| {
                let wake = Arc::new(Notify::new());
                wakes.0.entry(table_arn(&stream.table)).or_default().push(Arc::clone(&wake));
                wake
            })
            .collect();
        (wakes, all)
    }

    /// Wakes the pollers of the tables that a call wrote, according to the permissions that it needed.
    pub(crate) fn after(&self, needs: &BTreeSet<Need>) {
        if self.0.is_empty() {
            return;
        }
        for need in needs.iter().filter(|need| WRITES.contains(&need.action.as_str())) {
            self.0.get(&need.resource).into_iter().flatten().for_each(|wake| wake.notify_one());
        }
    }
}

/// A batch that was not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Discarded {
    /// Lambda's word for the reason.
    condition: &'static str,
    records: usize,
    /// How often the function was invoked with it.
    attempts: u32,
}

/// Whether the poller continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Done,
    /// The stack is being stopped.
    Stopped,
}

/// Reads one stream for one function.
pub(crate) struct Poller {
    stream: Stream,
    client: Client,
    lambda: Lambda,
    wake: Arc<Notify>,
    positions: Positions,
    /// Changes when the stack stops.
    ended: watch::Receiver<()>,
    shards: Shards,
}

/// What the poller knows about the stream.
#[derive(Debug, Default)]
struct Shards {
    /// The ARN on the server, which differs from the template's.
    arn: Option<String>,
    open: VecDeque<Shard>,
    /// Shards that were read to their end.
    closed: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Shard {
    id: String,
    iterator: Option<String>,
}

/// Records that are retried together.
struct Batch {
    records: Vec<Value>,
    attempts: u32,
    retries: u32,
}

/// The result of one invocation.
enum Outcome {
    Processed,
    /// The first record that was not processed.
    Failed(usize),
    TooLarge,
    Stopped,
}

impl Poller {
    pub(crate) fn new(
        stream: Stream,
        server: Server,
        lambda: Lambda,
        wake: Arc<Notify>,
        positions: Positions,
        ended: watch::Receiver<()>,
    ) -> reqwest::Result<Self> {
        let client = Client::new(server)?;
        Ok(Self { stream, client, lambda, wake, positions, ended, shards: Shards::default() })
    }

    /// Whether the server has this stream.
    pub(crate) async fn is_available(&mut self) -> bool {
        match self.client.stream_of(&self.stream.table).await {
            Ok(arn) => {
                self.shards.arn = arn;
                self.shards.arn.is_some()
            }
            Err(_) => false,
        }
    }

    /// Polls until the stack stops. A batch that is being processed then is finished.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let wait = match self.catch_up().await {
                Ok(Progress::Stopped) => return,
                Ok(Progress::Done) => {
                    failures = 0;
                    POLL_EVERY
                }
                Err(problem) => {
                    if failures == 0 {
                        self.log(&format!("cannot read the stream of {}: {problem}; will retry", self.stream.table));
                    }
                    failures += 1;
                    backoff(failures).max(POLL_EVERY)
                }
            };
            tokio::select! {
                _ = self.ended.changed() => return,
                () = self.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Processes all records that are there.
    async fn catch_up(&mut self) -> Result<Progress, StreamError> {
        if self.shards.open.is_empty() {
            self.discover().await?;
        }
        for _ in 0..self.shards.open.len() {
            let Some(shard) = self.shards.open.pop_front() else { break };
            match self.read(shard.clone()).await {
                Ok((Progress::Stopped, _)) => return Ok(Progress::Stopped),
                Ok((Progress::Done, Some(shard))) => self.shards.open.push_back(shard),
                Ok((Progress::Done, None)) => {
                    self.shards.closed.insert(shard.id);
                    // The shard was split or replaced.
                    self.discover().await?;
                }
                Err(problem) => {
                    if problem.is("TrimmedDataAccessException") {
                        self.log(
                            "records of the stream were lost before they were processed; continues with the oldest",
                        );
                        let iterator = self.iterator(&shard.id, None).await?;
                        self.shards.open.push_back(Shard { iterator: Some(iterator), ..shard });
                    } else {
                        self.shards = Shards::default();
                    }
                    return Err(problem);
                }
            }
        }
        Ok(Progress::Done)
    }

    /// Adds the shards that are new.
    async fn discover(&mut self) -> Result<(), StreamError> {
        if self.shards.arn.is_none() {
            self.shards.arn = self.client.stream_of(&self.stream.table).await?;
        }
        let Some(arn) = &self.shards.arn else { return Ok(()) };
        for id in self.client.shards(arn).await? {
            if !self.shards.closed.contains(&id) && !self.shards.open.iter().any(|shard| shard.id == id) {
                self.shards.open.push_back(Shard { id, iterator: None });
            }
        }
        Ok(())
    }

    async fn iterator(&self, shard: &str, after: Option<&str>) -> Result<String, StreamError> {
        let arn = self.shards.arn.as_deref().unwrap_or_default();
        self.client.iterator(arn, shard, after).await
    }

    /// Processes the records of a shard that are there. Returns the shard unless it is closed.
    async fn read(&self, mut shard: Shard) -> Result<(Progress, Option<Shard>), StreamError> {
        let key = format!("{} {}", self.shards.arn.as_deref().unwrap_or_default(), shard.id);
        loop {
            if self.ended.has_changed().is_ok_and(|ended| ended) {
                return Ok((Progress::Stopped, Some(shard)));
            }
            let iterator = if let Some(iterator) = shard.iterator.take() {
                iterator
            } else {
                let after = self.positions.get(&self.stream.function, &key);
                self.iterator(&shard.id, after.as_deref()).await?
            };
            let page = self.client.records(&iterator, self.stream.batch_size.min(MAX_PAGE)).await?;
            let last = page.records.last().and_then(|record| sequence_number(record)).map(str::to_owned);
            let is_empty = page.records.is_empty();
            if self.process(page.records).await == Progress::Stopped {
                return Ok((Progress::Stopped, Some(shard)));
            }
            if let Some(last) = last {
                self.positions.set(&self.stream.function, &key, &last);
            }
            match page.next_shard_iterator {
                None => return Ok((Progress::Done, None)),
                next => shard.iterator = next,
            }
            if is_empty {
                return Ok((Progress::Done, Some(shard)));
            }
        }
    }

    /// Invokes the function with the records that pass the filters, until they are processed or discarded.
    async fn process(&self, records: Vec<Value>) -> Progress {
        let records: Vec<Value> =
            records.into_iter().map(|record| self.as_event(record)).filter(|record| self.is_wanted(record)).collect();
        if records.is_empty() {
            return Progress::Done;
        }
        let (progress, discarded) = self.process_batch(records).await;
        for Discarded { condition, records, attempts } in discarded {
            let queue = self.stream.on_failure.as_deref().and_then(|arn| arn.rsplit(':').next());
            let queue = queue.map_or_else(|| "no queue".to_owned(), |queue| format!("the queue {queue}"));
            self.log(&format!(
                "discards {records} records after {attempts} attempts ({condition}); on AWS, their position goes to {queue}"
            ));
        }
        progress
    }

    /// A record of the stream as Lambda sends it to functions.
    fn as_event(&self, mut record: Value) -> Value {
        if let Some(fields) = record.as_object_mut() {
            fields.insert("awsRegion".to_owned(), REGION.into());
            fields.insert("eventSourceARN".to_owned(), self.stream.arn.clone().into());
        }
        record
    }

    fn is_wanted(&self, record: &Value) -> bool {
        self.stream.filters.is_empty() || self.stream.filters.iter().any(|filter| filter.matches(record))
    }

    async fn process_batch(&self, records: Vec<Value>) -> (Progress, Vec<Discarded>) {
        let mut discarded = Vec::new();
        let mut left = vec![Batch { records, attempts: 0, retries: 0 }];
        while let Some(mut batch) = left.pop() {
            let outcome = self.invoke(&batch.records).await;
            batch.attempts += 1;
            let can_split = batch.records.len() > 1;
            let mut discard = |condition, batch: &Batch| {
                discarded.push(Discarded { condition, records: batch.records.len(), attempts: batch.attempts });
            };
            match outcome {
                Outcome::Processed => {}
                Outcome::Stopped => return (Progress::Stopped, discarded),
                Outcome::TooLarge if can_split => split(batch, &mut left),
                Outcome::TooLarge => discard("RetryAttemptsExhausted", &batch),
                Outcome::Failed(0) if self.stream.bisects && can_split => split(batch, &mut left),
                Outcome::Failed(first) => {
                    batch.records.drain(..first);
                    if self.is_too_old(&batch) {
                        discard("RecordAgeExceeded", &batch);
                    } else if self.stream.max_retries.is_some_and(|most| batch.retries >= most) {
                        discard("RetryAttemptsExhausted", &batch);
                    } else {
                        batch.retries += 1;
                        let wait = backoff(batch.retries);
                        left.push(batch);
                        let mut ended = self.ended.clone();
                        tokio::select! {
                            _ = ended.changed() => return (Progress::Stopped, discarded),
                            () = sleep(wait) => {}
                        }
                    }
                }
            }
        }
        (Progress::Done, discarded)
    }

    async fn invoke(&self, records: &[Value]) -> Outcome {
        let event = json!({ "Records": records }).to_string();
        match self.lambda.invoke(&self.stream.function, event.into()).await {
            Ok(answer) if answer.function_error.is_some() => Outcome::Failed(0),
            Ok(answer) if self.stream.reports_failures => {
                first_failure(records, &answer.payload).map_or(Outcome::Processed, Outcome::Failed)
            }
            Ok(_) => Outcome::Processed,
            Err(InvokeError::PayloadTooLarge) => Outcome::TooLarge,
            Err(InvokeError::Stopped | InvokeError::UnknownFunction(_)) => Outcome::Stopped,
        }
    }

    fn is_too_old(&self, batch: &Batch) -> bool {
        let created = batch.records.first().and_then(|record| record.pointer("/dynamodb/ApproximateCreationDateTime"));
        let created = created.and_then(Value::as_f64).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match (self.stream.max_record_age, created) {
            (Some(most), Some(created)) => clock::since_1970().saturating_sub(created) > most,
            (None, _) | (_, None) => false,
        }
    }

    fn log(&self, line: &str) {
        log::line("streams", &format!("{}: {line}", self.stream.function));
    }
}

/// The halves of a batch are processed in order. A split is not a retry.
fn split(mut batch: Batch, left: &mut Vec<Batch>) {
    let second = batch.records.split_off(batch.records.len() / 2);
    left.push(Batch { records: second, ..batch });
    left.push(batch);
}

fn sequence_number(record: &Value) -> Option<&str> {
    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str)
}

/// The position of the first record that a function reports as failed. Lambda retries it and all later ones. A response
/// that is not of the documented form, or that names an unknown record, means that all records failed.
fn first_failure(records: &[Value], answer: &[u8]) -> Option<usize> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let failures = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return None,
        Some(Value::Array(failures)) => failures,
        Some(_) => return Some(0),
    };
    let position = |failure: &Value| {
        let identifier = failure.get("itemIdentifier").and_then(Value::as_str)?;
        records.iter().position(|record| sequence_number(record) == Some(identifier))
    };
    failures.iter().map(|failure| position(failure).unwrap_or(0)).min()
}

fn backoff(retry: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(retry.saturating_sub(1))).min(MAX_BACKOFF)
}
