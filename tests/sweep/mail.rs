//! Faults while mail is sent, and while reports about mail are noted. After any fault at any call a mail is sent once or twice,
//! its item is gone, and the history has what happened. Tests that move the clock past the leases of claimed mail have their own
//! stacks.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use portal_tests::faults::{FaultyStack, Moment, Seen, Service, Trace, Verdict};
use portal_tests::mailbox::{send_due_mail, send_due_mail_within};
use portal_tests::rows::{Row, Rows};
use portal_tests::{Client, Clock, Mailbox, Partner, Ready, User, invoke, invoke_within};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fault::{Fault, Planned, Point, counting, counting_while};
use crate::faulty;
use crate::scene::Models;
use crate::whole::text;

/// A claimed mail is due again after this time.
const LEASE: Duration = Duration::from_secs(121);

/// The number of concurrent invocations, and of those whose calls are delayed.
const LANES: usize = 8;
const DELAYS: usize = 22;

/// The faults at each call. At SES they leave the states that a fault can leave: not sent, sent, or rejected.
const FAULTS: [(Fault, Moment); 11] = [
    (Fault::Kill, Moment::Before),
    (Fault::Kill, Moment::After),
    (Fault::BreakOff, Moment::Before),
    (Fault::BreakOff, Moment::After),
    (Fault::Refused, Moment::Before),
    (Fault::Failure, Moment::Before),
    (Fault::Failure, Moment::After),
    (Fault::Throttled, Moment::Before),
    (Fault::Conflict, Moment::Before),
    (Fault::Delay, Moment::Before),
    (Fault::Delay, Moment::After),
];

