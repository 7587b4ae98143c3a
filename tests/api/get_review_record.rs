//! `GET /v1/access-review/record`.

use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Answer, Partner, User, stack};
use serde_json::{Value, json};

use crate::csv_export;

const RECORD: &str = "/v1/access-review/record";

fn texts<'a>(answer: &'a Answer, list: &str, pointer: &str) -> Vec<&'a str> {
    let items = answer.json[list].as_array().unwrap_or_else(|| panic!("no {list}: {answer}"));
    items.iter().map(|item| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_record_lists_every_decision_with_its_reviewer_time_and_outcome() {
    let partner = Partner::new().await;
    let (owner, admin) = (partner.owner(), partner.new_user("admin").await);
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let bo = owner.add("Bo", "Day").role("viewer").created().await;
    let body = json!({ "user_id": ann.id, "decision": "reduce", "note": "Changed teams" });
    let reduced = owner.post("/v1/access-review/decisions", &body).await.expect(200);
    let removed = admin.decide(&bo, "remove").await.expect(200);

    let record = owner.get(RECORD).await.expect(200);

    let made_at = record.text_at("/made_at");
    assert!(removed.text_at("/reviewed_at") <= made_at && made_at < record.text_at("/to"), "{record}");
    let manager = json!(["users.read", "users.add", "users.edit", "users.force_logout"]);
    let expected = json!({
        "from": record.json["from"],
        "to": record.json["to"],
        "made_at": made_at,
        "made_by": { "id": owner.id, "name": "Olive Owner" },
        "partner": { "id": partner.id, "name": "Acme Agency" },
        "items": [
            {
                "at": removed.json["reviewed_at"],
                "user": { "id": bo.id, "name": "Bo Day" },
                "email": bo.email,
                "decision": "remove",
                "note": null,
                "reviewed_by": { "id": admin.id, "name": "Nora Newcomer" },
                "role_before": "viewer",
                "role_after": null,
                "permissions_before": ["users.read"],
                "permissions_after": null,
                "status_before": "active",
                "status_after": null,
            },
            {
                "at": reduced.json["reviewed_at"],
                "user": { "id": ann.id, "name": "Ann Lee" },
                "email": ann.email,
                "decision": "reduce",
                "note": "Changed teams",
                "reviewed_by": { "id": owner.id, "name": "Olive Owner" },
                "role_before": "manager",
                "role_after": "viewer",
                "permissions_before": manager,
                "permissions_after": ["users.read"],
                "status_before": "active",
                "status_after": "active",
            },
        ],
        "next_cursor": null,
        "outstanding": [
            { "id": admin.id, "name": "Nora Newcomer", "email": admin.email, "role": "admin" },
            { "id": owner.id, "name": "Olive Owner", "email": owner.email, "role": "primary_admin" },
        ],
        "users": 3,
    });
    assert_eq!(record.json, expected);
}

#[tokio::test]
async fn a_record_of_a_past_period_covers_only_that_period() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo) = (owner.add("Ann", "Lee").created().await, owner.add("Bo", "Day").created().await);
    let mut at = Vec::new();
    for user in [&ann, &bo, &ann] {
        at.push(owner.decide(user, "keep").await.expect(200).text_at("/reviewed_at").to_owned());
    }
    let late = owner.add("Late", "Comer").created().await;

    // This period contains only the first decision. The later review of Ann does not matter.
    let record = owner.get(&format!("{RECORD}?from={}&to={}", at[0], at[1])).await.expect(200);
    assert_eq!((record.text_at("/from"), record.text_at("/to")), (at[0].as_str(), at[1].as_str()));
    assert_eq!(texts(&record, "items", "/user/id"), [&ann.id]);
    // A user who was added later could not be reviewed in this period.
    assert_eq!(texts(&record, "outstanding", "/id"), [&bo.id, &owner.id]);
    assert_eq!(record.json["users"], 3);

    let record = owner.get(&format!("{RECORD}?from={}&to={}", at[1], at[2])).await.expect(200);
    assert_eq!(texts(&record, "items", "/user/id"), [&bo.id]);
    assert_eq!(texts(&record, "outstanding", "/id"), [&ann.id, &owner.id]);

    let record = owner.get(&format!("{RECORD}?from={}", at[0])).await.expect(200);
    assert_eq!(texts(&record, "items", "/user/id"), [&ann.id, &bo.id, &ann.id]);
    assert_eq!(texts(&record, "outstanding", "/id"), [&late.id, &owner.id]);

    // The same holds for a user who was added exactly at the end of the period.
    Rows::of(&stack().ready).set_time(&late, "created_at", &at[1]).await;
    let record = owner.get(&format!("{RECORD}?from={}&to={}", at[0], at[1])).await.expect(200);
    assert_eq!(texts(&record, "outstanding", "/id"), [&bo.id, &owner.id]);
    assert_eq!(record.json["users"], 3);
}

