//! `sweep-outbox`, through the Invoke API: mail that the stream has missed, or that the mail service did not accept.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_tests::faults::{FaultyStack, Moment, Service, Trace, Verdict};
use portal_tests::mailbox::{send_due_mail, send_due_mail_within};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Clock, Mailbox, Partner, invoke, stack};
use serde_json::{Value, json};

/// A stack whose clock a test moves, with a user who was just signed out.
struct Scene {
    stack: FaultyStack,
    clock: Clock,
    partner: Partner,
    ann: Actor,
}

impl Scene {
    async fn new(name: &str) -> Self {
        // The user pool has the real time, and a token must not be from the future. It expires after an hour of the stack.
        #[expect(clippy::disallowed_methods, reason = "the stack's clock must agree with the clock of the user pool")]
        let now = SystemTime::now() + Duration::from_mins(5);
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let (stack, clock) =
            FaultyStack::start_at(u64::try_from(now).unwrap(), name).unwrap_or_else(|error| panic!("{error}"));
        let partner = Partner::of(&stack.ready).await;
        let ann = partner.new_user("viewer").await;
        partner.owner().force_logout(&ann).await.expect(200);
        Self { stack, clock, partner, ann }
    }

    /// Sweeps once. The first call of `operation` and its retries fail with `verdict` at this moment.
    async fn sweep(&self, operation: &'static str, moment: Moment, verdict: Verdict) -> Value {
        let trace = Trace::new();
        self.stack.faults.watch(&trace, move |seen, at| {
            let is_met = seen.operation == operation && at == moment;
            let verdict = if is_met { verdict.clone() } else { Verdict::GoOn };
            async move { verdict }
        });
        send_due_mail_within(&trace, &self.stack.ready).await
    }

    async fn copies(&self) -> usize {
        Mailbox::of(&self.stack.ready).messages(&self.ann.email).await.len()
    }

    async fn waiting(&self) -> usize {
        Rows::of(&self.stack.ready).outbox(&self.ann).await.len()
    }

    /// The failures in the history, which this reads from its table: the token has expired after an hour.
    async fn failures(&self) -> usize {
        let events = Rows::of(&self.stack.ready).audit(&self.partner.id).await;
        events.iter().filter(|event| event["action"].as_s().unwrap() == "mail.failed").count()
    }
}

#[tokio::test]
async fn a_sweep_reports_what_it_did_and_rejects_other_input() {
    let ready = &stack().ready;
    let report = invoke(ready, "sweep-outbox", &json!({})).await.worked();
    let names: BTreeSet<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["examined", "failed", "sent"]));
    invoke(ready, "sweep-outbox", &json!({ "older_than_seconds": "soon" })).await.failed();
    invoke(ready, "sweep-outbox", &json!({ "unheard_of": 1 })).await.failed();
}