/// A time shortly after the present. The user pool has the real time, and a token must not be from the future.
#[expect(clippy::disallowed_methods, reason = "the stack's clock must agree with the clock of the user pool")]
fn soon() -> u64 {
    let soon = SystemTime::now() + Duration::from_mins(5);
    u64::try_from(soon.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A stack with a partner.
struct Post {
    stack: &'static FaultyStack,
    rows: Rows,
    models: Models,
    partner: Partner,
}

/// A mail in the outbox to its own user.
struct Letter {
    user: User,
    key: String,
}

/// Mail with its own calls.
#[derive(Debug, Clone)]
struct Case {
    /// The kind of the mail.
    kind: &'static str,
    /// What SES does.
    ses: Verdict,
    /// Whether SES rejects the mail for good.
    is_rejected: bool,
}

/// One fault while one mail is sent.
struct Run {
    case: Case,
    planned: Arc<Planned>,
    letter: Letter,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Planned { point, fault, moment, .. } = self.planned.as_ref();
        write!(f, "{} ({:?} at SES), {point}, {fault:?} {moment:?}", self.case.kind, self.case.ses)
    }
}

impl Case {
    /// A mail to confirm a new email makes the same calls as an invitation, and all notifications make the same calls. A mail
    /// that SES does not accept is postponed or dropped with other calls.
    fn all() -> Vec<Self> {
        let case = |kind, ses, is_rejected| Self { kind, ses, is_rejected };
        vec![
            case("logout_forced", Verdict::GoOn, false),
            case("invitation", Verdict::GoOn, false),
            case("password_reset", Verdict::GoOn, false),
            case("logout_forced", Verdict::throttled(Service::Ses), false),
            case("logout_forced", Verdict::refused(Service::Ses), true),
        ]
    }

    /// Each possible fault at each of these calls. If SES does not accept the mail, at those that follow.
    fn planned(&self, calls: &[Point]) -> Vec<Planned> {
        let is_sent = matches!(self.ses, Verdict::GoOn);
        let sends = if is_sent { 0 } else { 1 + calls.iter().position(Point::is_send).expect("the call to SES") };
        let each = calls[sends..].iter().flat_map(|point| FAULTS.map(|(fault, moment)| (point, fault, moment)));
        // A read changes nothing, so a fault after it leaves the same state as one before it.
        let is_new = |(point, fault, moment): &(&Point, Fault, Moment)| {
            fault.can_happen_at(point) && (*moment == Moment::Before || !point.is_read())
        };
        each.filter(is_new)
            .map(|(point, fault, moment)| Planned::new_while(self.ses.clone(), point.clone(), fault, moment))
            .collect()
    }
}

impl Post {
    async fn new(stack: FaultyStack) -> Self {
        // The stack and its processes live until this process ends.
        let stack: &'static FaultyStack = Box::leak(Box::new(stack));
        let models = Models::new(&stack.ready).await;
        // The mail of the set-up.
        send_due_mail(&stack.ready).await;
        Self { stack, rows: Rows::of(&stack.ready), models, partner: Partner::of(&stack.ready).await }
    }

    fn ready(&self) -> &Ready {
        &self.stack.ready
    }

    /// Adds a mail of this kind to the outbox.
    async fn letter(&self, kind: &str) -> Letter {
        let owner = self.partner.owner();
        let user = self.models.put_user(&self.rows, owner, kind == "invitation").await;
        match kind {
            "logout_forced" => drop(owner.force_logout(&user).await.expect(200)),
            "invitation" => drop(owner.invite(&user).await.expect(202)),
            _ => drop(Client::of(self.ready()).request_reset(&user.email).await.expect(202)),
        }
        let items = self.rows.whole("OutboxTable").await;
        let is_its = |item: &&Row| text(item, "user_id") == user.id || text(item, "email") == user.email;
        let key = text(items.iter().find(is_its).expect("the outbox has the mail"), "pk");
        Letter { user, key }
    }

    /// Sends what is due until nothing is.
    async fn send_rest(&self) {
        while send_due_mail(self.ready()).await["examined"] != 0 {}
    }

    /// Checks the runs after everything was sent.
    async fn check(&self, runs: &[Run]) {
        let mut failures: BTreeMap<String, usize> = BTreeMap::new();
        for event in self.rows.audit(&self.partner.id).await {
            if text(&event, "action") == "mail.failed" {
                *failures.entry(text(event["target"].as_m().unwrap(), "id")).or_default() += 1;
            }
        }
        let mut problems = Vec::new();
        for run in runs {
            let copies = Mailbox::of(self.ready()).messages(&run.letter.user.email).await.len();
            let failures = failures.remove(&run.letter.user.id).unwrap_or_default();
            let Planned { point, fault, .. } = run.planned.as_ref();
            let is_right = match (copies, failures) {
                // The mail was dropped because SES rejected it.
                (0, 1) => run.case.is_rejected || (*fault == Fault::Refused && point.is_send()),
                // If the process died before it recorded that, the mail was sent later.
                (1..=2, 0) => true,
                _ => false,
            };
            if !is_right {
                problems.push(format!("{run}: {copies} copies, {failures} failures in the history"));
            }
            if !run.planned.has_come() {
                problems.push(format!("{run}: the call never came"));
            }
        }
        let left = self.rows.outbox_keys().await;
        problems.extend(left.into_iter().map(|key| format!("an item is left: {key}")));
        assert!(problems.is_empty(), "{} problems in {} runs:\n{}", problems.len(), runs.len(), problems.join("\n"));
    }
}

/// Invokes `send-mail` for the mail with this key, as the stream does. Returns whether the function responded.
async fn send(ready: &Ready, key: &str, trace: &Trace) -> bool {
    let record = json!({ "dynamodb": { "Keys": { "pk": { "S": key } }, "SequenceNumber": "1" } });
    invoke_within(trace, ready, "send-mail", &json!({ "Records": [record] })).await.error.is_none()
}

/// Waits up to 8 s for each delayed call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_fault_at_any_call_each_mail_is_sent_once_or_twice() {
    let (stack, clock) = FaultyStack::start_at(soon(), "mail").unwrap();
    let post = Post::new(stack).await;
    let runs = faults_of_send_mail(&post, &clock).await;
    post.check(&runs).await;
    let runs = faults_of_sweeps(&post, &clock).await;
    post.check(&runs).await;
}

