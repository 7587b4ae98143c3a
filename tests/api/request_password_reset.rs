//! `POST /v1/password-resets`. The mail itself is tested with `send-mail`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_tests::faults::{FaultyStack, Moment, Seen, Service, Trace, Verdict};
use portal_tests::{Client, Partner, secrets};
use serde_json::{Value, json};

/// The 202 has no body.
async fn accepted(client: &Client, body: &Value) {
    let answer = client.post("/v1/password-resets", body).await.expect(202);
    assert_eq!(answer.text, "", "{answer}");
}

#[tokio::test]
async fn every_email_gets_the_same_response() {
    let partner = Partner::new().await;
    let other = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let client = Client::new();
    for (email, partner_id) in [
        (ann.email.clone(), Value::Null),
        (ann.email.to_uppercase(), json!(partner.id)),
        (ann.email.clone(), json!(other.id)),
        (secrets::email("unused"), Value::Null),
        (secrets::email("unused"), json!("no-partner")),
    ] {
        accepted(&client, &json!({ "email": email, "partner_id": partner_id })).await;
    }
}

#[tokio::test]
async fn an_invalid_request_is_rejected() {
    let client = Client::new();
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "ann" }), "email"),
        (json!({ "email": null }), "email"),
        (json!({ "email": secrets::email("ann"), "partner_id": 1 }), "partner_id"),
    ] {
        client.post("/v1/password-resets", &body).await.problem(422, "validation_failed").names_field(field);
    }
    let unknown = json!({ "email": secrets::email("ann"), "password": secrets::password() });
    client.post("/v1/password-resets", &unknown).await.problem(400, "invalid_request").names_field("password");
}

#[tokio::test]
async fn a_network_makes_20_requests_in_15_minutes() {
    let client = Client::new();
    for _ in 0..20 {
        accepted(&client, &json!({ "email": secrets::email("ann") })).await;
    }
    let answer = client.request_reset(&secrets::email("ann")).await;
    answer.problem(429, "too_many_requests");
    assert!((1..=900).contains(&answer.retry_after()), "{answer}");
    accepted(&Client::new(), &json!({ "email": secrets::email("ann") })).await;
}

/// The function's calls, whether a mail was added to the outbox, and the response without what differs in every response.
async fn answered(stack: &FaultyStack, client: &Client, email: &str) -> (Vec<String>, bool, String) {
    let (trace, calls) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
    let (ledger, seen_calls) = (stack.faults.meter(&trace), Arc::clone(&calls));
    stack.faults.watch(&trace, move |seen, moment| {
        if moment == Moment::Before {
            seen_calls.lock().unwrap().push(seen.name());
        }
        async { Verdict::GoOn }
    });
    let answer = client.request_reset(email).within(&trace).await.expect(202);
    stack.faults.quiet().await;
    let calls = calls.lock().unwrap().clone();
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "apigw-requestid"].contains(&name.as_str()));
    let response = format!("{} {:?} {}", answer.status, headers.collect::<Vec<_>>(), answer.text);
    (calls, ledger.units().contains_key("Outbox"), response)
}

/// The function's calls, and whether a mail was added to the outbox.
async fn requested(stack: &FaultyStack, client: &Client, email: &str) -> (Vec<String>, bool) {
    let (calls, is_sent, _) = answered(stack, client, email).await;
    (calls, is_sent)
}

/// Starts two stacks.
#[tokio::test]
async fn the_calls_and_the_response_are_the_same_for_every_email_and_a_fourth_request_in_an_hour_sends_no_mail() {
    let stack = FaultyStack::start("resets").unwrap_or_else(|error| panic!("{error}"));
    let (partner, other) = (Partner::of(&stack.ready).await, Partner::of(&stack.ready).await);
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let invited = owner.add("Ann", "Lee").invited().await;
    let both = owner.add("Ann", "Lee").created().await;
    other.owner().add("Ann", "Lee").email(&both.email).created().await;
    let suspended = owner.add("Ann", "Lee").created().await;
    owner.suspend(&suspended).await.expect(200);
    let (mut all, mut responses) = (Vec::new(), Vec::new());
    for email in [ann.email, invited.email, both.email, suspended.email, secrets::email("unused")] {
        let client = Client::of(&stack.ready);
        for number in 1..=5 {
            let (calls, is_sent, response) = answered(&stack, &client, &email).await;
            assert_eq!(is_sent, number <= 3, "request {number}: {calls:?}");
            all.push(calls);
            responses.push(response);
        }
    }
    assert!(all.iter().all(|calls| *calls == all[0]), "neither an email nor a limit changes the calls: {all:?}");
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:?}");
    assert!(!all[0].iter().any(|call| call.contains("Users")), "{all:?}");
}

/// Starts two stacks, the second with its own clock.
#[tokio::test]
async fn an_email_gets_10_mails_in_a_day() {
    const HOUR: Duration = Duration::from_hours(1);
    let (stack, clock) =
        FaultyStack::start_at(1_795_350_591_123, "resets-of-a-day").unwrap_or_else(|error| panic!("{error}"));
    let (client, email) = (Client::of(&stack.ready), secrets::email("ann"));
    let mut sent = 0;
    for _ in 0..5 {
        for _ in 0..4 {
            sent += usize::from(requested(&stack, &client, &email).await.1);
        }
        clock.advance(HOUR);
    }
    assert_eq!(sent, 10);
    clock.advance(20 * HOUR);
    assert!(requested(&stack, &client, &email).await.1, "the next day");
}

/// What happens to a call.
type Fate = fn(&Seen) -> Verdict;

/// Starts two stacks.
#[tokio::test]
async fn without_dynamodb_a_request_is_unavailable_and_a_rejected_call_is_an_internal_error() {
    let stack = FaultyStack::start("resets-and-faults").unwrap_or_else(|error| panic!("{error}"));
    let client = Client::of(&stack.ready);
    let fates: [(Fate, u16, &str); 3] = [
        (|_| Verdict::BreakOff, 503, "unavailable"),
        (|_| Verdict::throttled(Service::DynamoDb), 503, "unavailable"),
        (|_| Verdict::refused(Service::DynamoDb), 500, "internal"),
    ];
    for (fate, status, code) in fates {
        for operation in ["BatchGetItem", "UpdateItem", "TransactWriteItems"] {
            let trace = Trace::new();
            stack.faults.watch(&trace, move |seen, moment| {
                let is_hit = moment == Moment::Before && seen.operation == operation;
                let verdict = if is_hit { fate(&seen) } else { Verdict::GoOn };
                async move { verdict }
            });
            let answer = client.request_reset(&secrets::email("ann")).within(&trace).await;
            answer.problem(status, code);
        }
    }
    client.request_reset(&secrets::email("ann")).await.expect(202);
}
