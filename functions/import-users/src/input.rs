//! Reads the users to add from a CSV file, and collects all problems with them.

use std::collections::{BTreeMap, HashMap};

use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Column, Content, CsvSchema, CsvUpload, LineError, Request, Row};
use portal::models::{Permission, Permissions, Profile, Role};
use portal::policy::{Action, Denied, authorize};
use portal::session::Claims;
use portal::store::{Imported, ItemKey, MAX_USERS};
use serde::Serialize;
use serde_json::json;

fn role(label: &str) -> Option<&'static str> {
    Role::named(label).map(Role::as_str)
}

fn permission(label: &str) -> Option<&'static str> {
    Permission::named(label).map(Permission::as_str).or(Permissions::is_label_of_none(label).then_some(""))
}

/// The columns with the headings of common address books, of the portal's own files, and their translations.
const SCHEMA: CsvSchema = CsvSchema {
    columns: &[
        Column {
            name: "first_name",
            aliases: &[
                "first",
                "fname",
                "givenname",
                "givennames",
                "forename",
                "forenames",
                "prenom",
                "prenoms",
                "prenomusuel",
                "prenomdelutilisateur",
                "userfirstname",
            ],
            is_required: true,
            content: Content::Text,
        },
        Column {
            name: "last_name",
            aliases: &[
                "last",
                "lname",
                "surname",
                "familyname",
                "sn",
                "nom",
                "nomdefamille",
                "nomfamille",
                "nomusuel",
                "nomdelutilisateur",
                "patronyme",
                "userlastname",
            ],
            is_required: true,
            content: Content::Text,
        },
        Column {
            name: "email",
            aliases: &[
                "mail",
                "emailaddress",
                "mailaddress",
                "email1value",
                "workemail",
                "primaryemail",
                "useremail",
                "emailid",
                "adresseemail",
                "adressemail",
                "adressedemail",
                "adressemel",
                "adressedemessagerie",
                "emaildelutilisateur",
                "emailpro",
                "emailprofessionnel",
                "mailpro",
                "adresseemailprofessionnelle",
                "courriel",
                "adressecourriel",
                "adressedecourriel",
                "courrielpro",
                "courrielprofessionnel",
                "courrierelectronique",
                "adresseelectronique",
                "mel",
            ],
            is_required: true,
            content: Content::Email,
        },
        Column {
            name: "role",
            aliases: &["roles", "userrole", "roleutilisateur", "roledelutilisateur"],
            is_required: false,
            content: Content::Word(role),
        },
        Column {
            name: "permissions",
            aliases: &[
                "permission",
                "autorisations",
                "autorisation",
                "rights",
                "accessrights",
                "droits",
                "droitsdacces",
            ],
            is_required: false,
            content: Content::Words(permission),
        },
    ],
    rows: 500,
};

/// A user to be added.
#[derive(Clone, Serialize)]
pub(crate) struct Person {
    pub(crate) line: u64,
    pub(crate) profile: Profile,
    /// The problems with the role and the permissions. They do not matter if the user exists already.
    #[serde(skip)]
    faults: Vec<LineError>,
}

/// Headings as the file has them.
pub(crate) struct Headings {
    pub(crate) email: String,
    role: String,
    permissions: String,
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
    /// The headings of the columns that are not read.
    pub(crate) ignored: Vec<String>,
    pub(crate) headings: Headings,
    /// Whether the users get an invitation instead of a password.
    pub(crate) is_invited: bool,
}

/// The result of a comparison with the stored items.
pub(crate) struct Checked {
    /// The lines whose emails the partner has already, in order.
    pub(crate) taken: Vec<u64>,
    /// The first user that the caller may not add, and why.
    pub(crate) denied: Option<(Person, Denied)>,
}

impl Input {
    /// Reads the file. Rows without a role get `role_if_missing`. Without it, they are a problem: a role that the file does
    /// not contain must not be a result of its form.
    pub(crate) fn read(request: &Request, role_if_missing: Option<Role>, is_invited: bool) -> Result<Self, Failure> {
        let mut sheet = request.sheet(&SCHEMA)?;
        let (rows, has_roles) = (std::mem::take(&mut sheet.rows), sheet.has_column("role"));
        let heading = |field| sheet.heading(field).to_owned();
        let headings = Headings { email: heading("email"), role: heading("role"), permissions: heading("permissions") };
        let CsvUpload { count, line, faults, ignored, .. } = sheet;
        let mut input = Self { rows: count, people: Vec::new(), faults, ignored, headings, is_invited };
        if !has_roles && role_if_missing.is_none() && !rows.is_empty() {
            let message = "The file has no column for roles. Add one, or state role_if_missing.";
            input.faults.push(LineError::new(line, "role", "missing_role", message));
        }
        // If the file has no column for roles, that is reported once, and not for each row.
        let role = role_if_missing.or((!has_roles).then_some(Role::Viewer));
        for row in rows {
            if role_if_missing.is_none() {
                input.refuse_unnamed(&row);
            }
            input.read_row(row, role)?;
        }
        input.refuse_repeated();
        Ok(input)
    }

