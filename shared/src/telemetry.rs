//! Logs: one JSON object a line, on stdout, where Lambda collects them. Never a password, token, digest or email.

use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;

use crate::config;
use crate::models::Timestamp;

/// Starts logging; once per process.
pub fn start() {
    let level = config::log_level().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .init();
}

/// A metric's name, its unit as `CloudWatch` calls it, and its value.
pub type Metric = (&'static str, &'static str, u64);

/// Reports metrics in the embedded metric format of `CloudWatch`: Lambda's logs are enough, no call is made.
pub fn report(at: Timestamp, metrics: &[Metric]) {
    let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    // The function's name tells one portal's metrics from another's in the same account.
    let function = config::function_name().unwrap_or_default();
    let mut line = Map::from_iter([("FunctionName".to_owned(), Value::from(function))]);
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.unix_millis(),
            "CloudWatchMetrics": [{ "Namespace": "PartnerPortal", "Dimensions": [["FunctionName"]], "Metrics": definitions }],
        }),
    );
    line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), Value::from(*value))));
    // Beside the log's own lines, which look otherwise.
    println!("{}", Value::Object(line));
}
