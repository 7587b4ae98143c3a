//! The clients: each sends random requests, one after the other. They know only the content of responses, so their
//! knowledge is often out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use portal_tests::faults::{FaultyStack, Trace};
use portal_tests::{Authenticator, Client, Ready, User, secrets};
use serde_json::Value;

use crate::model::default_permissions;
use crate::operation::{
    Access, Action, Asks, Challenge, Choices, Code, Ended, Operation, Reply, Request, Response, Session,
};
use crate::passkeys::{Made, Started};
use crate::random::Random;
use crate::recorder::Recorder;

/// If a partner has fewer users than this, clients add one.
const FEWEST: usize = 7;
/// If a partner has more users than this, clients remove many at once and do not import many.
const MANY: usize = 25;
/// The maximum number of imported users. One transaction cannot add so many.
const IMPORTED_AT_MOST: u64 = 27;
/// After so many failed sign-ins from one address a user takes another, because the portal counts them by address.
const FAILURES: u32 = 4;

/// What the clients know.
pub(crate) struct World<'a> {
    stack: &'a FaultyStack,
    recorder: Arc<Recorder>,
    /// The primary admins at the start.
    owners: &'a [User],
    /// Emails that many requests use, at each partner, with a password that users with this email often have.
    wanted: Vec<(String, String)>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    people: BTreeMap<String, Known>,
    /// Users who were removed, the latest last. Some have been restored since.
    removed: Vec<String>,
    /// The primary admins by partner.
    primary_admins: BTreeMap<String, String>,
    challenges: Vec<Arc<Challenge>>,
    sessions: Vec<Arc<Session>>,
    /// The apps that were started and not confirmed, by the id of the session.
    started: BTreeMap<String, Authenticator>,
    /// The passkeys that were made and not added, by the id of the session.
    made: BTreeMap<String, Arc<Made>>,
    /// The sign-ins with a passkey that were started.
    passkey_sign_ins: Vec<Arc<Started>>,
    over: Vec<Arc<Session>>,
    operations: Vec<Operation>,
    asked: usize,
}

#[derive(Debug)]
struct Known {
    partner: String,
    email: String,
    version: u64,
    /// Possible passwords, the latest last. Only the portal knows which one is right.
    passwords: Vec<String>,
    /// The authenticator app, the next step whose code has not been sent, and the recovery codes.
    app: Option<Authenticator>,
    next_step: u64,
    codes: Vec<String>,
    /// Passkeys that may have been removed.
    passkeys: Vec<Arc<Made>>,
    client: Client,
    failures: u32,
    is_removed: bool,
    is_suspended: bool,
}

impl<'a> World<'a> {
    /// A world where only the primary admins are known.
    pub(crate) fn new(stack: &'a FaultyStack, recorder: &Arc<Recorder>, owners: &'a [User]) -> Self {
        let mut heard = Heard::default();
        for owner in owners {
            heard.primary_admins.insert(owner.partner_id.clone(), owner.id.clone());
            heard.meet(&stack.ready, &owner.partner_id, &owner.id, &owner.email);
            heard.knows(&owner.id, &owner.password);
        }
        Self {
            stack,
            recorder: Arc::clone(recorder),
            owners,
            wanted: (0..6).map(|_| (secrets::email("wanted"), secrets::password())).collect(),
            heard: Mutex::new(heard),
        }
    }

    /// All recorded operations.
    pub(crate) fn operations(self) -> Vec<Operation> {
        self.heard.into_inner().unwrap().operations
    }

    /// The primary admins sign in, add an authenticator app, and add the first users.
    pub(crate) async fn begin(&self, random: &mut Random) {
        for User { partner_id, email, password, .. } in self.owners {
            let (partner, email, password) = (Some(partner_id.clone()), email.clone(), password.clone());
            self.ask(None, Request::One(Action::SignIn { partner, email, password })).await;
            let session = self.heard.lock().unwrap().sessions.last().cloned();
            self.ask(session.clone(), Request::One(Action::StartApp)).await;
            let id = session.as_ref().map(|session| session.id.clone()).unwrap_or_default();
            let app = self.heard.lock().unwrap().started[&id].clone();
            let confirm = Action::ConfirmApp { app, step: Authenticator::present_step() };
            self.ask(session.clone(), Request::One(confirm)).await;
            for _ in 0..FEWEST {
                let action = self.add(&self.heard.lock().unwrap(), random);
                self.ask(session.clone(), Request::One(action)).await;
            }
        }
    }