    /// A value without a heading could be a role.
    fn refuse_unnamed(&mut self, row: &Row) {
        for column in &row.unnamed {
            let message = "This column has no heading. Add one, or remove the column.";
            self.faults.push(LineError::new(row.line, &format!("column {column}"), "no_heading", message));
        }
    }

    /// Reads a row, which gets the role `if_missing` if it has none.
    fn read_row(&mut self, mut row: Row, if_missing: Option<Role>) -> Result<(), Failure> {
        let line = row.line;
        let cells = row.take(&["role", "permissions"]);
        let mut faults = Vec::new();
        if cells.text("role").is_none() && if_missing.is_none() {
            let message = "This row has no role. Add one, or state role_if_missing.";
            faults.push(LineError::new(line, &self.headings.role, "missing_role", message));
        }
        let role = cells.text("role").and_then(|role| Role::parse(role).ok()).or(if_missing).unwrap_or(Role::Viewer);
        let (role, permissions) = match cells.read(|fields| fields.access(Some(role)))? {
            Ok(access) => access,
            Err(found) => {
                faults.extend(found);
                (role, role.default_permissions())
            }
        };
        let person = row.read(|fields| {
            // An empty cell is an absent field, and a person with a single name has no last name.
            fields.null_if_absent("last_name");
            fields.person()
        })?;
        match person {
            Ok((first_name, last_name, email)) => {
                // An imported user gets a generated password, which must be changed at the first sign-in.
                let profile = Profile { first_name, last_name, email, role, permissions, must_change_password: true };
                self.people.push(Person { line, profile, faults });
            }
            Err(found) => self.faults.extend(found.into_iter().chain(faults)),
        }
        Ok(())
    }

    fn refuse_repeated(&mut self) {
        let mut lines: HashMap<&str, u64> = HashMap::new();
        for Person { line, profile, .. } in &self.people {
            let first = *lines.entry(profile.email.normalized()).or_insert(*line);
            if first != *line {
                let message = format!("Line {first} has the same email.");
                self.faults.push(LineError::new(*line, &self.headings.email, "repeated", message));
            }
        }
    }

    /// Returns the request in a canonical form, which does not depend on how the CSV file is written.
    pub(crate) fn asked(&self) -> String {
        json!(["import", self.is_invited, self.people]).to_string()
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
        let partner = call.partner(&claims.partner_key())?;
        let mut room = MAX_USERS.saturating_sub(partner.user_count);
        let mut is_full = false;
        for person in &self.people {
            let line = person.line;
            let is_added = added.iter().any(|added| added.line == line);
            if !is_added && call.get(&claims.email_key(&person.profile.email))?.is_some() {
                // The existing user is left unchanged, which requires no permission and no valid role.
                checked.taken.push(line);
                continue;
            }
            if !person.faults.is_empty() {
                self.faults.extend(person.faults.iter().cloned());
            } else if let Err(denied) = authorize(&caller.user, &person.action()) {
                let is_held = person.profile.permissions.is_subset_of(&caller.user.permissions);
                let Headings { role, permissions, .. } = &self.headings;
                let message = "This user would have a role or a permission that exceeds your own.";
                let field = if is_held { role } else { permissions };
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

/// Returns how many of these users get each role.
pub(crate) fn counted<'a>(people: impl Iterator<Item = &'a Person>) -> BTreeMap<&'static str, usize> {
    let assignable = Role::ALL.into_iter().filter(|role| *role != Role::PrimaryAdmin);
    let mut counts: BTreeMap<_, _> = assignable.map(|role| (role.as_str(), 0)).collect();
    for person in people {
        *counts.entry(person.profile.role.as_str()).or_default() += 1;
    }
    counts
}

/// Adds a user with the least access. A caller who may not do that may not add any user.
pub(crate) const LEAST: Action<'static> = Action::AddUser { role: Role::Viewer, permissions: &Permissions::none() };
