//! AWS throttles, fails or cannot be reached. Every route reports this before its timeout, and committed changes remain.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::{join_all, ready};
use portal_tests::faults::{Moment, Seen, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::template::{Route, functions};
use portal_tests::{Actor, Answer, Call, Client, Invoked, Partner, User, contract, invoke, invoke_within, secrets};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::action::{self, Action};
use crate::fault::failing;
use crate::scene::{Models, Scene};
use crate::{faulty, marks_alone};

/// A valid request, and the status of its response without faults.
struct Request {
    route: String,
    call: Call,
    status: u16,
    /// The number of its transactions. A read has none.
    transactions: usize,
    is_bulk: bool,
    /// The partner in which an action is tried.
    scene: Option<Scene>,
}

/// One request to every route that uses a table. The owner reads, and every change has its own partner.
async fn requests(owner: &Actor) -> Vec<Request> {
    static MODELS: OnceCell<Models> = OnceCell::const_new();
    let models = MODELS.get_or_init(|| Models::new(&faulty().ready)).await;
    let rows = Rows::of(&faulty().ready);
    let target = owner.add("Tara", "Target").signed_in().await;
    let contract = contract::routes();
    let mut reads = Vec::new();
    let mut changes = Vec::new();
    for function in functions().into_iter().filter(|function| function.environment.contains(&"USERS_TABLE".to_owned()))
    {
        for Route { name: route, .. } in function.routes {
            let status = contract[&route].success;
            let Some(path) = route.strip_prefix("GET ") else {
                let action = Action::all().find(|action| action.function == function.binary);
                let action = action.unwrap_or_else(|| panic!("`action.rs` has no row for {route}"));
                changes.push((route, status, action));
                continue;
            };
            let call = owner.get(&path.replace("{user_id}", &target.id));
            reads.push(Request { call, route, status, transactions: 0, is_bulk: false, scene: None });
        }
    }
    assert!(reads.len() > 5 && changes.len() > 10, "{} reads and {} changes", reads.len(), changes.len());
    let changes = join_all(changes.into_iter().map(async |(route, status, action)| {
        let scene = Scene::new(models, &rows, action).await;
        let action::Request::Http(call) = action.request else { panic!("{route} is a request") };
        let transactions = if action.has_transaction() { action.transactions() } else { 0 };
        let (call, is_bulk) = (call(&scene), action.is_bulk());
        Request { call, route, status, transactions, is_bulk, scene: Some(scene) }
    }));
    reads.extend(changes.await);
    reads
}

/// The requests that change something.
async fn changes(owner: &Actor) -> Vec<Request> {
    requests(owner).await.into_iter().filter(|request| request.transactions > 0).collect()
}

/// Sends a request while `hook` decides what happens to its calls to AWS.
async fn with<A>(call: Call, hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static) -> Answer
where
    A: Future<Output = Verdict> + Send + 'static,
{
    let trace = Trace::new();
    faulty().faults.watch(&trace, hook);
    call.within(&trace).await
}

/// Sends a request and applies `fate` to each of its calls before AWS gets it.
async fn with_each(call: Call, fate: fn(&Seen) -> Verdict) -> Answer {
    with(call, move |seen, moment| async move {
        match moment {
            Moment::Before => fate(&seen),
            Moment::After => Verdict::GoOn,
        }
    })
    .await
}

/// Checks for the function's own 503. The gateway would respond differently if the function had timed out.
#[track_caller]
fn is_unavailable(route: &str, answer: &Answer) {
    answer.problem(503, "unavailable");
    assert!((1..=60).contains(&answer.retry_after()), "{route}: {answer}");
}

async fn every_route_is_unavailable(fate: fn(&Seen) -> Verdict) {
    let partner = Partner::of(&faulty().ready).await;
    let requests = requests(partner.owner()).await;
    join_all(requests.into_iter().map(async |request| {
        is_unavailable(&request.route, &with_each(request.call, fate).await);
        if let Some(scene) = request.scene {
            scene.caller_is_signed_in().await;
        }
    }))
    .await;
    partner.owner().is_signed_in().await;
}

#[tokio::test]
async fn without_dynamodb_every_route_is_unavailable() {
    every_route_is_unavailable(|seen| match seen.service {
        Service::DynamoDb => Verdict::BreakOff,
        Service::Cognito | Service::Ses => Verdict::GoOn,
    })
    .await;
}

#[tokio::test]
async fn while_dynamodb_fails_every_route_is_unavailable() {
    every_route_is_unavailable(|seen| match seen.service {
        Service::DynamoDb => Verdict::fault(seen.service),
        Service::Cognito | Service::Ses => Verdict::GoOn,
    })
    .await;
}

#[tokio::test]
async fn while_dynamodb_throttles_every_route_is_unavailable() {
    every_route_is_unavailable(|seen| match seen.service {
        Service::DynamoDb => Verdict::throttled(seen.service),
        Service::Cognito | Service::Ses => Verdict::GoOn,
    })
    .await;
}

#[tokio::test]
async fn keys_that_stay_unprocessed_do_not_count_as_missing() {
    every_route_is_unavailable(|seen| match seen.operation.as_str() {
        "BatchGetItem" => Verdict::unprocessed(seen),
        _ => Verdict::GoOn,
    })
    .await;
}

#[tokio::test]
async fn a_request_that_dynamodb_rejects_is_an_internal_error() {
    let partner = Partner::of(&faulty().ready).await;
    let requests = requests(partner.owner()).await;
    join_all(requests.into_iter().map(async |request| {
        let answer = with_each(request.call, |seen| match seen.service {
            Service::DynamoDb => Verdict::refused(seen.service),
            Service::Cognito | Service::Ses => Verdict::GoOn,
        });
        answer.await.problem(500, "internal");
        if let Some(scene) = request.scene {
            scene.caller_is_signed_in().await;
        }
    }))
    .await;
    partner.owner().is_signed_in().await;
}

#[tokio::test]
async fn unprocessed_keys_are_requested_again() {
    let partner = Partner::of(&faulty().ready).await;
    for request in requests(partner.owner()).await {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let answer = with(request.call, move |seen, moment| {
            let is_first = moment == Moment::Before
                && seen.operation == "BatchGetItem"
                && count.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if is_first { without_last_table(&seen).await } else { Verdict::GoOn } }
        })
        .await;
        assert!(asked.load(Ordering::Relaxed) > 1, "{}: the keys were not requested again", request.route);
        answer.expect(request.status);
    }
}