    /// Runs one client until all clients together have sent `most` requests.
    pub(crate) async fn run(&self, mut random: Random, most: usize) {
        loop {
            {
                let mut heard = self.heard.lock().unwrap();
                if heard.asked >= most {
                    return;
                }
                heard.asked += 1;
            }
            let (session, request) = self.choose(&mut random);
            self.ask(session, request).await;
        }
    }

    async fn ask(&self, session: Option<Arc<Session>>, request: Request) {
        let client = match (&session, &request) {
            (Some(session), _) => session.client.clone(),
            (None, Request::One(Action::SignIn { partner, email, .. })) => {
                self.heard.lock().unwrap().client_for(&self.stack.ready, partner.as_deref(), email)
            }
            (None, Request::One(Action::AnswerChallenge { challenge, .. })) => challenge.client.clone(),
            (None, _) => Client::of(&self.stack.ready),
        };
        let trace = Trace::new();
        let recorder = Arc::clone(&self.recorder);
        self.stack.faults.watch(&trace, move |seen, moment| Arc::clone(&recorder).pass(seen, moment));
        let invoked = Instant::now();
        let answer = request.send(&client, session.as_deref(), &trace).await;
        let responded = Instant::now();
        let is_part = !matches!(request, Request::One(_));
        let made = match &request {
            Request::One(Action::StartPasskey) if answer.status == 200 => {
                Some(Made::create(&self.stack.ready, &answer.json).await)
            }
            _ => None,
        };
        let mut heard = self.heard.lock().unwrap();
        if let (Some(made), Some(session)) = (made, &session) {
            heard.made.insert(session.id.clone(), Arc::new(made));
        }
        for (action, answer) in request.actions(&answer) {
            let operation = Operation { session: session.clone(), action, invoked, responded, answer, is_part };
            heard.learn(&self.stack.ready, &client, &operation);
            heard.operations.push(operation);
        }
    }

    fn add(&self, heard: &Heard, random: &mut Random) -> Action {
        let (email, shared) = self.new_email(heard, random);
        let password = shared.filter(|_| random.chance(70)).unwrap_or_else(secrets::password);
        let password = random.chance(85).then_some(password);
        Action::Add { email, first_name: secrets::random(8), password, access: Access::random(random) }
    }

    /// An email for a new user, and the password of other users with this email. Some emails are those of removed users.
    fn new_email(&self, heard: &Heard, random: &mut Random) -> (String, Option<String>) {
        if random.chance(20)
            && let Some(known) = random.pick(&heard.removed).and_then(|id| heard.people.get(id))
        {
            return (known.email.clone(), None);
        }
        if random.chance(35) {
            let (email, password) = random.pick(&self.wanted).unwrap().clone();
            (email, Some(password))
        } else {
            (secrets::email("someone"), None)
        }
    }

    fn import(&self, heard: &Heard, random: &mut Random, most: u64) -> Request {
        let mut rows = BTreeMap::new();
        for _ in 0..=random.below(most) {
            rows.insert(self.new_email(heard, random).0, secrets::random(8));
        }
        let mut access = Access::random(random);
        // An empty cell means the role's default permissions.
        if access.permissions.is_empty() {
            access.permissions = default_permissions(access.role).iter().copied().collect();
        }
        Request::Import { rows: rows.into_iter().collect(), access }
    }

