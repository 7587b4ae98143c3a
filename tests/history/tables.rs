//! Compares the stored items at the end with the result of the replay: users, removed users, emails, the user count,
//! sessions and the audit trail.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use portal_core::models::{Permission, Role, Timestamp};
use portal_tests::rows::{Row, Rows};
use portal_tests::{Ready, User};

use crate::model::{Factors, Live, Person, Removed, State};
use crate::recorder::Commit;

/// The number of events for each partner's creation.
const CREATIONS: usize = 1;

/// Events that record no change.
pub(crate) const REFUSED: [&str; 4] = ["change.refused", "sign_in.refused", "sign_in.blocked", "second_factor.refused"];

/// The stored items of the partners.
pub(crate) struct Tables {
    /// The ids of the audit events.
    pub(crate) events: HashSet<String>,
    counts: BTreeMap<String, u64>,
    users: BTreeMap<String, Stored>,
    removed: BTreeMap<String, Row>,
}

struct Stored {
    partner: String,
    row: Row,
    /// The users that the email items of this user name.
    email_names: Vec<String>,
    sessions: BTreeMap<String, Live>,
    factors: Option<StoredFactors>,
}

/// The factors in a credential.
#[derive(Debug, PartialEq, Eq)]
struct StoredFactors {
    /// The last accepted step of the authenticator app.
    last_step: Option<u64>,
    passkeys: BTreeSet<String>,
    /// The number of unused recovery codes.
    codes_left: usize,
}

impl Tables {
    /// Reads the items of the partners of these primary admins.
    pub(crate) async fn read(ready: &Ready, owners: &[User]) -> Self {
        let rows = Rows::of(ready);
        let (counts, users, removed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut tables = Self { events: HashSet::new(), counts, users, removed };
        for owner in owners {
            tables.add(&rows, &owner.partner_id).await;
        }
        tables
    }

    async fn add(&mut self, rows: &Rows, partner: &str) {
        let place = format!("PARTNER#{partner}");
        for row in rows.all("UsersTable", &place).await {
            let key = text(&row, "sk");
            if key == "PARTNER" {
                self.counts.insert(partner.to_owned(), number(&row, "user_count"));
            }
            if let Some(id) = key.strip_prefix("REMOVED#") {
                self.removed.insert(id.to_owned(), row);
                continue;
            }
            let Some(id) = key.strip_prefix("USER#") else { continue };
            let (id, email) = (id.to_owned(), text(&row, "email").to_owned());
            let entries = rows.all("UsersTable", &format!("EMAIL#{email}")).await;
            let own = entries.iter().filter(|entry| text(entry, "sk") == place);
            let email_names = own.map(|entry| text(entry, "user_id").to_owned()).collect();
            let user = User { id: id.clone(), partner_id: partner.to_owned(), email, password: String::new() };
            let sessions = rows.sessions(&user).await;
            let sessions = sessions.iter().filter_map(|row| {
                let session = text(row, "sk").strip_prefix("SESSION#")?.to_owned();
                let live = Live { generation: number(row, "generation"), has_factor: row.contains_key("factors") };
                Some((session, live))
            });
            let factors = rows.credentials(&user).await.first().and_then(factors);
            let partner = partner.to_owned();
            self.users.insert(id, Stored { partner, email_names, sessions: sessions.collect(), factors, row });
        }
        let changes = rows.audit(partner).await.into_iter().filter(|row| !REFUSED.contains(&text(row, "action")));
        self.events.extend(changes.map(|row| text(&row, "id").to_owned()));
    }

    /// Returns descriptions of all differences.
    pub(crate) fn differences(&self, last: &State, commits: &[Commit]) -> Vec<String> {
        let mut found = Vec::new();
        if !self.users.keys().eq(last.users.keys()) {
            found.push(format!("{} users are stored, and {} expected", self.users.len(), last.users.len()));
        }
        let is_removed = |id: &String, row: &Row| last.removed.get(id).is_some_and(|removed| is_of(removed, row));
        if self.removed.len() != last.removed.len() || !self.removed.iter().all(|(id, row)| is_removed(id, row)) {
            found.push(format!("the removed users {:?} are stored, and {:?} expected", self.removed, last.removed));
        }
        for (partner, count) in &self.counts {
            let users = last.users.values().filter(|person| person.partner == *partner).count();
            if *count != users as u64 {
                found.push(format!("the count is {count}, not {users}"));
            }
        }
        let events: usize = commits.iter().map(|commit| commit.events.len()).sum();
        if self.events.len() != events + CREATIONS * self.counts.len() {
            found.push(format!("the commits have {events} events, and {} are stored", self.events.len()));
        }
        for (id, stored) in &self.users {
            match last.users.get(id) {
                Some(person) if stored.is(person) && stored.email_names == [id.as_str()] => {}
                Some(person) => found.push(format!(
                    "stored is {:?} with emails of {:?}, sessions {:?} and factors {:?}, not {person:?}",
                    stored.row, stored.email_names, stored.sessions, stored.factors
                )),
                None => found.push(format!("no operation added {id}")),
            }
        }
        found
    }
}

/// Whether an item has this removed user.
fn is_of(removed: &Removed, row: &Row) -> bool {
    let (user, person) = (row["user"].as_m().unwrap(), &removed.person);
    text(row, "pk") == format!("PARTNER#{}", person.partner)
        && text(row, "removed_at") == removed.at
        && text(row, "removed_by") == removed.by
        && text(user, "email") == person.email
        && text(user, "first_name") == person.first_name
        && number(user, "version") == person.version
        && number(user, "session_generation") == person.generation
}

/// The permission that a stored user has as this letter.
fn permission(letter: char) -> &'static str {
    match letter {
        'r' => "users.read",
        'a' => "users.add",
        'e' => "users.edit",
        'd' => "users.remove",
        'o' => "users.force_logout",
        'p' => "users.set_permissions",
        'f' => "users.reset_factors",
        'h' => "audit.read",
        other => panic!("no permission has the letter {other}"),
    }
}