async fn faults_of_send_mail(post: &Post, clock: &Clock) -> Vec<Run> {
    let mut all = Vec::new();
    for case in Case::all() {
        let (letter, trace) = (post.letter(case.kind).await, Trace::new());
        let calls = counting_while(post.stack, &trace, case.ses.clone());
        assert!(send(post.ready(), &letter.key, &trace).await);
        let calls = calls();
        assert!(calls.len() >= 4, "{case:?}: {calls:?}");
        all.extend(case.planned(&calls).into_iter().map(|planned| (case.clone(), planned)));
    }
    let runs = all.into_iter().map(async |(case, planned)| {
        let (planned, letter) = (Arc::new(planned), post.letter(case.kind).await);
        Run { case, planned, letter }
    });
    let runs: Vec<Run> = stream::iter(runs).buffer_unordered(LANES).collect().await;

    let (heal, healed) = watch::channel(false);
    let go = async |run: &Run| {
        let trace = Trace::new();
        run.planned.arm_function(post.stack, "send-mail", &trace, &healed);
        let has_responded = send(post.ready(), &run.letter.key, &trace).await;
        assert_eq!(has_responded, run.planned.fault != Fault::Kill, "{run}");
    };
    // A kill ends all processes of the function, so these runs come first and one by one.
    post.stack.kill_idle().await;
    for run in runs.iter().filter(|run| run.planned.fault == Fault::Kill) {
        go(run).await;
    }
    let (delays, others): (Vec<&Run>, Vec<&Run>) =
        runs.iter().filter(|run| run.planned.fault != Fault::Kill).partition(|run| run.planned.fault == Fault::Delay);
    // Delayed calls only wait, but each needs a process, and a function has at most 32.
    let delays = stream::iter(delays).map(go).buffer_unordered(DELAYS).collect::<Vec<()>>();
    let others = stream::iter(others).map(go).buffer_unordered(LANES).collect::<Vec<()>>();
    tokio::join!(delays, others);

    // Delayed calls arrive after the lease has ended and another invocation has sent the mail.
    clock.advance(LEASE);
    post.send_rest().await;
    heal.send_replace(true);
    post.stack.faults.quiet().await;
    clock.advance(Duration::from_hours(2));
    post.send_rest().await;
    runs
}

/// The outbox has one mail at a time, because a sweep sends all that is due.
async fn faults_of_sweeps(post: &Post, clock: &Clock) -> Vec<Run> {
    let (_heal, healed) = watch::channel(false);
    let case = Case { kind: "password_reset", ses: Verdict::GoOn, is_rejected: false };
    post.letter(case.kind).await;
    let trace = Trace::new();
    let calls = counting(post.stack, &trace);
    send_due_mail_within(&trace, post.ready()).await;
    let mut runs = Vec::new();
    for planned in case.planned(&calls()).into_iter().filter(|planned| planned.fault != Fault::Delay) {
        let (planned, letter, trace) = (Arc::new(planned), post.letter(case.kind).await, Trace::new());
        planned.arm_function(post.stack, "sweep-outbox", &trace, &healed);
        let swept = invoke_within(&trace, post.ready(), "sweep-outbox", &json!({ "older_than_seconds": 0 })).await;
        let run = Run { case: case.clone(), planned, letter };
        // Only a failed scan fails the whole run.
        let is_scan = run.planned.point.to_string().starts_with("Scan");
        assert!(swept.error.is_none() || run.planned.fault == Fault::Kill || is_scan, "{run}: {}", swept.payload);
        clock.advance(LEASE);
        post.send_rest().await;
        runs.push(run);
    }
    runs
}

/// A report about a mail to this user.
fn report(user: &User) -> Value {
    json!({ "detail": {
        "eventType": "Bounce",
        "bounce": { "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": user.email }] },
        "mail": { "tags": { "user-0": [format!("{}-{}", user.partner_id, user.id)] } },
    } })
}

