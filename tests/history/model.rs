//! A sequential model of the portal: who may do what (a second, independent implementation of the policy), and the
//! effects of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portal_tests::Authenticator;
use serde_json::Value;

use crate::operation::{Access, Action, Code, Operation, Session};
use crate::recorder::Commit;

/// All permissions.
pub(crate) const ALL: [&str; 8] = [
    "users.read",
    "users.add",
    "users.edit",
    "users.remove",
    "users.force_logout",
    "users.set_permissions",
    "users.reset_factors",
    "audit.read",
];

/// A refusal: status and code.
pub(crate) type Refusal = (u16, &'static str);

/// The refusal of a request whose session has ended.
pub(crate) const OVER: Refusal = (401, "session_ended");

/// The number of recovery codes of a new second factor.
pub(crate) const RECOVERY_CODES: usize = 10;

/// A session that has not been ended one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) generation: u64,
    /// Whether it has used a second factor.
    pub(crate) has_factor: bool,
}

/// The second factors of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Factors {
    /// The authenticator app, and the last step whose code was accepted.
    pub(crate) app: Option<(Authenticator, u64)>,
    /// The ids of the passkeys.
    pub(crate) passkeys: BTreeSet<String>,
    /// The unused recovery codes that a client knows. After a lost response there are none.
    pub(crate) known_codes: BTreeSet<String>,
    /// The number of unused recovery codes.
    pub(crate) codes_left: usize,
}

impl Factors {
    /// The recovery codes, as in a response, to which the first factor is added.
    pub(crate) fn with_codes(codes: &Value) -> Self {
        let codes = codes.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Self { app: None, passkeys: BTreeSet::new(), known_codes: codes.collect(), codes_left: RECOVERY_CODES }
    }

    /// Whether there is neither an app nor a passkey.
    pub(crate) fn is_empty(&self) -> bool {
        self.app.is_none() && self.passkeys.is_empty()
    }

    /// The strongest factor, as a response shows it.
    fn kind(&self) -> &'static str {
        if self.passkeys.is_empty() { "totp" } else { "passkey" }
    }

    /// Whether a code is right and has not been used. Of an app, only the codes of later steps than the last one are.
    pub(crate) fn accept(&self, code: &Code) -> bool {
        match code {
            Code::App { app, step } => self.app.as_ref().is_some_and(|(own, last)| own == app && step > last),
            Code::Recovery(code) => self.known_codes.contains(code),
        }
    }

    /// Uses a code, which is then never accepted again.
    pub(crate) fn consume(&mut self, code: &Code) -> Result<(), String> {
        if !self.accept(code) {
            return Err("a wrong or used code was accepted".to_owned());
        }
        match code {
            Code::App { app, step } => self.app = Some((app.clone(), *step)),
            Code::Recovery(code) => {
                self.known_codes.remove(code);
                self.codes_left -= 1;
            }
        }
        Ok(())
    }
}

/// Whether a requirement of a partner covers the users with this role.
pub(crate) fn covers(requirement: &str, role: &str) -> bool {
    match requirement {
        "everyone" => true,
        "admins" => matches!(role, "primary_admin" | "admin"),
        _ => false,
    }
}

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) partner: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) access: Access,
    pub(crate) password: String,
    pub(crate) must_change: bool,
    pub(crate) is_active: bool,
    pub(crate) version: u64,
    pub(crate) access_version: u64,
    pub(crate) generation: u64,
    pub(crate) sessions: BTreeMap<String, Live>,
    pub(crate) factors: Option<Factors>,
    /// The number of changes of the factors. A change voids all challenges.
    pub(crate) factors_version: u64,
    pub(crate) last_sign_in_at: Option<String>,
    pub(crate) signed_out_at: Option<String>,
    pub(crate) reviewed_at: Option<String>,
}

impl Person {
    /// A new user.
    pub(crate) fn new(partner: &str, email: &str, first_name: &str, access: Access, password: &str) -> Self {
        Self {
            partner: partner.to_owned(),
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            access,
            password: password.to_owned(),
            must_change: false,
            is_active: true,
            version: 1,
            access_version: 1,
            generation: 1,
            sessions: BTreeMap::new(),
            factors: None,
            factors_version: 0,
            last_sign_in_at: None,
            signed_out_at: None,
            reviewed_at: None,
        }
    }