impl Stored {
    fn is(&self, person: &Person) -> bool {
        let row = &self.row;
        // Permissions are stored only if they are not the default of the role.
        let permissions: BTreeSet<&str> = if let Some(chosen) = row.get("permissions") {
            chosen.as_s().unwrap().chars().map(permission).collect()
        } else {
            let role = Role::parse(text(row, "role")).unwrap();
            role.default_permissions().iter().map(Permission::as_str).collect()
        };
        let reviewed_at = row.get("reviewed_at").map(|millis| millis.as_n().unwrap().parse().unwrap());
        let reviewed_at = reviewed_at.map(|millis| Timestamp::from_unix_millis(millis).to_string());
        self.partner == person.partner
            && text(row, "email") == person.email
            && text(row, "first_name") == person.first_name
            && text(row, "role") == person.access.role
            && permissions == person.access.permissions
            && row["must_change_password"].as_bool().ok() == Some(&person.must_change)
            && text(row, "status") == if person.is_active { "active" } else { "suspended" }
            && reviewed_at == person.reviewed_at
            && number(row, "version") == person.version
            && number(row, "access_version") == person.access_version
            && number(row, "session_generation") == person.generation
            && self.sessions == person.sessions
            && row.contains_key("second_factor") == person.factors.is_some()
            && self.factors == person.factors.as_ref().map(StoredFactors::of)
    }
}

impl StoredFactors {
    /// The factors that a user of the model has.
    fn of(factors: &Factors) -> Self {
        Self {
            last_step: factors.app.as_ref().map(|(_, last_step)| *last_step),
            passkeys: factors.passkeys.clone(),
            codes_left: factors.codes_left,
        }
    }
}

/// The factors in a credential, if it has any.
fn factors(credential: &Row) -> Option<StoredFactors> {
    let factors = credential.get("factors")?.as_m().unwrap();
    let last_step = factors.get("app").map(|app| number(app.as_m().unwrap(), "last_step"));
    let list = |name: &str| factors.get(name).map_or(&[][..], |list| list.as_l().unwrap().as_slice());
    let passkeys = list("passkeys").iter().map(|passkey| text(passkey.as_m().unwrap(), "id").to_owned()).collect();
    let codes_left = list("recovery").len();
    let found = StoredFactors { last_step, passkeys, codes_left };
    (found.last_step.is_some() || !found.passkeys.is_empty()).then_some(found)
}

fn text<'a>(row: &'a Row, attribute: &str) -> &'a str {
    row[attribute].as_s().unwrap()
}

fn number(row: &Row, attribute: &str) -> u64 {
    row[attribute].as_n().unwrap().parse().unwrap()
}
