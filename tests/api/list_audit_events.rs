//! `GET /v1/audit-events`.

use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Trace, Verdict};
use portal_tests::rows::{Row, Rows};
use portal_tests::{Actor, Client, Partner, User, invoke, secrets, stack};
use serde_json::{Value, json};

use crate::csv_export;

/// Whether an event matches a filter.
type Accepts<'a> = &'a dyn Fn(&Value) -> bool;

/// Reads all pages of the history.
pub(crate) async fn all(actor: &Actor, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = actor.get(&format!("/v1/audit-events?{query}{after}")).await.expect(200);
        assert_eq!(page.json.as_object().unwrap().len(), 2, "a page has only items and next_cursor: {page}");
        items.extend(page.json["items"].as_array().unwrap().iter().cloned());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return items,
        }
    }
}

fn texts<'a>(items: &'a [Value], pointer: &str) -> Vec<&'a str> {
    items.iter().map(|item| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default()).collect()
}

#[tokio::test]
async fn an_event_has_exactly_the_documented_fields() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);

    let page = owner.get("/v1/audit-events?limit=1").await.expect(200);

    let event = &page.json["items"][0];
    let updated_at = &owner.see(&ann).await["updated_at"];
    assert_eq!(event["at"], *updated_at);
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert!(event["address"].as_str().unwrap().starts_with("127."), "{event}");
    let expected = json!({
        "id": event["id"],
        "at": event["at"],
        "action": "user.edited",
        "actor": { "kind": "user", "id": owner.id, "name": "Olive Owner" },
        "target": { "id": ann.id, "name": "Ann Lee" },
        "address": event["address"],
        "before": { "first_name": "Ann" },
        "after": { "first_name": "Anna" },
        "summary": "Olive Owner changed the first name of Ann Lee from Ann to Anna",
    });
    assert_eq!(*event, expected, "an event has exactly these fields");
}

#[tokio::test]
async fn an_event_of_an_operator_has_the_same_fields() {
    let partner = Partner::new().await;
    let events = all(partner.owner(), "action=partner.created").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["actor"], json!({ "kind": "operator", "id": null, "name": null }));
    assert_eq!(events[0]["address"], Value::Null);
    assert_eq!(events[0].as_object().unwrap().len(), 9, "{}", events[0]);
}

#[tokio::test]
async fn the_name_of_an_operator_is_recorded() {
    let ready = &stack().ready;
    let input = json!({
        "partner_name": "Acme",
        "primary_admin": {
            "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive"), "password": secrets::password(),
        },
        "operator": " Priya Raman ",
    });
    let partner_id = invoke(ready, "create-partner", &input).await.worked()["partner_id"].clone();
    let recovery = json!({ "partner_id": partner_id, "operator": "Priya Raman", "password": secrets::password() });
    let recovered = invoke(ready, "recover-primary-admin", &recovery).await.worked();
    let olive = User {
        id: recovered["primary_admin"]["id"].as_str().unwrap().to_owned(),
        partner_id: partner_id.as_str().unwrap().to_owned(),
        email: recovered["primary_admin"]["email"].as_str().unwrap().to_owned(),
        password: recovery["password"].as_str().unwrap().to_owned(),
    };
    let client = Client::new();
    let challenge = client.challenged(&olive).await;
    let signed_in = client.answer_challenge(&challenge, &secrets::password()).await.expect(200);
    let olive = Actor::from_answer(client, olive, &signed_in);

    let events = all(&olive, "").await;
    let by_operators: Vec<&Value> = events.iter().filter(|event| event["actor"]["kind"] == "operator").collect();
    let summaries: Vec<_> = by_operators.iter().map(|event| event["summary"].as_str().unwrap()).collect();
    assert_eq!(
        summaries,
        [
            "The operator Priya Raman gave Olive Owner a new password and ended every session",
            "The operator Priya Raman created the partner, with Olive Owner as its primary admin",
        ]
    );
    for event in by_operators {
        assert_eq!(event["actor"], json!({ "kind": "operator", "id": null, "name": "Priya Raman" }));
    }
    let table = olive.get("/v1/audit-events").header("accept", "text/csv").await.expect(200);
    assert!(table.text.contains("operator,,Priya Raman,"), "{}", table.text);

    for bad in [json!(""), json!("n".repeat(101)), json!("a\u{202e}b"), json!(7)] {
        for (function, input) in [("create-partner", &input), ("recover-primary-admin", &recovery)] {
            let mut input = input.clone();
            input["operator"] = bad.clone();
            let message = invoke(ready, function, &input).await.failed();
            assert!(message.contains("operator"), "{message}");
        }
    }
}