    /// Whether the user already has the values that the action requests.
    pub(crate) fn has_values_of(&self, action: &Action) -> bool {
        match action {
            Action::Edit { first_name, email, .. } => {
                first_name.as_ref().is_none_or(|name| *name == self.first_name)
                    && email.as_ref().is_none_or(|email| *email == self.email)
            }
            Action::SetPermissions { access, .. } => *access == self.access,
            Action::SetStatus { is_active, .. } => *is_active == self.is_active,
            _ => false,
        }
    }

    fn may(&self, permission: &str) -> bool {
        self.access.permissions.contains(permission)
    }

    /// Whether a response shows this user. It ignores the time of the last sign-in, because a sign-in does not
    /// increment the version.
    pub(crate) fn is_shown_by(&self, user: &Value) -> bool {
        let held: BTreeSet<&str> = user["permissions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        user["partner_id"] == self.partner.as_str()
            && user["email"] == self.email.as_str()
            && user["first_name"] == self.first_name.as_str()
            && user["role"] == self.access.role
            && held == self.access.permissions
            && user["status"] == if self.is_active { "active" } else { "suspended" }
            && user["must_change_password"] == self.must_change
            && user["second_factor"] == self.factors.as_ref().map_or("none", Factors::kind)
            && user["version"] == self.version
            && user["signed_out_at"].as_str() == self.signed_out_at.as_deref()
    }

    /// Whether a response shows the time of this user's last sign-in, and no earlier activity. A refresh on a later day
    /// moves the time of the last activity.
    pub(crate) fn signed_in_as_shown_by(&self, user: &Value) -> bool {
        let last = self.last_sign_in_at.as_deref();
        let active = user["last_active_at"].as_str();
        user["last_sign_in_at"].as_str() == last && active.is_some() == last.is_some() && active >= last
    }

    /// Whether the user can sign in with this password.
    pub(crate) fn is_let_in_by(&self, password: &str) -> bool {
        self.is_active && self.password == password
    }

    pub(crate) fn sign_out(&mut self, at: &str) {
        self.version += 1;
        self.generation += 1;
        self.access_version += 1;
        self.signed_out_at = Some(at.to_owned());
    }

    pub(crate) fn suspend(&mut self, at: &str) {
        self.sign_out(at);
        self.is_active = false;
    }

    /// Whether the user has an authenticator app.
    pub(crate) fn has_app(&self) -> bool {
        self.factors.as_ref().is_some_and(|factors| factors.app.is_some())
    }

    /// Whether the user has this passkey.
    pub(crate) fn has_passkey(&self, id: &str) -> bool {
        self.factors.as_ref().is_some_and(|factors| factors.passkeys.contains(id))
    }

    /// Adds, replaces or removes the second factors.
    pub(crate) fn change_factors(&mut self, factors: Option<Factors>) {
        self.factors = factors;
        self.factors_version += 1;
    }

    pub(crate) fn take_all_permissions_as(&mut self, role: &'static str) {
        self.version += 1;
        self.access_version += 1;
        self.access = Access { role, permissions: ALL.into() };
    }
}

/// A removed user, who can be restored.
#[derive(Debug, Clone)]
pub(crate) struct Removed {
    /// The user at the removal.
    pub(crate) person: Person,
    /// The time of the removal.
    pub(crate) at: String,
    /// The user who removed this user.
    pub(crate) by: String,
    /// The possible times of the last sign-in. A sign-in does not increment the version, so the removal may have read the
    /// user before it.
    pub(crate) last_sign_ins: BTreeSet<Option<String>>,
}

impl Removed {
    /// Whether a response shows this removed user.
    pub(crate) fn is_shown_by(&self, user: &Value) -> bool {
        let held: BTreeSet<&str> = user["permissions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let person = &self.person;
        user["email"] == person.email.as_str()
            && user["first_name"] == person.first_name.as_str()
            && user["role"] == person.access.role
            && held == person.access.permissions
            && user["status"] == if person.is_active { "active" } else { "suspended" }
            && user["removed_at"] == self.at.as_str()
            && user["removed_by"] == self.by.as_str()
    }

    /// The user after a restore. The items of the earlier sessions are still stored, but their generation has ended.
    fn restored(&self, password: &str, last_sign_in_at: Option<String>, at: &str) -> Person {
        let mut person =
            Person { password: password.to_owned(), must_change: true, last_sign_in_at, ..self.person.clone() };
        person.sign_out(at);
        person.change_factors(None);
        person
    }
}

/// The users of all partners at one point. It is cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<String, Arc<Person>>,
    /// The removed users. None of them has been restored since.
    pub(crate) removed: BTreeMap<String, Arc<Removed>>,
    /// The users of each partner who need a second factor.
    pub(crate) requirements: Arc<BTreeMap<String, &'static str>>,
}

impl State {
    /// Whether this user needs a second factor.
    pub(crate) fn requires_factor(&self, person: &Person) -> bool {
        covers(self.requirement(&person.partner), person.access.role)
    }