/// Starts two stacks.
#[tokio::test]
async fn a_record_with_few_users_without_a_decision_reads_a_small_entry_of_each_user() {
    let stack = FaultyStack::start("review-record").unwrap();
    let partner = Partner::of(&stack.ready).await;
    let owner = partner.owner();
    let mut users = Vec::new();
    for (first_name, last_name) in [("Ann", "Lee"), ("Cleo", "Zimmer"), ("Dora", "Adams"), ("Eva", "Baker")] {
        users.push(owner.add(first_name, last_name).role("viewer").created().await);
    }
    let [ann, cleo, dora, eva] = &users[..] else { unreachable!("four users") };
    let from = owner.decide(ann, "keep").await.expect(200).text_at("/reviewed_at").to_owned();
    Rows::of(&stack.ready).put_copies_of_user(ann, 300).await;
    for user in [cleo, dora] {
        owner.decide(user, "keep").await.expect(200);
    }
    let decided = owner.decide(eva, "keep").await.expect(200).text_at("/reviewed_at").to_owned();
    let bo = owner.add("Bo", "Day").email("Bo.Day@Typed.Example.COM").role("viewer").created().await;
    // The decision about Cleo does not cover the raised access.
    owner.set_permissions(cleo, &json!({ "role": "manager", "permissions": ["users.read"] })).await.expect(200);
    let raised = owner.see(cleo).await["updated_at"].as_str().unwrap().to_owned();
    // The last decision about Dora is later than the second period.
    owner.decide(dora, "keep").await.expect(200);

    let ids = |users: &[&User]| users.iter().map(|user| user.id.clone()).collect::<Vec<_>>();
    let until_bo = &owner.see(&bo).await["created_at"].as_str().unwrap().to_owned();
    for (to, expected, all) in [
        (None, ids(&[&bo, &**owner, cleo]), 306),
        // These decisions were made before the access was raised and before the later decision.
        (Some(&raised), ids(&[&bo, &**owner]), 306),
        (Some(until_bo), ids(&[&**owner]), 305),
        // The last decision in the first period is the one about Dora.
        (Some(&decided), ids(&[eva, &**owner]), 305),
    ] {
        let to = to.map(|to| format!("&to={to}")).unwrap_or_default();
        let path = format!("{RECORD}?from={from}&limit=1{to}");
        let (trace, indexes) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&indexes);
        stack.faults.watch(&trace, move |call, moment| {
            if moment == Moment::Before && call.name() == "Query Users" {
                seen.lock().unwrap().push(call.body["IndexName"].as_str().unwrap_or_default().to_owned());
            }
            async { Verdict::GoOn }
        });
        let record = owner.get(&path).within(&trace).await.expect(200);
        assert_eq!(texts(&record, "outstanding", "/id"), expected, "{to}");
        assert_eq!(record.json["users"], all, "{to}");
        assert_eq!(*indexes.lock().unwrap(), ["by_last_sign_in"], "{to}");
        if to.is_empty() {
            let of_bo = json!({ "id": bo.id, "name": "Bo Day", "email": "Bo.Day@Typed.Example.COM", "role": "viewer" });
            assert_eq!(record.json["outstanding"][0], of_bo);
        }
    }

    // A whole user takes three times as much as an entry.
    let trace = Trace::new();
    let ledger = stack.faults.meter(&trace);
    owner.get(&format!("{RECORD}?from={from}&limit=1")).within(&trace).await.expect(200);
    assert!(ledger.total_reads() <= 45.0, "{ledger:?}");
    let trace = Trace::new();
    let ledger = stack.faults.meter(&trace);
    let record = owner.get(&format!("{RECORD}?limit=1&to={from}")).within(&trace).await.expect(200);
    assert_eq!(texts(&record, "outstanding", "/id").len(), 305, "all were added before the first decision");
    assert!(ledger.total_reads() > 60.0, "{ledger:?}");
}

