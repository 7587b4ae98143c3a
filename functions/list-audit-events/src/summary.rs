//! Describes an event in an English sentence. A client can write its own sentence from the other fields of the event.

use portal::models::EventAction;
use portal::policy::ActionKind;
use portal::store::{Actor, Event};
use serde_json::Value;

/// The fields whose values a sentence gives, with their names.
const FIELDS: [(&str, &str); 6] = [
    ("first_name", "first name"),
    ("last_name", "last name"),
    ("email", "email"),
    ("language", "language"),
    ("role", "role"),
    ("permissions", "permissions"),
];

/// Returns a sentence with the actor, the action and the target.
pub(crate) fn summary(event: &Event) -> String {
    let (actor, actor_id) = match &event.actor {
        Actor::User { id, name } => (name.clone(), Some(id)),
        Actor::Operator { name: Some(name) } => (format!("The operator {name}"), None),
        Actor::Operator { name: None } => ("An operator".to_owned(), None),
        Actor::Anonymous => ("An unknown client".to_owned(), None),
        Actor::System => ("The portal".to_owned(), None),
        Actor::Other { kind, name, .. } => (name.as_ref().unwrap_or(kind).clone(), None),
    };
    let target = event.target.as_ref().map_or("an unknown user", |target| &target.name);
    let is_own = event.target.as_ref().is_some_and(|target| Some(&target.id) == actor_id);
    let what = match EventAction::parse(&event.action) {
        Ok(action) => filled(action.sentence(!event.before.is_empty()), |placeholder| match placeholder {
            "target" => target.to_owned(),
            "whose" => if is_own { "their own" } else { target }.to_owned(),
            "changes" => changes(event, |field| of(target, is_own, field)),
            "role" => text(event.after.get("role")),
            "decision" => decision(event),
            "second_factor" => requirement(event),
            "attempt" => attempt(event, target),
            "code" => text(event.after.get("code")).replace('_', " "),
            other => of(target, is_own, other.trim_start_matches("the ")),
        }),
        // A later version of the portal recorded this event.
        Err(_) if event.target.is_none() => format!("performed {}", event.action),
        Err(_) => format!("performed {} on {target}", event.action),
    };
    match event.after.get("reason") {
        Some(reason) => format!("{actor} {what}: {}", text(Some(reason))),
        None => format!("{actor} {what}"),
    }
}

/// Replaces each placeholder in braces with its value.
fn filled(sentence: &str, value: impl Fn(&str) -> String) -> String {
    let parts = sentence.split(['{', '}']).enumerate();
    parts.map(|(index, part)| if index % 2 == 0 { part.to_owned() } else { value(part) }).collect()
}

/// `their own password`, or `the password of Bo Chen`.
fn of(target: &str, is_own: bool, thing: &str) -> String {
    if is_own { format!("their own {thing}") } else { format!("the {thing} of {target}") }
}

/// `changed the role of Bo Chen from manager to admin and the permissions to users.read, users.add`.
fn changes(event: &Event, of: impl Fn(&str) -> String) -> String {
    let mut changes = Vec::new();
    for (field, name) in FIELDS {
        let Some(now) = event.after.get(field) else { continue };
        let what = if changes.is_empty() { of(name) } else { format!("the {name}") };
        let before = match event.before.get(field) {
            // A list of the former values would make the sentence too long.
            Some(Value::Array(_) | Value::Null) | None => String::new(),
            was => format!(" from {}", text(was)),
        };
        let after = if now.is_null() { "none".to_owned() } else { text(Some(now)) };
        changes.push(format!("{what}{before} to {after}"));
    }
    if changes.is_empty() {
        format!("did not change {}", of("record"))
    } else {
        format!("changed {}", changes.join(" and "))
    }
}

fn decision(event: &Event) -> String {
    match text(event.after.get("decision")).as_str() {
        "keep" => "kept it".to_owned(),
        "reduce" => "reduced it".to_owned(),
        "suspend" => "decided to suspend the user".to_owned(),
        "remove" => "decided to remove the user".to_owned(),
        // A later version of the portal recorded this decision.
        other => format!("decided: {other}"),
    }
}

fn requirement(event: &Event) -> String {
    match text(event.after.get("second_factor")).as_str() {
        "optional" => "optional".to_owned(),
        "admins" => "required for admins".to_owned(),
        "everyone" => "required for everyone".to_owned(),
        // A later version of the portal recorded this requirement.
        other => format!("required for {other}"),
    }
}

fn attempt(event: &Event, target: &str) -> String {
    let name = text(event.after.get("attempted"));
    match ActionKind::named(&name).and_then(ActionKind::attempt) {
        Some(attempt) => filled(attempt, |_| target.to_owned()),
        // A later version of the portal recorded this attempt.
        None => format!("{} {target}", name.replace('_', " ")),
    }
}

/// Returns a value as text.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) if values.is_empty() => "none".to_owned(),
        Some(Value::Array(values)) => values.iter().map(|value| text(Some(value))).collect::<Vec<_>>().join(", "),
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => value.to_string(),
        Some(Value::Null) | None => "nothing".to_owned(),
    }
}