    fn choose(&self, random: &mut Random) -> (Option<Arc<Session>>, Request) {
        let mut heard = self.heard.lock().unwrap();
        if random.chance(50)
            && let Some(action) = heard.answer(random)
        {
            return (None, Request::One(action));
        }
        if random.chance(6)
            && let Some(action) = heard.sign_in_with_passkey(random)
        {
            return (None, Request::One(action));
        }
        let heard = &*heard;
        let people: Vec<&String> =
            heard.people.iter().filter(|(_, known)| !known.is_removed).map(|(id, _)| id).collect();
        // The fewer users are signed in, the more sign-ins follow.
        let signed_in: BTreeSet<&str> = heard.sessions.iter().map(|session| session.user.as_str()).collect();
        if (signed_in.len() < people.len() / 2 && random.chance(40)) || random.chance(8) || heard.sessions.is_empty() {
            let is_out = |id: &&&String| !signed_in.contains(id.as_str()) && !heard.people[**id].is_suspended;
            let out: Vec<&&String> = people.iter().filter(is_out).collect();
            let id = if random.chance(80) { random.pick(&out).copied() } else { random.pick(&people) };
            if let Some(action) = id.and_then(|id| heard.sign_in(id, random)) {
                return (None, Request::One(action));
            }
        }
        let sessions = if random.chance(8) && !heard.over.is_empty() { &heard.over } else { &heard.sessions };
        let Some(session) = random.pick(sessions).cloned() else {
            let (email, password) = random.pick(&self.wanted).unwrap().clone();
            return (None, Request::One(Action::SignIn { partner: None, email, password }));
        };
        let partner = heard.people.get(&session.user).map(|known| known.partner.clone()).unwrap_or_default();
        let people: Vec<&String> = people.into_iter().filter(|id| heard.people[*id].partner == partner).collect();
        let primary_admin = &heard.primary_admins[&partner];
        if people.len() < FEWEST && random.chance(30) {
            return (Some(session), Request::One(self.add(heard, random)));
        }
        let pick_target = |random: &mut Random| match random.below(20) {
            0 => session.user.clone(),
            1 => primary_admin.clone(),
            // This includes removed users and users of other partners.
            2 => random.pick(&heard.people.keys().collect::<Vec<_>>()).map(|id| (*id).clone()).unwrap_or_default(),
            _ => {
                let is_other = |id: &&&String| *id != &primary_admin && ***id != session.user;
                let others: Vec<&&String> = people.iter().filter(is_other).collect();
                random.pick(&others).map_or_else(|| session.user.clone(), |id| (**id).clone())
            }
        };
        if random.chance(if people.len() > MANY { 15 } else { 4 }) {
            let action = match random.below(10) {
                _ if people.len() > MANY => "remove",
                0..2 => "remove",
                2..6 => "suspend",
                _ => "force_logout",
            };
            let most = if people.len() > MANY { 20 } else { 5 };
            let targets: BTreeSet<String> = (0..=random.below(most)).map(|_| pick_target(random)).collect();
            return (Some(session), Request::Bulk { action, targets: targets.into_iter().collect() });
        }
        if random.chance(2) {
            let most = if people.len() < MANY && random.chance(25) { IMPORTED_AT_MOST } else { 4 };
            return (Some(session), self.import(heard, random, most));
        }
        let target = pick_target(random);
        let removed = heard.removed_of(&partner, random);
        let own = heard.people.get(&session.user);
        let action = Action::random(
            random,
            Choices {
                removed,
                version: heard.people.get(&target).map(|known| known.version),
                target,
                own: &session,
                own_password: own.and_then(|known| known.passwords.last().cloned()).unwrap_or_default(),
                is_primary_admin: session.user == *primary_admin,
                started: heard.started.get(&session.id).map(|app| (app.clone(), Authenticator::present_step())),
                made: heard.made.get(&session.id).cloned(),
                passkeys: own.map(|known| known.passkeys.as_slice()).unwrap_or_default(),
                emails: &self.wanted,
                sessions: &heard.sessions,
            },
        );
        (Some(session), Request::One(action))
    }
}

