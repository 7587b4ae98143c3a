//! Reads the users to add from a CSV file, and collects all problems with them.

use std::collections::HashMap;

use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Column, CsvSchema, LineError, Request};
use portal::models::{Permissions, Profile, Role};
use portal::policy::{Action, Denied, authorize};
use portal::session::Claims;
use portal::store::{Imported, ItemKey, Key, MAX_USERS, PartnerItem};
use serde::Serialize;
use serde_json::json;

const fn column(name: &'static str, is_required: bool) -> Column {
    Column { name, is_required, is_list: false }
}

const SCHEMA: CsvSchema = CsvSchema {
    columns: &[
        column("first_name", true),
        column("last_name", true),
        column("email", true),
        column("role", false),
        Column { name: "permissions", is_required: false, is_list: true },
    ],
    rows: 500,
};

/// A user to be added.
#[derive(Clone, Serialize)]
pub(crate) struct Person {
    pub(crate) line: u64,
    pub(crate) profile: Profile,
}

impl Person {
    pub(crate) fn action(&self) -> Action<'_> {
        Action::AddUser { role: self.profile.role, permissions: &self.profile.permissions }
    }
}

/// The content of a CSV file.
pub(crate) struct Input {
    /// The number of rows.
    pub(crate) rows: usize,
    /// The users in the rows that are valid by themselves.
    pub(crate) people: Vec<Person>,
    /// The problems. Any problem prevents the whole import.
    pub(crate) faults: Vec<LineError>,
}

/// The result of a comparison with the stored items.
pub(crate) struct Checked {
    /// The lines whose emails the partner has already, in order.
    pub(crate) taken: Vec<u64>,
    /// The first user that the caller may not add, and why.
    pub(crate) denied: Option<(Person, Denied)>,
}

impl Input {
    pub(crate) fn read(request: &Request) -> Result<Self, Failure> {
        let sheet = request.sheet(&SCHEMA)?;
        let mut input = Self { rows: sheet.count, people: Vec::new(), faults: sheet.faults };
        for row in sheet.rows {
            let line = row.line;
            let read = row.read(|fields| {
                // An empty cell is an absent field, and a person with a single name has no last name.
                fields.null_if_absent("last_name");
                let person = fields.person();
                let access = fields.access(Some(Role::Admin));
                let ((first_name, last_name, email), (role, permissions)) = (person?, access?);
                // An imported user gets a generated password, which must be changed at the first sign-in.
                Some(Profile { first_name, last_name, email, role, permissions, must_change_password: true })
            })?;
            match read {
                Ok(profile) => input.people.push(Person { line, profile }),
                Err(faults) => input.faults.extend(faults),
            }
        }
        input.refuse_repeated();
        Ok(input)
    }

    fn refuse_repeated(&mut self) {
        let mut lines: HashMap<&str, u64> = HashMap::new();
        for Person { line, profile } in &self.people {
            let first = *lines.entry(profile.email.normalized()).or_insert(*line);
            if first != *line {
                let message = format!("Line {first} has the same email.");
                self.faults.push(LineError::new(*line, "email", "repeated", message));
            }
        }
    }

    /// Returns the request in a canonical form, which does not depend on how the CSV file is written.
    pub(crate) fn asked(&self) -> String {
        json!(["import", self.people]).to_string()
    }

    /// Returns the keys of the items that [`check`](Self::check) needs.
    pub(crate) fn item_keys(&self, claims: &Claims) -> Vec<ItemKey> {
        let emails = self.people.iter().map(|person| claims.email_key(&person.profile.email).item_key());
        [claims.partner_key().item_key()].into_iter().chain(emails).collect()
    }

    /// Compares the users in the file with the stored items, and adds the problems that prevent them from being added.
    /// `added` are the users that an earlier request with the same key added. They get new passwords, which requires
    /// the same permissions.
    pub(crate) fn check(&mut self, call: &Call<'_>, added: &[Imported]) -> Result<Checked, Failure> {
        let (claims, caller) = (call.claims(), &call.caller);
        let mut checked = Checked { taken: Vec::new(), denied: None };
        let partner: Key<PartnerItem> = claims.partner_key();
        let partner = call.get(&partner)?.ok_or_else(|| Failure::bug("a user without a partner"))?;
        let mut room = MAX_USERS.saturating_sub(partner.user_count);
        let mut is_full = false;
        for person in &self.people {
            let line = person.line;
            let is_added = added.iter().any(|added| added.line == line);
            if !is_added && call.get(&claims.email_key(&person.profile.email))?.is_some() {
                // The existing user is left unchanged, which requires no permission.
                checked.taken.push(line);
                continue;
            }
            if let Err(denied) = authorize(&caller.user, &person.action()) {
                let is_held = person.profile.permissions.is_subset_of(&caller.user.permissions);
                let field = if is_held { "role" } else { "permissions" };
                let message = "This user would have a role or a permission that exceeds your own.";
                self.faults.push(LineError::new(line, field, "exceeds_own_permissions", message));
                checked.denied.get_or_insert_with(|| (person.clone(), denied));
            }
            if is_added {
                continue;
            }
            if room > 0 {
                room -= 1;
            } else if !is_full {
                is_full = true;
                let message = "The partner would exceed its maximum number of users with this user and those after it.";
                self.faults.push(LineError::new(line, "row", "user_limit_reached", message));
            }
        }
        self.faults.sort_by_key(|fault| fault.line);
        Ok(checked)
    }
}

/// Adds a user with the least access. A caller who may not do that may not add any user.
pub(crate) const LEAST: Action<'static> = Action::AddUser { role: Role::Viewer, permissions: &Permissions::none() };
