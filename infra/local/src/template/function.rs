//! Reads a function of the template: its settings and its events.

use std::time::Duration;

use serde_json::Value;

use super::section::{Entry, Place, Section, TemplateError};
use super::{Api, sources};
use crate::plan::{Function, JwtAuthorizer, LogLevel, Plan, Route, Schedule};

/// Adds the function and all that invokes it to the plan.
pub(super) fn read(
    logical_id: &str,
    binary: Option<&str>,
    mut properties: Section,
    api: &Api,
    plan: &mut Plan,
) -> Result<(), TemplateError> {
    // These properties concern packaging, monitoring and deployment on AWS.
    properties.ignore(&[
        "Architectures",
        "AutoPublishAlias",
        "DeadLetterQueue",
        "DeploymentPreference",
        "Description",
        "EventInvokeConfig",
        "Handler",
        "ReservedConcurrentExecutions",
        "Runtime",
        "Tags",
        "Tracing",
    ]);
    let mut logging = properties.section("LoggingConfig")?;
    logging.ignore(&["LogFormat", "LogGroup", "SystemLogLevel"]);
    let log_level = logging.take("ApplicationLogLevel").map_or_else(|| Ok(LogLevel::default()), log_level)?;
    logging.finish()?;
    let mut environment = properties.section("Environment")?;
    let function = Function {
        logical_id: logical_id.to_owned(),
        name: properties.take("FunctionName").map_or_else(|| Ok(logical_id.to_owned()), Entry::text)?,
        folder: folder(properties.require("CodeUri")?, binary)?,
        environment: environment
            .section("Variables")?
            .rest()
            .map(|(name, entry)| Ok((name, entry.text()?)))
            .collect::<Result<_, _>>()?,
        // Lambda's own defaults.
        timeout: Duration::from_secs(properties.take("Timeout").map_or(Ok(3), Entry::number)?.into()),
        memory_mb: properties.take("MemorySize").map_or(Ok(128), Entry::number)?,
        log_level,
        statements: properties.take("Policies").map_or_else(|| Ok(Vec::new()), statements)?,
    };
    environment.finish()?;
    for (_, event) in properties.section("Events")?.rest() {
        read_event(logical_id, event.section()?, api, plan)?;
    }
    properties.finish()?;
    plan.functions.push(function);
    Ok(())
}

fn log_level(entry: Entry) -> Result<LogLevel, TemplateError> {
    let place = entry.place.clone();
    let text = entry.text()?;
    LogLevel::parse(&text).ok_or_else(|| place.error(format!("`{text}` is not a level of Lambda's logs")))
}

/// Returns the last part of `functions/add-user/`, which is also the name of the package and its binary.
fn folder(code: Entry, binary: Option<&str>) -> Result<String, TemplateError> {
    let place = code.place.clone();
    let code = code.text()?;
    let folder = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match binary {
        _ if folder.is_empty() => Err(place.error("this does not name a folder")),
        Some(binary) if binary != folder => {
            Err(place.error(format!("the folder is `{folder}`, but the binary is `{binary}`")))
        }
        _ => Ok(folder.to_owned()),
    }
}

/// The statements of inline policies. Managed policies and SAM policy templates are errors, because their text is not
/// in the template.
fn statements(policies: Entry) -> Result<Vec<Value>, TemplateError> {
    let policies = if policies.value.is_object() { vec![policies] } else { policies.list()? };
    let mut all = Vec::new();
    for policy in policies {
        if policy.value.get("Statement").is_none() {
            return Err(policy.error("the local stack supports only inline policies with statements"));
        }
        let mut policy = policy.section()?;
        policy.ignore(&["Version"]);
        for statement in policy.require("Statement")?.list()? {
            for key in ["Effect", "Action", "Resource"] {
                if statement.value.get(key).is_none() {
                    return Err(statement.error(format!("`{key}` is missing")));
                }
            }
            all.push(statement.value);
        }
        policy.finish()?;
    }
    Ok(all)
}

