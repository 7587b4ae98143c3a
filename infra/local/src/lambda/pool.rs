//! The processes of one function. Warm processes are reused, and concurrent requests start more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::Semaphore;

use super::process::{Outcome, Process, Start, Started};
use super::runtime_api::{ANSWER_LIMIT, Answer, Work};
use super::{FunctionError, InvokeError, Invoked, Root, clock, log};
use crate::plan;

/// The maximum number of processes for one function. Further requests wait in the order in which they arrived.
const MOST_PROCESSES: usize = 32;
const IDLE_FOR: Duration = Duration::from_mins(5);

/// One function and its processes.
pub(crate) struct Pool {
    pub(crate) function: plan::Function,
    pub(crate) arn: String,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    process_group: i32,
    /// One permit for each process that may work at the same time. Tokio grants them in order.
    slots: Semaphore,
    /// The most recently used process is last and is reused first, so that the others become idle and can end.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    process: Process,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(
        function: plan::Function,
        arn: String,
        binary: PathBuf,
        environment: BTreeMap<String, String>,
        process_group: i32,
    ) -> Arc<Self> {
        Arc::new(Self {
            function,
            arn,
            binary,
            environment,
            process_group,
            slots: Semaphore::new(MOST_PROCESSES),
            idle: Mutex::default(),
        })
    }

    pub(crate) async fn invoke(
        &self,
        mut payload: Bytes,
        request_id: &str,
        trace: &Root,
        with_log: bool,
    ) -> Result<Invoked, InvokeError> {
        let Ok(_slot) = self.slots.acquire().await else { return Err(InvokeError::Stopped) };
        loop {
            let warm = self.take_idle();
            let is_new = warm.is_none();
            let mut process = match warm {
                Some(process) => process,
                None => match self.start(request_id).await {
                    Ok(process) => process,
                    Err(invoked) => return Ok(invoked),
                },
            };
            match process.handle(self.work(payload, request_id, trace), self.function.timeout).await {
                Outcome::Answered(answer) => {
                    let log = if with_log { Some(process.log().await) } else { None };
                    self.idle().push(Idle { process, since: Instant::now() });
                    return Ok(Invoked { log, ..self.answered(answer, request_id) });
                }
                // The idle process ended before it took the request. The request goes to the next process.
                Outcome::NotTaken(_, unseen) if !is_new => payload = unseen,
                Outcome::NotTaken(ended, _) | Outcome::Ended(ended) => {
                    self.log(&format!("ended during request {request_id}: {}", ended.0));
                    return Ok(failed(request_id, "Runtime.ExitError", &ended.0));
                }
                Outcome::TimedOut => {
                    let message = format!("Task timed out after {:.2} seconds", self.function.timeout.as_secs_f64());
                    self.log(&format!("request {request_id}: {message}"));
                    return Ok(failed(request_id, "Sandbox.Timedout", &message));
                }
            }
        }
    }

    /// Ends processes that have been idle for too long, and forgets those that ended by themselves.
    pub(crate) fn end_idle(&self) {
        self.idle().retain(|idle| idle.since.elapsed() < IDLE_FOR && !idle.process.has_ended());
    }

    /// Ends idle processes and accepts no more requests.
    pub(crate) fn close(&self) {
        self.slots.close();
        self.idle().clear();
    }

    fn take_idle(&self) -> Option<Process> {
        let mut idle = self.idle();
        while let Some(Idle { process, .. }) = idle.pop() {
            if !process.has_ended() {
                return Some(process);
            }
        }
        None
    }

    /// A new process that has asked for its first request, or Lambda's error if the start failed.
    async fn start(&self, request_id: &str) -> Result<Process, Invoked> {
        let start = Start {
            name: &self.function.folder,
            log_level: self.function.log_level,
            binary: &self.binary,
            environment: &self.environment,
            process_group: self.process_group,
        };
        let mut process = match Process::start(start).await {
            Ok(process) => process,
            Err(error) => {
                self.log(&format!("cannot start {}: {error}", self.binary.display()));
                return Err(failed(request_id, "Runtime.InvalidEntrypoint", &error.to_string()));
            }
        };
        match process.ready().await {
            Started::Ready => Ok(process),
            Started::Failed(ended, report) => {
                self.log(&format!("ended before it was ready (see its log lines above): {}", ended.0));
                Err(report.map_or_else(|| failed(request_id, "Runtime.ExitError", &ended.0), reported))
            }
            Started::TooSlow => {
                self.log("did not ask for a request within 10 seconds of its start");
                Err(failed(request_id, "Sandbox.Timedout", "Runtime was not ready within 10 seconds"))
            }
        }
    }

    fn work(&self, payload: Bytes, request_id: &str, trace: &Root) -> Work {
        Work {
            request_id: request_id.to_owned(),
            payload,
            deadline_ms: (clock::since_1970() + self.function.timeout).as_millis(),
            function_arn: self.arn.clone(),
            trace_id: trace.for_function(),
        }
    }

    fn answered(&self, answer: Answer, request_id: &str) -> Invoked {
        match answer {
            Answer::Response(payload) => Invoked { payload, function_error: None, log: None },
            Answer::Error(report) => {
                self.log(&format!("the function reported an error for request {request_id}"));
                reported(report)
            }
            Answer::TooLarge => {
                let message =
                    format!("Response payload size exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes).");
                self.log(&format!("request {request_id}: {message}"));
                Invoked {
                    payload: json(&json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message })),
                    function_error: Some(FunctionError::Unhandled),
                    log: None,
                }
            }
        }
    }

    fn log(&self, line: &str) {
        log::line(&self.function.folder, line);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The payload for a request that failed in the runtime rather than in the function.
fn failed(request_id: &str, error_type: &str, message: &str) -> Invoked {
    let message = format!("RequestId: {request_id} Error: {message}");
    Invoked {
        payload: json(&json!({ "errorType": error_type, "errorMessage": message })),
        function_error: Some(FunctionError::Unhandled),
        log: None,
    }
}

fn reported(report: Bytes) -> Invoked {
    Invoked { payload: report, function_error: Some(FunctionError::Unhandled), log: None }
}

fn json(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}
