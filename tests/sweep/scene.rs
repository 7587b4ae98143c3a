//! Makes a partner in which one action is tried, and checks its state afterwards.

use portal_core::mail::LinkKind;
use portal_tests::faults::Trace;
use portal_tests::rows::{Items, Row, Rows, new_id_like};
use portal_tests::{
    Actor, Answer, Authenticator, Client, Device, Invoked, Ready, User, invoke, invoke_within, new_partner, secrets,
};
use serde_json::{Value, json};

use crate::action::{Action, Caller, Effect, Ended, Factor, Passkey, Request, Returns, Target};
use crate::fault::{Fault, Planned};
use crate::whole::Whole;

/// A partner in which an action is tried.
pub(crate) struct Scene {
    pub(crate) action: Action,
    ready: Ready,
    /// The primary admin. If the action creates the partner, the future primary admin.
    pub(crate) owner: User,
    /// The primary admin's sessions. The first one sends the request.
    pub(crate) sessions: Vec<Actor>,
    /// The user that the action changes, if it is not the primary admin.
    target: Option<User>,
    target_session: Option<Actor>,
    /// The user before the target in a bulk request.
    before_target: Option<User>,
    /// An open challenge.
    challenge: Option<String>,
    /// The authenticator app of the caller, and an unused recovery code.
    app: Option<Authenticator>,
    recovery_code: Option<String>,
    passkey: Option<Prepared>,
    /// The number of sign-ins of the set-up.
    sign_ins: usize,
    /// The token of a link of the caller.
    link: Option<String>,
    pub(crate) new_password: String,
    recovered_password: String,
    pub(crate) new_email: String,
    /// The email of the second new user, if the action adds two.
    other_new_email: String,
    pub(crate) key: String,
    /// Whether other scenes have the same partner and the same caller, each with its own target.
    is_shared: bool,
}

/// The passkey of the caller, and an answer that the device has prepared.
pub(crate) struct Prepared {
    /// The id of the passkey.
    pub(crate) id: String,
    /// The session of a sign-in without a password.
    pub(crate) session: String,
    pub(crate) answer: Value,
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

/// Partners and users that were made through the API. A scene has copies of their items, because a copy costs no password
/// hash and few calls. A copy differs from a user who was added in ids and emails only.
pub(crate) struct Models {
    ready: Ready,
    partner: Model,
    /// A partner whose primary admin must change the password.
    must_change: Model,
    user: Model,
    suspended: Model,
    invited: Model,
}

struct Model {
    user: User,
    /// The primary admin of the partner.
    owner_id: String,
    items: Items,
}

impl Models {
    pub(crate) async fn new(ready: &Ready) -> Self {
        let rows = Rows::of(ready);
        let of_user = async |user: User, owner_id: &str| {
            let items = rows.items_of(&user).await;
            Model { user, owner_id: owner_id.to_owned(), items }
        };
        let of_partner = async |owner: User| {
            let (id, partner) = (owner.id.clone(), rows.partner(&owner.partner_id).await);
            let mut model = of_user(owner, &id).await;
            model.items.push(("UsersTable", partner));
            model
        };
        let partner = of_partner(new_partner(ready, &secrets::email("owner"), Some(&secrets::password())).await).await;
        let must_change = of_partner(new_partner(ready, &secrets::email("owner"), None).await).await;
        let owner = Client::of(ready).signed_in(&partner.user).await;
        let user = of_user(owner.add("Tara", "Target").created().await, &owner.id).await;
        let suspended = owner.add("Tara", "Target").created().await;
        owner.suspend(&suspended).await.expect(200);
        let suspended = of_user(suspended, &owner.id).await;
        let invited = of_user(owner.add("Tara", "Target").invited().await, &owner.id).await;
        Self { ready: ready.clone(), partner, must_change, user, suspended, invited }
    }
}

impl Models {
    /// Adds a user to the partner of this primary admin. An invited user has no password.
    pub(crate) async fn put_user(&self, rows: &Rows, owner: &User, is_invited: bool) -> User {
        let model = if is_invited { &self.invited } else { &self.user };
        model.put_user(rows, owner).await
    }
}

impl Model {
    /// Makes a partner whose primary admin has this email. Returns the primary admin.
    async fn put_partner(&self, rows: &Rows, email: &str) -> User {
        let (id, partner_id) = (new_id_like(&self.user.id), new_id_like(&self.user.partner_id));
        let owner = User { id, partner_id, email: email.to_owned(), password: self.user.password.clone() };
        self.put(rows, &owner.id, &owner).await;
        owner
    }

