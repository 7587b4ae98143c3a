//! Runs programs and measures them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portal_bench::chain::{self, Interval};
use portal_bench::ledger::Entry;
use portal_bench::statistics::Sample;
use serde::Serialize;

use crate::Outcome;
use crate::record::Call;
use crate::scene::{Scene, answered};
use crate::stand_in::{Process, Program};

/// The number of requests that a process gets in one turn. With turns, other load on the machine affects all processes
/// equally.
const TURN: usize = 10;

/// The number of requests with each slow Cognito. They differ little, because the delay is most of their time.
const SLOW_REQUESTS: usize = 11;

/// A program and its measurements.
#[derive(Debug)]
pub(crate) struct Subject {
    /// `ours`, `naive`, `node`, `python`, `floor`.
    pub(crate) kind: &'static str,
    /// The name of the function, or of the floor.
    pub(crate) function: String,
    pub(crate) memory_mb: u32,
    pub(crate) program: Program,
    /// The files of a deployment.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) figures: Figures,
}

/// Times in milliseconds, sizes in bytes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// From exec to the first `next`.
    pub(crate) start: Sample,
    /// The first request.
    pub(crate) first_answer: Sample,
    /// The sum of both for each start.
    pub(crate) cold: Sample,
    pub(crate) start_processor: Sample,
    /// Later requests.
    pub(crate) warm: Sample,
    /// The average processor time of one later request.
    pub(crate) warm_processor: Option<f64>,
    /// The peak memory in kB after all requests.
    pub(crate) peak_memory: Option<f64>,
    pub(crate) binary: Option<u64>,
    pub(crate) zip: Option<u64>,
    /// The instructions before the first `next`.
    pub(crate) instructions: Option<u64>,
    pub(crate) calls: Option<Calls>,
    /// Later requests with each slow Cognito, by the milliseconds that a call to it takes.
    pub(crate) slow_cognito: BTreeMap<u64, Sample>,
}

/// The calls of one request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Calls {
    pub(crate) count: usize,
    /// The operations of the longest chain before the response.
    pub(crate) in_sequence: Vec<String>,
    /// The number of DynamoDB calls in this chain.
    pub(crate) dynamodb_in_sequence: usize,
    /// The number of calls that the response did not wait for.
    pub(crate) after_the_answer: usize,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    pub(crate) entries: Vec<Entry>,
}

impl Calls {
    pub(crate) fn in_sequence(&self) -> usize {
        self.in_sequence.len()
    }
}

/// A request of the scene for the subject, if its function has one.
async fn request(scene: &mut Scene, subject: &Subject) -> Outcome<Option<String>> {
    // The floors accept any request.
    let function = if subject.kind == crate::FLOOR { "get-user" } else { &subject.function };
    scene.request(function).await
}

fn check(subject: &Subject, body: &[u8]) -> Outcome<()> {
    answered(body).map(drop).map_err(|error| format!("{} {}: {error}", subject.kind, subject.function).into())
}

/// Starts every program repeatedly, in turns, and sends each process one request.
pub(crate) async fn cold(scene: &mut Scene, subjects: &mut [Subject], rounds: usize) -> Outcome<()> {
    let mut starts = vec![Vec::new(); subjects.len()];
    let mut first_answers = vec![Vec::new(); subjects.len()];
    let mut totals = vec![Vec::new(); subjects.len()];
    let mut processor = vec![Vec::new(); subjects.len()];
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    // The first round only fills the caches of the machine.
    for round in 0..=rounds {
        // Prepare all requests first, so that no preparation runs just before a start.
        let mut requests = Vec::new();
        for subject in subjects.iter() {
            requests.push(request(scene, subject).await?);
        }
        shuffle(&mut order)?;
        for &number in &order {
            let (process, start) = Process::start(&subjects[number].program).await?;
            let used = process.processor_time()?;
            let mut first = None;
            if let Some(request) = &requests[number] {
                let answer = process.invoke(request).await?;
                check(&subjects[number], &answer.body)?;
                first = Some(answer.after);
            }
            if round > 0 {
                starts[number].push(milliseconds(start));
                processor[number].push(used);
                if let Some(first) = first {
                    first_answers[number].push(milliseconds(first));
                    totals[number].push(milliseconds(start + first));
                }
            }
        }
    }
    for (number, subject) in subjects.iter_mut().enumerate() {
        let figures = &mut subject.figures;
        figures.start = Sample::new(mem::take(&mut starts[number]));
        figures.first_answer = Sample::new(mem::take(&mut first_answers[number]));
        figures.cold = Sample::new(mem::take(&mut totals[number]));
        figures.start_processor = Sample::new(mem::take(&mut processor[number]));
    }
    Ok(())
}

/// Shuffles the programs, so that none always follows the same one.
fn shuffle(order: &mut [usize]) -> Outcome<()> {
    for last in (1..order.len()).rev() {
        let random = getrandom::u32().map_err(|error| error.to_string())?;
        order.swap(last, usize::try_from(random)? % (last + 1));
    }
    Ok(())
}

