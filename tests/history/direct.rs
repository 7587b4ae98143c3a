//! Checks the main guarantees with only the responses and their times, without the order of the commits and without the
//! model. The checks are weaker than the replay, but independent of it.

use std::collections::BTreeMap;

use crate::checker::describe;
use crate::model::needed;
use crate::operation::{Operation, Wish};

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
        let Wish::Answer { challenge, .. } = &operation.wish else { continue };
        if let Some(other) = answered.insert(&challenge.token, operation) {
            found("one challenge was used twice", other, operation);
        }
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
        if operation.wish.if_match().is_some_and(|wanted| wanted != version && wanted + 1 != version) {
            found("a change did not increment the version by one", operation, operation);
        }
    }
    violations
}

/// Whether `then` was sent with a session that `first` had already ended.
fn ends_session_of(first: &Operation, then: &Operation) -> bool {
    let (Some(ended), Some(used)) = (&first.session, &then.session) else { return false };
    let is_over = match &first.wish {
        Wish::ForceLogout { target, .. }
        | Wish::SetPassword { target, .. }
        | Wish::Remove { target }
        | Wish::SetStatus { target, is_active: false, .. }
        | Wish::Decide { target, decision: "suspend" | "remove", .. } => {
            *target == used.user && used.since < first.invoked
        }
        Wish::EndSession { session, .. } => *session == used.id,
        Wish::OwnPassword { .. } => ended.user == used.user && ended.id != used.id && used.since < first.invoked,
        Wish::SignOut => ended.id == used.id,
        _ => false,
    };
    is_over && first.responded < then.invoked
}

/// Whether `then` needed a permission that `first` had removed from its actor.
fn demotes(first: &Operation, then: &Operation) -> bool {
    let (target, held) = match &first.wish {
        Wish::SetPermissions { target, .. } => (target, &first.answer.json["permissions"]),
        Wish::Decide { target, decision: "reduce", .. } => (target, &first.answer.json["user"]["permissions"]),
        _ => return false,
    };
    let holds = |permission: &str| held.as_array().is_some_and(|held| held.iter().any(|held| held == permission));
    let own = then.wish.target() == then.actor();
    let lost = needed(&then.wish, own, false).is_some_and(|permission| !holds(permission));
    lost && then.actor() == Some(target) && first.responded < then.invoked
}

/// Whether another change of the permissions can have happened in between, with success or with an unknown result.
fn is_promoted_again(first: &Operation, then: &Operation, operations: &[Operation]) -> bool {
    operations.iter().any(|other| {
        let is_other = !std::ptr::eq(other, first) && (other.is_granted() || other.is_unknown());
        let is_of_them = matches!(
            &other.wish,
            Wish::SetPermissions { target, .. } | Wish::HandOver { target, .. } if Some(target.as_str()) == then.actor()
        );
        is_other && is_of_them && other.responded > first.invoked && other.invoked < then.responded
    })
}

/// The user that a change concerned, and the new version.
fn version_made(operation: &Operation) -> Option<(&str, u64)> {
    let (Wish::Edit { target, .. } | Wish::SetPermissions { target, .. } | Wish::HandOver { target, .. }) =
        &operation.wish
    else {
        return None;
    };
    Some((target, operation.answer.json["version"].as_u64()?))
}