/// DynamoDB's response to a batch, with the keys of the last requested table unprocessed.
async fn without_last_table(seen: &Seen) -> Verdict {
    let mut body = seen.body.clone();
    let asked = body["RequestItems"].as_object_mut().unwrap();
    let last = asked.keys().next_back().unwrap().clone();
    let left_out = asked.remove(&last).unwrap();
    let mut answer = json!({ "Responses": {} });
    if !asked.is_empty() {
        let request = reqwest::Client::new()
            .post(&faulty().ready.dynamodb_url)
            .header("x-amz-target", "DynamoDB_20120810.BatchGetItem")
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string());
        let real = request.send().await.unwrap();
        assert_eq!(real.status(), 200);
        answer = real.json().await.unwrap();
    }
    answer["UnprocessedKeys"] = Value::Object(serde_json::Map::from_iter([(last, left_out)]));
    Verdict::Answer(200, answer)
}

/// Sends a request whose first transactions are rejected because of a conflict. Returns the number of its transactions too.
async fn with_conflicts(call: Call, conflicts: usize) -> (Answer, usize) {
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    let answer = with(call, move |seen, moment| {
        let meets = moment == Moment::Before
            && seen.operation == "TransactWriteItems"
            && count.fetch_add(1, Ordering::Relaxed) < conflicts;
        async move { if meets { Verdict::conflict(&seen) } else { Verdict::GoOn } }
    })
    .await;
    (answer, met.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_change_succeeds_after_a_few_transaction_conflicts() {
    let partner = Partner::of(&faulty().ready).await;
    for request in changes(partner.owner()).await {
        let (answer, attempts) = with_conflicts(request.call, 3).await;
        answer.expect(request.status);
        assert_eq!(attempts, 3 + request.transactions, "{}", request.route);
    }
}

/// Takes 29 s, the timeout of the slowest function.
#[tokio::test]
async fn a_change_with_endless_conflicts_gets_503_before_the_timeout() {
    let partner = Partner::of(&faulty().ready).await;
    let requests = changes(partner.owner()).await.into_iter();
    join_all(requests.map(async |request| {
        let (answer, attempts) = with_conflicts(request.call, usize::MAX).await;
        is_unavailable(&request.route, &answer);
        assert!(attempts > 5, "{}: {attempts} attempts", request.route);
    }))
    .await;
}

#[tokio::test]
async fn a_change_whose_conditions_never_hold_is_a_conflict() {
    let partner = Partner::of(&faulty().ready).await;
    let requests = changes(partner.owner()).await.into_iter();
    join_all(requests.map(async |request| {
        let answer = with(request.call, |seen, moment| async move {
            match (seen.operation.as_str(), moment) {
                ("TransactWriteItems", Moment::Before) => Verdict::unmet(&seen),
                _ => Verdict::GoOn,
            }
        });
        let answer = answer.await;
        if request.is_bulk {
            let answer = answer.expect(200);
            for result in answer.json["results"].as_array().unwrap() {
                assert_eq!(result["problem"]["code"], "conflict", "{answer}");
            }
        } else {
            answer.problem(409, "conflict");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_refused_change_gets_403_even_if_it_cannot_be_recorded() {
    let partner = Partner::of(&faulty().ready).await;
    let viewer = partner.new_user("viewer").await;
    let owner: &User = partner.owner();
    let change = json!({ "first_name": "Eve" });
    let fates: [fn(&Seen) -> Verdict; 5] = [
        |_| Verdict::BreakOff,
        |seen| Verdict::fault(seen.service),
        |seen| Verdict::throttled(seen.service),
        |seen| Verdict::refused(seen.service),
        Verdict::conflict,
    ];
    for fate in fates {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let answer = with(viewer.edit(owner, &change), move |seen, moment| {
            let is_record = seen.operation == "TransactWriteItems" && moment == Moment::Before;
            counted.fetch_add(usize::from(is_record), Ordering::Relaxed);
            async move { if is_record { fate(&seen) } else { Verdict::GoOn } }
        })
        .await;
        answer.problem(403, "primary_admin_protected");
        assert_ne!(attempts.load(Ordering::Relaxed), 0, "the function tried to record the refusal");
    }
    let history = owner_history(partner.owner()).await;
    assert!(!history.contains("change.refused"), "{history}");
    viewer.edit(owner, &change).await.problem(403, "primary_admin_protected");
    assert!(
        owner_history(partner.owner()).await.contains("change.refused"),
        "an incomplete record prevents the next one"
    );
}

/// Takes 2 s, the timeout of the record.
#[tokio::test]
async fn a_refresh_succeeds_even_if_its_activity_cannot_be_recorded() {
    const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";
    let partner = Partner::of(&faulty().ready).await;
    let ann = partner.new_user("viewer").await;
    Rows::of(&faulty().ready).set_last_sign_in(&ann, LONG_AGO).await;
    let fates: [fn(&Seen) -> Verdict; 5] = [
        |_| Verdict::BreakOff,
        |seen| Verdict::fault(seen.service),
        |seen| Verdict::throttled(seen.service),
        |seen| Verdict::refused(seen.service),
        Verdict::conflict,
    ];
    join_all(fates.map(async |fate| {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let answer = with(ann.client.refresh(&ann.refresh_token), move |seen, moment| {
            let is_record = seen.operation == "UpdateItem" && moment == Moment::Before;
            counted.fetch_add(usize::from(is_record), Ordering::Relaxed);
            async move { if is_record { fate(&seen) } else { Verdict::GoOn } }
        })
        .await;
        answer.expect(200);
        assert_ne!(attempts.load(Ordering::Relaxed), 0, "the function tried to record the activity");
    }))
    .await;
    assert_eq!(partner.owner().see(&ann).await["last_active_at"], LONG_AGO);

    ann.refreshed().await;
    assert_ne!(partner.owner().see(&ann).await["last_active_at"], LONG_AGO, "the next refresh records it");
}

async fn owner_history(owner: &Actor) -> String {
    owner.get("/v1/audit-events").await.expect(200).text
}

#[tokio::test]
async fn twenty_concurrent_changes_by_one_admin_all_succeed() {
    let partner = Partner::of(&faulty().ready).await;
    let owner = partner.owner();
    let users = join_all((0..20).map(|_| owner.add("Ulla", "User").created())).await;
    let changes = users.iter().enumerate().map(|(index, user)| match index % 4 {
        0 => owner.edit(user, &json!({ "first_name": "Zora" })),
        1 => owner.set_permissions(user, &json!({ "role": "manager" })),
        2 => owner.force_logout(user),
        _ => owner.edit(user, &json!({ "email": secrets::email("zora") })),
    });
    let answers = join_all(changes.enumerate().map(|(index, change)| with_conflicts(change, 1 + index % 4))).await;
    for (answer, _) in answers {
        answer.expect(200);
    }
    for user in &users {
        assert_eq!(owner.see(user).await["version"], 2);
    }
}

/// Sends a request while DynamoDB carries out one transaction and fails from the next one on.
async fn with_one_transaction(call: Call) -> Answer {
    let first = Arc::new(Mutex::new(None));
    with(call, move |seen, moment| {
        let fails = seen.operation == "TransactWriteItems"
            && moment == Moment::Before
            && *first.lock().unwrap().get_or_insert_with(|| seen.call.clone()) != seen.call;
        async move { if fails { Verdict::fault(seen.service) } else { Verdict::GoOn } }
    })
    .await
}

#[tokio::test]
async fn an_interrupted_import_returns_the_passwords_of_the_added_users() {
    let partner = Partner::of(&faulty().ready).await;
    let emails: Vec<String> = (0..30).map(|_| secrets::email("new")).collect();
    let rows: Vec<String> = emails.iter().map(|email| format!("Nina,New,{email},viewer")).collect();
    let table = format!("first_name,last_name,email,role\n{}", rows.join("\n"));

    let answer = with_one_transaction(partner.owner().import(table.clone(), false)).await.expect(200);

    let outcomes = |answer: &Answer| -> Vec<String> {
        let results = answer.json["results"].as_array().unwrap();
        results.iter().map(|result| result["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let reported = outcomes(&answer);
    let added = reported.iter().take_while(|outcome| *outcome == "added").count();
    assert!(added > 0 && reported[added..].iter().all(|outcome| outcome == "unavailable"), "{answer}");
    for (result, email) in answer.json["results"].as_array().unwrap().iter().zip(&emails) {
        assert_eq!(result["problem"]["code"].as_str(), (result["outcome"] != "added").then_some("unavailable"));
        if let Some(password) = result["generated_password"].as_str() {
            let password = secrets::remembered(password);
            partner.owner().client.sign_in_at(&partner.id, email, &password).await.expect(200);
        }
    }
    let again = outcomes(&partner.owner().import(table, false).await.expect(200));
    assert!(again[..added].iter().all(|outcome| outcome == "exists"), "{again:?}");
    assert!(again[added..].iter().all(|outcome| outcome == "added"), "{again:?}");
}

#[tokio::test]
async fn an_interrupted_bulk_change_reports_what_is_done() {
    let partner = Partner::of(&faulty().ready).await;
    let owner = partner.owner();
    let users = [partner.new_user("viewer").await, partner.new_user("viewer").await, partner.new_user("viewer").await];
    let all = || users.iter().map(|user| &**user);

    let answer = with_one_transaction(owner.change_users("suspend", all())).await.expect(200);

    let outcomes: Vec<&Value> =
        answer.json["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["done", "unavailable", "unavailable"], "{answer}");
    users[0].is_signed_out().await;
    users[2].is_signed_in().await;
    let again = owner.change_users("suspend", all()).await.expect(200);
    let outcomes: Vec<&Value> =
        again.json["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["unchanged", "done", "done"], "{again}");
}

/// Cognito cannot be reached.
fn without_cognito(seen: &Seen) -> Verdict {
    match seen.service {
        Service::DynamoDb | Service::Ses => Verdict::GoOn,
        Service::Cognito => Verdict::BreakOff,
    }
}

/// Adds a user and forces their logout without Cognito, so that a mark is left for repair.
async fn with_a_mark(partner: &Partner) -> Actor {
    let user = partner.new_user("viewer").await;
    with_each(partner.owner().force_logout(&user), without_cognito).await.expect(200);
    user
}

#[tokio::test]
async fn without_cognito_a_force_logout_works_and_repair_completes_it() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = with_a_mark(&partner).await;

    ann.is_signed_out().await;
    ann.cannot_refresh().await;
    assert_eq!((rows.marks(&ann).await.len(), rows.cognito_users(&ann).await.len()), (1, 1));

    let trace = Trace::new();
    faulty().faults.watch(&trace, |seen, _| async move { without_cognito(&seen) });
    let everything = json!({ "older_than_seconds": 0 });
    let report = invoke_within(&trace, ready, "repair-identities", &everything).await.worked();
    assert!(report["failed"].as_u64().unwrap() >= 1, "{report}");
    let marks = rows.marks(&ann).await;
    assert_eq!(marks[0]["attempts"].as_n().unwrap(), "1", "a mark that cannot be repaired is postponed");
    let report = invoke(ready, "repair-identities", &everything).await.worked();
    assert_eq!(report["failed"], 0);
    assert_eq!(rows.marks(&ann).await.len(), 1, "the mark is not due yet");

    rows.let_marks_be_due(&ann).await;
    invoke(ready, "repair-identities", &everything).await.worked();
    assert_eq!((rows.marks(&ann).await.len(), rows.cognito_users(&ann).await.len()), (0, 0));
    ann.elsewhere().await.is_signed_in().await;
}

/// Runs repair while `hook` decides what happens to its calls.
async fn repair_with<A>(hook: impl Fn(Seen, Moment) -> A + Send + Sync + 'static) -> Invoked
where
    A: Future<Output = Verdict> + Send + 'static,
{
    let trace = Trace::new();
    faulty().faults.watch(&trace, hook);
    invoke_within(&trace, &faulty().ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await
}

#[tokio::test]
async fn a_repair_that_dies_or_fails_at_any_call_is_completed_by_the_next() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let leave_a_mark = async || {
        Client::of(ready).signed_in(&ann).await;
        with_each(partner.owner().force_logout(&ann), without_cognito).await.expect(200);
        assert_eq!((rows.marks(&ann).await.len(), rows.cognito_users(&ann).await.len()), (1, 1));
    };

    leave_a_mark().await;
    let operations = Arc::new(Mutex::new(BTreeSet::new()));
    let counted = Arc::clone(&operations);
    let repaired = repair_with(move |seen, _| {
        counted.lock().unwrap().insert(seen.operation);
        async { Verdict::GoOn }
    });
    repaired.await.worked();
    let operations = operations.lock().unwrap().clone();
    // One call of Cognito for each mark: all calls that end a generation share one small quota.
    assert_eq!(operations.iter().collect::<Vec<_>>(), ["AdminDeleteUser", "DeleteItem", "Query"]);

    for operation in operations {
        for at in [Moment::Before, Moment::After] {
            for dies in [true, false] {
                leave_a_mark().await;
                let hook = failing(faulty(), "repair-identities", &operation, at, dies);
                let failed = repair_with(hook).await;
                assert!(
                    failed.error.is_some() || !dies,
                    "{operation} {at:?}: the process did not die: {}",
                    failed.payload
                );

                rows.let_marks_be_due(&ann).await;
                repair_with(|_, _| async { Verdict::GoOn }).await.worked();
                let left = (rows.marks(&ann).await.len(), rows.cognito_users(&ann).await.len());
                assert_eq!(left, (0, 0), "{operation} {at:?}, dies: {dies}");
            }
        }
    }
}

#[tokio::test]
async fn a_mark_that_keeps_failing_does_not_delay_others() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let (ann, bob) = (with_a_mark(&partner).await, with_a_mark(&partner).await);

    let anns = ann.id.clone();
    let failing = move |seen: Seen, _| {
        let is_anns = seen.service == Service::Cognito && seen.body.to_string().contains(&anns);
        async move { if is_anns { Verdict::BreakOff } else { Verdict::GoOn } }
    };
    let report = repair_with(failing).await.worked();
    assert!(report["failed"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!((rows.marks(&bob).await.len(), rows.cognito_users(&bob).await.len()), (0, 0));
    assert_eq!(rows.marks(&ann).await[0]["attempts"].as_n().unwrap(), "1");

    rows.let_marks_be_due(&ann).await;
    repair_with(|_, _| async { Verdict::GoOn }).await.worked();
    assert_eq!((rows.marks(&ann).await.len(), rows.cognito_users(&ann).await.len()), (0, 0));
}

#[tokio::test]
async fn without_cognito_changes_that_end_sessions_succeed() {
    let partner = Partner::of(&faulty().ready).await;
    let (owner, ann) = (partner.owner(), partner.new_user("viewer").await);
    with_each(owner.set_password(&ann, &secrets::password(), &json!({})), without_cognito).await.expect(204);
    ann.is_signed_out().await;
    let bob = partner.new_user("viewer").await;
    with_each(owner.suspend(&bob), without_cognito).await.expect(200);
    bob.is_signed_out().await;
    with_each(owner.remove(&ann), without_cognito).await.expect(204);
    let elsewhere = owner.elsewhere().await;
    let body = json!({ "refresh_token": elsewhere.refresh_token });
    with_each(elsewhere.sign_out().json(&body), without_cognito).await.expect(204);
    elsewhere.is_signed_out().await;
}

#[tokio::test]
async fn without_cognito_sign_ins_fail_and_start_no_session() {
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let owner = partner.owner();
    let sessions = rows.sessions(owner).await.len();
    for fate in [without_cognito, |seen: &Seen| match seen.service {
        Service::DynamoDb | Service::Ses => Verdict::GoOn,
        Service::Cognito => Verdict::throttled(seen.service),
    }] {
        let client = Client::of(ready);
        let sign_in = client.sign_in_at(&owner.partner_id, &owner.email, &owner.password);
        is_unavailable("sign-in", &with_each(sign_in, fate).await);
        is_unavailable("refresh", &with_each(client.refresh(&owner.refresh_token), fate).await);
    }
    assert_eq!(rows.sessions(owner).await.len(), sessions);
    owner.is_signed_in().await;
}

/// A user whose password must be changed can try again after Cognito fails.
#[tokio::test]
async fn a_challenge_is_not_used_up_when_cognito_fails() {
    let ready = &faulty().ready;
    let partner = Partner::of(ready).await;
    let ann: User = partner.owner().add("Ann", "Lee").with("must_change", true).created().await;
    let (client, new) = (Client::of(ready), secrets::password());
    let challenge = client.challenged(&ann).await;
    with_each(client.answer_challenge(&challenge, &new), without_cognito).await.problem(503, "unavailable");
    let answer = client.answer_challenge(&challenge, &new).await.expect(200);
    Actor::from_answer(client, ann, &answer).is_signed_in().await;
}

/// Sends a request whose first single-item writes conflict with a transaction. Returns the number of these writes too.
async fn with_single_conflicts(call: Call) -> (Answer, usize) {
    const CONFLICTS: usize = 3;
    let met = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&met);
    let answer = with(call, move |seen, moment| {
        let meets =
            moment == Moment::Before && seen.is_single_write() && count.fetch_add(1, Ordering::Relaxed) < CONFLICTS;
        async move { if meets { Verdict::conflict(&seen) } else { Verdict::GoOn } }
    })
    .await;
    (answer, met.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_single_write_that_meets_a_transaction_is_retried() {
    let partner = Partner::of(&faulty().ready).await;
    let (owner, client) = (partner.owner(), Client::of(&faulty().ready));
    let bob = partner.new_user("admin").await;
    let new = secrets::password();
    let wrong = client.sign_in_at(&partner.id, &owner.email, &secrets::password());
    let changes = changes(owner).await.into_iter().map(|request| (request.route, request.call, request.status));
    let others =
        [("a failed sign-in", wrong, 401), ("a user's own password", bob.set_own_password(&bob.password, &new), 204)];
    for (what, call, status) in changes.chain(others.map(|(what, call, status)| (what.to_owned(), call, status))) {
        let (answer, met) = with_single_conflicts(call).await;
        assert_eq!(answer.status, status, "{what}: {answer}");
        // Some of these requests write no single item.
        assert!(met == 0 || met > 3, "{what}: {met}");
    }
    let wrong = bob.set_own_password(&secrets::password(), &secrets::password());
    let (answer, met) = with_single_conflicts(wrong).await;
    answer.problem(422, "validation_failed");
    assert_eq!(met, 4, "the attempt is counted once");
}

#[tokio::test]
async fn a_repair_whose_writes_meet_transactions_continues() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let (ann, bob) = (with_a_mark(&partner).await, with_a_mark(&partner).await);
    let (anns, met) = (ann.id.clone(), Arc::new(AtomicUsize::new(0)));
    let report = repair_with(move |seen, moment| {
        let is_lost = seen.service == Service::Cognito && seen.body.to_string().contains(&anns);
        let meets = moment == Moment::Before && seen.is_single_write() && met.fetch_add(1, Ordering::Relaxed) < 4;
        async move {
            match (is_lost, meets) {
                (true, _) => Verdict::BreakOff,
                (false, true) => Verdict::conflict(&seen),
                (false, false) => Verdict::GoOn,
            }
        }
    });
    let report = report.await.worked();
    assert_eq!(report["failed"], 1, "{report}");
    assert_eq!((rows.marks(&bob).await.len(), rows.cognito_users(&bob).await.len()), (0, 0));
    assert_eq!(rows.marks(&ann).await[0]["attempts"].as_n().unwrap(), "1");
    rows.let_marks_be_due(&ann).await;
    repair_with(|_, _| async { Verdict::GoOn }).await.worked();
    assert!(rows.marks(&ann).await.is_empty());
}

#[tokio::test]
async fn a_mark_that_cannot_be_postponed_does_not_delay_others() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let (ann, bob) = (with_a_mark(&partner).await, with_a_mark(&partner).await);
    let anns = ann.id.clone();
    let report = repair_with(move |seen, _| {
        let is_anns = seen.body.to_string().contains(&anns);
        let fails = is_anns && (seen.service == Service::Cognito || seen.operation == "UpdateItem");
        async move { if fails { Verdict::BreakOff } else { Verdict::GoOn } }
    });
    let report = report.await.worked();
    assert_eq!(report["failed"], 1, "{report}");
    assert!(rows.marks(&bob).await.is_empty());
    assert_eq!(rows.marks(&ann).await[0]["attempts"].as_n().unwrap(), "0", "the mark is still due");
    repair_with(|_, _| async { Verdict::GoOn }).await.worked();
    assert!(rows.marks(&ann).await.is_empty());
}

/// Whether repair counts the remaining marks with this query.
fn is_count(seen: &Seen) -> bool {
    seen.operation == "Query" && seen.body["ProjectionExpression"] == "created_at"
}

#[tokio::test]
async fn a_large_backlog_is_counted_with_one_query_for_each_shard() {
    let _alone = marks_alone().await;
    let limits = Arc::new(Mutex::new(Vec::new()));
    let seen_limits = Arc::clone(&limits);
    let repaired = repair_with(move |seen, moment| {
        if !is_count(&seen) || moment == Moment::After {
            return ready(Verdict::GoOn);
        }
        seen_limits.lock().unwrap().push(seen.body["Limit"].as_u64());
        // There are more marks after these.
        let key = json!({ "repair_shard": { "S": "0" } });
        let items = vec![json!({ "created_at": { "S": "2026-01-01T00:00:00.000Z" } }); 1_250];
        ready(Verdict::Answer(200, json!({ "Items": items, "Count": 1_250, "LastEvaluatedKey": key })))
    });
    repaired.await.worked();
    assert_eq!(*limits.lock().unwrap(), [Some(1_250); 8]);
}

/// Uses more marks than one page has. Repair handles 20 of them in a second, so this takes about 6 s.
#[tokio::test]
async fn a_repair_reads_the_marks_of_a_shard_page_by_page() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = with_a_mark(&partner).await;
    rows.put_copies_of_mark(&ann, 110).await;
    let shard = rows.marks(&ann).await[0]["repair_shard"].as_s().unwrap().clone();

    let pages = Arc::new(Mutex::new(Vec::new()));
    let seen_pages = Arc::clone(&pages);
    let report = repair_with(move |seen, moment| {
        let is_page = seen.operation == "Query" && !is_count(&seen) && moment == Moment::Before;
        if is_page && seen.body["ExpressionAttributeValues"][":shard"]["S"] == shard.as_str() {
            seen_pages.lock().unwrap().push(seen.body["ExclusiveStartKey"].clone());
        }
        async { Verdict::GoOn }
    });
    let report = report.await.worked();
    assert_eq!(report["failed"], 0, "{report}");
    assert!(report["repaired"].as_u64() >= Some(111), "{report}");
    let pages = pages.lock().unwrap().clone();
    assert_eq!(pages.iter().map(Value::is_object).collect::<Vec<_>>(), [false, true], "{pages:?}");
}
