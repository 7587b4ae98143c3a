//! Checks that a history is linearizable: that its operations could have happened one at a time.
//!
//! The commits are replayed in their order against the model. The model must allow each commit at its point, and this
//! point must be between the request and its response. An operation without a commit (a read or a refusal) must have
//! the model's response at some point between request and response. So the requests, each at its point, form a
//! sequential history with the same responses. Each commit has one point and each read has a short window, so the cost
//! grows with the number of operations, not with the number of their orders.
//!
//! The point of a sign-in may be before its commit, within the window of the request, if no other operation can notice
//! the difference: a sign-in looks the email up before it commits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use portal_tests::Authenticator;
use serde_json::Value;

use crate::model::{OVER, Person, RECOVERY_CODES, Removed, State};
use crate::operation::{Action, Asks, Challenge, Ended, Operation, Reply, Response, named_by};
use crate::passkeys::{Made, Started};
use crate::recorder::Commit;
use crate::sign_ins::{Open, SignIn, is_committed_with_passkey};

/// The minimum number of concurrent commits that justify a conflict: one for each attempt.
const DECISIONS: usize = 3;

/// The maximum number of sessions of a user.
const MOST_SESSIONS: usize = 20;

/// The operations and the commits of a run that starts with a known state.
pub(crate) struct History<'a> {
    operations: &'a [Operation],
    commits: &'a [Commit],
    partners: BTreeSet<String>,
    /// The states before the first commit and after each commit.
    states: Vec<State>,
    /// The point of the commit of each operation, by the index of the operation.
    made: HashMap<usize, usize>,
    violations: Vec<String>,
}

/// The result of a check.
pub(crate) struct Verdict {
    /// The state after the last commit.
    pub(crate) last: State,
    /// Descriptions of all violations.
    pub(crate) violations: Vec<String>,
}

/// Checks a history.
pub(crate) fn check(first: State, operations: &[Operation], commits: &[Commit]) -> Verdict {
    let mut history = History {
        operations,
        commits,
        partners: first.users.values().map(|person| person.partner.clone()).collect(),
        states: vec![first],
        made: HashMap::new(),
        violations: Vec::new(),
    };
    history.replay();
    for index in 0..operations.len() {
        history.answer(index);
    }
    let last = history.states.last().unwrap().clone();
    Verdict { last, violations: history.violations }
}