    fn requirement(&self, partner: &str) -> &'static str {
        self.requirements.get(partner).copied().unwrap_or("optional")
    }

    /// This state with the requirements of another one. A change reads the requirement before it commits, and does not
    /// require that it stays.
    pub(crate) fn requiring_as(&self, other: &Self) -> Self {
        Self { requirements: Arc::clone(&other.requirements), ..self.clone() }
    }

    /// The user of a partner with an email.
    pub(crate) fn holder(&self, partner: &str, email: &str) -> Option<&str> {
        let is_it = |person: &Person| person.email == email && person.partner == partner;
        self.users.iter().find(|(_, person)| is_it(person)).map(|(id, _)| id.as_str())
    }

    /// Whether some user can sign in with this passkey.
    pub(crate) fn lets_in(&self, passkey: &str) -> bool {
        self.users.values().any(|person| person.is_active && person.has_passkey(passkey))
    }

    /// The user of a session, if the session is alive. A session that lacks a required second factor is not.
    pub(crate) fn holder_of(&self, session: &Session) -> Option<&Person> {
        let person = self.users.get(&session.user)?;
        let live = person.sessions.get(&session.id)?;
        let is_current = live.generation == person.generation && live.generation == session.generation;
        (is_current && (live.has_factor || !self.requires_factor(person))).then_some(person)
    }

    /// The refusal of an operation in this state, or `None` if it is allowed.
    pub(crate) fn refusal(&self, operation: &Operation) -> Option<Refusal> {
        let action = &operation.action;
        let session = operation.session.as_ref()?;
        let Some(actor) = self.holder_of(session) else { return Some(OVER) };
        if let Action::OwnPassword { current, .. } = action {
            return (*current != actor.password).then_some((422, "validation_failed"));
        }
        if let Action::Require { .. } = action {
            let has_factor = actor.sessions.get(&session.id).is_some_and(|live| live.has_factor);
            return match actor.access.role {
                "primary_admin" => (!has_factor).then_some((403, "second_factor_required")),
                _ => Some((403, "primary_admin_protected")),
            };
        }
        if let Action::Restore { target, .. } = action {
            let of_partner = |removed: &&Arc<Removed>| removed.person.partner == actor.partner;
            let Some(removed) = self.removed.get(target).filter(of_partner) else { return Some((404, "not_found")) };
            let is_taken = self.holder(&actor.partner, &removed.person.email).is_some();
            return denial(actor, action, Some(&removed.person), false, false)
                .or_else(|| is_taken.then_some((409, "email_taken")));
        }
        let has_removed = match action {
            Action::RemoveApp => Some(actor.has_app()),
            Action::RemovePasskey { id } => Some(actor.has_passkey(id)),
            _ => None,
        };
        if let (Some(has_it), factors) = (has_removed, actor.factors.as_ref()) {
            let is_last = factors.is_some_and(|own| usize::from(own.app.is_some()) + own.passkeys.len() == 1);
            let is_required = (is_last && self.requires_factor(actor)).then_some((409, "factor_required"));
            return if has_it { is_required } else { Some((404, "not_found")) };
        }
        let own = action.target() == Some(&session.user);
        let of_partner = |id| self.users.get(id).filter(|person| person.partner == actor.partner);
        let target = match action.target().map(of_partner) {
            Some(None) => return Some((404, "not_found")),
            Some(Some(target)) => Some(target.as_ref()),
            None => None,
        };
        let needs_factor = covers(self.requirement(&actor.partner), "primary_admin");
        denial(actor, action, target, own, needs_factor)
            .or_else(|| {
                let is_stale = action.if_match().zip(target).is_some_and(|(wanted, target)| wanted != target.version);
                is_stale.then_some((412, "version_mismatch"))
            })
            .or_else(|| {
                let (Action::Edit { email: Some(email), .. } | Action::Add { email, .. }) = action else { return None };
                let holder = self.holder(&actor.partner, email);
                (holder.is_some() && holder != action.target()).then_some((409, "email_taken"))
            })
            .or_else(|| {
                let is_wrong = action.current_password().is_some_and(|current| current != actor.password);
                is_wrong.then_some((422, "validation_failed"))
            })
            .or_else(|| {
                let (Action::EndSession { session, .. }, Some(target)) = (action, target) else { return None };
                (target.sessions.get(session).map(|live| live.generation) != Some(target.generation))
                    .then_some((404, "not_found"))
            })
    }

