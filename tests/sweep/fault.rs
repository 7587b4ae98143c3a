//! The faults, and the calls at which they happen.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Seen, Service, Trace, Verdict};
use tokio::sync::{OnceCell, watch};

use crate::action::Action;
use crate::scene::Scene;

/// A call of an action: its name and its number among the calls with this name. The order of concurrent calls varies, but not
/// the order of calls with the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    name: String,
    nth: usize,
}

impl Point {
    /// Whether the call updates one item outside a transaction.
    pub(crate) fn is_update(&self) -> bool {
        self.name.starts_with("UpdateItem")
    }

    /// Whether the call sends a mail.
    pub(crate) fn is_send(&self) -> bool {
        self.name.starts_with("SendEmail")
    }

    /// Whether the call changes nothing in DynamoDB or Cognito.
    pub(crate) fn is_read(&self) -> bool {
        ["GetItem", "BatchGetItem", "Query", "Scan"].iter().any(|operation| self.name.starts_with(operation))
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} #{}", self.name, self.nth + 1)
    }
}

/// A fault at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The function's process dies.
    Kill,
    /// The connection closes, once.
    BreakOff,
    /// AWS rejects the call.
    Refused,
    /// AWS fails. `Before` applies to this call and every later one. `After` applies to this call, which was carried out.
    Failure,
    /// AWS throttles this call and every later one.
    Throttled,
    /// The write conflicts with another transaction, once.
    Conflict,
    /// The call or its response is delayed beyond the function's timeout, but arrives in the end.
    Delay,
    /// During the call, an operator recovers the primary admin, who is the caller of the action.
    OvertakenByRecovery,
    /// During the call, the target of the action is removed.
    OvertakenByRemoval,
}

impl Fault {
    /// Every possible fault at a call of an action.
    pub(crate) fn all(action: Action) -> Vec<(Self, Moment)> {
        let mut all = vec![
            (Self::Kill, Moment::Before),
            (Self::Kill, Moment::After),
            (Self::BreakOff, Moment::Before),
            (Self::BreakOff, Moment::After),
            (Self::Refused, Moment::Before),
            (Self::Failure, Moment::Before),
            (Self::Failure, Moment::After),
            (Self::Throttled, Moment::Before),
            (Self::Conflict, Moment::Before),
            (Self::Delay, Moment::Before),
            (Self::Delay, Moment::After),
        ];
        // Another recovery is also valid, so it does not prevent the first one.
        if !action.creates_partner() && !action.recovers() {
            all.extend([(Self::OvertakenByRecovery, Moment::Before), (Self::OvertakenByRecovery, Moment::After)]);
        }
        if action.has_target() {
            all.extend([(Self::OvertakenByRemoval, Moment::Before), (Self::OvertakenByRemoval, Moment::After)]);
        }
        all
    }
}

impl Fault {
    /// Whether this fault is tried at the call of this number of an action. Faults that leave the same state take turns:
    /// - The action is overtaken after its last call only. What happens after another call also happens before the next one.
    /// - A read changes nothing, so a fault after it leaves the same state as a fault before it. Two of the others are tried at
    ///   each read. Which ones depends on the action and the number.
    /// - At a write, AWS fails or throttles it and every later call. The response to a completed write is lost or replaced by
    ///   an error.
    pub(crate) fn has_turn_at(
        self,
        moment: Moment,
        point: &Point,
        action: Action,
        number: usize,
        is_last: bool,
    ) -> bool {
        const AT_READS: [[Fault; 2]; 3] =
            [[Fault::Kill, Fault::Failure], [Fault::BreakOff, Fault::Throttled], [Fault::Refused, Fault::Delay]];
        let is_even = number.is_multiple_of(2);
        match (self, moment) {
            (Self::OvertakenByRecovery | Self::OvertakenByRemoval, Moment::Before) => true,
            (Self::OvertakenByRecovery | Self::OvertakenByRemoval, Moment::After) => is_last,
            (_, Moment::Before) if point.is_read() => {
                AT_READS[(action.number() + number) % AT_READS.len()].contains(&self)
            }
            (_, Moment::After) if point.is_read() => false,
            (Self::Failure, Moment::Before) | (Self::BreakOff, Moment::After) => is_even,
            (Self::Throttled, _) | (Self::Failure, Moment::After) => !is_even,
            _ => true,
        }
    }