impl Known {
    /// A code of this user: one that was not sent yet if there is one, but sometimes the same code again or a wrong one.
    fn code(&mut self, random: &mut Random) -> Code {
        // The portal accepts the code of the next step, too.
        let last = Authenticator::present_step() + 1;
        let next = self.next_step.max(last - 1);
        let step = if random.chance(20) { self.next_step.saturating_sub(1).max(last - 2) } else { next };
        match &self.app {
            _ if random.chance(4) => Code::wrong(),
            Some(app) if step <= last && random.chance(60) => {
                self.next_step = self.next_step.max(step + 1);
                Code::App { app: app.clone(), step }
            }
            _ => random.pick(&self.codes).cloned().map_or_else(Code::wrong, Code::Recovery),
        }
    }

    /// A passkey that a challenge lists. Sometimes its answer is wrong.
    fn passkey(&self, challenge: &Challenge, random: &mut Random) -> Option<Reply> {
        let listed: Vec<_> = self.passkeys.iter().filter(|made| made.is_listed_in(&challenge.passkey)).collect();
        let made = Arc::clone(random.pick(&listed)?);
        Some(Reply::Passkey { made, is_wrong: random.chance(10) })
    }

    /// Remembers a new app, which was confirmed with the code of this step.
    fn enrols(&mut self, app: &Authenticator, step: u64, codes: &Value) {
        (self.app, self.next_step) = (Some(app.clone()), step + 1);
        self.learn_codes(codes);
    }

    /// Remembers the recovery codes in a response, if it has any.
    fn learn_codes(&mut self, codes: &Value) {
        if let Some(codes) = codes.as_array() {
            self.codes = codes.iter().filter_map(|code| Some(secrets::remembered(code.as_str()?))).collect();
        }
    }
}

impl Heard {
    fn meet(&mut self, ready: &Ready, partner: &str, id: &str, email: &str) {
        self.people.entry(id.to_owned()).or_insert_with(|| Known {
            partner: partner.to_owned(),
            email: email.to_owned(),
            version: 0,
            passwords: Vec::new(),
            app: None,
            next_step: 0,
            codes: Vec::new(),
            passkeys: Vec::new(),
            client: Client::of(ready),
            failures: 0,
            is_removed: false,
            is_suspended: false,
        });
    }

    fn sign_in(&self, id: &str, random: &mut Random) -> Option<Action> {
        let known = self.people.get(id)?;
        let password = if random.chance(80) { known.passwords.last() } else { random.pick(&known.passwords) }?.clone();
        let partner = random.chance(60).then(|| known.partner.clone());
        Some(Action::SignIn { partner, email: known.email.clone(), password })
    }

    /// A response to a challenge. Some challenges get more than one response.
    fn answer(&mut self, random: &mut Random) -> Option<Action> {
        let challenge = random.pick(&self.challenges).cloned()?;
        if random.chance(80) {
            self.challenges.retain(|other| other.token != challenge.token);
        }
        let user = challenge.user.as_ref().and_then(|user| self.people.get_mut(user));
        let reply = match &challenge.asks {
            Asks::Partner => Reply::Partner(random.pick(&challenge.offered)?.clone()),
            Asks::Password => Reply::Password(secrets::password()),
            Asks::Factor => {
                let passkey = user.as_ref().filter(|_| random.chance(60));
                passkey
                    .and_then(|known| known.passkey(&challenge, random))
                    .unwrap_or_else(|| Reply::Factor(user.map_or_else(Code::wrong, |known| known.code(random))))
            }
            Asks::Enrolment(_) => Reply::Enrolment(Authenticator::present_step()),
        };
        Some(Action::AnswerChallenge { challenge, reply })
    }

    /// A sign-in with a passkey, or its start. Some starts are used more than once.
    fn sign_in_with_passkey(&mut self, random: &mut Random) -> Option<Action> {
        let passkeys: Vec<_> = self.people.values().flat_map(|known| &known.passkeys).cloned().collect();
        let made = random.pick(&passkeys).cloned()?;
        let Some(started) = random.pick(&self.passkey_sign_ins).cloned() else {
            return Some(Action::StartPasskeySignIn);
        };
        if random.chance(80) {
            self.passkey_sign_ins.retain(|other| other.token != started.token);
        }
        Some(Action::SignInWithPasskey { started, made })
    }