    /// Applies an allowed operation.
    pub(crate) fn apply(&mut self, operation: &Operation, commit: &Commit) -> Result<(), String> {
        if let Action::Add { email, first_name, password, access } = &operation.action {
            let actor = operation
                .actor()
                .and_then(|actor| self.users.get(actor))
                .ok_or("the user who added a user does not exist")?;
            // After a lost response the password of the new user is unknown.
            let generated = || operation.answer.json["generated_password"].as_str().map(str::to_owned);
            let known = password.clone().or_else(generated).unwrap_or_default();
            let mut person = Person::new(&actor.partner, email, first_name, access.clone(), &known);
            person.must_change = password.is_none();
            let before = self.users.insert(commit.target.clone(), Arc::new(person));
            return before.map_or(Ok(()), |_| Err("a user was added twice".to_owned()));
        }
        if let (Action::Require { requirement }, Some(actor)) = (&operation.action, self.users.get(&commit.target)) {
            Arc::make_mut(&mut self.requirements).insert(actor.partner.clone(), requirement);
            return Ok(());
        }
        let named = operation.action.target().or(operation.actor());
        if named.is_some_and(|named| named != commit.target) {
            return Err("it changed another user".to_owned());
        }
        if operation.action.removes() {
            let person = self.users.remove(&commit.target).ok_or("the removed user does not exist")?;
            let removed = Removed {
                at: commit.at.clone(),
                by: operation.actor().unwrap_or_default().to_owned(),
                last_sign_ins: BTreeSet::from([person.last_sign_in_at.clone()]),
                person: Arc::unwrap_or_clone(person),
            };
            let before = self.removed.insert(commit.target.clone(), Arc::new(removed));
            return before.map_or(Ok(()), |_| Err("a user was removed twice".to_owned()));
        }
        if let Action::Restore { target, password } = &operation.action {
            let removed = self.removed.remove(target).ok_or("the restored user was not removed")?;
            let last_sign_in_at = commit.added.as_ref().and_then(|added| added.last_sign_in_at.clone());
            if !removed.last_sign_ins.contains(&last_sign_in_at) {
                return Err("the restored user has another last sign-in".to_owned());
            }
            let restored = removed.restored(password, last_sign_in_at, &commit.at);
            let before = self.users.insert(target.clone(), Arc::new(restored));
            return before.map_or(Ok(()), |_| Err("the restored user exists already".to_owned()));
        }
        if let (true, Some(actor)) = (operation.action.swaps_roles(), operation.actor()) {
            let actor = self.users.get_mut(actor).ok_or("the caller does not exist")?;
            Arc::make_mut(actor).take_all_permissions_as("admin");
        }
        let person = self.users.get_mut(&commit.target).ok_or("the changed user does not exist")?;
        let person = Arc::make_mut(person);
        operation.apply(person, commit)
    }
}