#[tokio::test]
async fn every_event_has_a_summary_and_the_newest_comes_first() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").signed_in().await;
    owner.end_session(&ann, &ann.elsewhere().await.session_id().await).await.expect(204);
    let email = secrets::email("anna");
    owner.edit(&ann, &json!({ "last_name": "Leigh", "email": email })).await.expect(200);
    ann.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    ann.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    owner.set_permissions(&ann, &json!({ "role": "viewer", "permissions": [] })).await.expect(200);
    owner.set_permissions(&ann, &json!({ "role": "viewer" })).await.expect(200);
    let (own, set) = (secrets::password(), secrets::password());
    ann.set_own_password(&ann.password, &own).await.expect(204);
    ann.force_logout(&ann).await.expect(200);
    owner.set_status(&ann, &json!({ "status": "suspended", "reason": "On leave" })).await.expect(200);
    owner.reactivate(&ann).await.expect(200);
    owner.set_password(&ann, &set, &json!({ "must_change": false })).await.expect(204);
    let moved = User { email: email.clone(), ..ann.with_password(&set) };
    Client::new().signed_in(&moved).await.sign_out().await.expect(204);
    owner.force_logout(&ann).await.expect(200);
    owner.remove(&ann).await.expect(204);
    let recovered = User::recovered(&stack().ready, &partner.id, None).await;
    let session = Client::new().challenged(&recovered).await;
    let next = secrets::password();
    Client::new().answer_challenge(&session, &next).await.expect(200);
    let owner = Client::new().signed_in(&recovered.with_password(&next)).await;

    let events = all(&owner, "limit=100").await;

    let mut listed: Vec<_> = texts(&events, "/action").into_iter().zip(texts(&events, "/summary")).collect();
    listed.reverse();
    let email_changed = format!(
        "Olive Owner changed the last name of Ann Lee from Lee to Leigh and the email from {} to {email}",
        ann.email
    );
    let expected = [
        ("partner.created", "An operator created the partner, with Olive Owner as its primary admin"),
        ("session.started", "Olive Owner signed in"),
        ("user.added", "Olive Owner added Ann Lee as manager"),
        ("session.started", "Ann Lee signed in"),
        ("session.started", "Ann Lee signed in"),
        ("session.ended", "Olive Owner ended a session of Ann Lee"),
        ("user.edited", &email_changed),
        ("user.edited", "Ann Leigh changed their own first name from Ann to Anna"),
        (
            "permissions.set",
            "Olive Owner changed the role of Anna Leigh from manager to viewer and the permissions to none",
        ),
        ("permissions.set", "Olive Owner changed the permissions of Anna Leigh to users.read"),
        ("password.changed", "Anna Leigh changed their own password"),
        ("logout.forced", "Anna Leigh ended their own sessions"),
        ("user.suspended", "Olive Owner suspended Anna Leigh: On leave"),
        ("user.reactivated", "Olive Owner reactivated Anna Leigh"),
        ("password.set", "Olive Owner set a new password for Anna Leigh"),
        ("session.started", "Anna Leigh signed in"),
        ("session.ended", "Anna Leigh signed out"),
        ("logout.forced", "Olive Owner ended the sessions of Anna Leigh"),
        ("user.removed", "Olive Owner removed Anna Leigh"),
        ("primary_admin.recovered", "An operator gave Olive Owner a new password and ended every session"),
        ("password.changed", "Olive Owner changed their own password"),
        ("session.started", "Olive Owner signed in"),
        ("session.started", "Olive Owner signed in"),
    ];
    assert_eq!(listed, expected);
    let ids = texts(&events, "/id");
    assert!(ids.is_sorted_by(|one, next| one > next), "the newest event comes first: {ids:?}");
}

