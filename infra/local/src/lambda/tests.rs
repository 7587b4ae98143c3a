//! Tests the runtime with real processes. This test binary also acts as the function (`function`, below).

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::*;

/// A function over the Runtime API that does what each request asks for. It never returns.
#[tokio::test]
#[ignore = "not a test: the other tests start it as a process"]
#[allow(clippy::disallowed_methods, reason = "a function gets its settings from its environment")]
async fn function() {
    if let Ok(code) = std::env::var("EXIT_AT_START") {
        std::process::exit(code.parse().unwrap());
    }
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let url = |rest: &str| format!("http://{api}/2018-06-01/runtime/invocation/{rest}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        let next = http.get(url("next")).send().await.unwrap();
        let header = |name: &str| next.headers()[name].to_str().unwrap().to_owned();
        let (request_id, deadline) = (header("lambda-runtime-aws-request-id"), header("lambda-runtime-deadline-ms"));
        let left = deadline.parse::<u128>().unwrap().saturating_sub(clock::since_1970().as_millis());
        let request: Value = next.json().await.unwrap();
        if let Some(code) = request["exit"].as_i64() {
            std::process::exit(i32::try_from(code).unwrap());
        }
        tokio::time::sleep(Duration::from_millis(request["sleep_ms"].as_u64().unwrap_or_default())).await;
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let (outcome, answer) = if let Some(message) = request.get("fail") {
            ("error", json!({ "errorType": "Failure", "errorMessage": message }))
        } else if let Some(file) = environment.get("EVENTS_FILE") {
            events::answer(Path::new(file), &request)
        } else {
            let left = u64::try_from(left).unwrap();
            ("response", json!({ "process": std::process::id(), "left_ms": left, "environment": environment }))
        };
        http.post(url(&format!("{request_id}/{outcome}"))).json(&answer).send().await.unwrap();
    }
}

/// The function as a receiver of events: it keeps each event in a file, and fails as the event says.
mod events {
    use super::*;

    /// Events with `fails: N` fail N times. A record fails if its item has `fails` (reported) or `crashes` (an error) and
    /// was in fewer earlier events than that number.
    pub(super) fn answer(file: &Path, request: &Value) -> (&'static str, Value) {
        let earlier = read(file);
        let lines: Vec<String> = earlier.iter().chain([request]).map(Value::to_string).collect();
        std::fs::write(file, lines.join("\n")).unwrap();
        let error = || ("error", json!({ "errorType": "Failure", "errorMessage": "on purpose" }));
        if request["detail"]["fails"].as_u64().is_some_and(|fails| (earlier.len() as u64) < fails) {
            return error();
        }
        let records = request["Records"].as_array().cloned().unwrap_or_default();
        let seen = |record: &Value| {
            let all = earlier.iter().flat_map(|event| event["Records"].as_array().unwrap());
            all.filter(|other| other["eventID"] == record["eventID"]).count()
        };
        let is_due = |record: &Value, attribute: &str| {
            let times =
                record["dynamodb"]["NewImage"][attribute]["N"].as_str().map(|times| times.parse::<usize>().unwrap());
            times.is_some_and(|times| seen(record) < times)
        };
        if records.iter().any(|record| is_due(record, "crashes")) {
            return error();
        }
        let failures = records.iter().filter(|record| is_due(record, "fails"));
        let failures = failures.map(|record| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }));
        ("response", json!({ "batchItemFailures": failures.collect::<Vec<_>>() }))
    }

    pub(super) fn read(file: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A function that receives events.
pub(crate) struct Receiver {
    pub(crate) lambda: Lambda,
    folder: Folder,
}

impl Receiver {
    pub(crate) const NAME: &str = "TesterFunction";

    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        let file = folder.0.join("events");
        let lambda =
            start(&folder.0, Duration::from_secs(20), &[("EVENTS_FILE", file.to_str().unwrap())]).await.unwrap();
        Self { lambda, folder }
    }

    /// The events that the function received.
    pub(crate) fn events(&self) -> Vec<Value> {
        events::read(&self.folder.0.join("events"))
    }
}

struct Folder(PathBuf);

impl Folder {
    /// A folder with the one binary `tester`, which starts `function`.
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("portal-local-{}", random::hex::<8>()));
        std::fs::create_dir(&folder).unwrap();
        // Another process writes the file: a file cannot be executed while a child of some thread still has it open for
        // writing.
        let script = r#"printf '#!/bin/sh\nexec "%s" --exact lambda::tests::function --ignored --nocapture\n' "$1" > "$2"
            chmod +x "$2""#;
        let written = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg(folder.join("tester"))
            .status();
        assert!(written.unwrap().success());
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(folder: &Path, timeout: Duration, given: &[(&str, &str)]) -> Result<Lambda, StartError> {
    let function = plan::Function {
        logical_id: "TesterFunction".to_owned(),
        name: "portal-tester".to_owned(),
        folder: "tester".to_owned(),
        environment: BTreeMap::from([("USERS_TABLE".to_owned(), "users".to_owned())]),
        timeout,
        memory_mb: 256,
        log_level: plan::LogLevel::Info,
        statements: Vec::new(),
    };
    let given: BTreeMap<_, _> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = Settings { binaries: folder.to_owned(), environment: Box::new(move |_| given.clone()) };
    Lambda::start(vec![function], settings).await
}

async fn invoke(lambda: &Lambda, request: Value) -> (Value, Option<FunctionError>) {
    let invoked = lambda.invoke("tester", request.to_string().into()).await.unwrap();
    (serde_json::from_slice(&invoked.payload).unwrap(), invoked.function_error)
}

