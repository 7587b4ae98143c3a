//! Reads both stores completely, and checks the rules that hold when no request is in progress.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use portal_tests::Ready;
use portal_tests::rows::{Row, Rows};

use crate::action::{Effect, events_with};
use crate::outbox::Outbox;

/// A review decision that keeps the access, so that no other event increments the version.
const KEPT: &str = "access.reviewed keep";

/// The id of a partner and the id of a user.
type Who = (String, String);

/// The content of the tables and the user pool.
pub(crate) struct Whole {
    partners: BTreeMap<String, Row>,
    users: BTreeMap<Who, Row>,
    /// The items from which removed users can be restored.
    removed: BTreeMap<Who, Row>,
    /// Email entries by email and partner.
    emails: BTreeMap<(String, String), Row>,
    marks: Vec<Row>,
    /// Credentials by the user's id.
    credentials: BTreeMap<String, Row>,
    /// Events by partner: each has an action and the id of the target.
    events: BTreeMap<String, Vec<(String, String)>>,
    /// Sessions, challenges and known sources by the user's id.
    sessions: BTreeMap<String, Vec<Row>>,
    cognito: Vec<String>,
    pub(crate) outbox: Outbox,
}

/// A broken rule in a partner.
pub(crate) struct Violation {
    pub(crate) partner: String,
    /// The user, unless the rule is about the partner.
    pub(crate) user: Option<String>,
    pub(crate) what: String,
}

impl Whole {
    pub(crate) async fn read(ready: &Ready) -> Self {
        let rows = Rows::of(ready);
        let mut whole = Self {
            partners: BTreeMap::new(),
            users: BTreeMap::new(),
            removed: BTreeMap::new(),
            emails: BTreeMap::new(),
            marks: Vec::new(),
            credentials: BTreeMap::new(),
            events: BTreeMap::new(),
            sessions: BTreeMap::new(),
            cognito: rows.every_cognito_user().await,
            outbox: Outbox::default(),
        };
        whole.outbox.set_items(Outbox::read(&rows).await);
        for row in rows.whole("UsersTable").await {
            whole.place(row);
        }
        for row in rows.whole("CredentialsTable").await {
            whole.credentials.insert(after(&row, "pk", "USER#").unwrap(), row);
        }
        for row in rows.whole("SessionsTable").await {
            // The other items are counters and choices, which do not name the user.
            if let Some(user) = after(&row, "pk", "USER#") {
                whole.sessions.entry(user).or_default().push(row);
            }
        }
        for row in rows.whole("AuditTable").await {
            // The other items record that a refusal already has an event in this minute.
            let Some(partner) = after(&row, "pk", "PARTNER#") else { continue };
            // The refusal to add a user has no target.
            let target = row["target"].as_m().map(|target| text(target, "id")).unwrap_or_default();
            let is_invited = whole.user(&partner, &target).is_some_and(|user| user.contains_key("invited_at"));
            whole.outbox.add_event(&partner, &row, is_invited);
            let is_kept = row["after"].as_m().is_ok_and(|after| text(after, "decision") == "keep");
            let events = whole.events.entry(partner).or_default();
            events.extend(is_kept.then(|| (KEPT.to_owned(), target.clone())));
            events.push((text(&row, "action"), target));
        }
        whole
    }

    fn place(&mut self, row: Row) {
        if let Some(email) = after(&row, "pk", "EMAIL#") {
            self.emails.insert((email, after(&row, "sk", "PARTNER#").unwrap()), row);
        } else if let Some(partner) = after(&row, "pk", "PARTNER#") {
            if text(&row, "sk") == "PARTNER" {
                self.partners.insert(partner, row);
            } else if let Some(user) = after(&row, "sk", "USER#") {
                self.users.insert((partner, user), row);
            } else if let Some(user) = after(&row, "sk", "REMOVED#") {
                self.removed.insert((partner, user), row);
            } else {
                self.marks.push(row);
            }
        }
    }

    /// A user's item.
    pub(crate) fn user(&self, partner: &str, user: &str) -> Option<&Row> {
        self.users.get(&(partner.to_owned(), user.to_owned()))
    }

    /// The users of a partner who need a second factor, if the partner has set it.
    pub(crate) fn requirement(&self, partner: &str) -> Option<String> {
        self.partners.get(partner)?.get("second_factor").map(|requirement| requirement.as_s().unwrap().clone())
    }

    /// A user's credential.
    pub(crate) fn credential(&self, user: &str) -> Option<&Row> {
        self.credentials.get(user)
    }