    /// Whether this fault is possible at that call.
    pub(crate) fn can_happen_at(self, point: &Point) -> bool {
        let is_write = ["TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"];
        self != Self::Conflict || is_write.iter().any(|operation| point.name.starts_with(operation))
    }
}

/// The calls of one trace up to now.
#[derive(Debug, Default)]
struct Passed {
    /// The calls by name, in the order of their first attempts.
    calls: HashMap<String, Vec<String>>,
    order: Vec<Point>,
}

impl Passed {
    fn point(&mut self, seen: &Seen) -> Point {
        let name = seen.name();
        let calls = self.calls.entry(name.clone()).or_default();
        let known = calls.iter().position(|call| *call == seen.call);
        let nth = known.unwrap_or(calls.len());
        let point = Point { name, nth };
        if known.is_none() {
            calls.push(seen.call.clone());
            self.order.push(point.clone());
        }
        point
    }
}

/// Watches a trace without faults. The returned function lists its calls.
pub(crate) fn counting(stack: &FaultyStack, trace: &Trace) -> impl Fn() -> Vec<Point> + use<> {
    counting_while(stack, trace, Verdict::GoOn)
}

/// Like [`counting`], while SES has this verdict.
pub(crate) fn counting_while(stack: &FaultyStack, trace: &Trace, ses: Verdict) -> impl Fn() -> Vec<Point> + use<> {
    let passed = Arc::new(Mutex::new(Passed::default()));
    let counted = Arc::clone(&passed);
    stack.faults.watch(trace, move |seen, moment| {
        passed.lock().unwrap().point(&seen);
        ready(of_ses(&ses, &seen, moment))
    });
    move || counted.lock().unwrap().order.clone()
}

/// The verdict about a call to SES before it is forwarded. Other calls go on.
fn of_ses(ses: &Verdict, seen: &Seen, moment: Moment) -> Verdict {
    if seen.service == Service::Ses && moment == Moment::Before { ses.clone() } else { Verdict::GoOn }
}

/// A hook that lets every call of one operation fail, or lets `function` die at the first one.
pub(crate) fn failing(
    stack: &'static FaultyStack,
    function: &'static str,
    operation: &str,
    at: Moment,
    dies: bool,
) -> impl Fn(Seen, Moment) -> Ready<Verdict> + use<> {
    // Several calls run at the same time, and the function must die only once.
    let (operation, is_dead) = (operation.to_owned(), AtomicBool::new(false));
    move |seen, moment| {
        let is_here = seen.operation == operation && moment == at;
        if is_here && dies && !is_dead.swap(true, Ordering::Relaxed) {
            stack.kill(function);
        }
        ready(match (is_here, dies) {
            (false, _) => Verdict::GoOn,
            (true, true) => Verdict::BreakOff,
            (true, false) => Verdict::fault(seen.service),
        })
    }
}

/// One fault at one call.
pub(crate) struct Planned {
    pub(crate) point: Point,
    pub(crate) fault: Fault,
    pub(crate) moment: Moment,
    /// What happens to calls to SES that the fault does not meet.
    ses: Verdict,
    passed: Mutex<Passed>,
    has_come: watch::Sender<bool>,
    /// Whether the action was committed when it was overtaken.
    overtaken: OnceCell<bool>,
}

impl Planned {
    pub(crate) fn new(point: Point, fault: Fault, moment: Moment) -> Self {
        Self::new_while(Verdict::GoOn, point, fault, moment)
    }

    /// A fault while SES has this verdict.
    pub(crate) fn new_while(ses: Verdict, point: Point, fault: Fault, moment: Moment) -> Self {
        let (passed, has_come) = (Mutex::default(), watch::Sender::new(false));
        Self { point, fault, moment, ses, passed, has_come, overtaken: OnceCell::new() }
    }

    /// Whether the planned call has come.
    pub(crate) fn has_come(&self) -> bool {
        *self.has_come.borrow()
    }