    /// A user of a partner who was removed, often one of the latest, so that several requests restore the same user.
    fn removed_of(&self, partner: &str, random: &mut Random) -> Option<String> {
        let is_it = |id: &&String| self.people.get(*id).is_some_and(|known| known.partner == partner);
        let mut removed: Vec<&String> = self.removed.iter().filter(is_it).collect();
        if random.chance(60) {
            removed = removed.split_off(removed.len().saturating_sub(3));
        }
        random.pick(&removed).map(|id| (*id).clone())
    }

    fn client_for(&mut self, ready: &Ready, partner: Option<&str>, email: &str) -> Client {
        let is_it = |known: &&mut Known| {
            known.email == email && !known.is_removed && partner.is_none_or(|partner| known.partner == partner)
        };
        let Some(known) = self.people.values_mut().find(is_it) else { return Client::of(ready) };
        if known.failures >= FAILURES {
            known.failures = 0;
            known.client = Client::of(ready);
        }
        known.client.clone()
    }

    /// Updates the knowledge from a response.
    fn learn(&mut self, ready: &Ready, client: &Client, operation: &Operation) {
        let answer = &operation.answer;
        if let (Some(session), (401, "session_ended")) = (&operation.session, (answer.status, operation.code())) {
            self.forget(|live| live.id == session.id);
        }
        if let (Action::SignIn { .. }, 401) = (&operation.action, answer.status) {
            for known in self.people.values_mut().filter(|known| known.client.address == client.address) {
                known.failures += 1;
            }
        }
        // A password may have been set although the response was lost.
        let may_be = operation.is_granted() || operation.is_unknown();
        match &operation.action {
            Action::SetPassword { target, password } | Action::Restore { target, password } if may_be => {
                self.knows(target, password);
            }
            Action::OwnPassword { new, .. } if may_be => {
                self.knows(operation.actor().unwrap_or_default(), new);
            }
            Action::AnswerChallenge { challenge, reply: Reply::Password(new) } if may_be => {
                self.knows(challenge.user.as_deref().unwrap_or_default(), new);
            }
            _ => {}
        }
        self.learn_factors(operation, may_be);
        if !operation.is_granted() {
            return;
        }
        if let Some(challenge) = Challenge::read(client, operation) {
            self.challenges.push(Arc::new(challenge));
            return;
        }
        if let Some(target) = operation.action.target().filter(|_| operation.action.removes()) {
            if let Some(known) = self.people.get_mut(target) {
                known.is_removed = true;
            }
            self.removed.push(target.to_owned());
        }
        if let Action::Restore { target, .. } = &operation.action
            && let Some(known) = self.people.get_mut(target)
        {
            known.is_removed = false;
        }
        let own = operation.session.as_deref();
        let ended = operation.action.ended_sessions();
        match ended {
            Ended::None => {}
            Ended::All(user) if operation.action.removes() => self.forget(|live| live.user == *user),
            Ended::All(user) => self.forget(|live| live.user == *user && live.since < operation.invoked),
            Ended::One(session) => self.forget(|live| live.id == *session),
            Ended::Own => self.forget(|live| own.is_some_and(|own| live.id == own.id)),
            Ended::Others => self.forget(|live| own.is_some_and(|own| live.user == own.user && live.id != own.id)),
        }
        match operation.action.response() {
            Response::Empty
            | Response::SignedOutAt
            | Response::Started
            | Response::RecoveryCodes
            | Response::RemovedUsers
            | Response::Settings => {}
            // The clients learn of a suspension only later, so they try to sign suspended users in.
            Response::User | Response::Decision if matches!(ended, Ended::All(_)) => {}
            Response::User | Response::Decision => self.see(ready, operation.user()),
            Response::NewUser => {
                self.see(ready, operation.user());
                let generated = answer.json["generated_password"].as_str().map(secrets::remembered);
                let password = operation.action.new_password().map(str::to_owned).or(generated);
                self.knows(answer.json["id"].as_str().unwrap_or_default(), &password.unwrap_or_default());
            }
            Response::Users => {
                for user in answer.json["items"].as_array().into_iter().flatten() {
                    self.see(ready, user);
                }
            }
            Response::Session => {
                let session = Session::read(client, answer);
                self.see(ready, operation.user());
                if let Some(password) = operation.action.new_password() {
                    self.knows(&session.user, password);
                }
                self.sessions.push(Arc::new(session));
            }
            Response::AccessToken => {
                let Some(old) = own else { return };
                let token = secrets::remembered(answer.text_at("/access_token"));
                let session = Session {
                    token,
                    user: old.user.clone(),
                    id: old.id.clone(),
                    generation: old.generation,
                    refresh_token: old.refresh_token.clone(),
                    since: old.since,
                    client: old.client.clone(),
                };
                if let Some(live) = self.sessions.iter_mut().find(|live| live.id == session.id) {
                    *live = Arc::new(session);
                }
            }
        }
    }

