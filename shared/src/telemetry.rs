//! Logs and metrics: one JSON object per line on stdout, where Lambda collects them. Logs never contain a password,
//! token, digest or email.

use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;

use crate::clock::Clock;
use crate::config;
use crate::models::Timestamp;

/// Starts logging. Call it once per process.
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

/// Returns the level to log. It is never TRACE, at which the AWS SDK logs whole requests with their secrets.
fn level(configured: Option<&str>) -> LevelFilter {
    match configured {
        // This is Lambda's least verbose level. No event has it.
        Some("FATAL") => LevelFilter::OFF,
        configured => {
            configured.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO).min(LevelFilter::DEBUG)
        }
    }
}

/// A metric: its name, its unit in `CloudWatch`, and its value.
pub type Metric = (&'static str, &'static str, u64);

/// Adds to the sum of a metric, for example one that an alarm watches: `count("SignInsRefused", 1)`.
pub fn count(name: &'static str, value: u64) {
    report(Clock::system().now(), &[(name, "Count", value)]);
}

/// Reports metrics in the embedded metric format of `CloudWatch`, which reads them from the log. This makes no call.
pub fn report(at: Timestamp, metrics: &[Metric]) {
    // This does not use `tracing`, because the line has another format than log messages.
    let (portal, function) = (config::portal().unwrap_or_default(), config::function_name().unwrap_or_default());
    println!("{}", line(at, &portal, &function, metrics));
}

/// Returns a line for metrics, which Lambda keeps at every log level that can be configured. Lambda filters lines by
/// their `level`, and treats a line without a level or a timestamp as INFO. No log message has the level FATAL, so a
/// search for errors does not find metrics.
///
/// The portal is the only dimension: its functions share a metric, so an alarm needs no list of them. The function is
/// only in the line.
fn line(at: Timestamp, portal: &str, function: &str, metrics: &[Metric]) -> Value {
    let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = Map::from_iter([
        ("timestamp".to_owned(), Value::from(at.to_string())),
        ("level".to_owned(), "FATAL".into()),
        ("Portal".to_owned(), portal.into()),
        ("FunctionName".to_owned(), function.into()),
    ]);
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.unix_millis(),
            "CloudWatchMetrics": [{ "Namespace": "PartnerPortal", "Dimensions": [["Portal"]], "Metrics": definitions }],
        }),
    );
    line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), Value::from(*value))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_the_embedded_metric_format_and_a_level_that_lambda_never_drops() {
        let at = Timestamp::from_unix_millis(1_769_860_800_123);
        assert_eq!(
            line(at, "portal", "portal-sign-in", &[("SignInsRefused", "Count", 2)]),
            json!({
                "timestamp": "2026-01-31T12:00:00.123Z",
                "level": "FATAL",
                "Portal": "portal",
                "FunctionName": "portal-sign-in",
                "SignInsRefused": 2,
                "_aws": {
                    "Timestamp": 1_769_860_800_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "PartnerPortal",
                        "Dimensions": [["Portal"]],
                        "Metrics": [{ "Name": "SignInsRefused", "Unit": "Count" }],
                    }],
                },
            })
        );
    }

    #[test]
    fn the_log_level_is_never_trace() {
        assert_eq!(level(Some("TRACE")), LevelFilter::DEBUG);
        assert_eq!(level(Some("5")), LevelFilter::DEBUG, "the number of TRACE");
        assert_eq!(level(Some("WARN")), LevelFilter::WARN);
        assert_eq!(level(Some("FATAL")), LevelFilter::OFF);
        assert_eq!(level(None), LevelFilter::INFO);
        assert_eq!(level(Some("loud")), LevelFilter::INFO);
    }
}
