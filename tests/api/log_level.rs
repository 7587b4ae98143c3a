//! At the log level `ERROR`, the least verbose one, the logs still contain errors and the metrics that alarms need.

use std::time::Duration;

use portal_tests::{Client, Stack, invoke, secrets};
use serde_json::{Value, json};

/// The metrics that a function has logged, which are its lines in the embedded metric format.
fn metrics(stack: &Stack, function: &str) -> Vec<Value> {
    let logged = stack.logged();
    let lines = logged.lines().filter_map(|line| line.strip_prefix(&format!("[{function}] ")));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    lines.filter(|line| line["_aws"].is_object()).collect()
}

/// Waits for the lines of a function. They can come shortly after its response.
async fn metrics_once_there(stack: &Stack, function: &str, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        let found = metrics(stack, function);
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{function} has not logged {count} metrics:\n{}", stack.logged());
}

/// Starts a stack: about 2 s.
#[tokio::test]
async fn alarms_get_their_metrics_at_the_log_level_error() {
    let stack = Stack::start("log-level", &["--ephemeral", "--parameter", "LogLevel=ERROR"])
        .unwrap_or_else(|error| panic!("{error}"));
    let (client, login) = (Client::of(&stack.ready), &stack.ready.primary_admin);
    client.sign_in(&login.email, &login.password).await.expect(200);
    for _ in 0..2 {
        client.sign_in(&login.email, &secrets::password()).await.problem(401, "unauthenticated");
    }
    invoke(&stack.ready, "repair-identities", &json!({})).await.worked();

    let refused = metrics_once_there(&stack, "sign-in", 2).await;
    assert_eq!(refused.len(), 2, "each refusal has a metric, and a successful sign-in has none: {refused:?}");
    for line in &refused {
        let said = ["SignInsRefused", "Portal", "FunctionName"].map(|name| &line[name]);
        assert_eq!(said, [&json!(1), &json!("partner-portal"), &json!("partner-portal-sign-in")]);
        // The line has no email and no address.
        assert_eq!(line.as_object().unwrap().len(), 6, "{line}");
    }
    let repair = metrics_once_there(&stack, "repair-identities", 1).await;
    for name in ["RepairBacklog", "RepairOldestAge", "RepairFailed"] {
        assert_eq!(repair[0][name], 0, "{}", repair[0]);
    }
    let logged = stack.logged();
    for dropped in [r#""level":"INFO""#, r#""level":"WARN""#, r#""level":"DEBUG""#] {
        assert!(!logged.contains(dropped), "Lambda drops these lines:\n{logged}");
    }
    stack.end("TERM");
}
