//! The clients: each asks for something at random, is answered, and asks again. What they know of the others is what they
//! were told, and so often out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use portal_tests::faults::{FaultyStack, Trace};
use portal_tests::{Client, Ready, User, secrets};
use serde_json::Value;

use crate::model::ALL;
use crate::operation::{Access, Operation, Session, Wish};
use crate::random::Random;
use crate::recorder::Recorder;

/// Fewer users than that, and somebody is added.
const FEWEST: usize = 8;
/// Sign-ins from one address before a person takes another: they are counted.
const SIGN_INS: u32 = 30;

/// What the clients have heard.
pub(crate) struct World<'a> {
    stack: &'a FaultyStack,
    recorder: Arc<Recorder>,
    partner: String,
    /// Emails that many want.
    wanted: Vec<String>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    people: BTreeMap<String, Known>,
    primary_admin: String,
    sessions: Vec<Arc<Session>>,
    over: Vec<Arc<Session>>,
    operations: Vec<Operation>,
    asked: usize,
}

#[derive(Debug)]
struct Known {
    email: String,
    version: u64,
    /// The latest last; which of them is right is for the portal to say.
    passwords: Vec<String>,
    client: Client,
    sign_ins: u32,
    is_removed: bool,
    is_suspended: bool,
}

impl<'a> World<'a> {
    /// A partner of whom only the primary admin is known.
    pub(crate) fn new(stack: &'a FaultyStack, recorder: &Arc<Recorder>, owner: &User) -> Self {
        let world = Self {
            stack,
            recorder: Arc::clone(recorder),
            partner: owner.partner_id.clone(),
            wanted: (0..6).map(|_| secrets::email("wanted")).collect(),
            heard: Mutex::new(Heard { primary_admin: owner.id.clone(), ..<_>::default() }),
        };
        world.heard.lock().unwrap().meet(&stack.ready, &owner.id, &owner.email, Some(&owner.password));
        world
    }

    /// The operations so far.
    pub(crate) fn operations(self) -> Vec<Operation> {
        self.heard.into_inner().unwrap().operations
    }

    /// The primary admin signs in and adds the others.
    pub(crate) async fn begin(&self, random: &mut Random) {
        let wish = {
            let heard = self.heard.lock().unwrap();
            heard.sign_in(&heard.primary_admin, random).unwrap()
        };
        self.ask(None, wish).await;
        for _ in 0..FEWEST {
            let session = self.heard.lock().unwrap().sessions.first().cloned();
            let wish = self.add(random);
            self.ask(session, wish).await;
        }
    }

    /// One client, until so many operations were asked for by all of them.
    pub(crate) async fn run(&self, mut random: Random, most: usize) {
        loop {
            {
                let mut heard = self.heard.lock().unwrap();
                if heard.asked >= most {
                    return;
                }
                heard.asked += 1;
            }
            let (session, wish) = self.choose(&mut random);
            self.ask(session, wish).await;
        }
    }

    async fn ask(&self, session: Option<Arc<Session>>, wish: Wish) {
        let client = match (&session, &wish) {
            (Some(session), _) => session.client.clone(),
            (None, Wish::SignIn { email, .. }) => self.heard.lock().unwrap().client_for(&self.stack.ready, email),
            (None, _) => Client::of(&self.stack.ready),
        };
        let trace = Trace::new();
        let recorder = Arc::clone(&self.recorder);
        self.stack.faults.watch(&trace, move |seen, moment| Arc::clone(&recorder).pass(seen, moment));
        let invoked = Instant::now();
        let answer = wish.send(&self.partner, &client, session.as_deref(), &trace).await;
        let responded = Instant::now();
        let operation = Operation { session, wish, invoked, responded, answer };
        let mut heard = self.heard.lock().unwrap();
        heard.learn(&self.stack.ready, &client, &operation);
        heard.operations.push(operation);
    }

    fn add(&self, random: &mut Random) -> Wish {
        let email = if random.chance(20) { self.wanted_email(random) } else { secrets::email("someone") };
        Wish::Add { email, first_name: secrets::random(8), password: secrets::password(), access: access(random) }
    }

    fn wanted_email(&self, random: &mut Random) -> String {
        random.pick(&self.wanted).unwrap().clone()
    }