/// Sends every program many requests, in turns.
pub(crate) async fn warm(scene: &mut Scene, subjects: &mut [Subject], requests: usize) -> Outcome<()> {
    let mut processes = Vec::new();
    for subject in subjects.iter() {
        processes.push(Process::start(&subject.program).await?.0);
    }
    let mut times = vec![Vec::new(); subjects.len()];
    let mut processor = vec![0.0; subjects.len()];
    for round in 0..=requests.div_ceil(TURN) {
        for (number, subject) in subjects.iter().enumerate() {
            let process = &processes[number];
            let mut turn = Vec::new();
            for _ in 0..TURN {
                turn.extend(request(scene, subject).await?);
            }
            for request in turn {
                let before = process.processor_time()?;
                let answer = process.invoke(&request).await?;
                check(subject, &answer.body)?;
                // The first turn warms up.
                if round > 0 {
                    times[number].push(milliseconds(answer.after));
                    processor[number] += process.processor_time()? - before;
                }
            }
        }
    }
    for (number, subject) in subjects.iter_mut().enumerate() {
        subject.figures.peak_memory = Some(processes[number].peak_memory()?);
        if !times[number].is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
            let count = times[number].len() as f64;
            subject.figures.warm_processor = Some(processor[number] / count);
        }
        subject.figures.warm = Sample::new(mem::take(&mut times[number]));
    }
    Ok(())
}

/// Counts the calls of one warm request, and what they consume.
pub(crate) async fn calls(scene: &mut Scene, subject: &Subject) -> Outcome<Option<Calls>> {
    let program =
        Program { environment: scene.cloud.recorded(subject.program.environment.clone()), ..subject.program.clone() };
    let process = Process::start(&program).await?.0;
    let mut last = None;
    // The second request counts: connections are open, and everything is initialized.
    for _ in 0..2 {
        let Some(request) = request(scene, subject).await? else { return Ok(None) };
        scene.cloud.recorder.take();
        let answer = process.invoke(&request).await?;
        check(subject, &answer.body)?;
        last = Some(summary(&scene.cloud.recorder.take(), answer.at));
    }
    Ok(last)
}

pub(crate) fn summary(calls: &[Call], answered_at: std::time::Instant) -> Calls {
    let waited_for: Vec<&Call> = calls.iter().filter(|call| call.end <= answered_at).collect();
    let origin = waited_for.iter().map(|call| call.start).min().unwrap_or(answered_at);
    let chain = chain::longest(&waited_for, |call| Interval { start: call.start - origin, end: call.end - origin });
    let entries: Vec<Entry> = calls.iter().flat_map(|call| call.entries.clone()).collect();
    Calls {
        count: calls.len(),
        in_sequence: chain.iter().map(|call| call.operation.clone()).collect(),
        dynamodb_in_sequence: chain.iter().filter(|call| call.is_dynamodb).count(),
        after_the_answer: calls.len() - waited_for.len(),
        read_units: entries.iter().fold(0.0, |units, entry| units + entry.read_units),
        write_units: entries.iter().fold(0.0, |units, entry| units + entry.write_units),
        entries,
    }
}

/// Measures warm requests while each call to Cognito takes so many milliseconds.
pub(crate) async fn slow_cognito(scene: &mut Scene, subject: &Subject, milliseconds: u64) -> Outcome<Sample> {
    let environment = scene.cloud.with_cognito(milliseconds, subject.program.environment.clone());
    let program = Program { environment, ..subject.program.clone() };
    let process = Process::start(&program).await?.0;
    let mut times = Vec::new();
    // The first request warms up.
    for number in 0..=SLOW_REQUESTS {
        let Some(request) = request(scene, subject).await? else { break };
        let answer = process.invoke(&request).await?;
        check(subject, &answer.body)?;
        if number > 0 {
            times.push(self::milliseconds(answer.after));
        }
    }
    Ok(Sample::new(times))
}

/// Measures the size of the program, uncompressed and as it is uploaded.
pub(crate) fn sizes(subject: &mut Subject) -> Outcome<()> {
    let (mut plain, mut compressed) = (0, 0);
    for file in &subject.files {
        let bytes = std::fs::read(file)?;
        plain += bytes.len() as u64;
        // This is the default compression of SAM and other zip tools. The directory of a zip adds some hundred bytes.
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bytes)?;
        compressed += encoder.finish()?.len() as u64;
    }
    if !subject.files.is_empty() {
        (subject.figures.binary, subject.figures.zip) = (Some(plain), Some(compressed));
    }
    Ok(())
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Subject {
    /// Whether it hashes passwords. Such functions use the Credentials table and have a whole processor.
    pub(crate) fn hashes(&self) -> bool {
        self.memory_mb >= 1769 && self.program.environment.contains_key("CREDENTIALS_TABLE")
    }

    /// Whether clients call it through the HTTP API.
    pub(crate) fn through_api(&self) -> bool {
        !matches!(
            self.function.as_str(),
            "create-partner"
                | "recover-primary-admin"
                | "repair-identities"
                | "end-all-sessions"
                | "send-mail"
                | "sweep-outbox"
                | "note-delivery"
        )
    }

    /// Whether the response of the measured request waits for Cognito.
    pub(crate) fn waits_for_cognito(&self) -> bool {
        self.figures.calls.as_ref().is_some_and(|calls| calls.dynamodb_in_sequence < calls.in_sequence())
    }

    /// Whether it uses the user pool.
    pub(crate) fn calls_cognito(&self) -> bool {
        self.program.environment.contains_key("USER_POOL_ID")
    }
}
