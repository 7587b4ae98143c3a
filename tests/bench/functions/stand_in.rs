//! Implements the Lambda Runtime API for one process of a function, and measures how long the process takes to start
//! and to respond, and its resources. It runs on one thread and without a framework, so that it adds little time, and
//! the same to every program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::Outcome;

/// The timeout for starts and responses. Valgrind and cold interpreters are slow.
const PATIENCE: Duration = Duration::from_mins(1);
/// The time limit from which the deadline is computed.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// A program that speaks the Runtime API.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The name in error messages.
    pub(crate) name: String,
    pub(crate) command: Vec<OsString>,
    /// The whole environment, except the address of the Runtime API.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) log: PathBuf,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    desk: Rc<Desk>,
    serving: JoinHandle<()>,
    program: Program,
}

/// A function's response, and its time.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
    /// The time since the process got the request.
    pub(crate) after: Duration,
}

#[derive(Default)]
struct Desk {
    state: RefCell<State>,
    /// Signals that work is available.
    offered: Notify,
    /// Signals that the process asked for work.
    asked: Notify,
}

#[derive(Default)]
struct State {
    work: Option<String>,
    /// The time at which the process asked for work, while it waits.
    waiting_since: Option<Instant>,
    handed_over: Option<Instant>,
    answer: Option<oneshot::Sender<Answer>>,
    requests: u64,
}

impl Process {
    /// Starts the program. Returns the time until it asked for its first request.
    pub(crate) async fn start(program: &Program) -> Outcome<(Self, Duration)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let log = File::options().create(true).append(true).open(&program.log)?;
        let mut command = Command::new(&program.command[0]);
        command
            .args(&program.command[1..])
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let desk = Rc::new(Desk::default());
        let serving = spawn_local(serve(listener, Rc::clone(&desk)));
        let began = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", program.command[0].display()))?;
        let process = Self { child, desk, serving, program: program.clone() };
        let asked = process.asked().await?;
        Ok((process, asked - began))
    }

    /// Waits until the process asks for a request. Returns the time at which it asked.
    pub(crate) async fn asked(&self) -> Outcome<Instant> {
        let asked = async {
            loop {
                let waiting = self.desk.state.borrow().waiting_since;
                if let Some(since) = waiting {
                    return since;
                }
                self.desk.asked.notified().await;
            }
        };
        Ok(timeout(PATIENCE, asked).await.map_err(|_| self.failure("did not ask for a request"))?)
    }

    /// Gives the process one request.
    pub(crate) async fn invoke(&self, payload: &str) -> Outcome<Answer> {
        self.asked().await?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.desk.state.borrow_mut();
            state.work = Some(payload.to_owned());
            state.answer = Some(sender);
        }
        self.desk.offered.notify_one();
        let answer = timeout(PATIENCE, receiver).await;
        let answer = answer.map_err(|_| self.failure("did not respond"))?.map_err(|_| self.failure("has ended"))?;
        // Lambda freezes a function only when it asks for the next request, so work after the response is part of the
        // measurement.
        self.asked().await?;
        Ok(answer)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The peak memory in kB.
    pub(crate) fn peak_memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// The processor time of its living threads so far, in ms.
    pub(crate) fn processor_time(&self) -> Outcome<f64> {
        let mut nanoseconds = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let line = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += line.split(' ').next().unwrap_or_default().parse::<f64>()?;
        }
        Ok(nanoseconds / 1e6)
    }

    /// Sends SIGTERM and waits, so that valgrind can write its report.
    pub(crate) fn terminate(mut self) -> Outcome<()> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }

    fn failure(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.program.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n");
        format!("{} {what}; its log ends:\n{tail}", self.program.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.serving.abort();
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client may open a second connection before it reuses the first.
async fn serve(listener: TcpListener, desk: Rc<Desk>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn_local(converse(stream, Rc::clone(&desk)));
    }
}

async fn converse(mut stream: TcpStream, desk: Rc<Desk>) {
    // The connection ends with the process, so errors are ignored.
    let _: io::Result<()> = async {
        stream.set_nodelay(true)?;
        let mut received = Vec::with_capacity(16 * 1024);
        while let Some(request) = next_request(&mut stream, &mut received).await? {
            let answer = if request.path.ends_with("/invocation/next") {
                desk.next().await
            } else {
                if request.path.ends_with("/response") || request.path.ends_with("/error") {
                    desk.answered(request.body);
                }
                "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"OK\"}"
                    .to_owned()
            };
            stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }
    .await;
}

impl Desk {
    async fn next(&self) -> String {
        self.state.borrow_mut().waiting_since = Some(Instant::now());
        self.asked.notify_one();
        let work = loop {
            if let Some(work) = self.state.borrow_mut().work.take() {
                break work;
            }
            self.offered.notified().await;
        };
        let mut state = self.state.borrow_mut();
        state.waiting_since = None;
        state.requests += 1;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{:012x}\r\n\
             lambda-runtime-deadline-ms: {}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n\
             lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n\
             content-length: {}\r\n\r\n{work}",
            state.requests,
            deadline(),
            work.len()
        );
        state.handed_over = Some(Instant::now());
        answer
    }

    fn answered(&self, body: Vec<u8>) {
        let at = Instant::now();
        let mut state = self.state.borrow_mut();
        if let (Some(sender), Some(handed_over)) = (state.answer.take(), state.handed_over.take()) {
            // After a timeout the receiver is gone.
            let _ = sender.send(Answer { body, at, after: at - handed_over });
        }
    }
}

fn deadline() -> u128 {
    #[expect(clippy::disallowed_methods, reason = "functions compare the deadline with their own clock")]
    let now = SystemTime::now();
    (now.duration_since(UNIX_EPOCH).unwrap_or_default() + TIME_LIMIT).as_millis()
}

struct Received {
    path: String,
    body: Vec<u8>,
}

/// The next request on a connection, if there is one. Bytes after it stay in `received`.
async fn next_request(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<Received>> {
    let end = loop {
        if let Some(end) = find(received, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    received.drain(..end + 4);
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut body = Vec::new();
    if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = take_until(stream, received, b"\r\n").await?;
            let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).map_err(io::Error::other)?;
            body.extend(take(stream, received, length).await?);
            take(stream, received, 2).await?;
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = field("content-length") {
        body = take(stream, received, length.parse().map_err(io::Error::other)?).await?;
    }
    Ok(Some(Received { path, body }))
}

async fn take(stream: &mut TcpStream, received: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while received.len() < length {
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(received.drain(..length).collect())
}

async fn take_until(stream: &mut TcpStream, received: &mut Vec<u8>, mark: &[u8]) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = find(received, mark) {
            let line = received.drain(..end).collect();
            received.drain(..mark.len());
            return Ok(line);
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