/// Starts two stacks.
#[tokio::test]
async fn a_sweep_leaves_new_mail_to_the_stream_for_a_minute() {
    let scene = Scene::new("sweep-new").await;
    let sweep = async || invoke(&scene.stack.ready, "sweep-outbox", &json!({})).await.worked()["sent"].clone();
    assert_eq!((sweep().await, scene.copies().await), (json!(0), 0));
    scene.clock.advance(Duration::from_secs(61));
    assert_eq!((sweep().await, scene.copies().await), (json!(1), 1));
    assert_eq!((sweep().await, scene.copies().await, scene.waiting().await), (json!(0), 1, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn throttled_mail_is_retried_with_a_delay_and_sent_once() {
    let scene = Scene::new("sweep-throttled").await;
    let throttled = || Verdict::throttled(Service::Ses);
    assert_eq!(scene.sweep("SendEmail", Moment::Before, throttled()).await["failed"], 1);
    assert_eq!(send_due_mail(&scene.stack.ready).await["examined"], 0, "it is not due");
    scene.clock.advance(Duration::from_secs(32));
    assert_eq!(scene.sweep("SendEmail", Moment::Before, Verdict::fault(Service::Ses)).await["failed"], 1);
    scene.clock.advance(Duration::from_secs(32));
    assert_eq!(send_due_mail(&scene.stack.ready).await["examined"], 0, "the second delay is longer");
    scene.clock.advance(Duration::from_secs(32));
    assert_eq!(send_due_mail(&scene.stack.ready).await["sent"], 1);
    assert_eq!((scene.copies().await, scene.waiting().await, scene.failures().await), (1, 0, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn rejected_mail_is_dropped_and_recorded() {
    let scene = Scene::new("sweep-rejected").await;
    let before = scene.partner.owner().see(&scene.ann).await;
    assert_eq!(scene.sweep("SendEmail", Moment::Before, Verdict::refused(Service::Ses)).await["failed"], 1);
    let path = format!("/v1/audit-events?user_id={}&action=mail.failed", scene.ann.id);
    let page = scene.partner.owner().get(&path).await.expect(200);
    let failures = page.json["items"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0]["actor"], json!({ "kind": "system", "id": null, "name": null }));
    assert_eq!(failures[0]["after"], json!({ "code": "rejected" }));
    assert_eq!(failures[0]["summary"], "The portal could not send mail to Nora Newcomer (rejected)");
    assert_eq!(scene.partner.owner().see(&scene.ann).await, before);
    scene.clock.advance(Duration::from_hours(1));
    assert_eq!(send_due_mail(&scene.stack.ready).await["examined"], 0, "it is not retried");
    assert_eq!((scene.copies().await, scene.waiting().await), (0, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn mail_is_dropped_after_a_day_without_the_mail_service() {
    let scene = Scene::new("sweep-expired").await;
    for _ in 0..24 {
        scene.clock.advance(Duration::from_mins(62));
        assert_eq!(scene.sweep("SendEmail", Moment::Before, Verdict::BreakOff).await["failed"], 1);
    }
    assert_eq!(scene.failures().await, 1);
    assert_eq!((scene.copies().await, scene.waiting().await), (0, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn a_fault_after_the_mail_was_accepted_sends_at_most_one_more_copy() {
    let scene = Scene::new("sweep-copies").await;
    // The response is lost. The SDK must not retry.
    scene.sweep("SendEmail", Moment::After, Verdict::BreakOff).await;
    assert_eq!(scene.copies().await, 1);
    scene.clock.advance(Duration::from_secs(32));
    assert_eq!(send_due_mail(&scene.stack.ready).await["sent"], 1);
    assert_eq!((scene.copies().await, scene.waiting().await), (2, 0));

    // The item cannot be deleted. Its lease keeps it from being sent again at once.
    scene.partner.owner().suspend(&scene.ann).await.expect(200);
    scene.sweep("DeleteItem", Moment::Before, Verdict::fault(Service::DynamoDb)).await;
    send_due_mail(&scene.stack.ready).await;
    assert_eq!((scene.copies().await, scene.waiting().await), (3, 1));
    scene.clock.advance(Duration::from_secs(121));
    send_due_mail(&scene.stack.ready).await;
    assert_eq!((scene.copies().await, scene.waiting().await), (4, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn a_fault_before_the_mail_is_sent_loses_no_mail() {
    let scene = Scene::new("sweep-faults").await;
    for operation in ["Scan", "UpdateItem", "BatchGetItem"] {
        let trace = Trace::new();
        scene.stack.faults.watch(&trace, move |seen, _| async move {
            if seen.operation == operation { Verdict::fault(Service::DynamoDb) } else { Verdict::GoOn }
        });
        let input = json!({ "older_than_seconds": 0 });
        // A fault of the scan fails the run.
        let _ = portal_tests::invoke_within(&trace, &scene.stack.ready, "sweep-outbox", &input).await;
        assert_eq!((scene.copies().await, scene.waiting().await), (0, 1), "{operation}");
        scene.clock.advance(Duration::from_secs(121));
    }
    send_due_mail(&scene.stack.ready).await;
    assert_eq!((scene.copies().await, scene.waiting().await), (1, 0));
}

/// Starts two stacks.
#[tokio::test]
async fn mail_to_a_removed_user_is_dropped() {
    let scene = Scene::new("sweep-removed").await;
    scene.partner.owner().remove(&scene.ann).await.expect(204);
    assert_eq!(send_due_mail(&scene.stack.ready).await["sent"], 0);
    assert_eq!((scene.copies().await, scene.waiting().await), (0, 0));
}
