//! Describes an event in an English sentence. A client can write its own sentence from the other fields of the event.

use portal::models::EventAction;
use portal::policy::ActionKind;
use portal::store::{Actor, Event};
use serde_json::Value;

const NAME_AND_EMAIL: [(&str, &str); 3] =
    [("first_name", "first name"), ("last_name", "last name"), ("email", "email")];
const ACCESS: [(&str, &str); 2] = [("role", "role"), ("permissions", "permissions")];

/// Returns a sentence with the actor, the action and the target.
pub(crate) fn summary(event: &Event) -> String {
    let (actor, actor_id) = match &event.actor {
        Actor::User { id, name } => (name.clone(), Some(id)),
        Actor::Operator { name: Some(name) } => (format!("The operator {name}"), None),
        Actor::Operator { name: None } => ("An operator".to_owned(), None),
        Actor::Anonymous => ("An unknown client".to_owned(), None),
        Actor::Other { kind, name, .. } => (name.as_ref().unwrap_or(kind).clone(), None),
    };
    let target = event.target.as_ref().map_or("an unknown user", |target| &target.name);
    let is_own = event.target.as_ref().is_some_and(|target| Some(&target.id) == actor_id);
    let of = |thing: &str| if is_own { format!("their own {thing}") } else { format!("the {thing} of {target}") };
    let what = match EventAction::parse(&event.action) {
        Ok(EventAction::PartnerCreated) => format!("created the partner, with {target} as its primary admin"),
        Ok(EventAction::PrimaryAdminRecovered) => format!("gave {target} a new password and ended every session"),
        Ok(EventAction::PrimaryAdminHandedOver) => format!("handed the portal over to {target}"),
        Ok(EventAction::UserAdded) => format!("added {target} as {}", text(event.after.get("role"))),
        Ok(EventAction::UserEdited) => changes(event, &NAME_AND_EMAIL, of),
        // The user had this status already, so the event only adds a reason.
        Ok(EventAction::UserSuspended) if event.before.is_empty() => format!("noted why {target} is suspended"),
        Ok(EventAction::UserSuspended) => format!("suspended {target}"),
        Ok(EventAction::UserReactivated) if event.before.is_empty() => format!("noted why {target} is active"),
        Ok(EventAction::UserReactivated) => format!("reactivated {target}"),
        Ok(EventAction::UserRemoved) => format!("removed {target}"),
        Ok(EventAction::PermissionsSet) => changes(event, &ACCESS, of),
        Ok(EventAction::PasswordSet) => format!("set a new password for {target}"),
        Ok(EventAction::PasswordChanged) => format!("changed {}", of("password")),
        Ok(EventAction::LogoutForced) => format!("ended {}", of("sessions")),
        Ok(EventAction::SessionStarted) => "signed in".to_owned(),
        // The event of a sign-out does not describe the session.
        Ok(EventAction::SessionEnded) if event.before.is_empty() => "signed out".to_owned(),
        Ok(EventAction::SessionEnded) if is_own => "ended a session of their own".to_owned(),
        Ok(EventAction::SessionEnded) => format!("ended a session of {target}"),
        Ok(EventAction::SignInRefused) => format!("tried to sign in as {target} and was refused"),
        Ok(EventAction::SignInBlocked) => {
            format!("tried to sign in as {target} and was blocked after too many wrong passwords from unknown sources")
        }
        Ok(EventAction::AccessReviewed) => reviewed(event, target),
        Ok(EventAction::ChangeRefused) => refused(event, target),
        // A later version of the portal recorded this event.
        Err(_) if event.target.is_none() => format!("performed {}", event.action),
        Err(_) => format!("performed {} on {target}", event.action),
    };
    match event.after.get("reason") {
        Some(reason) => format!("{actor} {what}: {}", text(Some(reason))),
        None => format!("{actor} {what}"),
    }
}

/// `changed the role of Bo Chen from manager to admin and the permissions to users.read, users.add`.
fn changes(event: &Event, fields: &[(&str, &str)], of: impl Fn(&str) -> String) -> String {
    let mut changes = Vec::new();
    for (field, name) in fields {
        let Some(now) = event.after.get(*field) else { continue };
        let what = if changes.is_empty() { of(name) } else { format!("the {name}") };
        let before = match event.before.get(*field) {
            // A list of the former values would make the sentence too long.
            Some(Value::Array(_)) | None => String::new(),
            was => format!(" from {}", text(was)),
        };
        changes.push(format!("{what}{before} to {}", text(Some(now))));
    }
    if changes.is_empty() {
        format!("did not change {}", of("record"))
    } else {
        format!("changed {}", changes.join(" and "))
    }
}

fn reviewed(event: &Event, target: &str) -> String {
    let decision = match text(event.after.get("decision")).as_str() {
        "keep" => "kept it".to_owned(),
        "reduce" => "reduced it".to_owned(),
        "suspend" => "decided to suspend the user".to_owned(),
        "remove" => "decided to remove the user".to_owned(),
        // A later version of the portal recorded this decision.
        other => format!("decided: {other}"),
    };
    format!("reviewed the access of {target} and {decision}")
}

fn refused(event: &Event, target: &str) -> String {
    let name = text(event.after.get("attempted"));
    let attempted = match ActionKind::named(&name).and_then(ActionKind::attempt) {
        Some(attempt) => attempt.replace("{target}", target),
        // A later version of the portal recorded this attempt.
        None => format!("{} {target}", name.replace('_', " ")),
    };
    format!("tried to {attempted} and was refused ({})", text(event.after.get("code")).replace('_', " "))
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