#[tokio::test]
async fn after_any_fault_at_any_call_of_note_delivery_a_retry_notes_the_report_once() {
    let (stack, partner) = (faulty(), Partner::of(&faulty().ready).await);
    let (ready, owner) = (&stack.ready, partner.owner());
    let (_heal, healed) = watch::channel(false);
    let (ann, trace) = (owner.add("Ann", "Lee").invited().await, Trace::new());
    let calls = counting(stack, &trace);
    invoke_within(&trace, ready, "note-delivery", &report(&ann)).await.worked();
    let case = Case { kind: "report", ses: Verdict::GoOn, is_rejected: false };
    let planned = case.planned(&calls());
    assert!(planned.len() > 10, "{:?}", calls());
    for planned in planned.into_iter().filter(|planned| planned.fault != Fault::Delay) {
        let (planned, ann, trace) = (Arc::new(planned), owner.add("Ann", "Lee").invited().await, Trace::new());
        let run = format!("{}, {:?} {:?}", planned.point, planned.fault, planned.moment);
        planned.arm_function(stack, "note-delivery", &trace, &healed);
        invoke_within(&trace, ready, "note-delivery", &report(&ann)).await;
        assert!(planned.has_come(), "{run}");
        // Lambda invokes the function again after an error.
        invoke(ready, "note-delivery", &report(&ann)).await.worked();
        let user = owner.see(&ann).await;
        assert_eq!((&user["mail_state"], &user["version"]), (&json!("bounced"), &json!(1)), "{run}");
        let path = format!("/v1/audit-events?user_id={}&action=mail.bounced", ann.id);
        let events = owner.get(&path).await.expect(200);
        assert_eq!(events.json["items"].as_array().unwrap().len(), 1, "{run}: {events}");
    }
}

/// The process that the stream has started dies before or after SES has the mail.
#[tokio::test]
async fn mail_whose_sender_was_started_by_the_stream_and_died_is_sent_by_a_sweep() {
    let (stack, clock) = FaultyStack::start_at_with_streams(soon(), "stream").unwrap();
    let stack: &'static FaultyStack = Box::leak(Box::new(stack));
    let (ready, rows) = (&stack.ready, Rows::of(&stack.ready));
    let partner = Partner::of(ready).await;
    for (at, copies) in [(Moment::Before, 1), (Moment::After, 2)] {
        let ann = partner.owner().add("Ann", "Lee").created().await;
        let (killed, to) = (watch::Sender::new(false), ann.email.clone());
        let (is_dead, death) = (AtomicBool::new(false), killed.clone());
        stack.faults.watch_mail(move |seen: Seen, moment| {
            let is_hit = moment == at && seen.service == Service::Ses && seen.body.to_string().contains(&to);
            let is_first = is_hit && !is_dead.swap(true, Ordering::Relaxed);
            if is_first {
                stack.kill("send-mail");
                death.send_replace(true);
            }
            async move { if is_first { Verdict::BreakOff } else { Verdict::GoOn } }
        });
        partner.owner().force_logout(&ann).await.expect(200);
        killed.subscribe().wait_for(|killed| *killed).await.unwrap();
        assert_eq!(rows.outbox(&ann).await.len(), 1, "{at:?}: the claimed item remains");
        clock.advance(LEASE);
        send_due_mail(ready).await;
        let messages = Mailbox::of(ready).wait_for(&ann.email, copies).await;
        assert_eq!(messages.len(), copies, "{at:?}: {messages:?}");
        // The stream may have sent the second copy, and deletes the item afterwards.
        while !rows.outbox(&ann).await.is_empty() {}
    }
}

#[tokio::test]
async fn of_concurrent_senders_one_sends_each_mail() {
    let (ready, rows) = (&faulty().ready, Rows::of(&faulty().ready));
    let partner = Partner::of(ready).await;
    let users: Vec<User> = join_all((0..8).map(|_| partner.owner().add("Ann", "Lee").invited())).await;
    let mut keys = Vec::new();
    for user in &users {
        keys.push(text(&rows.outbox(user).await[0], "pk"));
    }
    let senders = (0..4).flat_map(|_| &keys).map(async |key| send(ready, key, &Trace::new()).await);
    assert!(join_all(senders).await.into_iter().all(|has_responded| has_responded));
    for user in &users {
        Mailbox::of(ready).message(&user.email).await;
        assert_eq!(rows.outbox(user).await, []);
    }
}