async fn process(lambda: &Lambda, request: Value) -> u64 {
    let (answer, error) = invoke(lambda, request).await;
    assert_eq!(error, None, "{answer}");
    answer["process"].as_u64().unwrap()
}

/// The error type and message of a request that failed, without the request id.
async fn failure(lambda: &Lambda, request: Value) -> (String, String) {
    let (answer, error) = invoke(lambda, request).await;
    assert_eq!(error, Some(FunctionError::Unhandled), "{answer}");
    let message = answer["errorMessage"].as_str().unwrap();
    let (_, message) = message.split_once(" Error: ").unwrap_or(("", message));
    (answer["errorType"].as_str().unwrap().to_owned(), message.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_handles_one_request_at_a_time_and_is_reused() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(20), &[]).await.unwrap();
    let first = process(&lambda, json!({})).await;
    assert_eq!(process(&lambda, json!({})).await, first);

    let (one, other) =
        tokio::join!(process(&lambda, json!({ "sleep_ms": 200 })), process(&lambda, json!({ "sleep_ms": 200 })));
    assert_ne!(one, other);
    let last = process(&lambda, json!({})).await;
    assert!([one, other].contains(&last));
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_past_the_cap_wait_for_a_process() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_mins(1), &[]).await.unwrap();
    let requests = (0..40).map(|_| process(&lambda, json!({ "sleep_ms": 100 })));
    let mut processes = futures::future::join_all(requests).await;
    processes.sort_unstable();
    processes.dedup();
    assert!(processes.len() <= 32, "{}", processes.len());
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_fails_its_request_and_is_replaced() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(20), &[]).await.unwrap();
    let first = process(&lambda, json!({})).await;
    let expected = ("Runtime.ExitError".to_owned(), "Runtime exited with error: exit status 7".to_owned());
    assert_eq!(failure(&lambda, json!({ "exit": 7 })).await, expected);
    let second = process(&lambda, json!({})).await;
    assert_ne!(second, first);

    // A process that dies while it is idle fails no request, once its end has been noticed.
    assert!(signal("KILL", second));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_ne!(process(&lambda, json!({})).await, second);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_past_its_time_limit_ends_its_process() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(1), &[]).await.unwrap();
    let (answer, _) = invoke(&lambda, json!({})).await;
    assert!((500..=1000).contains(&answer["left_ms"].as_u64().unwrap()), "{answer}");

    let expected = ("Sandbox.Timedout".to_owned(), "Task timed out after 1.00 seconds".to_owned());
    assert_eq!(failure(&lambda, json!({ "sleep_ms": 60_000 })).await, expected);
    assert_ne!(process(&lambda, json!({})).await, answer["process"].as_u64().unwrap());
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_report_of_a_function_is_returned() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(20), &[]).await.unwrap();
    let expected = ("Failure".to_owned(), "on purpose".to_owned());
    assert_eq!(failure(&lambda, json!({ "fail": "on purpose" })).await, expected);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_cannot_start_fails_every_request() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(20), &[("EXIT_AT_START", "3")]).await.unwrap();
    let expected = ("Runtime.ExitError".to_owned(), "Runtime exited with error: exit status 3".to_owned());
    for _ in 0..2 {
        assert_eq!(failure(&lambda, json!({})).await, expected);
    }
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_its_own_environment_only() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_secs(20), &[("AWS_REGION", "eu-west-1")]).await.unwrap();
    let (answer, _) = invoke(&lambda, json!({})).await;
    let environment = answer["environment"].as_object().unwrap();
    for (name, expected) in
        [("USERS_TABLE", "users"), ("AWS_REGION", "eu-west-1"), ("AWS_LAMBDA_FUNCTION_NAME", "portal-tester")]
    {
        assert_eq!(environment[name], expected);
    }
    let known = ["USERS_TABLE", "AWS_REGION", "_HANDLER", "PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_"];
    let unknown: Vec<_> =
        environment.keys().filter(|name| !known.contains(&name.as_str()) && !name.starts_with("AWS_LAMBDA_")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_busy_and_idle_processes() {
    let folder = Folder::new();
    let lambda = start(&folder.0, Duration::from_mins(1), &[]).await.unwrap();
    let (one, other) =
        tokio::join!(process(&lambda, json!({ "sleep_ms": 100 })), process(&lambda, json!({ "sleep_ms": 100 })));
    let busy = tokio::spawn({
        let lambda = lambda.clone();
        async move { lambda.invoke("tester", Bytes::from_static(br#"{"sleep_ms":60000}"#)).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    lambda.stop().await;
    let busy = busy.await.unwrap().unwrap();
    assert_eq!(busy.function_error, Some(FunctionError::Unhandled));
    assert!(matches!(lambda.invoke("tester", Bytes::new()).await, Err(InvokeError::Stopped)));
    // The system removes the idle process from its list shortly after the process has ended.
    for _ in 0..50 {
        if !signal("0", one) && !signal("0", other) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a process is still there");
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let folder = Folder::new();
    std::fs::remove_file(folder.0.join("tester")).unwrap();
    let error = start(&folder.0, Duration::from_secs(1), &[]).await.err().unwrap().to_string();
    assert_eq!(error, format!("the binary of TesterFunction is not at {}", folder.0.join("tester").display()));
}

/// Returns whether the process existed.
fn signal(signal: &str, process: u64) -> bool {
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{signal} {process} 2>/dev/null")]).status();
    sent.unwrap().success()
}