#[tokio::test]
async fn all_pages_cover_the_period_of_the_first() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let mut at = Vec::new();
    for _ in 0..3 {
        at.insert(0, owner.decide(&ann, "keep").await.expect(200).text_at("/reviewed_at").to_owned());
    }
    let first = owner.get(&format!("{RECORD}?limit=2")).await.expect(200);
    assert_eq!(texts(&first, "items", "/at"), at[..2]);
    let cursor = first.text_at("/next_cursor");

    let second = owner.get(&format!("{RECORD}?limit=2&cursor={cursor}")).await.expect(200);

    assert_eq!(texts(&second, "items", "/at"), at[2..]);
    assert_eq!((&second.json["from"], &second.json["to"]), (&first.json["from"], &first.json["to"]));
    assert_eq!((&second.json["next_cursor"], &second.json["outstanding"]), (&Value::Null, &Value::Null));
    owner
        .get(&format!("{RECORD}?to={}&cursor={cursor}", at[0]))
        .await
        .problem(400, "invalid_request")
        .names_field("cursor");
}

#[tokio::test]
async fn the_record_is_available_as_csv() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    for (decision, note) in [("keep", "=1+1"), ("suspend", "Left, for good")] {
        let body = json!({ "user_id": ann.id, "decision": decision, "note": note });
        owner.post("/v1/access-review/decisions", &body).await.expect(200);
    }
    let table = csv_export::all(owner, &format!("{RECORD}?limit=1"), "access-review-record.csv").await;
    let record = owner.get(RECORD).await.expect(200);
    assert_eq!(table.len(), 2);
    for (line, item) in table.iter().zip(record.json["items"].as_array().unwrap()) {
        assert_eq!(line.len(), 14, "{line:?}");
        for (column, pointer) in [("at", "/at"), ("user_name", "/user/name"), ("reviewed_by_id", "/reviewed_by/id")] {
            assert_eq!(Some(line[column].as_str()), item.pointer(pointer).and_then(Value::as_str));
        }
    }
    assert_eq!((table[0]["note"].as_str(), table[0]["status_after"].as_str()), ("Left, for good", "suspended"));
    assert_eq!((table[1]["note"].as_str(), table[1]["decision"].as_str()), ("'=1+1", "keep"));
}

#[tokio::test]
async fn a_bad_query_names_the_parameter() {
    let partner = Partner::new().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-01-01", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "to"),
        ("from=9999-01-01T00:00:00Z", "from"),
        ("limit=101", "limit"),
        ("cursor=nonsense", "cursor"),
        ("user_id=ann", "user_id"),
    ] {
        let answer = partner.owner().get(&format!("{RECORD}?{query}")).await;
        answer.problem(400, "invalid_request").names_field(field);
    }
}

#[tokio::test]
async fn decisions_are_found_by_key_among_many_other_events() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    owner.decide(&ann, "keep").await.expect(200);
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    Rows::of(&stack().ready).put_events(&partner.id, "user.edited", 1_200).await;
    for path in [RECORD, "/v1/audit-events?action=access.reviewed"] {
        let page = owner.get(path).await.expect(200);
        assert_eq!(page.json["items"].as_array().map(Vec::len), Some(1), "{path}");
        assert_eq!(page.json["next_cursor"], Value::Null, "{path}: only decisions are read");
    }
}