    /// The number of sessions of a user that are new, and the number of those that have changed.
    pub(crate) fn changed_sessions(&self, before: &Self, user: &str) -> (usize, usize) {
        let old = |row: &Row| before.sessions_of(user).find(|old| old["sk"] == row["sk"]);
        let new = self.sessions_of(user).filter(|row| old(row).is_none()).count();
        let changed = self.sessions_of(user).filter(|row| old(row).is_some_and(|old| old != *row)).count();
        (new, changed)
    }

    fn sessions_of(&self, user: &str) -> impl Iterator<Item = &Row> {
        let rows = self.sessions.get(user).into_iter().flatten();
        rows.filter(|row| text(row, "sk").starts_with("SESSION#"))
    }

    /// The number of these events in a partner.
    pub(crate) fn count(&self, partner: &str, event: &str) -> usize {
        self.events.get(partner).map_or(0, |events| events.iter().filter(|(action, _)| action == event).count())
    }

    /// The number of these events with this target.
    pub(crate) fn count_of(&self, partner: &str, event: &str, user: &str) -> usize {
        let events = self.events.get(partner).map(Vec::as_slice).unwrap_or_default();
        events.iter().filter(|(action, target)| action == event && target == user).count()
    }

    /// The users with an email.
    pub(crate) fn with_email(&self, email: &str) -> Vec<Who> {
        let entries = self.emails.iter().filter(|((of, _), _)| of == email);
        entries.map(|((_, partner), row)| (partner.clone(), text(row, "user_id"))).collect()
    }

    /// Everything in both stores about a user: each attribute of each item, and each Cognito user.
    fn about(&self, partner: &str, user: &str) -> BTreeMap<String, AttributeValue> {
        let entries = self.emails.iter().filter(|((_, of), row)| of == partner && text(row, "user_id") == user);
        let sessions = self.sessions.get(user).map(Vec::as_slice).unwrap_or_default();
        let items = self.user(partner, user).into_iter().chain(self.credential(user));
        let items = items.chain(entries.map(|(_, row)| row)).chain(sessions);
        let mut about = BTreeMap::new();
        for (number, item) in items.enumerate() {
            // The rest of the key is different for each user.
            let kind =
                [text(item, "pk"), text(item, "sk")].map(|key| key.split('#').next().unwrap_or_default().to_owned());
            about.extend(
                item.iter().map(|(name, value)| (format!("{number} {} {name}", kind.join(" ")), value.clone())),
            );
        }
        let prefix = format!("{partner}.{user}.");
        let generations = self.cognito.iter().filter_map(|name| name.strip_prefix(&prefix));
        about.extend(generations.map(|number| (format!("generation {number}"), AttributeValue::Bool(true))));
        about
    }

    /// Describes how everything about a user has changed: the attributes that are new, gone or different. The values differ
    /// between users, except numbers.
    pub(crate) fn change_of(&self, before: &Self, partner: &str, user: &str) -> Vec<String> {
        let (old, new) = (before.about(partner, user), self.about(partner, user));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        let change = |name: &String| match (old.get(name), new.get(name)) {
            (None, Some(_)) => format!("{name} is new"),
            (_, None) => format!("{name} is gone"),
            (Some(_), Some(AttributeValue::N(number))) => format!("{name} is {number}"),
            (Some(_), Some(_)) => format!("{name} is different"),
        };
        changed.map(change).collect()
    }

