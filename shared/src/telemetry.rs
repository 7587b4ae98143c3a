//! Logs: one JSON object a line, on stdout, where Lambda collects them. Never a password, token, digest or email.

use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;

use crate::clock::Clock;
use crate::config;
use crate::models::Timestamp;

/// Starts logging; once per process.
pub fn start() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level(config::log_level().as_deref()))
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .init();
}

/// Never TRACE, at which the AWS SDK logs whole requests, with the secrets in them.
fn level(asked: Option<&str>) -> LevelFilter {
    match asked {
        // Lambda's least verbose level. No event has it.
        Some("FATAL") => LevelFilter::OFF,
        asked => asked.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO).min(LevelFilter::DEBUG),
    }
}

/// A metric's name, its unit as `CloudWatch` calls it, and its value.
pub type Metric = (&'static str, &'static str, u64);

/// Adds to the sum of a metric, for what an alarm watches: `count("SignInsRefused", 1)`.
pub fn count(name: &'static str, value: u64) {
    report(Clock::system().now(), &[(name, "Count", value)]);
}

/// Reports metrics in the embedded metric format of `CloudWatch`: Lambda's logs are enough, no call is made.
pub fn report(at: Timestamp, metrics: &[Metric]) {
    // Beside the log's own lines, which have another format.
    println!("{}", line(at, &config::function_name().unwrap_or_default(), metrics));
}

/// A line that Lambda keeps at every level that it can be set to. It drops a line by its `level`, and takes a line without a
/// level or a timestamp for INFO. Nothing else logs at FATAL, so a search for errors does not find metrics.
fn line(at: Timestamp, function: &str, metrics: &[Metric]) -> Value {
    let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    // The function's name tells one portal's metrics from another's in the same account.
    let mut line = Map::from_iter([
        ("timestamp".to_owned(), Value::from(at.to_string())),
        ("level".to_owned(), "FATAL".into()),
        ("FunctionName".to_owned(), function.into()),
    ]);
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.unix_millis(),
            "CloudWatchMetrics": [{ "Namespace": "PartnerPortal", "Dimensions": [["FunctionName"]], "Metrics": definitions }],
        }),
    );
    line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), Value::from(*value))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_in_the_embedded_metric_format_with_a_level_that_lambda_never_drops() {
        let at = Timestamp::from_unix_millis(1_769_860_800_123);
        assert_eq!(
            line(at, "portal-sign-in", &[("SignInsRefused", "Count", 2)]),
            json!({
                "timestamp": "2026-01-31T12:00:00.123Z",
                "level": "FATAL",
                "FunctionName": "portal-sign-in",
                "SignInsRefused": 2,
                "_aws": {
                    "Timestamp": 1_769_860_800_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "PartnerPortal",
                        "Dimensions": [["FunctionName"]],
                        "Metrics": [{ "Name": "SignInsRefused", "Unit": "Count" }],
                    }],
                },
            })
        );
    }

    #[test]
    fn secrets_that_trace_would_show_are_never_logged() {
        assert_eq!(level(Some("TRACE")), LevelFilter::DEBUG);
        assert_eq!(level(Some("5")), LevelFilter::DEBUG, "the number of TRACE");
        assert_eq!(level(Some("WARN")), LevelFilter::WARN);
        assert_eq!(level(Some("FATAL")), LevelFilter::OFF);
        assert_eq!(level(None), LevelFilter::INFO);
        assert_eq!(level(Some("loud")), LevelFilter::INFO);
    }
}
