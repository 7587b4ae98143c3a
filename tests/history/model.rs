//! A sequential model of the portal: who may do what (a second, independent implementation of the policy), and the
//! effects of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::operation::{Access, Action, Operation, Session};
use crate::recorder::Commit;

/// All permissions.
pub(crate) const ALL: [&str; 7] = [
    "users.read",
    "users.add",
    "users.edit",
    "users.remove",
    "users.force_logout",
    "users.set_permissions",
    "audit.read",
];

/// A refusal: status and code.
pub(crate) type Refusal = (u16, &'static str);

/// The refusal of a request whose session has ended.
pub(crate) const OVER: Refusal = (401, "session_ended");

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
    pub(crate) sessions: BTreeMap<String, u64>,
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

    pub(crate) fn take_all_permissions_as(&mut self, role: &'static str) {
        self.version += 1;
        self.access_version += 1;
        self.access = Access { role, permissions: ALL.into() };
    }
}

/// The users of all partners at one point. It is cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<String, Arc<Person>>,
}

impl State {
    /// The user of a partner with an email.
    pub(crate) fn holder(&self, partner: &str, email: &str) -> Option<&str> {
        let is_it = |person: &Person| person.email == email && person.partner == partner;
        self.users.iter().find(|(_, person)| is_it(person)).map(|(id, _)| id.as_str())
    }

    /// The user of a session, if the session is alive.
    pub(crate) fn holder_of(&self, session: &Session) -> Option<&Person> {
        let person = self.users.get(&session.user)?;
        let generation = person.sessions.get(&session.id)?;
        (*generation == person.generation && *generation == session.generation).then_some(person)
    }

    /// The refusal of an operation in this state, or `None` if it is allowed.
    pub(crate) fn refusal(&self, operation: &Operation) -> Option<Refusal> {
        let action = &operation.action;
        let session = operation.session.as_ref()?;
        let Some(actor) = self.holder_of(session) else { return Some(OVER) };
        if let Action::OwnPassword { current, .. } = action {
            return (*current != actor.password).then_some((422, "validation_failed"));
        }
        let own = action.target() == Some(&session.user);
        let of_partner = |id| self.users.get(id).filter(|person| person.partner == actor.partner);
        let target = match action.target().map(of_partner) {
            Some(None) => return Some((404, "not_found")),
            Some(Some(target)) => Some(target.as_ref()),
            None => None,
        };
        denial(actor, action, target, own)
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
                (target.sessions.get(session) != Some(&target.generation)).then_some((404, "not_found"))
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
        let named = operation.action.target().or(operation.actor());
        if named.is_some_and(|named| named != commit.target) {
            return Err("it changed another user".to_owned());
        }
        if operation.action.removes() {
            return self
                .users
                .remove(&commit.target)
                .map_or(Err("the removed user does not exist".to_owned()), |_| Ok(()));
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

fn denial(actor: &Person, action: &Action, target: Option<&Person>, own: bool) -> Option<Refusal> {
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
        Action::SetPermissions { .. } | Action::Remove { .. } | Action::SetStatus { .. } | Action::Decide { .. }
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
        _ => None,
    };
    let is_above = changed.is_some_and(|target| exceeds(&target.access)) || given.is_some_and(is_above_own);
    if is_above {
        return Some((403, "exceeds_own_permissions"));
    }
    let is_fit = |target: &Person| {
        target.is_active && target.access.role == "admin" && target.last_sign_in_at.is_some() && !target.must_change
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