    /// All broken rules.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut report = |partner: &str, user: Option<&str>, what: String| {
            found.push(Violation { partner: partner.to_owned(), user: user.map(str::to_owned), what });
        };
        for (partner, row) in &self.partners {
            let users: Vec<_> = self.users.iter().filter(|((of, _), _)| of == partner).collect();
            if number(row, "user_count") != users.len() {
                report(
                    partner,
                    None,
                    format!("user_count is {}, but there are {} users", number(row, "user_count"), users.len()),
                );
            }
            let admins: Vec<_> = users.iter().filter(|(_, user)| text(user, "role") == "primary_admin").collect();
            if admins.len() != 1 || admins[0].0.1 != text(row, "primary_admin_id") {
                report(partner, None, format!("{} primary admins", admins.len()));
            }
        }
        for (who @ (partner, id), user) in &self.users {
            self.check_user(who, user, &mut |what| report(partner, Some(id), format!("user {id}: {what}")));
        }
        for ((email, partner), entry) in &self.emails {
            let id = text(entry, "user_id");
            if self.user(partner, &id).is_none_or(|user| text(user, "email") != *email) {
                report(partner, Some(&id), "an email entry has no user".to_owned());
            }
        }
        for ((partner, id), was_removed) in self.removals() {
            let who = (partner.clone(), id.clone());
            let stored = (self.users.contains_key(&who), self.removed.contains_key(&who));
            if stored != (!was_removed, was_removed) {
                report(&partner, Some(&id), format!("removed: {was_removed}, but (user, removed user): {stored:?}"));
            }
        }
        let known: BTreeSet<&String> = self.users.keys().map(|(_, user)| user).collect();
        for id in self.credentials.keys().filter(|id| !known.contains(id)) {
            report("?", Some(id), format!("a credential has no user {id}"));
        }
        for mark in &self.marks {
            let (partner, key) = (after(mark, "pk", "PARTNER#").unwrap(), text(mark, "sk"));
            report(&partner, key.split('#').nth(1), format!("a mark is left: {key}"));
        }
        for name in &self.cognito {
            let mut parts = name.split('.');
            let [partner, user, generation] = [(); 3].map(|()| parts.next().unwrap_or_default());
            match self.user(partner, user) {
                None => report(partner, Some(user), format!("a Cognito user has no user: {name}")),
                Some(row) if number(row, "session_generation").to_string() != generation => {
                    report(partner, Some(user), format!("a Cognito user belongs to an ended generation: {name}"));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// Every user with a removal in the audit trail or a removed item, and whether the last removal was not followed by a
    /// restore.
    fn removals(&self) -> BTreeMap<Who, bool> {
        let mut removals: BTreeMap<Who, bool> = self.removed.keys().map(|who| (who.clone(), false)).collect();
        for (partner, events) in &self.events {
            for (_, user) in events.iter().filter(|(action, _)| action == "user.removed") {
                let count = |action| self.count_of(partner, action, user);
                removals.insert((partner.clone(), user.clone()), count("user.removed") > count("user.restored"));
            }
        }
        removals
    }

    fn check_user(&self, (partner, id): &Who, user: &Row, report: &mut dyn FnMut(String)) {
        let missing = [
            "version",
            "access_version",
            "session_generation",
            "email",
            "name_key",
            "last_sign_in_key",
            "status",
            "role",
        ]
        .into_iter()
        .find(|attribute| !user.contains_key(*attribute));
        if let Some(missing) = missing {
            return report(format!("the item has no {missing}"));
        }
        let entry = self.emails.get(&(text(user, "email"), partner.clone()));
        if entry.is_none_or(|entry| text(entry, "user_id") != *id) {
            report("there is no email entry".to_owned());
        }
        if !self.partners.contains_key(partner) {
            report("there is no partner".to_owned());
        }
        match self.credentials.get(id) {
            None => report("there is no credential".to_owned()),
            Some(credential) => {
                if credential["must_change"] != user["must_change_password"] {
                    report("must_change differs between user and credential".to_owned());
                }
                if credential["password_version"] != user["password_version"] {
                    report("the number of passwords differs between user and credential".to_owned());
                }
            }
        }
        let events = self.events.get(partner).map(Vec::as_slice).unwrap_or_default();
        let count = |actions: &[&str]| {
            events.iter().filter(|(action, target)| target == id && actions.contains(&action.as_str())).count()
        };
        let mut version = events_with(Effect::increments_version);
        version.push(KEPT);
        let generation = events_with(Effect::ends_generation);
        for (attribute, actions) in [("version", version), ("session_generation", generation)] {
            let (is, expected) = (number(user, attribute), 1 + count(&actions));
            if is != expected {
                report(format!("{attribute} is {is}, but the audit trail says {expected}"));
            }
        }
        if count(&["user.added", "partner.created"]) != 1 {
            report(format!(
                "the audit trail says that the user was added {} times",
                count(&["user.added", "partner.created"])
            ));
        }
        let is_reviewed = user.contains_key("reviewed_at");
        if is_reviewed != (count(&["access.reviewed"]) != 0) {
            report(format!("reviewed is {is_reviewed}, but the audit trail differs"));
        }
        if count(&["user.removed"]) != count(&["user.restored"]) {
            report("the audit trail says that the user was removed".to_owned());
        }
    }
}

pub(crate) fn text(row: &Row, attribute: &str) -> String {
    row.get(attribute).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn number(row: &Row, attribute: &str) -> usize {
    row.get(attribute).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or_default()
}

fn after(row: &Row, attribute: &str, prefix: &str) -> Option<String> {
    text(row, attribute).strip_prefix(prefix).map(str::to_owned)
}