    /// Updates the knowledge of second factors. `may_be` means that the operation may have succeeded.
    fn learn_factors(&mut self, operation: &Operation, may_be: bool) {
        let (answer, own) = (&operation.answer.json, operation.session.as_deref());
        match &operation.action {
            Action::StartApp if operation.is_granted() => {
                let session = own.map(|own| own.id.clone()).unwrap_or_default();
                self.started.insert(session, Authenticator::of(answer));
            }
            Action::StartPasskeySignIn if operation.is_granted() => {
                self.passkey_sign_ins.push(Arc::new(Started::read(&operation.answer)));
            }
            Action::AddPasskey { made } => {
                if operation.is_granted() {
                    self.made.remove(own.map_or("", |own| own.id.as_str()));
                }
                if let (true, Some(known)) = (may_be, own.and_then(|own| self.people.get_mut(&own.user))) {
                    known.passkeys.push(Arc::clone(made));
                    known.learn_codes(&answer["recovery_codes"]);
                }
            }
            Action::RemovePasskey { id } if operation.is_granted() => {
                if let Some(known) = own.and_then(|own| self.people.get_mut(&own.user)) {
                    known.passkeys.retain(|made| made.id != *id);
                }
            }
            Action::ConfirmApp { app, step } => {
                if operation.is_granted() {
                    self.started.remove(own.map_or("", |own| own.id.as_str()));
                }
                if let (true, Some(known)) = (may_be, own.and_then(|own| self.people.get_mut(&own.user))) {
                    known.enrols(app, *step, &answer["recovery_codes"]);
                }
            }
            Action::AnswerChallenge { challenge, reply } => {
                let known = challenge.user.as_ref().and_then(|user| self.people.get_mut(user));
                match (reply, &challenge.asks, known) {
                    (Reply::Enrolment(step), Asks::Enrolment(app), Some(known)) if may_be => {
                        known.enrols(app, *step, &answer["recovery_codes"]);
                    }
                    // Another challenge may get the same code meanwhile.
                    (Reply::Factor(Code::Recovery(code)), _, Some(known)) if operation.is_granted() => {
                        known.codes.retain(|left| left != code);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Moves sessions that have ended, as far as the clients know. Some requests still use them.
    fn forget(&mut self, is_over: impl Fn(&Session) -> bool) {
        self.over.extend(self.sessions.extract_if(.., |live| is_over(live)));
    }

    fn knows(&mut self, id: &str, password: &str) {
        let Some(known) = self.people.get_mut(id) else { return };
        known.passwords.retain(|known| known != password);
        known.passwords.push(password.to_owned());
        if known.passwords.len() > 3 {
            known.passwords.remove(0);
        }
    }

    fn see(&mut self, ready: &Ready, user: &Value) {
        let text = |field: &str| user[field].as_str().unwrap_or_default();
        let (partner, id, email) = (text("partner_id"), text("id"), text("email"));
        self.meet(ready, partner, id, email);
        let Some(known) = self.people.get_mut(id) else { return };
        let version = user["version"].as_u64().unwrap_or_default();
        if version >= known.version {
            known.version = version;
            email.clone_into(&mut known.email);
            known.is_suspended = user["status"] == "suspended";
            if user["role"] == "primary_admin" {
                self.primary_admins.insert(partner.to_owned(), id.to_owned());
            }
        }
    }
}
