//! One process of a function, from its start to its end, with its Runtime API. It handles one request at a time.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::log::{self, Tail};
use super::runtime_api::{self, Answer, Desk, Work};
use crate::plan::LogLevel;

/// Lambda's limit for the time from a process's start until it asks for its first request.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The time that a process's last line may take to arrive.
const TIME_TO_WRITE: Duration = Duration::from_millis(20);

/// The parameters for starting a process.
pub(crate) struct Start<'a> {
    /// The name in the log.
    pub(crate) name: &'a str,
    /// The least severe level of the log lines that are kept.
    pub(crate) log_level: LogLevel,
    pub(crate) binary: &'a Path,
    /// The whole environment, except the address of the Runtime API.
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) process_group: i32,
}

/// A running process. Dropping this value kills it.
pub(crate) struct Process {
    desk: Arc<Desk>,
    tail: Arc<Tail>,
    ended: watch::Receiver<Option<Ended>>,
    /// When this is dropped, the task of the process kills the process.
    _alive: oneshot::Sender<()>,
}

/// How a process ended, in Lambda's words.
#[derive(Debug, Clone)]
pub(crate) struct Ended(pub(crate) String);

/// The result of a request.
pub(crate) enum Outcome {
    Answered(Answer),
    /// The process ended before it took the request. Another process can handle the request.
    NotTaken(Ended, Bytes),
    /// The process ended while it handled the request.
    Ended(Ended),
    TimedOut,
}

/// The result of a start.
pub(crate) enum Started {
    Ready,
    /// The process ended before it asked for a request. The bytes are the body of its report to `init/error`, if it
    /// sent one.
    Failed(Ended, Option<Bytes>),
    TooSlow,
}

impl Process {
    pub(crate) async fn start(start: Start<'_>) -> io::Result<Self> {
        // Each process has its own listener, which identifies the process. The address is a host and a port, as on
        // Lambda.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut child = Command::new(start.binary)
            .env_clear()
            .envs(start.environment)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(start.process_group)
            .kill_on_drop(true)
            .spawn()?;
        let tail = Arc::new(Tail::default());
        if let Some(output) = child.stdout.take() {
            tokio::spawn(log::pass_on(start.name.to_owned(), start.log_level, output, Arc::clone(&tail)));
        }
        if let Some(output) = child.stderr.take() {
            tokio::spawn(log::pass_on(start.name.to_owned(), start.log_level, output, Arc::clone(&tail)));
        }

        let desk = Arc::new(Desk::default());
        let serving = axum::serve(listener, runtime_api::router(Arc::clone(&desk)));
        let (alive, dropped) = oneshot::channel::<()>();
        let (end, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                _ = dropped => kill(&mut child).await,
                _ = serving.into_future() => kill(&mut child).await,
            };
            end.send_replace(Some(Ended::from(status)));
        });
        Ok(Self { desk, tail, ended, _alive: alive })
    }

    /// Waits until a new process asks for its first request.
    pub(crate) async fn ready(&mut self) -> Started {
        let ready = async {
            tokio::select! {
                biased;
                () = self.desk.asked() => Started::Ready,
                ended = ended(&mut self.ended) => Started::Failed(ended, self.desk.init_error()),
            }
        };
        timeout(START_LIMIT, ready).await.unwrap_or(Started::TooSlow)
    }

    /// Gives the process one request and waits for the result. A process that did not respond must not be reused.
    pub(crate) async fn handle(&mut self, work: Work, limit: Duration) -> Outcome {
        self.tail.clear();
        let answer = self.desk.offer(work);
        let outcome = async {
            tokio::select! {
                // A response that arrived just before the process ended is valid.
                biased;
                Ok(answer) = answer => Outcome::Answered(answer),
                ended = ended(&mut self.ended) => match self.desk.withdraw() {
                    Some(work) => Outcome::NotTaken(ended, work.payload),
                    None => Outcome::Ended(ended),
                },
            }
        };
        timeout(limit, outcome).await.unwrap_or(Outcome::TimedOut)
    }

    /// The end of the log for the request that the process has just handled.
    pub(crate) async fn log(&self) -> Vec<u8> {
        // The last line may not have arrived yet.
        sleep(TIME_TO_WRITE).await;
        self.tail.read()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

async fn kill(child: &mut tokio::process::Child) -> io::Result<ExitStatus> {
    // This fails only if the process has already ended.
    let _ = child.start_kill();
    child.wait().await
}

async fn ended(ended: &mut watch::Receiver<Option<Ended>>) -> Ended {
    // The task that sends this value is gone only when the whole stack is ending.
    let known = ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
    known.unwrap_or_else(|| Ended("the stack is ending".to_owned()))
}

impl From<io::Result<ExitStatus>> for Ended {
    fn from(status: io::Result<ExitStatus>) -> Self {
        Self(match status {
            Ok(status) if status.success() => "Runtime exited without providing a reason".to_owned(),
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
                (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
                (None, None) => "Runtime exited with error".to_owned(),
            },
            Err(error) => format!("Runtime exited with error: {error}"),
        })
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        6 => "aborted".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => other.to_string(),
    }
}