impl History<'_> {
    fn violation(&mut self, index: usize, what: &str) {
        self.violations.push(format!("{what}: {}", describe(&self.operations[index], self.operations)));
    }

    /// The points at which an operation can have taken effect. A point is the number of earlier commits.
    fn window(&self, operation: &Operation) -> RangeInclusive<usize> {
        self.between(operation.invoked, operation.responded)
    }

    fn between(&self, invoked: Instant, responded: Instant) -> RangeInclusive<usize> {
        let first = self.commits.partition_point(|commit| commit.before < invoked);
        let last = self.commits.partition_point(|commit| commit.after < responded);
        first..=last
    }

    fn replay(&mut self) {
        let mut by_request: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, operation) in self.operations.iter().enumerate() {
            by_request.entry(operation.request_id()).or_default().push(index);
        }
        for (point, commit) in self.commits.iter().enumerate() {
            let mut state = self.states[point].clone();
            let asked = by_request.get(commit.request_id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let is_it = |index: &&usize| self.operations[**index].is_about(commit);
            if let Some(index) = asked.iter().find(is_it).copied() {
                if self.made.insert(index, point).is_some() {
                    self.violation(index, "it was committed twice");
                }
                self.granted(index, point, &state);
                if let Err(what) = state.apply(&self.operations[index], commit) {
                    self.violation(index, &what);
                }
                self.note_last_sign_ins(index, point, &mut state);
                if state.removed.values().any(|removed| removed.person.access.role == "primary_admin") {
                    self.violation(index, "the primary admin was removed");
                }
                let emails: HashSet<(&str, &str)> =
                    state.users.values().map(|person| (person.partner.as_str(), person.email.as_str())).collect();
                if emails.len() < state.users.len() {
                    self.violation(index, "two users of a partner have one email");
                }
                let primary_admins = state.users.values().filter(|person| person.access.role == "primary_admin");
                let mut partners: Vec<&String> = primary_admins.map(|person| &person.partner).collect();
                partners.sort_unstable();
                if !partners.into_iter().eq(&self.partners) {
                    self.violation(index, "there is not exactly one primary admin");
                }
            } else {
                self.violations.push(format!("no operation requested this commit: {commit:?}"));
            }
            self.states.push(state);
        }
    }

    /// Records the possible times of the last sign-in of a user, if a commit removed the user.
    fn note_last_sign_ins(&self, index: usize, point: usize, state: &mut State) {
        let (operation, commit) = (&self.operations[index], &self.commits[point]);
        let removed = state.removed.get_mut(&commit.target).filter(|_| operation.action.removes());
        let Some(removed) = removed.map(Arc::make_mut) else { return };
        let read = self.states[*self.window(operation).start()..=point].iter();
        let persons = read.filter_map(|state| state.users.get(&commit.target));
        removed.last_sign_ins.extend(persons.map(|person| person.last_sign_in_at.clone()));
    }

    /// Checks that a commit is the requested one, that it is within the time of its request, and that the model allows
    /// it at that point.
    fn granted(&mut self, index: usize, point: usize, state: &State) {
        let (operation, commit) = (&self.operations[index], &self.commits[point]);
        if !operation.action.is_recorded_as(&commit.action) {
            return self.violation(index, &format!("it was committed as {}", commit.action));
        }
        if commit.before < operation.invoked {
            return self.violation(index, "it was committed before its request");
        }
        if commit.after > operation.responded && !operation.is_unknown() {
            return self.violation(index, "it was committed after its response");
        }
        let earlier = &self.states[*self.window(operation).start()..=point];
        let refusal = match &operation.action {
            Action::SignIn { partner, email, password } => {
                let sign_in = SignIn::new(partner.as_deref(), email, password, &self.partners);
                (!sign_in.is_committed(earlier, commit)).then_some((401, "unauthenticated"))
            }
            Action::AnswerChallenge { challenge, reply } => {
                let is_same = |other: &usize| matches!(&self.operations[*other].action, Action::AnswerChallenge { challenge: used, .. } if used.token == challenge.token);
                let is_used = self.made.iter().any(|(other, at)| *at < point && is_same(other));
                let is_right = self.open(challenge).is_committed(earlier, reply, commit);
                (is_used || !is_right).then_some((401, "unauthenticated"))
            }
            Action::SignInWithPasskey { started, made } => {
                let is_used = self.made.iter().any(|(other, at)| *at < point && self.operations[*other].uses(started));
                let is_right = is_committed_with_passkey(state, &made.id, commit);
                (is_used || !is_right).then_some((401, "unauthenticated"))
            }
            // The requirement may have changed between the read and the commit.
            _ if earlier.iter().any(|then| state.requiring_as(then).refusal(operation).is_none()) => None,
            _ => state.refusal(operation),
        };
        if let Some((status, code)) = refusal {
            self.violation(
                index,
                &format!("it was committed, but at that point the response had to be {status} {code}"),
            );
        }
        self.sessions(index, point, state);
    }

    fn open<'b>(&'b self, challenge: &'b Challenge) -> Open<'b> {
        Open::new(challenge, &self.states[self.known(self.between(challenge.invoked, challenge.responded))])
    }

    /// The part of a window that has been replayed.
    fn known(&self, window: RangeInclusive<usize>) -> RangeInclusive<usize> {
        let last = self.states.len().saturating_sub(1);
        *window.start().min(&last)..=*window.end().min(&last)
    }

    /// Checks the sessions that a commit started and ended. A sign-in starts one session, and ends others only above
    /// the maximum. A new password by the user ends all other sessions of the user.
    fn sessions(&mut self, index: usize, point: usize, state: &State) {
        let (operation, commit) = (&self.operations[index], &self.commits[point]);
        let Some(person) = state.users.get(&commit.target) else {
            if !(commit.begun.is_empty() && commit.ended.is_empty()) {
                self.violation(index, "it started or ended sessions of a user who did not exist");
            }
            return;
        };
        let own = operation.session.as_ref().map(|session| session.id.as_str()).unwrap_or_default();
        let replaces = matches!(operation.action, Action::ConfirmApp { .. }) && person.has_app();
        let ended = if replaces { Ended::Others } else { operation.action.ended_sessions() };
        let is_right = match ended {
            // A new password does not complete the sign-in if the user has to add a second factor.
            _ if commit.action == "password.changed" && operation.action.response() == Response::Session => {
                commit.begun.is_empty() && commit.ended.is_empty()
            }
            _ if operation.action.response() == Response::Session => {
                let window = *self.window(operation).start()..=point;
                let count = |state: &State| state.users.get(&commit.target).map_or(0, |person| person.sessions.len());
                let was_full = self.states[window].iter().any(|state| count(state) >= MOST_SESSIONS);
                commit.begun.len() == 1 && (commit.ended.is_empty() || was_full)
            }
            // A session that was signed out after the read is ended again.
            Ended::Others => {
                let ended: HashSet<&str> = commit.ended.iter().map(String::as_str).collect();
                let mut others = person.sessions.keys().map(String::as_str).filter(|session| *session != own);
                commit.begun.is_empty() && !ended.contains(own) && others.all(|session| ended.contains(session))
            }
            Ended::Own => commit.begun.is_empty() && commit.ended == [own],
            Ended::One(session) => commit.begun.is_empty() && commit.ended == [session],
            // All sessions end with their generation.
            Ended::All(_) | Ended::None => commit.begun.is_empty() && commit.ended.is_empty(),
        };
        if !is_right {
            self.violation(index, "it started or ended the wrong sessions");
        }
    }

    /// Checks that a response is the model's at some point of its window.
    fn answer(&mut self, index: usize) {
        let operation = &self.operations[index];
        let point = self.made.get(&index).copied();
        let what = match point {
            _ if operation.is_unknown() => return,
            Some(_) if !operation.is_granted() => Some("it was committed, but the response is a refusal"),
            Some(_) if operation.is_unchanged() => Some("it was committed, but the response shows no change"),
            Some(point) => self.shown(operation, point),
            // A request for the user's present values succeeds without a commit.
            None if operation.is_granted() && operation.action.event().is_some() && !operation.may_be_unchanged() => {
                Some("it succeeded, but was never committed")
            }
            None if operation.is_granted() => {
                let is_so = self.is_challenged_rightly(operation);
                let is_so = is_so || self.states_of(operation).any(|state| reads(state, operation));
                let is_so = is_so
                    || match operation.action.response() {
                        Response::Users => self.lists(operation),
                        Response::RemovedUsers => self.lists_removed(operation),
                        _ => false,
                    };
                (!is_so).then_some("the model never returns this")
            }
            None => (!self.is_refused_rightly(operation)).then_some("the model never responds with this refusal"),
        };
        if let Some(what) = what {
            self.violation(index, what);
        }
    }

    fn states_of(&self, operation: &Operation) -> impl Iterator<Item = &State> {
        self.states[self.window(operation)].iter()
    }

    /// Describes the error in the response to a committed change.
    fn shown(&self, operation: &Operation, point: usize) -> Option<&'static str> {
        let commit = &self.commits[point];
        let after = self.states[point + 1].users.get(&commit.target);
        let user = operation.user();
        let was = |shown: fn(&Person, &Value) -> bool| {
            self.states_of(operation)
                .any(|state| state.users.get(&commit.target).is_some_and(|person| shown(person, user)))
        };
        if operation.action.event().is_none() {
            return Some("it only reads");
        }
        match operation.action.response() {
            Response::Session if commit.begun.is_empty() => {
                let is_enrolment = matches!(Asks::read(&operation.answer.json), Some(Asks::Enrolment(_)));
                (!is_enrolment).then_some("the response has no challenge to add a second factor")
            }
            // The name may change between the read and the commit of a sign-in.
            Response::Session => {
                let session = operation.answer.json["access_token"].as_str().map(named_by);
                let is_session = session.is_some_and(|(user, session, generation)| {
                    let begun = commit.begun.iter().map(|(session, live)| (session, live.generation));
                    user == commit.target && begun.eq([(&session, generation)])
                });
                let is_shown = was(Person::is_shown_by) || after.is_some_and(|person| person.is_shown_by(user));
                let is_shown = is_shown && user["last_sign_in_at"] == commit.at.as_str();
                let is_enrolment =
                    matches!(operation.action, Action::AnswerChallenge { reply: Reply::Enrolment(_), .. });
                let has_codes = operation.answer.json["recovery_codes"].as_array().map_or(0, Vec::len);
                if has_codes != if is_enrolment { RECOVERY_CODES } else { 0 } {
                    return Some("the response has another number of recovery codes");
                }
                (!is_session || !is_shown).then_some("the response has another session or user than the commit")
            }
            Response::RecoveryCodes => {
                let before = self.states[point].users.get(&commit.target);
                let is_first = before.is_some_and(|person| person.factors.is_none());
                let codes = operation.answer.json["recovery_codes"].as_array().map(Vec::len);
                let is_shown = codes == is_first.then_some(RECOVERY_CODES);
                (!is_shown).then_some("the response has other recovery codes than the commit")
            }
            Response::Settings => {
                let is_shown = is_requirement(operation, &operation.answer.json);
                (!is_shown).then_some("the response has another requirement than the commit")
            }
            // A sign-in does not increment the version.
            Response::User => {
                let is_shown = after.is_some_and(|person| person.is_shown_by(user))
                    && was(Person::signed_in_as_shown_by)
                    && (operation.is_part || after.is_some_and(|person| operation.has_version(person.version)));
                (!is_shown).then_some("the response has another user than the commit")
            }
            Response::NewUser => {
                let is_shown = user["id"] == commit.target.as_str()
                    && after.is_some_and(|person| person.is_shown_by(user) && person.signed_in_as_shown_by(user));
                (!is_shown).then_some("the response has another user than the added one")
            }
            Response::Decision => {
                let is_shown = match after {
                    Some(person) => person.is_shown_by(user) && was(Person::signed_in_as_shown_by),
                    None => user.is_null(),
                };
                let is_shown = is_shown && operation.answer.json["reviewed_at"] == commit.at.as_str();
                (!is_shown).then_some("the response has another decision than the commit")
            }
            Response::SignedOutAt if operation.is_part && !after.is_some_and(|person| person.is_shown_by(user)) => {
                Some("the response has another user than the commit")
            }
            Response::SignedOutAt => {
                (user["signed_out_at"] != commit.at.as_str()).then_some("the response has another time than the commit")
            }
            Response::Empty => None,
            Response::Users | Response::RemovedUsers | Response::AccessToken | Response::Started => {
                Some("it only reads")
            }
        }
    }

    /// The list is read after the caller, and not at a single point. Each listed user must match the model at some
    /// point, and users who existed during the whole window must be listed.
    fn lists(&self, operation: &Operation) -> bool {
        let listed: BTreeMap<&str, &Value> = operation.answer.json["items"]
            .as_array()
            .map(|items| items.iter().filter_map(|item| Some((item["id"].as_str()?, item))).collect())
            .unwrap_or_default();
        let was_so = |id: &str, user: &Value| {
            self.states_of(operation).any(|state| {
                let person = state.users.get(id);
                person.is_some_and(|person| person.is_shown_by(user) && person.signed_in_as_shown_by(user))
            })
        };
        let partner = |id: &str| self.states[0..].iter().find_map(|state| Some(&state.users.get(id)?.partner));
        let own = operation.actor().and_then(partner);
        let is_own = listed.keys().all(|id| partner(id) == own);
        let is_complete = |state: &State| {
            let stayed = |id: &&String| self.states_of(operation).all(|state| state.users.contains_key(*id));
            let users = state.users.iter().filter(|(_, person)| Some(&person.partner) == own).map(|(id, _)| id);
            users.filter(stayed).all(|id| listed.contains_key(id.as_str()))
        };
        is_own
            && self.states_of(operation).any(|state| state.refusal(operation).is_none())
            && listed.iter().all(|(id, user)| was_so(id, user))
            && self.states_of(operation).next().is_some_and(is_complete)
    }

    /// As [`lists`](Self::lists), for removed users. The last one on the page is the one who was added first.
    fn lists_removed(&self, operation: &Operation) -> bool {
        let Some(items) = operation.answer.json["items"].as_array() else { return false };
        let listed: BTreeMap<&str, &Value> =
            items.iter().filter_map(|item| Some((item["id"].as_str()?, item))).collect();
        let is_last_page = operation.answer.json["next_cursor"].is_null();
        let end = if is_last_page { None } else { listed.keys().next().copied() };
        let own = operation
            .actor()
            .and_then(|actor| self.states.iter().find_map(|state| Some(state.users.get(actor)?.partner.as_str())));
        let is_own = |removed: &Removed| Some(removed.person.partner.as_str()) == own;
        let was_so = |id: &str, user: &Value| {
            let mut removed = self.states_of(operation).filter_map(|state| state.removed.get(id));
            removed.any(|removed| is_own(removed) && removed.is_shown_by(user))
        };
        let is_complete = |state: &State| {
            let stayed = |id: &&String| self.states_of(operation).all(|state| state.removed.contains_key(*id));
            let own = state.removed.iter().filter(|(_, removed)| is_own(removed)).map(|(id, _)| id);
            let mut due = own.filter(|id| end.is_none_or(|end| id.as_str() >= end)).filter(stayed);
            due.all(|id| listed.contains_key(id.as_str()))
        };
        listed.len() == items.len()
            && self.states_of(operation).any(|state| state.refusal(operation).is_none())
            && listed.iter().all(|(id, user)| was_so(id, user))
            && self.states_of(operation).next().is_some_and(is_complete)
    }

    fn is_refused_rightly(&self, operation: &Operation) -> bool {
        let answered = (operation.answer.status, operation.code());
        match (answered, &operation.action) {
            ((429, _), action) => action.is_limited(operation.actor() == action.target()),
            // Here any commit can be the cause, not only those about the target and the actor: other users may have had
            // the email.
            ((409, "conflict"), Action::Add { .. }) => self.met(operation).len() >= DECISIONS,
            ((409, "conflict"), action) => {
                // A stale `reduce` is not retried, because the reduced access may be another one than the reviewer saw.
                let decisions = if matches!(action, Action::Decide { decision: "reduce", .. }) { 1 } else { DECISIONS };
                let concerned: Vec<&str> = operation.action.target().into_iter().chain(operation.actor()).collect();
                let met = self.commits[self.met(operation)]
                    .iter()
                    .filter(|commit| concerned.is_empty() || concerned.contains(&commit.target.as_str()));
                met.count() >= decisions
            }
            ((401, "unauthenticated"), Action::SignIn { partner, email, password }) => {
                let sign_in = SignIn::new(partner.as_deref(), email, password, &self.partners);
                sign_in.is_refused(&self.states[self.window(operation)])
            }
            // The choice of an offered partner is refused like a used challenge if its user has changed since then.
            ((401, "unauthenticated"), Action::AnswerChallenge { challenge, reply }) => {
                let open = self.open(challenge);
                open.is_used(operation, self.operations)
                    || open.is_void(&self.states[self.window(operation)], reply)
                    || open.has_too_many_codes(operation, self.operations)
            }
            ((422, "validation_failed"), Action::AnswerChallenge { challenge, reply }) => {
                let is_blocked = operation.answer.json["errors"][0]["code"] == "blocked";
                is_blocked || self.open(challenge).is_wrong_code(&self.states[self.window(operation)], reply)
            }
            ((403, "enrolment_needs_proof"), Action::SignIn { partner, email, password }) => {
                let sign_in = SignIn::new(partner.as_deref(), email, password, &self.partners);
                sign_in.needs_proof(&self.states[self.window(operation)])
            }
            ((403, "enrolment_needs_proof"), Action::AnswerChallenge { challenge, reply }) => {
                self.open(challenge).needs_proof(&self.states[self.window(operation)], reply)
            }
            ((422, "validation_failed"), Action::ConfirmApp { app, .. }) => self.is_started_again(operation, app),
            ((422, "validation_failed"), Action::AddPasskey { made }) => self.is_passkey_over(operation, made),
            ((401, "unauthenticated"), Action::SignInWithPasskey { started, made }) => {
                self.is_start_used(operation, started)
                    || self.states_of(operation).any(|state| !state.lets_in(&made.id))
            }
            // An import reads the emails first, and again after a conflict.
            ((409, "email_taken"), Action::Add { email, .. }) if operation.is_part => {
                let partner = operation.actor().and_then(|actor| {
                    self.states_of(operation).find_map(|state| Some(state.users.get(actor)?.partner.clone()))
                });
                partner.is_some_and(|partner| {
                    self.states_of(operation).any(|state| state.holder(&partner, email).is_some())
                })
            }
            // A single such row makes the whole file invalid.
            ((422, "validation_failed"), Action::Add { .. }) if operation.is_part => self
                .states_of(operation)
                .any(|state| state.refusal(operation) == Some((403, "exceeds_own_permissions"))),
            // After the end of the session, Cognito may reject the refresh token before the portal's items do.
            ((401, "unauthenticated" | "session_ended"), Action::Refresh) => {
                self.states_of(operation).any(|state| state.refusal(operation) == Some(OVER))
            }
            ((status, code), _) => {
                self.states_of(operation).any(|state| state.refusal(operation) == Some((status, code)))
            }
        }
    }

    /// Whether another request of the session may have ended the addition of this app: a later start, or a confirmation.
    fn is_started_again(&self, operation: &Operation, app: &Authenticator) -> bool {
        let is_start = |other: &&Operation| {
            matches!(other.action, Action::StartApp)
                && other.is_granted()
                && Authenticator::of(&other.answer.json) == *app
        };
        let Some(start) = self.operations.iter().find(is_start) else { return false };
        let is_of_it = |action: &Action| matches!(action, Action::StartApp | Action::ConfirmApp { .. });
        self.meets_in_session(start, operation, is_of_it)
    }

    /// Whether the addition of this passkey may have ended: by a later start or an addition in the session, or because the
    /// factors have changed since the start.
    fn is_passkey_over(&self, operation: &Operation, made: &Made) -> bool {
        let is_start = |other: &&Operation| {
            matches!(other.action, Action::StartPasskey)
                && other.is_granted()
                && other.answer.json["challenge"] == made.challenge.as_str()
        };
        let Some(start) = self.operations.iter().find(is_start) else { return false };
        let states = &self.states[self.between(start.invoked, operation.responded)];
        let person = |state: &State| Some(state.users.get(operation.actor()?)?.factors_version);
        let is_of_it = |action: &Action| matches!(action, Action::StartPasskey | Action::AddPasskey { .. });
        states.iter().any(|state| person(state) != person(&states[0]))
            || self.meets_in_session(start, operation, is_of_it)
    }

    /// Whether another such request of the session may have happened between a start and the end of an operation.
    fn meets_in_session(&self, start: &Operation, operation: &Operation, is_it: impl Fn(&Action) -> bool) -> bool {
        let session = |operation: &Operation| operation.session.as_ref().map(|session| session.id.clone());
        self.operations.iter().any(|other| {
            let is_other = !std::ptr::eq(other, operation) && !std::ptr::eq(other, start);
            let is_of_it = is_it(&other.action)
                && session(other) == session(operation)
                && (other.is_granted() || other.is_unknown());
            is_other && is_of_it && other.responded > start.invoked && other.invoked < operation.responded
        })
    }

    /// Whether another request may have used a started sign-in with a passkey.
    fn is_start_used(&self, operation: &Operation, started: &Started) -> bool {
        self.operations.iter().any(|other| {
            other.uses(started)
                && !std::ptr::eq(other, operation)
                && other.invoked < operation.responded
                && (other.is_granted() || other.is_unknown())
        })
    }

    /// Whether a sign-in may return its challenge.
    fn is_challenged_rightly(&self, operation: &Operation) -> bool {
        let (states, answer) = (&self.states[self.window(operation)], &operation.answer.json);
        match &operation.action {
            Action::SignIn { partner, email, password } => {
                SignIn::new(partner.as_deref(), email, password, &self.partners).is_challenged(states, answer)
            }
            Action::AnswerChallenge { challenge, reply } => self.open(challenge).is_challenged(states, reply, answer),
            _ => false,
        }
    }

    /// The commits that may have been concurrent with an operation.
    fn met(&self, operation: &Operation) -> std::ops::Range<usize> {
        let window = self.window(operation);
        *window.start()..*window.end()
    }
}