    /// Adds a user to the partner of this primary admin.
    async fn put_user(&self, rows: &Rows, owner: &User) -> User {
        let (id, partner_id) = (new_id_like(&self.user.id), owner.partner_id.clone());
        let user = User { id, partner_id, email: secrets::email("target"), password: self.user.password.clone() };
        self.put(rows, &owner.id, &user).await;
        rows.count_user(&owner.partner_id).await;
        user
    }

    async fn put(&self, rows: &Rows, owner_id: &str, user: &User) {
        let replaced = [
            (self.user.partner_id.as_str(), user.partner_id.as_str()),
            (&self.owner_id, owner_id),
            (&self.user.id, &user.id),
            (&self.user.email, &user.email),
        ];
        rows.put_copies(&self.items, &replaced).await;
    }
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Scene {
    pub(crate) async fn new(models: &Models, rows: &Rows, action: Action) -> Self {
        let (ready, email) = (&models.ready, secrets::email("owner"));
        let owner = match action.caller {
            Caller::New => User { id: String::new(), partner_id: String::new(), email, password: secrets::password() },
            Caller::MustChangePassword => models.must_change.put_partner(rows, &email).await,
            Caller::SignedOut | Caller::AtTwoPartners | Caller::SignedIn | Caller::SignedInTwice => {
                models.partner.put_partner(rows, &email).await
            }
        };
        let mut sessions = Vec::new();
        if matches!(action.caller, Caller::SignedIn | Caller::SignedInTwice) {
            sessions.push(Client::of(ready).signed_in(&owner).await);
        }
        if action.returns == Returns::AccessToken {
            // Only the first refresh of a day writes.
            rows.set_last_sign_in(&owner, "2020-01-01T00:00:00.000Z").await;
        }
        if action.caller == Caller::SignedInTwice {
            sessions.push(sessions[0].elsewhere().await);
        }
        if action.caller == Caller::AtTwoPartners {
            models.partner.put_partner(rows, &owner.email).await;
        }
        let (mut app, mut recovery_code) = (None, None);
        let mut sign_ins = sessions.len();
        match action.factor {
            Factor::None => {}
            Factor::Started => app = Some(Authenticator::of(&sessions[0].start_totp().await.expect(200).json)),
            Factor::Added => {
                let caller = if let Some(caller) = sessions.first() {
                    caller.clone()
                } else {
                    sign_ins += 1;
                    Client::of(ready).signed_in(&owner).await
                };
                let (added, mut codes) = caller.enrolled().await;
                (app, recovery_code) = (Some(added), codes.pop());
                // The present code is used again.
                rows.forget_last_step(&owner).await;
            }
            Factor::Required => rows.set_requirement(&owner.partner_id, "everyone").await,
        }
        let mut device = Device::new(ready);
        if !matches!(action.passkey, Passkey::None | Passkey::Made) {
            let caller = if let Some(caller) = sessions.first() {
                caller.clone()
            } else {
                sign_ins += 1;
                Client::of(ready).signed_in(&owner).await
            };
            caller.added_passkey(&mut device).await;
        }
        let mut options = Value::Null;
        let challenge = if action.answers_challenge {
            let client = Client::of(ready);
            let sign_in = match action.caller {
                Caller::AtTwoPartners => client.sign_in(&owner.email, &owner.password),
                _ => client.sign_in_at(&owner.partner_id, &owner.email, &owner.password),
            };
            let answer = sign_in.await.expect(200);
            if action.factor == Factor::Required {
                app = Some(Authenticator::of(&answer.json["totp"]));
            }
            options = answer.json["passkey"].clone();
            Some(secrets::remembered(answer.text_at("/session")))
        } else {
            None
        };
        let mut session = String::new();
        let answer = match action.passkey {
            Passkey::None | Passkey::Added => Value::Null,
            Passkey::Made => device.create(&sessions[0].start_passkey().await.expect(200).json).await,
            Passkey::ForChallenge => device.answer(&options).await,
            Passkey::ForSignIn => {
                (session, options) = Client::of(ready).started_passkey().await;
                device.answer(&options).await
            }
            Passkey::ForReauthentication => {
                let options = sessions[0].start_passkey_reauthentication().await.expect(200).json;
                device.answer(&options).await
            }
        };
        let mut scene = Self::of(ready, action, owner, sessions);
        if action.passkey != Passkey::None {
            // A run may have to wait for longer than a challenge for a passkey is open.
            rows.extend_passkey_challenges(&scene.owner, &session).await;
            scene.passkey = Some(Prepared { id: device.id(), session, answer });
        }
        (scene.challenge, scene.app, scene.recovery_code) = (challenge, app, recovery_code);
        scene.sign_ins = sign_ins;
        if let Some(kind) = action.link {
            if kind == LinkKind::EmailChange {
                let change = json!({ "email": scene.new_email });
                scene.caller().edit(&scene.owner, &change).await.expect(200);
            }
            scene.link = Some(rows.put_link(&scene.owner, kind).await);
        }
        scene.add_target(models, rows).await;
        scene
    }

    /// Makes a scene for the same action at the same partner, with the same caller and its own target.
    pub(crate) async fn beside(&self, models: &Models, rows: &Rows) -> Self {
        let mut scene = Self::of(&self.ready, self.action, self.owner.clone(), self.sessions.clone());
        scene.is_shared = true;
        scene.add_target(models, rows).await;
        scene
    }

    fn of(ready: &Ready, action: Action, owner: User, sessions: Vec<Actor>) -> Self {
        Self {
            action,
            ready: ready.clone(),
            owner,
            sessions,
            target: None,
            target_session: None,
            before_target: None,
            challenge: None,
            app: None,
            recovery_code: None,
            passkey: None,
            sign_ins: 0,
            link: None,
            new_password: secrets::password(),
            recovered_password: secrets::password(),
            new_email: secrets::email("new"),
            other_new_email: secrets::email("other"),
            key: secrets::random(20),
            is_shared: false,
        }
    }

    async fn add_target(&mut self, models: &Models, rows: &Rows) {
        let model = match self.action.target {
            Target::None => return,
            Target::Suspended => &models.suspended,
            Target::Invited => &models.invited,
            Target::SignedOut
            | Target::Removed
            | Target::SignedIn
            | Target::HasFactor
            | Target::HasSignedIn
            | Target::SecondOfTwo => &models.user,
        };
        let target = model.put_user(rows, &self.owner).await;
        match self.action.target {
            Target::HasSignedIn => {
                Client::of(&self.ready).signed_in(&target).await;
            }
            Target::Removed => {
                self.caller().remove(&target).await.expect(204);
            }
            Target::SecondOfTwo => self.before_target = Some(model.put_user(rows, &self.owner).await),
            Target::None
            | Target::SignedOut
            | Target::SignedIn
            | Target::HasFactor
            | Target::Suspended
            | Target::Invited => {}
        }
        if self.action.ends_target_session() {
            self.target_session = Some(Client::of(&self.ready).signed_in(&target).await);
        }
        if let (Target::HasFactor, Some(session)) = (self.action.target, &self.target_session) {
            session.enrolled().await;
        }
        self.target = Some(target);
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
        let Some(event) = self.action.event else { return false };
        let rows = Rows::of(&self.ready).audit(&self.owner.partner_id).await;
        let is_of_target = |row: &Row| {
            let target = row["target"].as_m();
            !self.counts_by_target() || target.is_ok_and(|of| of["id"].as_s().unwrap() == &self.changed().id)
        };
        let done = rows.iter().filter(|row| row["action"].as_s().unwrap() == event && is_of_target(row)).count();
        // The set-up has no events of the same kind except sign-ins.
        let by_set_up = if event == "session.started" { self.sign_ins } else { 0 };
        done > by_set_up
    }

    /// Whether only events of the target count. The partner has events of other targets.
    fn counts_by_target(&self) -> bool {
        self.is_shared || self.action.is_bulk()
    }

    /// Whether this user belongs to this scene only.
    pub(crate) fn has_target(&self, user: &str) -> bool {
        self.both_targets().any(|target| target.id == user)
    }

    /// A new client.
    pub(crate) fn client(&self) -> Client {
        Client::of(&self.ready)
    }

    /// The session that sends the request.
    pub(crate) fn caller(&self) -> &Actor {
        &self.sessions[0]
    }

    /// The user that the action changes.
    pub(crate) fn changed(&self) -> &User {
        self.target.as_ref().unwrap_or(&self.owner)
    }

    /// Both users of a bulk request.
    pub(crate) fn both_targets(&self) -> impl Iterator<Item = &User> {
        self.before_target.iter().chain(&self.target)
    }

    /// The id of the target's session.
    pub(crate) fn target_session_id(&self) -> String {
        let token = &self.target_session.as_ref().unwrap().token;
        let claims: Value = jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims;
        claims["origin_jti"].as_str().unwrap().to_owned()
    }

    pub(crate) fn challenge(&self) -> &str {
        self.challenge.as_ref().unwrap()
    }

    pub(crate) fn app(&self) -> &Authenticator {
        self.app.as_ref().unwrap()
    }

    pub(crate) fn recovery_code(&self) -> &str {
        self.recovery_code.as_ref().unwrap()
    }

    pub(crate) fn passkey(&self) -> &Prepared {
        self.passkey.as_ref().unwrap()
    }

    pub(crate) fn link(&self) -> &str {
        self.link.as_ref().unwrap()
    }

    /// The emails of two new users.
    pub(crate) fn new_emails(&self) -> [&str; 2] {
        [&self.new_email, &self.other_new_email]
    }

    /// The items of the changed user: the user and the credential.
    fn changed_rows(&self, whole: &Whole) -> Option<(Row, Row)> {
        let user = self.changed();
        whole.user(&user.partner_id, &user.id).cloned().zip(whole.credential(&user.id).cloned())
    }

    /// Tries the action as part of a trace.
    pub(crate) async fn act(&self, trace: &Trace) -> Outcome {
        let outcome = match self.action.request {
            Request::Http(call) => of_answer(call(self).within(trace).await),
            Request::Invocation(input) => {
                of_invocation(invoke_within(trace, &self.ready, self.action.function, &input(self)).await)
            }
        };
        if self.action.is_bulk() { of_target(outcome) } else { outcome }
    }

    /// Checks that a caller that several scenes share is still signed in.
    pub(crate) async fn check_shared_caller(&self) {
        for caller in &self.sessions {
            lives(caller, true).await;
        }
    }

    /// Checks that the caller's session is alive, if the caller was signed in.
    pub(crate) async fn caller_is_signed_in(&self) {
        if let Some(caller) = self.sessions.first() {
            caller.is_signed_in().await;
        }
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

    /// Describes what happened to the users of this scene. Scenes of one action with equal descriptions have the same state:
    /// the same call failed, and the same attributes have changed.
    pub(crate) fn description(&self, planned: &Planned, before: &Whole, whole: &Whole) -> Vec<String> {
        let change_of = |user: &User| whole.change_of(before, &user.partner_id, &user.id);
        let mut description = change_of(self.changed());
        if planned.has_recovered() {
            description.push("recovery".to_owned());
            description.extend(change_of(&self.owner));
        } else {
            description.push(format!("{} {:?}", planned.point, planned.moment));
        }
        description
    }

    /// Whether the run produced secrets that only their use can check: tokens, challenges or passwords.
    fn has_new_secrets(&self, outcome: &Outcome, is_committed: bool) -> bool {
        let may_have_tokens = self.action.is_sign_in || self.action.returns != Returns::Other;
        let adds_passwords = self.action.adds > 0 && !self.action.invites;
        let may_have_passwords = self.action.sets_password() || adds_passwords || self.action.creates_partner();
        (may_have_tokens && outcome.is_success()) || (may_have_passwords && is_committed)
    }

    /// Compares the outcome with both stores, and then checks which users can sign in and which sessions are valid. The second
    /// part is left out if another scene has the same state, unless there are new secrets.
    /// Returns whether the action was committed.
    pub(crate) async fn check(
        &self,
        outcome: &Outcome,
        planned: &Planned,
        before: &Whole,
        whole: &Whole,
        has_new_state: bool,
    ) -> bool {
        self.check_answer(outcome, planned);
        let partner = self.partner(whole);
        let count = |event: &str| {
            let count = |whole: &Whole| {
                if self.counts_by_target() {
                    whole.count_of(&partner, event, &self.changed().id)
                } else {
                    whole.count(&partner, event)
                }
            };
            count(whole) - count(before)
        };
        let done = self.action.event.map_or(0, count);
        let is_removal = planned.has_removed_target() && self.action.is_removal();
        let events = self.action.events();
        let is_committed = if is_removal { planned.committed_when_overtaken() == Some(true) } else { done == events };
        assert!(done == 0 || done == events, "the action was committed {done} times");
        self.check_before_target(&partner, outcome, whole);
        if let Some(second) = self.action.second_event.filter(|_| !planned.has_removed_target()) {
            assert_eq!(count(second), done, "the event {second} in the same transaction");
        }
        if let Some(was_committed) = planned.committed_when_overtaken() {
            assert_eq!(is_committed, was_committed, "the state of the commit changed after the action was overtaken");
        }
        // A passkey is valid after a recovery, and the sign-in then asks for a new password.
        let is_challenged = planned.has_recovered() && outcome.json.get("challenge").is_some();
        if self.action.event.is_some() && outcome.is_success() && !is_challenged {
            assert!(is_committed, "the response is a success, but the action is not committed");
        }
        let has_used_factor = self.check_factor(before, whole, outcome, planned);
        self.check_rows(before, whole, is_committed || has_used_factor, planned);
        for email in self.new_emails().into_iter().take(self.action.adds) {
            assert_eq!(whole.with_email(email).pop().is_some(), is_committed, "the new user");
        }
        if has_new_state || self.has_new_secrets(outcome, is_committed) {
            self.check_people(&partner, outcome, is_committed, planned, whole).await;
        }
        self.check_retry(outcome, is_committed, planned, whole).await;
        is_committed || has_used_factor || self.has_reset_request(outcome, whole)
    }

    /// Checks that a code or a passkey is used if and only if its session has begun, or its session is fresh. Returns whether it
    /// is used, or has another name.
    fn check_factor(&self, before: &Whole, whole: &Whole, outcome: &Outcome, planned: &Planned) -> bool {
        let renames = matches!(self.action.effect, Effect::RenamesPasskey);
        if !(self.action.uses_factor || renames) || planned.committed_when_overtaken().is_some() {
            return false;
        }
        let id = &self.owner.id;
        let factors = |whole: &Whole| whole.credential(id).map(|credential| credential["factors"].clone());
        let is_used = factors(before) != factors(whole);
        let expected = match usize::from(is_used) {
            _ if renames => (0, 0),
            used if self.action.is_sign_in => (used, 0),
            used => (0, used),
        };
        let sessions = whole.changed_sessions(before, id);
        assert_eq!(sessions, expected, "new and fresh sessions, for a factor that is used: {is_used}");
        assert!(is_used || !outcome.is_success(), "the response is a success, but the factor is not used");
        is_used
    }

    /// Checks that a request to reset a password has added one mail before its response, and none twice. Returns whether it
    /// has.
    fn has_reset_request(&self, outcome: &Outcome, whole: &Whole) -> bool {
        if !matches!(self.action.effect, Effect::RequestsReset) {
            return false;
        }
        let count = whole.outbox.reset_requests(&self.owner.email);
        assert!(count <= 1, "the request has added {count} mails");
        assert!(count == 1 || !outcome.is_success(), "the response is a success, but there is no mail");
        count == 1
    }

    /// Checks that the user before the target is reported as done only if the change is committed. `Whole` checks that the
    /// change is complete or absent.
    fn check_before_target(&self, partner: &str, outcome: &Outcome, whole: &Whole) {
        let (Some(user), Some(event)) = (&self.before_target, self.action.event) else { return };
        let done = whole.count_of(partner, event, &user.id);
        assert!(done <= 1, "the change of the other user was committed {done} times");
        if outcome.json["results"][0]["outcome"] == "done" {
            assert_eq!(done, 1, "the other user is reported as done, but the change is not committed");
        }
    }

    /// Checks the response. Except after a kill, the function itself responds, so it did not time out. After a timeout the
    /// gateway would respond.
    fn check_answer(&self, outcome: &Outcome, planned: &Planned) {
        let is_overtaken = planned.committed_when_overtaken().is_some();
        match planned.fault {
            _ if outcome.is_success() => {}
            Fault::Conflict => panic!("a single conflict must not fail the request: {outcome:?}"),
            _ if planned.point.is_update()
                && self.action.returns == Returns::AccessToken
                && planned.fault != Fault::Kill =>
            {
                panic!("a refresh must not fail because of its record: {outcome:?}")
            }
            Fault::Kill => assert_eq!((outcome.status, outcome.code.as_str()), (500, ""), "{outcome:?}"),
            Fault::Refused => assert_eq!((outcome.status, outcome.code.as_str()), (500, "internal"), "{outcome:?}"),
            _ if is_overtaken && [401, 404].contains(&outcome.status) => {}
            _ if is_overtaken && outcome.code == "invalid_link" => {}
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
        if let Effect::Requires(requirement) = self.action.effect {
            let stored = whole.requirement(&self.owner.partner_id);
            assert_eq!(stored.as_deref(), is_committed.then_some(requirement), "the requirement of the partner");
        }
        let (before, mut now) = (self.changed_rows(before), self.changed_rows(whole));
        if self.action.returns == Returns::AccessToken {
            // A refresh may record this time, and nothing else.
            now.as_mut().unwrap().0.remove("last_refresh_at");
        }
        if !is_committed {
            assert!(now == before, "the user changed although the action is not committed");
            return;
        }
        if self.action.removes() {
            assert!(now.is_none(), "the removed user still exists");
            return;
        }
        if let Effect::Restores = self.action.effect {
            assert!(before.is_none() && now.is_some(), "the removed user does not exist");
            return;
        }
        let ((row, credential), (old_row, old_credential)) = (now.unwrap(), before.unwrap());
        let text = |attribute: &str| row[attribute].as_s().cloned().unwrap_or_default();
        match self.action.effect {
            Effect::Stores(attribute, value) => assert_eq!(text(attribute), value),
            Effect::ChangesEmail => assert_eq!(text("email"), self.new_email),
            Effect::RequestsEmail => assert_eq!(text("pending_email"), self.new_email),
            Effect::Invites => assert_eq!(row["invitations"].as_n().unwrap(), "2"),
            Effect::MakesPrimaryAdmin => assert_eq!(text("role"), "primary_admin"),
            Effect::Suspends => assert_eq!(text("status"), "suspended"),
            Effect::Reactivates => assert_eq!(text("status"), "active"),
            Effect::AddsFactor(kind) => {
                assert_eq!(text("second_factor"), kind);
                assert!(credential.contains_key("factors"), "the credential has no factors");
            }
            Effect::RenewsRecoveryCodes => {
                assert!(credential["factors"] != old_credential["factors"], "the recovery codes are the same");
            }
            Effect::RemovesFactor | Effect::ResetsFactors => {
                assert!(!row.contains_key("second_factor") && !credential.contains_key("factors"), "a factor is left");
            }
            Effect::Nothing
            | Effect::RenamesPasskey
            | Effect::Requires(_)
            | Effect::RequestsReset
            | Effect::EndsAllSessions
            | Effect::SetsPassword { .. }
            | Effect::Removes
            | Effect::Restores => {}
        }
        if self.action.is_sign_in {
            assert!(row["last_sign_in_key"] != old_row["last_sign_in_key"], "the sign-in did not update its time");
        }
        assert_eq!(credential["digests"] != old_credential["digests"], self.action.sets_password(), "the digest");
    }

    async fn check_people(
        &self,
        partner: &str,
        outcome: &Outcome,
        is_committed: bool,
        planned: &Planned,
        whole: &Whole,
    ) {
        let is_recovered = planned.has_recovered() && !self.is_handed_over(is_committed);
        let (old, new) = (self.owner.password.as_str(), self.new_password.as_str());
        let has_new_email =
            matches!(self.action.effect, Effect::ChangesEmail) && !self.action.has_target() && is_committed;
        let email = if has_new_email { &self.new_email } else { &self.owner.email };
        let owner = User { partner_id: partner.to_owned(), email: email.clone(), ..self.owner.clone() };
        let must_change = self.action.caller == Caller::MustChangePassword;
        let has_passkey = !matches!(self.action.passkey, Passkey::None | Passkey::Made);
        let is_asked = must_change || has_passkey || matches!(self.action.factor, Factor::Added | Factor::Required);
        match self.action.effect {
            _ if is_recovered => {
                self.signs_in_with(&owner, &self.recovered_password, true).await;
                self.refused(&owner, old).await;
                if self.action.sets_password() && !self.action.has_target() {
                    self.refused(&owner, new).await;
                }
            }
            Effect::SetsPassword { is_temporary, .. } if !self.action.has_target() => {
                let (right, wrong) = if is_committed { (new, old) } else { (old, new) };
                let is_asked = if is_committed { is_temporary } else { must_change };
                self.signs_in_with(&owner, right, is_asked).await;
                self.refused(&owner, wrong).await;
            }
            _ if self.action.creates_partner() && !is_committed => {
                assert!(whole.with_email(&owner.email).is_empty());
                Client::of(&self.ready).sign_in(&owner.email, old).await.problem(401, "unauthenticated");
            }
            _ if self.action.creates_partner() || self.action.is_sign_in => {
                self.signs_in_with(&owner, old, is_asked).await;
            }
            Effect::AddsFactor(_) => self.signs_in_with(&owner, old, is_committed).await,
            Effect::RemovesFactor => self.signs_in_with(&owner, old, !is_committed).await,
            _ => {}
        }
        // A shared caller is checked once.
        let sessions = if self.is_shared { &[] } else { self.sessions.as_slice() };
        for (index, actor) in sessions.iter().enumerate() {
            let ends = match self.action.ends {
                _ if is_recovered => true,
                Ended::All => is_committed,
                Ended::Others => is_committed && index == 1,
                Ended::None => false,
            };
            lives(actor, !ends).await;
        }
        // After a recovery at this partner, the old password is valid at the other partner only.
        let is_elsewhere = outcome.json["user"]["partner_id"].as_str().is_some_and(|signed_in| signed_in != partner);
        let may_be_elsewhere = self.action.returns == Returns::Challenge && is_recovered;
        assert!(!is_elsewhere || may_be_elsewhere, "{outcome:?}");
        if let (Some(answer), true) = (&outcome.answer, outcome.is_success() && !is_elsewhere) {
            let actor = Actor::from_answer(Client::of(&self.ready), owner, answer);
            lives(&actor, !is_recovered).await;
        }
        match self.action.returns {
            _ if !outcome.is_success() || is_elsewhere => {}
            Returns::Challenge => {
                let (session, client) = (outcome.json["session"].as_str().unwrap(), Client::of(&self.ready));
                let answer = match self.action.caller {
                    Caller::MustChangePassword => client.answer_challenge(session, new).await,
                    _ if self.action.factor == Factor::Added => client.use_factor(session, &self.app().code()).await,
                    _ => client.choose_partner(session, &self.owner.partner_id).await,
                };
                assert_eq!(answer.status, if is_recovered { 401 } else { 200 }, "{answer}");
            }
            Returns::AccessToken => {
                let token = outcome.json["access_token"].as_str().unwrap().to_owned();
                let actor = Actor { token, ..self.sessions[0].clone() };
                lives(&actor, !is_recovered).await;
            }
            Returns::Other => {}
        }
        self.check_target(is_committed, planned).await;
        self.check_added(is_committed, whole).await;
        self.check_imported(outcome, whole).await;
    }

    /// Whether the target is the primary admin now. A recovery then recovers the target, and no user can remove it.
    fn is_handed_over(&self, is_committed: bool) -> bool {
        self.action.makes_primary_admin() && is_committed
    }

    async fn check_target(&self, is_committed: bool, planned: &Planned) {
        let Some(target) = &self.target else { return };
        let is_handed_over = self.is_handed_over(is_committed);
        let is_removed = (planned.has_removed_target() && !is_handed_over) || (self.action.removes() && is_committed);
        let is_edited = matches!(self.action.effect, Effect::ChangesEmail) && is_committed;
        let present =
            User { email: if is_edited { self.new_email.clone() } else { target.email.clone() }, ..target.clone() };
        let (old, new) = (target.password.as_str(), self.new_password.as_str());
        match self.action.effect {
            _ if is_removed => self.refused(&present, old).await,
            _ if is_handed_over && planned.has_recovered() => {
                self.signs_in_with(&present, &self.recovered_password, true).await;
                self.refused(&present, old).await;
            }
            Effect::Suspends if is_committed => self.refused(&present, old).await,
            Effect::Reactivates if !is_committed => self.refused(&present, old).await,
            Effect::SetsPassword { is_temporary, .. } => {
                let (right, wrong) = if is_committed { (new, old) } else { (old, new) };
                self.signs_in_with(&present, right, is_committed && is_temporary).await;
                self.refused(&present, wrong).await;
            }
            Effect::Restores => {
                if is_committed && !self.action.invites {
                    self.signs_in_with(&present, new, true).await;
                } else {
                    self.refused(&present, new).await;
                }
                self.refused(&present, old).await;
            }
            _ if self.action.target == Target::Invited => self.refused(&present, old).await,
            Effect::ResetsFactors => self.signs_in_with(&present, old, !is_committed).await,
            _ => self.signs_in_with(&present, old, false).await,
        }
        if is_edited {
            self.refused(target, old).await;
        }
        if let Some(actor) = &self.target_session {
            // Every action for which the target signs in ends the session.
            lives(actor, !is_committed && !is_removed).await;
        }
    }

    async fn check_added(&self, is_committed: bool, whole: &Whole) {
        if self.action.adds == 0 || self.action.is_import() {
            return;
        }
        let id = whole.with_email(&self.new_email).pop().map(|(_, user)| user);
        let added = User { id: id.unwrap_or_default(), email: self.new_email.clone(), ..self.owner.clone() };
        if is_committed && !self.action.invites {
            self.signs_in_with(&added, &self.new_password, false).await;
        } else {
            self.refused(&added, &self.new_password).await;
        }
    }

    /// Checks the passwords in the response to an import. If it has none, a retry finds the users.
    async fn check_imported(&self, outcome: &Outcome, whole: &Whole) {
        if !self.action.is_import() {
            return;
        }
        for (index, email) in self.new_emails().into_iter().enumerate() {
            let id = whole.with_email(email).pop().map(|(_, user)| user);
            let result = &outcome.json["results"][index];
            if let (Some(id), Some(password)) = (id, result["generated_password"].as_str()) {
                assert_eq!((&result["user"]["id"], &result["outcome"]), (&json!(id), &json!("added")));
                let added = User { id, email: email.to_owned(), ..self.owner.clone() };
                self.signs_in_with(&added, password, true).await;
            }
        }
    }

    /// Sends the request again, as a client does that does not know the result.
    async fn check_retry(&self, outcome: &Outcome, is_committed: bool, planned: &Planned, whole: &Whole) {
        let is_over = planned.has_recovered();
        if !is_over && self.action.is_import() {
            let again = self.act(&Trace::new()).await;
            let expected = if is_committed { "exists" } else { "added" };
            for result in again.json["results"].as_array().unwrap() {
                assert_eq!(result["outcome"], expected, "the retry after {outcome:?}");
            }
        }
        if is_over || !self.action.has_key {
            return;
        }
        let email = match self.action.target {
            _ if self.action.creates_partner() => &self.owner.email,
            Target::Removed => &self.changed().email,
            _ => &self.new_email,
        };
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

/// The outcome for the target of a bulk request, as if the request were for the target alone.
fn of_target(outcome: Outcome) -> Outcome {
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
