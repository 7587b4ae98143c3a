//! Checks the main guarantees with only the responses and their times, without the order of the commits and without the
//! model. The checks are weaker than the replay, but independent of it.

use std::collections::BTreeMap;

use crate::checker::describe;
use crate::operation::{Action, Code, Ended, Operation, Permissions, Reply, Response};

/// Returns descriptions of all violations.
pub(crate) fn check(operations: &[Operation]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut found = |what: &str, first: &Operation, then: &Operation| {
        violations.push(format!("{what}:\n    {}\n    {}", describe(first, operations), describe(then, operations)));
    };
    let granted: Vec<&Operation> = operations.iter().filter(|operation| operation.is_granted()).collect();
    for first in &granted {
        for then in &granted {
            if ends_session_of(first, then) {
                found("a session works after the response that ended it", first, then);
            }
            if demotes(first, then) && !is_promoted_again(first, then, operations) {
                found("a permission works after the response that removed it", first, then);
            }
        }
    }
    let mut answered: BTreeMap<&str, &Operation> = BTreeMap::new();
    for operation in &granted {
        let token = match &operation.action {
            Action::AnswerChallenge { challenge, .. } => &challenge.token,
            Action::SignInWithPasskey { started, .. } => &started.token,
            _ => continue,
        };
        if let Some(other) = answered.insert(token, operation) {
            found("one challenge was used twice", other, operation);
        }
    }
    let mut codes: Vec<(&str, &Code, &Operation)> = Vec::new();
    for operation in &granted {
        let Action::AnswerChallenge { challenge, reply: Reply::Factor(code) } = &operation.action else { continue };
        let user = challenge.user.as_deref().unwrap_or_default();
        if let Some((_, _, other)) = codes.iter().find(|(of, used, _)| *of == user && *used == code) {
            found("one code was accepted twice", other, operation);
        }
        codes.push((user, code, operation));
    }
    let mut versions: BTreeMap<(&str, u64), &Operation> = BTreeMap::new();
    for operation in &granted {
        let Some((target, version)) = version_made(operation) else { continue };
        // A request that changes nothing returns the version and the time of an earlier change.
        let at = |operation: &Operation| operation.answer.json["updated_at"].clone();
        if let Some(other) = versions.insert((target, version), operation)
            && at(other) != at(operation)
        {
            found("two changes have the same version", other, operation);
        }
        if operation.action.if_match().is_some_and(|wanted| wanted != version && wanted + 1 != version) {
            found("a change did not increment the version by one", operation, operation);
        }
    }
    violations
}

/// Whether `then` was sent with a session that `first` had already ended.
fn ends_session_of(first: &Operation, then: &Operation) -> bool {
    let (Some(own), Some(used)) = (&first.session, &then.session) else { return false };
    let is_over = match first.action.ended_sessions() {
        Ended::None => false,
        Ended::All(target) => *target == used.user && used.since < first.invoked,
        Ended::One(session) => *session == used.id,
        Ended::Own => own.id == used.id,
        Ended::Others => own.user == used.user && own.id != used.id && used.since < first.invoked,
    };
    is_over && first.responded < then.invoked
}

/// Whether `then` needed a permission that `first` had removed from its actor.
fn demotes(first: &Operation, then: &Operation) -> bool {
    if !matches!(first.action.permissions(), Permissions::Fewer | Permissions::Other) {
        return false;
    }
    let held = &first.user()["permissions"];
    let holds = |permission: &str| held.as_array().is_some_and(|held| held.iter().any(|held| held == permission));
    let own = then.action.target() == then.actor();
    let lost = then.action.needed_permission(own, false).is_some_and(|permission| !holds(permission));
    lost && then.actor() == first.action.target() && first.responded < then.invoked
}

/// Whether another change of the permissions can have happened in between, with success or with an unknown result.
fn is_promoted_again(first: &Operation, then: &Operation, operations: &[Operation]) -> bool {
    operations.iter().any(|other| {
        let is_other = !std::ptr::eq(other, first) && (other.is_granted() || other.is_unknown());
        let is_of_them = matches!(other.action.permissions(), Permissions::More | Permissions::Other)
            && other.action.target() == then.actor();
        is_other && is_of_them && other.responded > first.invoked && other.invoked < then.responded
    })
}

/// The user that a change concerned, and the new version.
fn version_made(operation: &Operation) -> Option<(&str, u64)> {
    if operation.action.event().is_none() || operation.action.response() != Response::User {
        return None;
    }
    Some((operation.action.target()?, operation.user()["version"].as_u64()?))
}
