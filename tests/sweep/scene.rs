//! Makes a new partner in which one action is tried, and checks its state afterwards.

use portal_tests::faults::Trace;
use portal_tests::rows::{Row, Rows};
use portal_tests::{Actor, Answer, Client, Invoked, Ready, User, invoke, invoke_within, new_partner, secrets};
use serde_json::{Value, json};

use crate::action::Action;
use crate::fault::{Fault, Planned};
use crate::whole::Whole;

/// A partner in which an action is tried.
pub(crate) struct Scene {
    pub(crate) action: Action,
    ready: Ready,
    /// The primary admin. If the action creates the partner, the future primary admin.
    owner: User,
    /// The primary admin's sessions. The first one sends the request.
    sessions: Vec<Actor>,
    /// The user that the action changes, if it is not the primary admin.
    target: Option<User>,
    target_session: Option<Actor>,
    /// The user before the target in a bulk request.
    before_target: Option<User>,
    /// The id of the target's session, if the action ends one session.
    target_session_id: Option<String>,
    /// An open challenge.
    challenge: Option<String>,
    new_password: String,
    recovered_password: String,
    new_email: String,
    /// The email of the second new user, if the action adds two.
    other_new_email: String,
    key: String,
}

/// The result of a request for its client.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// The code of a problem, or the type of a function error.
    code: String,
    has_retry_after: bool,
    json: Value,
    /// The response, if it is a sign-in.
    answer: Option<Answer>,
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Scene {
    pub(crate) async fn new(ready: &Ready, action: Action) -> Self {
        let mut owner = User {
            id: String::new(),
            partner_id: String::new(),
            email: secrets::email("owner"),
            password: secrets::password(),
        };
        if !action.creates_partner() {
            let password = (!action.meets_challenge()).then_some(owner.password.as_str());
            owner = new_partner(ready, &owner.email, password).await;
        }
        let mut sessions = Vec::new();
        let is_first = action.meets_challenge() || action.meets_choice() || action == Action::SignInFirst;
        if !action.creates_partner() && !is_first {
            sessions.push(Client::of(ready).signed_in(&owner).await);
        }
        if action == Action::OwnPassword {
            sessions.push(sessions[0].elsewhere().await);
        }
        if action.meets_choice() {
            new_partner(ready, &owner.email, Some(&owner.password)).await;
        }
        let challenge = match action {
            Action::AnswerChallenge => Some(Client::of(ready).challenged(&owner).await),
            Action::ChoosePartner => {
                let answer = Client::of(ready).sign_in(&owner.email, &owner.password).await.expect(200);
                Some(secrets::remembered(answer.text_at("/session")))
            }
            _ => None,
        };
        let target = if action.has_target() { Some(sessions[0].add("Tara", "Target").created().await) } else { None };
        if let (Action::Reactivate, Some(target)) = (action, &target) {
            sessions[0].suspend(target).await.expect(200);
        }
        if let (Action::HandOver, Some(target)) = (action, &target) {
            Client::of(ready).signed_in(target).await;
        }
        let before_target = match action.to_many() {
            Some(_) => Some(sessions[0].add("Bea", "Before").created().await),
            None => None,
        };
        let target_session = match &target {
            Some(target) if action.needs_target_session() => Some(Client::of(ready).signed_in(target).await),
            _ => None,
        };
        let target_session_id = match &target_session {
            Some(session) if action == Action::EndSession => Some(session.session_id().await),
            _ => None,
        };
        Self {
            action,
            ready: ready.clone(),
            owner,
            sessions,
            target,
            target_session,
            before_target,
            target_session_id,
            challenge,
            new_password: secrets::password(),
            recovered_password: secrets::password(),
            new_email: secrets::email("new"),
            other_new_email: secrets::email("other"),
            key: secrets::random(20),
        }
    }

    /// The partner's id. It is empty if the action should create the partner and did not.
    pub(crate) fn partner(&self, whole: &Whole) -> String {
        if self.action.creates_partner() {
            whole.with_email(&self.owner.email).pop().map(|(partner, _)| partner).unwrap_or_default()
        } else {
            self.owner.partner_id.clone()
        }
    }

    /// Whether the action has been committed. Events of the set-up do not count.
    async fn is_committed(&self) -> bool {
        let Some(event) = self.action.event() else { return false };
        let rows = Rows::of(&self.ready).audit(&self.owner.partner_id).await;
        let is_of_target = |row: &Row| {
            let is_about = |target: &User| row["target"].as_m().is_ok_and(|of| of["id"].as_s().unwrap() == &target.id);
            self.action.to_many().is_none() || self.target.as_ref().is_some_and(is_about)
        };
        let done = rows.iter().filter(|row| row["action"].as_s().unwrap() == event && is_of_target(row)).count();
        // The set-up has no events of the same kind except sign-ins.
        let by_set_up = if event == "session.started" { self.sessions.len() } else { 0 };
        done > by_set_up
    }

    fn changed(&self) -> &User {
        self.target.as_ref().unwrap_or(&self.owner)
    }

    /// The items of the changed user: the user and the credential.
    fn changed_rows(&self, whole: &Whole) -> Option<(Row, Row)> {
        let user = self.changed();
        whole.user(&user.partner_id, &user.id).cloned().zip(whole.credential(&user.id).cloned())
    }

    /// Tries the action as part of a trace.
    pub(crate) async fn act(&self, trace: &Trace) -> Outcome {
        match self.action {
            Action::SignInFirst | Action::SignInAgain | Action::SignInChallenged => self.signs_in(trace).await,
            Action::SignInChoice => {
                let client = Client::of(&self.ready);
                of_answer(client.sign_in(&self.owner.email, &self.owner.password).within(trace).await)
            }
            Action::ChoosePartner => of_answer(self.chooses(self.challenge.as_ref().unwrap()).within(trace).await),
            Action::AnswerChallenge => {
                let challenge = self.challenge.as_ref().unwrap();
                let client = Client::of(&self.ready);
                of_answer(client.answer_challenge(challenge, &self.new_password).within(trace).await)
            }
            Action::Refresh => {
                let actor = &self.sessions[0];
                of_answer(actor.client.refresh(&actor.refresh_token).within(trace).await)
            }
            Action::SignOut => {
                let body = json!({ "refresh_token": self.sessions[0].refresh_token });
                of_answer(self.sessions[0].sign_out().json(&body).within(trace).await)
            }
            Action::Add => of_answer(self.add().within(trace).await),
            Action::Import => of_answer(self.import().within(trace).await),
            Action::AddWithKey => of_answer(self.add().header("idempotency-key", &self.key).within(trace).await),
            Action::CreatePartner | Action::CreatePartnerWithKey | Action::Recover => self.invokes(trace).await,
            Action::EditName
            | Action::EditEmail
            | Action::SetPassword
            | Action::OwnPassword
            | Action::SetPermissions
            | Action::Suspend
            | Action::Reactivate
            | Action::EndSession
            | Action::ForceLogout
            | Action::HandOver
            | Action::ReviewKeep
            | Action::ReviewReduce
            | Action::ReviewSuspend
            | Action::ReviewRemove
            | Action::Remove => self.changes_a_user(trace).await,
            Action::BulkRemove | Action::BulkForceLogout | Action::BulkSuspend => self.changes_many(trace).await,
        }
    }

    async fn signs_in(&self, trace: &Trace) -> Outcome {
        let client = self.sessions.first().map_or_else(|| Client::of(&self.ready), |actor| actor.client.clone());
        let owner = &self.owner;
        of_answer(client.sign_in_at(&owner.partner_id, &owner.email, &owner.password).within(trace).await)
    }

    fn chooses(&self, session: &str) -> portal_tests::Call {
        Client::of(&self.ready).choose_partner(session, &self.owner.partner_id)
    }

    async fn changes_a_user(&self, trace: &Trace) -> Outcome {
        let (actor, user) = (&self.sessions[0], self.changed());
        let call = match self.action {
            Action::EditName => actor.edit(user, &json!({ "first_name": "Zora" })),
            Action::EditEmail => actor.edit(user, &json!({ "email": self.new_email })),
            Action::SetPassword => actor.set_password(user, &self.new_password, &json!({})),
            Action::OwnPassword => actor.set_own_password(&self.owner.password, &self.new_password),
            Action::SetPermissions => actor.set_permissions(user, &json!({ "role": "viewer" })),
            Action::Suspend => actor.suspend(user),
            Action::Reactivate => actor.reactivate(user),
            Action::HandOver => actor.hand_over(user),
            Action::EndSession => actor.end_session(user, self.target_session_id.as_ref().unwrap()),
            Action::ForceLogout => actor.force_logout(user),
            action => match action.decision() {
                Some(decision) => actor.decide(user, decision),
                None => actor.remove(user),
            },
        };
        of_answer(call.within(trace).await)
    }

    /// Sends a bulk request. Returns the result of the target as if the request were for the target alone.
    async fn changes_many(&self, trace: &Trace) -> Outcome {
        let users = self.before_target.iter().chain(&self.target);
        let outcome =
            of_answer(self.sessions[0].change_users(self.action.to_many().unwrap(), users).within(trace).await);
        if outcome.status != 200 {
            return outcome;
        }
        let result = &outcome.json["results"][1];
        let code = result["problem"]["code"].as_str().unwrap_or_default().to_owned();
        let status = match (result["outcome"].as_str().unwrap(), code.as_str()) {
            ("done" | "unchanged", _) => 200,
            ("not_found", _) => 404,
            ("refused", "session_ended") => 401,
            ("refused", _) => 403,
            (_, "internal") => 500,
            _ => 503,
        };
        Outcome { status, code, has_retry_after: true, ..outcome }
    }

    fn import(&self) -> portal_tests::Call {
        let row = |email: &str| format!("Nina,New,{email},viewer\n");
        let rows = [&self.new_email, &self.other_new_email].map(|email| row(email)).concat();
        self.sessions[0].import(format!("first_name,last_name,email,role\n{rows}"), false)
    }

    fn add(&self) -> portal_tests::Call {
        let body = json!({
            "first_name": "Nina",
            "last_name": "New",
            "email": self.new_email,
            "password": self.new_password,
            "must_change": false,
        });
        self.sessions[0].post("/v1/users", &body)
    }

    async fn invokes(&self, trace: &Trace) -> Outcome {
        let (email, password) = (&self.owner.email, &self.owner.password);
        let admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": email, "password": password });
        let input = match self.action {
            Action::CreatePartner => json!({ "partner_name": "Acme", "primary_admin": admin }),
            Action::CreatePartnerWithKey => {
                json!({ "partner_name": "Acme", "primary_admin": admin, "idempotency_key": self.key })
            }
            _ => json!({ "partner_id": self.owner.partner_id, "password": self.new_password }),
        };
        of_invocation(invoke_within(trace, &self.ready, self.action.function(), &input).await)
    }

    /// Recovers the primary admin as an operator. Returns whether the action was committed before.
    ///
    /// The check comes after the recovery. A sign-in commits while it makes other calls, so it can commit during the recovery,
    /// and this counts as before. An action that is not committed by then must never be committed.
    pub(crate) async fn recover_owner(&self) -> bool {
        let input = json!({ "partner_id": self.owner.partner_id, "password": self.recovered_password });
        invoke(&self.ready, "recover-primary-admin", &input).await.worked();
        self.is_committed().await
    }

    /// Removes the target as the primary admin. Returns whether the action was committed before.
    pub(crate) async fn remove_target(&self) -> bool {
        let was_committed = self.is_committed().await;
        let status = self.sessions[0].remove(self.target.as_ref().unwrap()).await.status;
        // The action may be the removal itself, or have made the target the primary admin.
        assert!(status == 204 || ([403, 404].contains(&status) && was_committed), "removing the target: {status}");
        was_committed
    }

    /// Compares the outcome with both stores, and then checks which users can sign in and which sessions are valid.
    /// Returns whether the action was committed.
    pub(crate) async fn check(&self, outcome: &Outcome, planned: &Planned, before: &Whole, whole: &Whole) -> bool {
        Self::check_answer(outcome, planned);
        let partner = self.partner(whole);
        let count = |whole: &Whole| match (self.action.event(), &self.before_target) {
            (None, _) => 0,
            (Some(event), None) => whole.count(&partner, event),
            (Some(event), Some(_)) => whole.count_of(&partner, event, &self.changed().id),
        };
        let done = count(whole) - count(before);
        let is_removal =
            planned.fault == Fault::OvertakenByRemoval && matches!(self.action, Action::Remove | Action::BulkRemove);
        let events = self.action.events();
        let is_committed = if is_removal { planned.committed_when_overtaken() == Some(true) } else { done == events };
        assert!(done == 0 || done == events, "the action was committed {done} times");
        self.check_before_target(&partner, outcome, whole);
        if let Some(beside) = self.action.event_beside().filter(|_| planned.fault != Fault::OvertakenByRemoval) {
            assert_eq!(
                whole.count(&partner, beside) - before.count(&partner, beside),
                done,
                "the event {beside} in the same transaction"
            );
        }
        if let Some(was_committed) = planned.committed_when_overtaken() {
            assert_eq!(is_committed, was_committed, "the state of the commit changed after the action was overtaken");
        }
        if self.action.event().is_some() && outcome.is_success() {
            assert!(is_committed, "the response is a success, but the action is not committed");
        }
        self.check_rows(before, whole, is_committed, planned);
        self.check_people(&partner, outcome, is_committed, planned, whole).await;
        self.check_retry(outcome, is_committed, planned, whole).await;
        is_committed
    }

    /// Checks that the user before the target is reported as done only if the change is committed. `Whole` checks that the
    /// change is complete or absent.
    fn check_before_target(&self, partner: &str, outcome: &Outcome, whole: &Whole) {
        let (Some(user), Some(event)) = (&self.before_target, self.action.event()) else { return };
        let done = whole.count_of(partner, event, &user.id);
        assert!(done <= 1, "the change of the other user was committed {done} times");
        if outcome.json["results"][0]["outcome"] == "done" {
            assert_eq!(done, 1, "the other user is reported as done, but the change is not committed");
        }
    }

    /// Checks the response. Except after a kill, the function itself responds, so it did not time out. After a timeout the
    /// gateway would respond.
    fn check_answer(outcome: &Outcome, planned: &Planned) {
        let is_overtaken = planned.committed_when_overtaken().is_some();
        match planned.fault {
            _ if outcome.is_success() => {}
            Fault::Conflict => panic!("a single conflict must not fail the request: {outcome:?}"),
            Fault::Kill => assert_eq!((outcome.status, outcome.code.as_str()), (500, ""), "{outcome:?}"),
            Fault::Refused => assert_eq!((outcome.status, outcome.code.as_str()), (500, "internal"), "{outcome:?}"),
            _ if is_overtaken && [401, 404].contains(&outcome.status) => {}
            _ => {
                assert_eq!((outcome.status, outcome.code.as_str()), (503, "unavailable"), "{outcome:?}");
                assert!(outcome.has_retry_after, "the 503 has no Retry-After");
            }
        }
    }

    /// Checks that the changed user is completely as before or completely as requested. `Whole` checks that versions and
    /// events agree.
    fn check_rows(&self, before: &Whole, whole: &Whole, is_committed: bool, planned: &Planned) {
        if self.action.creates_partner() || planned.committed_when_overtaken().is_some() {
            return;
        }
        let (before, now) = (self.changed_rows(before), self.changed_rows(whole));
        if !is_committed {
            assert!(now == before, "the user changed although the action is not committed");
            return;
        }
        if self.action.removes() {
            assert!(now.is_none(), "the removed user still exists");
            return;
        }
        let ((row, credential), (old_row, old_credential)) = (now.unwrap(), before.unwrap());
        let text = |attribute: &str| row[attribute].as_s().cloned().unwrap_or_default();
        match self.action {
            Action::EditName => assert_eq!(text("first_name"), "Zora"),
            Action::EditEmail => assert_eq!(text("email_key"), self.new_email),
            Action::SetPermissions => assert_eq!(text("role"), "viewer"),
            Action::ReviewReduce => assert_eq!(text("role"), "manager"),
            Action::HandOver => assert_eq!(text("role"), "primary_admin"),
            Action::Suspend | Action::BulkSuspend | Action::ReviewSuspend => assert_eq!(text("status"), "suspended"),
            Action::Reactivate => assert_eq!(text("status"), "active"),
            Action::SignInFirst | Action::SignInAgain | Action::ChoosePartner | Action::AnswerChallenge => {
                assert!(row["last_sign_in_at"] != old_row["last_sign_in_at"], "the sign-in did not update its time");
            }
            _ => {}
        }
        let sets_password = matches!(
            self.action,
            Action::SetPassword | Action::OwnPassword | Action::AnswerChallenge | Action::Recover
        );
        assert_eq!(credential["digests"] != old_credential["digests"], sets_password, "the digest");
    }

    async fn check_people(
        &self,
        partner: &str,
        outcome: &Outcome,
        is_committed: bool,
        planned: &Planned,
        whole: &Whole,
    ) {
        let is_recovered = planned.fault == Fault::OvertakenByRecovery && !self.is_handed_over(is_committed);
        let (old, new) = (self.owner.password.as_str(), self.new_password.as_str());
        let owner = User { partner_id: partner.to_owned(), ..self.owner.clone() };
        match self.action {
            _ if is_recovered => {
                self.signs_in_with(&owner, &self.recovered_password, true).await;
                self.refused(&owner, old).await;
                self.refused(&owner, new).await;
            }
            Action::AnswerChallenge | Action::OwnPassword | Action::Recover => {
                let (right, wrong) = if is_committed { (new, old) } else { (old, new) };
                let is_asked = match self.action {
                    Action::AnswerChallenge => !is_committed,
                    Action::Recover => is_committed,
                    _ => false,
                };
                self.signs_in_with(&owner, right, is_asked).await;
                self.refused(&owner, wrong).await;
            }
            Action::CreatePartner | Action::CreatePartnerWithKey if is_committed => {
                self.signs_in_with(&owner, old, false).await;
            }
            Action::CreatePartner | Action::CreatePartnerWithKey => {
                assert!(whole.with_email(&owner.email).is_empty());
                Client::of(&self.ready).sign_in(&owner.email, old).await.problem(401, "unauthenticated");
            }
            Action::SignInFirst | Action::SignInAgain | Action::SignInChoice | Action::ChoosePartner => {
                self.signs_in_with(&owner, old, false).await;
            }
            Action::SignInChallenged => self.signs_in_with(&owner, old, true).await,
            _ => {}
        }
        for (index, actor) in self.sessions.iter().enumerate() {
            let ends = match self.action {
                _ if is_recovered => true,
                Action::SignOut | Action::Recover => is_committed,
                Action::OwnPassword => is_committed && index == 1,
                _ => false,
            };
            lives(actor, !ends).await;
        }
        // After a recovery at this partner, the old password is valid at the other partner only.
        let is_elsewhere = outcome.json["user"]["partner_id"].as_str().is_some_and(|signed_in| signed_in != partner);
        assert!(!is_elsewhere || (self.action == Action::SignInChoice && is_recovered), "{outcome:?}");
        if let (Some(answer), true) = (&outcome.answer, outcome.is_success() && !is_elsewhere) {
            let actor = Actor::from_answer(Client::of(&self.ready), owner, answer);
            lives(&actor, !is_recovered).await;
        }
        if self.action == Action::SignInChallenged && outcome.is_success() {
            let session = outcome.json["session"].as_str().unwrap();
            let answer = Client::of(&self.ready).answer_challenge(session, new).await;
            assert_eq!(answer.status, if is_recovered { 401 } else { 200 }, "{answer}");
        }
        if let (Action::SignInChoice, Some(session)) = (self.action, outcome.json["session"].as_str()) {
            let answer = self.chooses(session).await;
            assert_eq!(answer.status, if is_recovered { 401 } else { 200 }, "{answer}");
        }
        if self.action == Action::Refresh && outcome.is_success() {
            let token = outcome.json["access_token"].as_str().unwrap().to_owned();
            let actor = Actor { token, ..self.sessions[0].clone() };
            lives(&actor, !is_recovered).await;
        }
        self.check_target(is_committed, planned).await;
        self.check_added(is_committed, whole).await;
        self.check_imported(outcome, is_committed, whole).await;
    }

    /// Whether the target is the primary admin now. A recovery then recovers the target, and no user can remove it.
    fn is_handed_over(&self, is_committed: bool) -> bool {
        self.action == Action::HandOver && is_committed
    }

    async fn check_target(&self, is_committed: bool, planned: &Planned) {
        let Some(target) = &self.target else { return };
        let is_handed_over = self.is_handed_over(is_committed);
        let is_removed =
            (planned.fault == Fault::OvertakenByRemoval && !is_handed_over) || (self.action.removes() && is_committed);
        let is_edited = self.action == Action::EditEmail && is_committed;
        let present =
            User { email: if is_edited { self.new_email.clone() } else { target.email.clone() }, ..target.clone() };
        let (old, new) = (target.password.as_str(), self.new_password.as_str());
        match self.action {
            _ if is_removed => self.refused(&present, old).await,
            _ if is_handed_over && planned.fault == Fault::OvertakenByRecovery => {
                self.signs_in_with(&present, &self.recovered_password, true).await;
                self.refused(&present, old).await;
            }
            Action::Suspend | Action::BulkSuspend | Action::ReviewSuspend if is_committed => {
                self.refused(&present, old).await;
            }
            Action::Reactivate if !is_committed => self.refused(&present, old).await,
            Action::SetPassword => {
                let (right, wrong) = if is_committed { (new, old) } else { (old, new) };
                self.signs_in_with(&present, right, is_committed).await;
                self.refused(&present, wrong).await;
            }
            _ => self.signs_in_with(&present, old, false).await,
        }
        if is_edited {
            self.refused(target, old).await;
        }
        if let Some(actor) = &self.target_session {
            // Every action that needs a session of the target ends it.
            lives(actor, !is_committed && !is_removed).await;
        }
    }

    async fn check_added(&self, is_committed: bool, whole: &Whole) {
        if !matches!(self.action, Action::Add | Action::AddWithKey) {
            return;
        }
        let id = whole.with_email(&self.new_email).pop().map(|(_, user)| user);
        assert_eq!(id.is_some(), is_committed, "the new user");
        let added = User { id: id.unwrap_or_default(), email: self.new_email.clone(), ..self.owner.clone() };
        if is_committed {
            self.signs_in_with(&added, &self.new_password, false).await;
        } else {
            self.refused(&added, &self.new_password).await;
        }
    }

    /// Checks that the import added both users or none. The response has a working password for each user, or a retry finds
    /// the user.
    async fn check_imported(&self, outcome: &Outcome, is_committed: bool, whole: &Whole) {
        if self.action != Action::Import {
            return;
        }
        for (index, email) in [&self.new_email, &self.other_new_email].into_iter().enumerate() {
            let id = whole.with_email(email).pop().map(|(_, user)| user);
            assert_eq!(id.is_some(), is_committed, "the new user");
            let result = &outcome.json["results"][index];
            if let (Some(id), Some(password)) = (id, result["generated_password"].as_str()) {
                assert_eq!((&result["user"]["id"], &result["outcome"]), (&json!(id), &json!("added")));
                let added = User { id, email: email.clone(), ..self.owner.clone() };
                self.signs_in_with(&added, password, true).await;
            }
        }
    }

    /// Sends the request again, as a client does that does not know the result.
    async fn check_retry(&self, outcome: &Outcome, is_committed: bool, planned: &Planned, whole: &Whole) {
        let is_over = planned.fault == Fault::OvertakenByRecovery;
        if !is_over && self.action == Action::Import {
            let again = self.act(&Trace::new()).await;
            let expected = if is_committed { "exists" } else { "added" };
            for result in again.json["results"].as_array().unwrap() {
                assert_eq!(result["outcome"], expected, "the retry after {outcome:?}");
            }
        }
        if is_over || !matches!(self.action, Action::AddWithKey | Action::CreatePartnerWithKey) {
            return;
        }
        let email = if self.action == Action::AddWithKey { &self.new_email } else { &self.owner.email };
        let committed = whole.with_email(email).pop().map(|(_, user)| user);
        let again = self.act(&Trace::new()).await;
        assert!(again.is_success(), "the retry after {outcome:?}: {again:?}");
        let user = again.json.get("primary_admin").unwrap_or(&again.json);
        assert_eq!(committed.is_some(), is_committed);
        if let Some(committed) = committed {
            assert_eq!(user["id"], committed, "the retry returned another user");
        }
    }

    async fn signs_in_with(&self, user: &User, password: &str, is_asked: bool) {
        let answer = Client::of(&self.ready).sign_in_at(&user.partner_id, &user.email, password).await.expect(200);
        assert_eq!(answer.json.get("challenge").is_some(), is_asked, "{answer}");
    }

    async fn refused(&self, user: &User, password: &str) {
        let client = Client::of(&self.ready);
        client.sign_in_at(&user.partner_id, &user.email, password).await.problem(401, "unauthenticated");
    }
}

async fn lives(actor: &Actor, lives: bool) {
    if lives {
        actor.is_signed_in().await;
        actor.client.refresh(&actor.refresh_token).await.expect(200);
    } else {
        actor.is_signed_out().await;
        actor.cannot_refresh().await;
    }
}

fn of_answer(answer: Answer) -> Outcome {
    Outcome {
        status: answer.status,
        code: answer.json["code"].as_str().unwrap_or_default().to_owned(),
        has_retry_after: answer.headers.contains_key("retry-after"),
        json: answer.json.clone(),
        answer: answer.json.get("refresh_token").is_some().then_some(answer),
    }
}

/// Converts an invocation to the outcome of a request, so that both have the same checks.
fn of_invocation(invoked: Invoked) -> Outcome {
    let kind = invoked.payload["errorType"].as_str().unwrap_or_default();
    let (status, code) = match (&invoked.error, kind) {
        (None, _) => (200, ""),
        (Some(_), "unavailable") => (503, "unavailable"),
        (Some(_), "internal") => (500, "internal"),
        (Some(_), "Runtime.ExitError") => (500, ""),
        (Some(_), other) => (400, other),
    };
    let code = code.to_owned();
    Outcome { status, code, has_retry_after: true, json: invoked.payload, answer: None }
}