    /// Waits until the planned call comes.
    pub(crate) async fn comes(&self) {
        // The sender lives as long as this value.
        let _ = self.has_come.subscribe().wait_for(|has_come| *has_come).await;
    }

    /// Whether the action was committed when it was overtaken.
    pub(crate) fn committed_when_overtaken(&self) -> Option<bool> {
        self.overtaken.get().copied()
    }

    /// Whether an operator has recovered the primary admin during the call. On a busy machine a function may run out of time
    /// before it makes the call, which then never comes.
    pub(crate) fn has_recovered(&self) -> bool {
        self.fault == Fault::OvertakenByRecovery && self.overtaken.get().is_some()
    }

    /// Whether the target was removed during the call.
    pub(crate) fn has_removed_target(&self) -> bool {
        self.fault == Fault::OvertakenByRemoval && self.overtaken.get().is_some()
    }

    /// Applies the fault to this trace of the scene's action. `healed` ends the delays.
    pub(crate) fn arm(
        self: &Arc<Self>,
        stack: &'static FaultyStack,
        scene: &Arc<Scene>,
        trace: &Trace,
        healed: &watch::Receiver<bool>,
    ) {
        self.arm_with(stack, scene.action.function, Some(Arc::clone(scene)), trace, healed);
    }

    /// Applies the fault to this trace of a function without a scene. It must not be a fault that overtakes an action.
    pub(crate) fn arm_function(
        self: &Arc<Self>,
        stack: &'static FaultyStack,
        function: &'static str,
        trace: &Trace,
        healed: &watch::Receiver<bool>,
    ) {
        self.arm_with(stack, function, None, trace, healed);
    }

    fn arm_with(
        self: &Arc<Self>,
        stack: &'static FaultyStack,
        function: &'static str,
        scene: Option<Arc<Scene>>,
        trace: &Trace,
        healed: &watch::Receiver<bool>,
    ) {
        let (planned, healed) = (Arc::clone(self), healed.clone());
        stack.faults.watch(trace, move |seen, moment| {
            let (planned, scene, healed) = (Arc::clone(&planned), scene.clone(), healed.clone());
            async move { planned.happen((stack, function), scene.as_deref(), healed, &seen, moment).await }
        });
    }

    async fn happen(
        &self,
        (stack, function): (&FaultyStack, &str),
        scene: Option<&Scene>,
        mut healed: watch::Receiver<bool>,
        seen: &Seen,
        moment: Moment,
    ) -> Verdict {
        let is_here = self.passed.lock().unwrap().point(seen) == self.point;
        let is_now = is_here && moment == self.moment;
        let is_first = is_now && !self.has_come.send_replace(is_now || self.has_come());
        match self.fault {
            Fault::Kill if is_first => {
                stack.kill(function);
                Verdict::BreakOff
            }
            Fault::BreakOff if is_first => Verdict::BreakOff,
            Fault::Conflict if is_first => Verdict::conflict(seen),
            Fault::Refused if is_now => Verdict::refused(seen.service),
            Fault::Failure
                if is_now || (self.moment == Moment::Before && moment == Moment::Before && self.has_come()) =>
            {
                Verdict::fault(seen.service)
            }
            Fault::Throttled if moment == Moment::Before && self.has_come() => Verdict::throttled(seen.service),
            Fault::Delay if is_now => {
                healed.wait_for(|healed| *healed).await.unwrap();
                Verdict::GoOn
            }
            Fault::OvertakenByRecovery if is_now => {
                let scene = scene.expect("a scene that is overtaken");
                self.overtaken.get_or_init(|| scene.recover_owner()).await;
                Verdict::GoOn
            }
            Fault::OvertakenByRemoval if is_now => {
                let scene = scene.expect("a scene that is overtaken");
                self.overtaken.get_or_init(|| scene.remove_target()).await;
                Verdict::GoOn
            }
            Fault::Kill
            | Fault::BreakOff
            | Fault::Refused
            | Fault::Failure
            | Fault::Throttled
            | Fault::Conflict
            | Fault::Delay
            | Fault::OvertakenByRecovery
            | Fault::OvertakenByRemoval => of_ses(&self.ses, seen, moment),
        }
    }
}
