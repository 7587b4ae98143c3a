//! What is stored at the end, held against what the replay leaves: users, emails, the count, sessions, the audit trail.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use portal_tests::rows::{Row, Rows};
use portal_tests::{Ready, User};

use crate::model::{Person, State};
use crate::recorder::Commit;

/// The event of the partner's creation.
const CREATIONS: usize = 1;

/// An event that tells of no change.
pub(crate) const REFUSED: &str = "change.refused";

/// A partner's rows.
pub(crate) struct Tables {
    /// The ids in the audit trail.
    pub(crate) events: HashSet<String>,
    count: u64,
    users: BTreeMap<String, Stored>,
}

struct Stored {
    row: Row,
    /// Whom the entries of this user's email name.
    email_names: Vec<String>,
    sessions: BTreeMap<String, u64>,
}

impl Tables {
    /// Reads them.
    pub(crate) async fn read(ready: &Ready, partner: &str) -> Self {
        let rows = Rows::of(ready);
        let mut tables = Self { events: HashSet::new(), count: 0, users: BTreeMap::new() };
        for row in rows.all("UsersTable", &format!("PARTNER#{partner}")).await {
            let key = text(&row, "sk");
            if key == "PARTNER" {
                tables.count = number(&row, "user_count");
            }
            let Some(id) = key.strip_prefix("USER#") else { continue };
            let (id, email) = (id.to_owned(), text(&row, "email").to_owned());
            let entries = rows.all("UsersTable", &format!("EMAIL#{email}")).await;
            let email_names = entries.iter().map(|entry| text(entry, "user_id").to_owned()).collect();
            let user = User { id: id.clone(), partner_id: partner.to_owned(), email, password: String::new() };
            let sessions = rows.sessions(&user).await;
            let sessions = sessions.iter().filter_map(|row| {
                Some((text(row, "sk").strip_prefix("SESSION#")?.to_owned(), number(row, "generation")))
            });
            tables.users.insert(id, Stored { email_names, sessions: sessions.collect(), row });
        }
        let changes = rows.audit(partner).await.into_iter().filter(|row| text(row, "action") != REFUSED);
        tables.events = changes.map(|row| text(&row, "id").to_owned()).collect();
        tables
    }

    /// What differs, in words.
    pub(crate) fn differences(&self, last: &State, commits: &[Commit]) -> Vec<String> {
        let mut found = Vec::new();
        if !self.users.keys().eq(last.users.keys()) {
            found.push(format!("{} users are stored, and {} expected", self.users.len(), last.users.len()));
        }
        if self.count != last.users.len() as u64 {
            found.push(format!("the count is {}, not {}", self.count, last.users.len()));
        }
        let events: usize = commits.iter().map(|commit| commit.events.len()).sum();
        if self.events.len() != events + CREATIONS {
            found.push(format!("the commits have {events} events, and {} are stored", self.events.len()));
        }
        for (id, stored) in &self.users {
            match last.users.get(id) {
                Some(person) if stored.is(person) && stored.email_names == [id.as_str()] => {}
                Some(person) => found.push(format!(
                    "stored is {:?} with emails of {:?} and sessions {:?}, not {person:?}",
                    stored.row, stored.email_names, stored.sessions
                )),
                None => found.push(format!("nobody added {id}")),
            }
        }
        found
    }
}

impl Stored {
    fn is(&self, person: &Person) -> bool {
        let row = &self.row;
        let permissions: BTreeSet<&str> =
            row["permissions"].as_l().unwrap().iter().map(|permission| permission.as_s().unwrap().as_str()).collect();
        text(row, "email") == person.email
            && text(row, "first_name") == person.first_name
            && text(row, "role") == person.access.role
            && permissions == person.access.permissions
            && text(row, "status") == if person.is_active { "active" } else { "suspended" }
            && row["reviewed_at"].as_s().ok() == person.reviewed_at.as_ref()
            && number(row, "version") == person.version
            && number(row, "access_version") == person.access_version
            && number(row, "session_generation") == person.generation
            && self.sessions == person.sessions
    }
}

fn text<'a>(row: &'a Row, attribute: &str) -> &'a str {
    row[attribute].as_s().unwrap()
}

fn number(row: &Row, attribute: &str) -> u64 {
    row[attribute].as_n().unwrap().parse().unwrap()
}