    fn choose(&self, random: &mut Random) -> (Option<Arc<Session>>, Wish) {
        let heard = self.heard.lock().unwrap();
        let people: Vec<&String> =
            heard.people.iter().filter(|(_, known)| !known.is_removed).map(|(id, _)| id).collect();
        let missing = FEWEST.saturating_sub(people.len());
        // More sign-ins the fewer are signed in.
        let signed_in: BTreeSet<&str> = heard.sessions.iter().map(|session| session.user.as_str()).collect();
        if (signed_in.len() < people.len() / 2 && random.chance(40)) || random.chance(8) || heard.sessions.is_empty() {
            let is_out = |id: &&&String| !signed_in.contains(id.as_str()) && !heard.people[**id].is_suspended;
            let out: Vec<&&String> = people.iter().filter(is_out).collect();
            let id = if random.chance(80) { random.pick(&out).copied() } else { random.pick(&people) };
            let id = id.map_or(heard.primary_admin.as_str(), |id| id.as_str());
            if let Some(wish) = heard.sign_in(id, random) {
                return (None, wish);
            }
        }
        let sessions = if random.chance(8) && !heard.over.is_empty() { &heard.over } else { &heard.sessions };
        let Some(session) = random.pick(sessions).cloned() else {
            return (None, Wish::SignIn { email: self.wanted_email(random), password: secrets::password() });
        };
        if missing > 0 && random.chance(30) {
            return (Some(session), self.add(random));
        }
        let target = match random.below(20) {
            0 => session.user.clone(),
            1 => heard.primary_admin.clone(),
            2 => random.pick(&heard.people.keys().collect::<Vec<_>>()).map(|id| (*id).clone()).unwrap_or_default(),
            _ => {
                let is_other = |id: &&&String| ***id != heard.primary_admin && ***id != session.user;
                let others: Vec<&&String> = people.iter().filter(is_other).collect();
                random.pick(&others).map_or_else(|| session.user.clone(), |id| (**id).clone())
            }
        };
        let version = heard.people.get(&target).map(|known| known.version);
        let if_match = if random.chance(50) { version } else { None };
        let own_password = || {
            let known = heard.people.get(&session.user).and_then(|known| known.passwords.last().cloned());
            known.unwrap_or_default()
        };
        let hands_over = session.user == heard.primary_admin && random.chance(10);
        let wish = match random.below(100) {
            _ if hands_over => Wish::HandOver { target, current: own_password() },
            0..10 => Wish::Get { target },
            10..15 => Wish::Me,
            15..18 => Wish::List,
            18..30 => Wish::Edit { target, first_name: Some(secrets::random(8)), email: None, if_match },
            30..38 => Wish::Edit { target, first_name: None, email: Some(self.wanted_email(random)), if_match },
            38..54 => Wish::SetPermissions { target, access: access(random), if_match },
            54..60 => Wish::ForceLogout { target, if_match },
            60..64 if target != session.user => Wish::SetPassword { target, password: secrets::password() },
            60..67 => Wish::OwnPassword { current: own_password(), new: secrets::password() },
            67..70 => Wish::Remove { target },
            70..73 => Wish::SignOut,
            // More often than not it lets somebody in again.
            73..81 => Wish::SetStatus { target, is_active: random.chance(60), if_match },
            81..86 => Wish::Decide { target, decision: decision(random), if_match },
            86..90 => {
                let ended = random.pick(&heard.sessions).unwrap_or(&session);
                Wish::EndSession { target: ended.user.clone(), session: ended.id.clone() }
            }
            90..91 => Wish::HandOver { target, current: own_password() },
            _ => Wish::Refresh,
        };
        (Some(session), wish)
    }
}

impl Heard {
    fn meet(&mut self, ready: &Ready, id: &str, email: &str, password: Option<&str>) {
        let known = self.people.entry(id.to_owned()).or_insert_with(|| Known {
            email: email.to_owned(),
            version: 0,
            passwords: Vec::new(),
            client: Client::of(ready),
            sign_ins: 0,
            is_removed: false,
            is_suspended: false,
        });
        known.passwords.extend(password.map(str::to_owned));
    }

    fn sign_in(&self, id: &str, random: &mut Random) -> Option<Wish> {
        let known = self.people.get(id)?;
        let password = if random.chance(80) { known.passwords.last() } else { random.pick(&known.passwords) }?.clone();
        Some(Wish::SignIn { email: known.email.clone(), password })
    }