#[tokio::test]
async fn sign_ins_expire_after_400_days_and_other_events_do_not() {
    const DAY: u64 = 24 * 60 * 60;
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let session = Client::new().challenged(&ann).await;
    Client::new().answer_challenge(&session, &secrets::password()).await.expect(200);
    let rows = Rows::of(&stack().ready);
    let events = rows.audit(&partner.id).await;
    for user in [&**partner.owner(), &ann] {
        let number = |row: &Row| row["expires_at"].as_n().unwrap().parse::<u64>().unwrap();
        // A session expires 30 days after its sign-in.
        let signed_in = number(&rows.sessions(user).await[0]) - 30 * DAY;
        let of_user = events.iter().filter(|event| event["target"].as_m().unwrap()["id"].as_s().unwrap() == &user.id);
        let expiring: Vec<&Row> = of_user.filter(|event| event.contains_key("expires_at")).collect();
        assert_eq!(expiring.len(), 1, "{expiring:?}");
        assert_eq!(expiring[0]["action"].as_s().unwrap(), "session.started");
        assert_eq!(number(expiring[0]), signed_in + 400 * DAY);
    }
}

#[tokio::test]
async fn filters_return_exactly_the_matching_events_at_any_page_size() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bob) = (partner.new_user("admin").await, partner.new_user("viewer").await);
    ann.edit(&bob, &json!({ "first_name": "Bo" })).await.expect(200);
    ann.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    owner.edit(&ann, &json!({ "first_name": "Annie" })).await.expect(200);
    owner.force_logout(&bob).await.expect(200);
    let everything = all(owner, "limit=100").await;
    let times = texts(&everything, "/at");
    let (early, late) = (times[times.len() - 3], times[2]);

    let to_ann = |event: &Value| event["target"]["id"] == ann.id;
    let by_ann = |event: &Value| event["actor"]["id"] == ann.id;
    let edits = |event: &Value| event["action"] == "user.edited";
    let since = |event: &Value| event["at"].as_str().unwrap() >= early;
    let until = |event: &Value| event["at"].as_str().unwrap() < late;
    let cases: [(String, Accepts<'_>); 9] = [
        (String::new(), &|_| true),
        (format!("&user_id={}", ann.id), &to_ann),
        (format!("&actor_id={}", ann.id), &by_ann),
        (format!("&user_id={}&actor_id={}", ann.id, ann.id), &|event| to_ann(event) && by_ann(event)),
        ("&action=user.edited".to_owned(), &edits),
        (format!("&action=user.edited&actor_id={}", ann.id), &|event| edits(event) && by_ann(event)),
        (format!("&from={early}"), &since),
        (format!("&to={late}"), &until),
        (format!("&from={early}&to={late}&user_id={}", ann.id), &|event| since(event) && until(event) && to_ann(event)),
    ];
    for (filter, accepts) in cases {
        let expected: Vec<_> = everything.iter().filter(|event| accepts(event)).cloned().collect();
        assert!(!expected.is_empty(), "no event matches {filter}, so the test proves nothing");
        for limit in [1, 2, 100] {
            assert_eq!(all(owner, &format!("limit={limit}{filter}")).await, expected, "{filter} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_time_can_have_a_time_zone() {
    let partner = Partner::new().await;
    Rows::of(&stack().ready).put_events(&partner.id, "user.edited", 10).await;
    let of_2020 = all(partner.owner(), "from=2020-01-01T01:00:03%2B01:00&to=2020-01-01T00:00:07Z").await;
    let seconds = texts(&of_2020, "/at").iter().map(|at| at[17..19].to_owned()).collect::<Vec<_>>();
    assert_eq!(seconds, ["06", "05", "04", "03"], "the start is inclusive and the end is exclusive");
}

#[tokio::test]
async fn a_user_reads_the_history_of_their_own_partner_only() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let auditor = partner.owner().add("Au", "Ditor").role("viewer").permissions(&["audit.read"]).signed_in().await;
    let manager = partner.new_user("manager").await;

    manager.get("/v1/audit-events").await.problem(403, "missing_permission");
    let events = all(&auditor, "").await;
    assert!(texts(&events, "/actor/id").contains(&partner.owner().id.as_str()));
    let known = format!("{events:?}");
    assert!(!known.contains(&other.owner().id), "the history has an event of another partner: {known}");
    for name in ["user_id", "actor_id"] {
        assert_eq!(all(&auditor, &format!("{name}={}", other.owner().id)).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_bad_query_names_the_parameter() {
    let partner = Partner::new().await;
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("user_id=usr_1", "user_id"),
        ("actor_id=%20", "actor_id"),
        ("action=user.flown", "action"),
        ("from=yesterday", "from"),
        ("from=2026-11-22", "from"),
        ("to=2026-11-22T12:29:51", "to"),
        ("from=2026-11-22T12:00:00Z&to=2026-11-22T12:00:00Z", "to"),
        ("cursor=made-up", "cursor"),
        ("who=ann", "who"),
        ("action=user.added&action=user.removed", "action"),
    ] {
        let answer = partner.owner().get(&format!("/v1/audit-events?{query}")).await;
        answer.problem(400, "invalid_request").names_field(parameter);
    }
    let all_wrong = partner.owner().get("/v1/audit-events?limit=0&from=x&to=y&action=z").await;
    all_wrong.problem(400, "invalid_request").names_fields(&["limit", "from", "to", "action"]);
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_own_partner_and_query_only() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let page = partner.owner().get("/v1/audit-events?limit=1").await.expect(200);
    let cursor = page.text_at("/next_cursor");
    let ann = partner.owner().add("Ann", "Lee").created().await;

    partner.owner().get(&format!("/v1/audit-events?limit=2&cursor={cursor}")).await.expect(200);
    for (actor, query) in [
        (other.owner(), String::new()),
        (partner.owner(), "&action=user.added".to_owned()),
        (partner.owner(), format!("&user_id={}", ann.id)),
        (partner.owner(), "&to=2099-01-01T00:00:00Z".to_owned()),
    ] {
        let answer = actor.get(&format!("/v1/audit-events?cursor={cursor}{query}")).await;
        answer.problem(400, "invalid_request").names_field("cursor");
    }
}

#[tokio::test]
async fn new_events_do_not_shift_the_pages() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let before = all(owner, "").await;
    let first = owner.get("/v1/audit-events?limit=1").await.expect(200);
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    let rest = all(owner, &format!("cursor={}", first.text_at("/next_cursor"))).await;
    assert_eq!([first.json["items"].as_array().unwrap(), &rest[..]].concat(), before);
}

#[tokio::test]
async fn a_page_reads_at_most_a_thousand_events_and_returns_a_cursor() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    rows.put_events(&partner.id, "user.edited", 1_500).await;
    // This event replaces the oldest one.
    rows.put_events(&partner.id, "user.removed", 1).await;

    let first = owner.get("/v1/audit-events?action=user.removed").await.expect(200);
    assert_eq!(first.json["items"], json!([]));
    let cursor = first.text_at("/next_cursor");
    let second = owner.get(&format!("/v1/audit-events?action=user.removed&cursor={cursor}")).await.expect(200);
    assert_eq!(second.json["items"].as_array().unwrap().len(), 1, "{second}");
    assert_eq!(second.json["next_cursor"], Value::Null);
}

/// The calls that a page needs, and the number of items that each one reads.
async fn cost(stack: &FaultyStack, owner: &Actor, query: &str) -> Vec<(String, u64)> {
    let (trace, calls) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&calls);
    stack.faults.watch(&trace, move |call, moment| {
        if moment == Moment::Before {
            seen.lock().unwrap().push(call);
        }
        async { Verdict::GoOn }
    });
    let page = owner.get(&format!("/v1/audit-events?{query}")).within(&trace).await.expect(200);
    assert_eq!(page.json["items"].as_array().unwrap().len(), 25, "{page}");
    assert!(page.json["next_cursor"].is_string(), "{page}");
    let calls = calls.lock().unwrap().clone();
    let rows = Rows::of(&stack.ready);
    let mut cost = Vec::new();
    for call in &calls {
        cost.push((call.name(), rows.examined(call).await));
    }
    // The query and the update of the counter run concurrently.
    cost.sort();
    cost
}

/// Writes 10,100 events: about 10 s. With 100,000 events, which take two minutes, the result is the same.
#[tokio::test]
async fn a_page_costs_the_same_for_a_long_and_a_short_history() {
    let stack = FaultyStack::start("trail").unwrap();
    let mut costs = Vec::new();
    for count in [100, 10_000] {
        let partner = Partner::of(&stack.ready).await;
        Rows::of(&stack.ready).put_events(&partner.id, "user.edited", count).await;
        let owner = partner.owner();
        let of_owner = owner.get("/v1/audit-events?limit=25").await.expect(200);
        let next = format!("cursor={}", of_owner.text_at("/next_cursor"));
        let mut cost_of = Vec::new();
        for query in [
            String::new(),
            next,
            format!("user_id={}", owner.id),
            format!("actor_id={}", owner.id),
            "to=2020-01-01T00:01:00Z".to_owned(),
        ] {
            cost_of.push(cost(&stack, owner, &query).await);
        }
        costs.push(cost_of);
    }
    assert_eq!(costs[0], costs[1]);
    let query = ("Query Audit".to_owned(), 26);
    assert!(costs[0].iter().all(|page| page.contains(&query)), "{costs:?}");
    assert!(costs[0].iter().all(|page| page.len() <= 4), "{costs:?}");
}

#[tokio::test]
async fn an_actor_of_an_unknown_kind_is_shown() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    for (actor, shown, name) in [
        (
            &[("kind", "scim"), ("id", "scim_7"), ("name", "Directory"), ("scope", "users")][..],
            json!({ "kind": "scim", "id": "scim_7", "name": "Directory" }),
            "Directory",
        ),
        (&[("kind", "api_key")], json!({ "kind": "api_key", "id": null, "name": null }), "api_key"),
        (&[("kind", "system")], json!({ "kind": "system", "id": null, "name": null }), "The portal"),
    ] {
        let ann = owner.add("Ann", "Lee").role("viewer").created().await;
        rows.set_actor(&partner.id, actor).await;
        let page = owner.get("/v1/audit-events?limit=1").await.expect(200);
        assert_eq!(page.json["items"][0]["actor"], shown);
        assert_eq!(page.text_at("/items/0/summary"), format!("{name} added Ann Lee as viewer"));
        // The same holds for every other way to read events.
        let about = owner.get(&format!("/v1/audit-events?user_id={}", ann.id)).await.expect(200);
        assert_eq!(about.json["items"][0]["actor"], shown);
        let mine = owner.get(&format!("/v1/audit-events?actor_id={}&action=user.added", owner.id)).await.expect(200);
        assert_eq!(mine.json["items"].as_array().map(Vec::len), Some(0), "{mine}");
        let table = csv_export::all(owner, "/v1/audit-events?limit=1", "history.csv").await;
        assert_eq!(table[0]["actor_kind"], shown["kind"].as_str().unwrap());
        owner.decide(&ann, "keep").await.expect(200);
        rows.set_actor(&partner.id, actor).await;
        let record = owner.get("/v1/access-review/record").await.expect(200);
        assert_eq!(
            (record.text_at("/items/0/decision"), &record.json["items"][0]["reviewed_by"]),
            ("keep", &Value::Null)
        );
    }
}