fn read_event(function: &str, mut event: Section, api: &Api, plan: &mut Plan) -> Result<(), TemplateError> {
    let kind = event.require("Type")?;
    let properties = event.section("Properties")?;
    event.finish()?;
    match kind.value.as_str() {
        Some("HttpApi") => {
            let route = route(function, properties, api)?;
            if plan.routes.iter().any(|other| other.method == route.method && other.path == route.path) {
                return Err(kind.error(format!("{} {} is routed twice", route.method, route.path)));
            }
            plan.routes.push(route);
        }
        Some("Schedule") => plan.schedules.extend(schedule(function, properties, "Schedule")?),
        Some("ScheduleV2") => plan.schedules.extend(schedule(function, properties, "ScheduleExpression")?),
        Some("EventBridgeRule") => plan.rules.extend(sources::rule(function, properties)?),
        _ => {
            return Err(kind.error(
                "the local stack supports only events of type HttpApi, Schedule, ScheduleV2 and EventBridgeRule",
            ));
        }
    }
    Ok(())
}

fn route(function: &str, mut properties: Section, api: &Api) -> Result<Route, TemplateError> {
    let of = properties.require("ApiId")?;
    if of.value.as_str() != Some(api.logical_id.as_str()) {
        return Err(of.error(format!("the local stack serves only the API {}", api.logical_id)));
    }
    let method = properties.require("Method")?.text()?.to_ascii_uppercase();
    let path = properties.require("Path")?;
    if !path.value.as_str().is_some_and(|path| path.starts_with('/')) {
        return Err(path.error("a path must start with /"));
    }
    let path = path.text()?;
    let mut auth = properties.section("Auth")?;
    let authorizer = match auth.take("Authorizer") {
        Some(entry) => authorizer(entry, api)?,
        None => api.default_authorizer.as_ref().and_then(|name| api.authorizers.get(name)).cloned(),
    };
    auth.finish()?;
    properties.finish()?;
    Ok(Route { method, path, function: function.to_owned(), authorizer })
}

fn authorizer(entry: Entry, api: &Api) -> Result<Option<JwtAuthorizer>, TemplateError> {
    let place = entry.place.clone();
    let name = entry.text()?;
    if name == "NONE" {
        return Ok(None);
    }
    match api.authorizers.get(&name) {
        Some(authorizer) => Ok(Some(authorizer.clone())),
        None => Err(place.error(format!("there is no authorizer `{name}`"))),
    }
}

/// Returns `None` for a disabled schedule.
fn schedule(function: &str, mut properties: Section, key: &str) -> Result<Option<Schedule>, TemplateError> {
    properties.ignore(&["DeadLetterConfig", "Description", "FlexibleTimeWindow", "Name", "RetryPolicy"]);
    let expression = properties.require(key)?;
    let place = expression.place.clone();
    let every = rate(&expression.text()?, &place)?;
    let input = match properties.take("Input") {
        None => Value::Object(serde_json::Map::new()),
        Some(entry) => {
            let place = entry.place.clone();
            serde_json::from_str(&entry.text()?).map_err(|error| place.error(format!("not JSON: {error}")))?
        }
    };
    let enabled = properties.take("Enabled").map_or(Ok(true), Entry::flag)?;
    let state = properties.take("State").map_or_else(|| Ok("ENABLED".to_owned()), Entry::text)?;
    properties.finish()?;
    Ok((enabled && state == "ENABLED").then(|| Schedule { function: function.to_owned(), every, input }))
}

/// Parses an expression such as `rate(5 minutes)`.
fn rate(expression: &str, place: &Place) -> Result<Duration, TemplateError> {
    let seconds = || {
        let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
        let count: u64 = count.parse().ok()?;
        let unit = match unit {
            "minute" | "minutes" => 60,
            "hour" | "hours" => 60 * 60,
            "day" | "days" => 24 * 60 * 60,
            _ => return None,
        };
        count.checked_mul(unit).filter(|seconds| *seconds > 0)
    };
    seconds().map(Duration::from_secs).ok_or_else(|| {
        place.error(format!("the local stack supports only rates such as rate(5 minutes), not `{expression}`"))
    })
}