/// All roles, the highest first.
const ROLES: [&str; 4] = ["primary_admin", "admin", "manager", "viewer"];

/// `needs_factor` means that the primary admin needs a second factor.
fn denial(actor: &Person, action: &Action, target: Option<&Person>, own: bool, needs_factor: bool) -> Option<Refusal> {
    let changed = target.filter(|_| action.event().is_some() && !own);
    let is_primary_admin = |person: &Person| person.access.role == "primary_admin";
    let changes_nothing_of_it = matches!(action, Action::Decide { decision: "keep", .. });
    if (changed.is_some_and(is_primary_admin) && !changes_nothing_of_it)
        || (action.swaps_roles() && !is_primary_admin(actor))
    {
        return Some((403, "primary_admin_protected"));
    }
    let is_forbidden_to_oneself = matches!(
        action,
        Action::SetPermissions { .. }
            | Action::Remove { .. }
            | Action::SetStatus { .. }
            | Action::Decide { .. }
            | Action::ResetFactors { .. }
    );
    if own && is_forbidden_to_oneself {
        return Some((403, "self_change_forbidden"));
    }
    let changes_email = match (action, target) {
        (Action::Edit { email: Some(email), .. }, Some(target)) => *email != target.email,
        _ => false,
    };
    if action.needed_permission(own, changes_email).is_some_and(|permission| !actor.may(permission)) {
        return Some((403, "missing_permission"));
    }
    let exceeds = |access: &Access| !access.permissions.is_subset(&actor.access.permissions);
    let rank = |access: &Access| ROLES.iter().position(|role| *role == access.role);
    let is_above_own = |access: &Access| exceeds(access) || rank(access) < rank(&actor.access);
    let given = match action {
        Action::SetPermissions { access, .. } | Action::Add { access, .. } => Some(access),
        Action::Restore { .. } => target.map(|removed| &removed.access),
        _ => None,
    };
    let is_above = changed.is_some_and(|target| exceeds(&target.access)) || given.is_some_and(is_above_own);
    if is_above {
        return Some((403, "exceeds_own_permissions"));
    }
    let is_fit = |target: &Person| {
        target.is_active
            && target.access.role == "admin"
            && target.last_sign_in_at.is_some()
            && !target.must_change
            && (target.factors.is_some() || !needs_factor)
    };
    if action.swaps_roles() && (own || !target.is_some_and(is_fit)) {
        return Some((422, "validation_failed"));
    }
    // A request that changes nothing is a read, and needs the permission to read.
    if !own && !actor.may("users.read") && target.is_some_and(|target| target.has_values_of(action)) {
        return Some((403, "missing_permission"));
    }
    // A decision also needs the permissions to see the review.
    let may_see = actor.may("users.read") && actor.may("audit.read");
    if matches!(action, Action::Decide { .. }) && !may_see {
        return Some((403, "missing_permission"));
    }
    let is_least = matches!(action, Action::Decide { decision: "reduce", .. })
        && target.is_some_and(|target| reduced(&target.access).is_none());
    is_least.then_some((422, "validation_failed"))
}

/// The permissions that a role gives by default.
pub(crate) fn default_permissions(role: &str) -> &'static [&'static str] {
    match role {
        "manager" => &["users.read", "users.add", "users.edit", "users.force_logout"],
        "viewer" => &["users.read"],
        _ => &ALL,
    }
}

/// The next lower access: without the permissions beyond the role's defaults, or else with the next lower role.
pub(crate) fn reduced(access: &Access) -> Option<Access> {
    let within = |role: &'static str| {
        let default = default_permissions(role);
        let held = access.permissions.iter().copied().filter(|held| default.contains(held));
        Access { role, permissions: held.collect() }
    };
    let own = within(access.role);
    match access.role {
        "primary_admin" => None,
        _ if own != *access => Some(own),
        "admin" => Some(within("manager")),
        "manager" => Some(within("viewer")),
        _ => None,
    }
}