    fn client_for(&mut self, ready: &Ready, email: &str) -> Client {
        let Some(known) = self.people.values_mut().find(|known| known.email == email && !known.is_removed) else {
            return Client::of(ready);
        };
        known.sign_ins += 1;
        if known.sign_ins.is_multiple_of(SIGN_INS) {
            known.client = Client::of(ready);
        }
        known.client.clone()
    }

    /// Takes in what an answer tells.
    fn learn(&mut self, ready: &Ready, client: &Client, operation: &Operation) {
        let answer = &operation.answer;
        if let (Some(session), (401, "session_ended")) = (&operation.session, (answer.status, operation.code())) {
            self.forget(|live| live.id == session.id);
        }
        // A password whose setting was not answered may have been set.
        let may_be = operation.is_granted() || operation.is_unknown();
        match &operation.wish {
            Wish::SetPassword { target, password } if may_be => self.knows(target, password),
            Wish::OwnPassword { new, .. } if may_be => {
                self.knows(operation.actor().unwrap_or_default(), new);
            }
            _ => {}
        }
        if !operation.is_granted() {
            return;
        }
        match &operation.wish {
            Wish::SignIn { password, .. } => {
                let session = Session::read(client, answer);
                self.see(ready, &answer.json["user"]);
                self.knows(&session.user, password);
                self.sessions.push(Arc::new(session));
            }
            Wish::Add { password, .. } => {
                self.see(ready, &answer.json);
                self.knows(answer.text_at("/id"), password);
            }
            Wish::Remove { target } | Wish::Decide { target, decision: "remove", .. } => {
                if let Some(known) = self.people.get_mut(target) {
                    known.is_removed = true;
                }
                self.forget(|live| live.user == *target);
            }
            Wish::ForceLogout { target, .. }
            | Wish::SetPassword { target, .. }
            | Wish::SetStatus { target, is_active: false, .. }
            | Wish::Decide { target, decision: "suspend", .. } => {
                self.forget(|live| live.user == *target && live.since < operation.invoked);
            }
            Wish::OwnPassword { .. } | Wish::SignOut => {
                let Some(own) = &operation.session else { return };
                let is_sign_out = matches!(operation.wish, Wish::SignOut);
                self.forget(|live| live.user == own.user && is_sign_out == (live.id == own.id));
            }
            Wish::Refresh => {
                let Some(old) = &operation.session else { return };
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
            Wish::List => {
                for user in answer.json["items"].as_array().into_iter().flatten() {
                    self.see(ready, user);
                }
            }
            Wish::EndSession { session, .. } => self.forget(|live| live.id == *session),
            Wish::Decide { .. } => self.see(ready, &answer.json["user"]),
            Wish::Me
            | Wish::Get { .. }
            | Wish::Edit { .. }
            | Wish::SetPermissions { .. }
            | Wish::SetStatus { .. }
            | Wish::HandOver { .. } => self.see(ready, &answer.json),
        }
    }

    /// These sessions are over, as far as the clients know. Some try them all the same.
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
        let (id, email) = (user["id"].as_str().unwrap_or_default(), user["email"].as_str().unwrap_or_default());
        self.meet(ready, id, email, None);
        let Some(known) = self.people.get_mut(id) else { return };
        let version = user["version"].as_u64().unwrap_or_default();
        if version >= known.version {
            known.version = version;
            email.clone_into(&mut known.email);
            known.is_suspended = user["status"] == "suspended";
            if user["role"] == "primary_admin" {
                id.clone_into(&mut self.primary_admin);
            }
        }
    }
}

/// What may become of somebody's access; removals come often enough without.
fn decision(random: &mut Random) -> &'static str {
    match random.below(10) {
        0..6 => "keep",
        6..9 => "suspend",
        _ => "remove",
    }
}

/// Something that may be granted: a role with its own permissions, or with fewer.
fn access(random: &mut Random) -> Access {
    let (role, ceiling): (_, &[&str]) = match random.below(10) {
        0..6 => ("admin", &ALL),
        6..9 => ("manager", &["users.read", "users.add", "users.edit", "users.force_logout"]),
        _ => ("viewer", &["users.read", "audit.read"]),
    };
    let is_whole = random.chance(70);
    Access { role, permissions: ceiling.iter().copied().filter(|_| is_whole || random.chance(70)).collect() }
}
