//! `cargo run -- --demo`: an agency with a year of history. Starts a stack of its own: about 3 s.

use std::collections::BTreeMap;

use portal_tests::{Actor, Client, Stack, User, secrets};
use serde_json::{Map, Value, json};

use crate::{csv_export, list_audit_events, restore_user};

/// The fields of a user whose changes events record.
const FIELDS: [&str; 9] = [
    "first_name",
    "last_name",
    "email",
    "language",
    "role",
    "permissions",
    "status",
    "must_change_password",
    "second_factor",
];

/// A user after their events.
#[derive(Default)]
struct Replayed {
    fields: Map<String, Value>,
    last_sign_in: Value,
}

/// Replays the events, oldest first, for each user. An event must continue from the values that the earlier ones left.
fn replay(events: &[Value]) -> BTreeMap<String, Replayed> {
    let mut users: BTreeMap<String, Replayed> = BTreeMap::new();
    for event in events {
        let action = event["action"].as_str().unwrap();
        let id = event["target"]["id"].as_str().unwrap_or_else(|| panic!("{event}"));
        let is_first = !users.contains_key(id);
        assert_eq!(is_first, matches!(action, "user.added" | "partner.created"), "{event}");
        let user = users.entry(id.to_owned()).or_default();
        if action == "session.started" {
            user.last_sign_in = event["at"].clone();
        }
        let (before, after) = (event["before"].as_object().unwrap(), event["after"].as_object().unwrap());
        for field in FIELDS {
            // The decision of a review describes the whole access, after the event of its change.
            if action != "access.reviewed" && before.contains_key(field) {
                assert_eq!(user.fields.remove(field).as_ref(), before.get(field), "{field}: {event}");
            }
            if let Some(value) = after.get(field) {
                user.fields.insert(field.to_owned(), value.clone());
            }
        }
    }
    users.retain(|_, user| !user.fields.is_empty());
    users
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

async fn listed(actor: &Actor) -> Vec<Value> {
    let page = actor.get("/v1/users?limit=100").await.expect(200);
    assert_eq!(page.json["next_cursor"], Value::Null);
    items(&page.json).clone()
}

#[tokio::test]
async fn the_history_of_the_demo_agrees_with_its_40_users() {
    let stack = Stack::start("demo", &["--demo"]).unwrap_or_else(|error| panic!("{error}"));
    let ready = &stack.ready;
    let password = secrets::remembered(&ready.primary_admin.password);
    let user_of = |user: &Value| {
        let text = |field: &str| user[field].as_str().unwrap().to_owned();
        User { id: text("id"), partner_id: ready.partner_id.clone(), email: text("email"), password: password.clone() }
    };
    let sign_in = async |user: &Value| Client::of(ready).signed_in(&user_of(user)).await;
    let answer = Client::of(ready).sign_in(&ready.primary_admin.email, &password).await.expect(200);
    let owner = sign_in(&answer.json["user"]).await;

    let users = listed(&owner).await;
    let mut events = list_audit_events::all(&owner, "limit=100").await;
    assert_eq!(csv_export::all(&owner, "/v1/audit-events", "history.csv").await.len(), events.len());
    events.reverse();
    let replayed = replay(&events);
    assert_eq!((users.len(), replayed.len()), (40, 40));
    for user in &users {
        let replayed = &replayed[user["id"].as_str().unwrap()];
        for field in FIELDS {
            let none = Value::from("none");
            let value = replayed.fields.get(field).unwrap_or(&none);
            assert_eq!(value, &user[field], "{field}: {user}");
        }
        assert_eq!(replayed.last_sign_in, user["last_sign_in_at"], "{user}");
    }
    assert_eq!(csv_export::all(&owner, "/v1/users", "users.csv").await.len(), 40);

    // Two of the four removals can be undone.
    let removals: Vec<_> = events.iter().filter(|event| event["action"] == "user.removed").collect();
    let removed = restore_user::listed(&owner).await;
    assert_eq!((removals.len(), removed.len()), (4, 2));
    for user in &removed {
        let event = removals.iter().find(|event| event["target"]["id"] == user["id"]).unwrap();
        assert_eq!((&user["removed_at"], &user["removed_by"]), (&event["at"], &event["actor"]["id"]), "{event}");
        for field in ["first_name", "last_name", "email", "role", "permissions", "status"] {
            assert_eq!(user[field], event["before"][field], "{field}: {event}");
        }
    }

    let review = owner.get("/v1/access-review?limit=100").await.expect(200);
    assert_eq!(items(&review.json).len(), 40);
    for reason in ["never_signed_in", "inactive", "initial_password_unused", "exceeds_role_default", "not_reviewed"] {
        let has_reason = |item: &Value| item["reasons"].as_array().unwrap().contains(&reason.into());
        assert!(items(&review.json).iter().any(has_reason), "{reason}");
    }
    let decisions = events.iter().filter(|event| event["action"] == "access.reviewed").count();
    let path = format!("/v1/access-review/record?from={}", events[0]["at"].as_str().unwrap());
    let record = csv_export::all(&owner, &path, "access-review-record.csv").await;
    assert_eq!(record.len(), decisions);

    // The user pool has no Cognito user of the earlier sessions. They can be ended all the same.
    let user = users.iter().find(|user| user["email"] == "ines@example.com").unwrap();
    let ines = sign_in(user).await;
    ines.is_signed_in().await;
    assert_eq!(owner.sessions(&ines).await.expect(200).json["items"].as_array().unwrap().len(), 3);
    owner.force_logout(&ines).await.expect(200);
    ines.is_signed_out().await;
    sign_in(user).await.is_signed_in().await;

    let new = secrets::password();
    let jules = removed.iter().find(|user| user["email"] == "jules@example.com").unwrap();
    let jules = user_of(jules).with_password(&new);
    owner.restore(&jules, &json!({ "password": new })).await.expect(200);
    assert_eq!((listed(&owner).await.len(), restore_user::listed(&owner).await.len()), (41, 1));
    Client::of(ready).challenged(&jules).await;
}