/// Whether a response has the requirement that the request sets.
fn is_requirement(operation: &Operation, answer: &Value) -> bool {
    matches!(operation.action, Action::Require { requirement } if answer["second_factor"] == requirement)
}

/// Whether the response matches a read of this state.
fn reads(state: &State, operation: &Operation) -> bool {
    if state.refusal(operation).is_some() {
        return false;
    }
    if let Action::StartPasskeySignIn = operation.action {
        return true;
    }
    let Some(session) = &operation.session else { return false };
    let user = &operation.answer.json;
    let id = match operation.action.response() {
        Response::Started => return true,
        Response::Settings => {
            let actor = state.users.get(&session.user);
            let is_so = |person: &Arc<Person>| {
                state.requirements.get(&person.partner).copied() == user["second_factor"].as_str()
            };
            return is_requirement(operation, user) && actor.is_some_and(is_so);
        }
        Response::Empty => {
            let Action::ResetFactors { target } = &operation.action else { return false };
            return state.users.get(target).is_some_and(|person| person.factors.is_none());
        }
        Response::User => operation.action.target().unwrap_or(&session.user),
        Response::AccessToken => {
            let named = user["access_token"].as_str().map(named_by);
            return named == Some((session.user.clone(), session.id.clone(), session.generation));
        }
        _ => return false,
    };
    let is_unchanged = |person: &Person| operation.action.event().is_none() || person.has_values_of(&operation.action);
    state.users.get(id).is_some_and(|person| {
        is_unchanged(person) && user["id"] == id && person.is_shown_by(user) && person.signed_in_as_shown_by(user)
    })
}

/// An operation in one line, with its times in milliseconds since the first operation.
pub(crate) fn describe(operation: &Operation, operations: &[Operation]) -> String {
    let start = operations.iter().map(|operation| operation.invoked).min().unwrap_or(operation.invoked);
    let millis = |time: std::time::Instant| time.duration_since(start).as_millis();
    format!(
        "{} {:?} -> {} {} ({}–{} ms, {})",
        operation.actor().unwrap_or("anonymous"),
        operation.action,
        operation.answer.status,
        operation.code(),
        millis(operation.invoked),
        millis(operation.responded),
        operation.request_id(),
    )
}
