//! Reads what invokes functions besides requests and schedules: streams of tables and rules of `EventBridge`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::section::{Entry, Section, TemplateError};
use crate::pattern::Pattern;
use crate::plan::{Function, Rule, Stream};

/// Lambda's default and limit for the number of records in an event.
const BATCH_SIZE: u32 = 100;
const MAX_BATCH_SIZE: u32 = 10_000;

/// Reads the mapping of a stream to one of the functions. Returns `None` for a disabled one. `streams` has the names of the
/// tables by the ARN of their stream.
pub(super) fn stream(
    mut properties: Section,
    functions: &[Function],
    streams: &BTreeMap<String, String>,
) -> Result<Option<Stream>, TemplateError> {
    // Lambda may wait for more records before it invokes a function. Here it never waits.
    properties.ignore(&["MaximumBatchingWindowInSeconds", "MetricsConfig"]);
    let function = properties.require("FunctionName")?;
    let place = function.place.clone();
    let function = function.text()?;
    if !functions.iter().any(|one| one.logical_id == function) {
        return Err(place.error("this is not a function in the template"));
    }
    let source = properties.require("EventSourceArn")?;
    let place = source.place.clone();
    let arn = source.text()?;
    let table = streams.get(&arn).ok_or_else(|| place.error("this is not the stream of a table in the template"))?;
    let start = properties.require("StartingPosition")?;
    if start.value.as_str() != Some("TRIM_HORIZON") {
        return Err(start.error("the local stack supports only TRIM_HORIZON"));
    }
    let mut criteria = properties.section("FilterCriteria")?;
    let filters = criteria.list("Filters")?.into_iter().map(filter).collect::<Result<_, _>>()?;
    criteria.finish()?;
    let mut reports_failures = false;
    for kind in properties.list("FunctionResponseTypes")? {
        if kind.value.as_str() != Some("ReportBatchItemFailures") {
            return Err(kind.error("expected ReportBatchItemFailures"));
        }
        reports_failures = true;
    }
    let mut destinations = properties.section("DestinationConfig")?;
    let on_failure = destinations.take("OnFailure").map(queue).transpose()?;
    destinations.finish()?;
    let stream = Stream {
        function,
        table: table.clone(),
        arn,
        batch_size: batch_size(&mut properties)?,
        filters,
        max_retries: properties.take("MaximumRetryAttempts").map(Entry::number).transpose()?,
        max_record_age: properties
            .take("MaximumRecordAgeInSeconds")
            .map(|entry| Ok(Duration::from_secs(entry.number()?.into())))
            .transpose()?,
        bisects: properties.take("BisectBatchOnFunctionError").map_or(Ok(false), Entry::flag)?,
        reports_failures,
        on_failure,
    };
    let enabled = properties.take("Enabled").map_or(Ok(true), Entry::flag)?;
    properties.finish()?;
    Ok(enabled.then_some(stream))
}

fn batch_size(properties: &mut Section) -> Result<usize, TemplateError> {
    let Some(entry) = properties.take("BatchSize") else { return Ok(BATCH_SIZE as usize) };
    let place = entry.place.clone();
    match entry.number()? {
        size @ 1..=MAX_BATCH_SIZE => Ok(size as usize),
        size => Err(place.error(format!("expected 1 to {MAX_BATCH_SIZE}, found `{size}`"))),
    }
}

/// A filter's pattern is JSON in a string.
fn filter(entry: Entry) -> Result<Pattern, TemplateError> {
    let mut filter = entry.section()?;
    let pattern = filter.require("Pattern")?;
    let place = pattern.place.clone();
    filter.finish()?;
    let pattern: Value =
        serde_json::from_str(&pattern.text()?).map_err(|error| place.error(format!("not JSON: {error}")))?;
    Pattern::read(&pattern).map_err(|problem| place.error(problem))
}

/// Returns the ARN of a queue.
fn queue(entry: Entry) -> Result<String, TemplateError> {
    let mut destination = entry.section()?;
    let arn = destination.require("Destination")?;
    let place = arn.place.clone();
    let arn = arn.text()?;
    if !arn.starts_with("arn:aws:sqs:") {
        return Err(place.error("this is not the ARN of a queue"));
    }
    destination.finish()?;
    Ok(arn)
}

/// Reads a rule of `EventBridge`'s default bus. Returns `None` for a disabled one.
pub(super) fn rule(function: &str, mut properties: Section) -> Result<Option<Rule>, TemplateError> {
    properties.ignore(&["DeadLetterConfig", "RetryPolicy", "RuleName", "Target"]);
    let pattern = properties.require("Pattern")?;
    let place = pattern.place.clone();
    let pattern = Pattern::read(&pattern.value).map_err(|problem| place.error(problem))?;
    if pattern.only("source").and_then(Value::as_str) != Some("aws.ses") {
        return Err(place.error("the local stack has only events with the source aws.ses"));
    }
    let state = properties.take("State").map_or_else(|| Ok("ENABLED".to_owned()), Entry::text)?;
    properties.finish()?;
    Ok((state == "ENABLED").then(|| Rule { function: function.to_owned(), pattern }))
}
