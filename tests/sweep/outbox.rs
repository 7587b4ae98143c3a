//! Compares the outbox with the audit trail: no mail without its change, and no change without its mail. Then sends all mail,
//! and compares the mailbox with the outbox.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use portal_core::mail::LinkKind;
use portal_tests::mailbox::send_due_mail;
use portal_tests::rows::{Row, Rows, binding};
use portal_tests::{Mailbox, Ready, invoke};
use serde_json::{Value, json};

use crate::whole::{Violation, Whole, text};

/// The number of concurrent invocations that send mail, and the number of items of each.
const LANES: usize = 4;
const BATCH: usize = 20;

/// The outbox, and the events that must have added mail to it.
#[derive(Default)]
pub(crate) struct Outbox {
    items: Vec<Row>,
    /// All events by their ids.
    events: BTreeMap<String, Noticed>,
}

/// An event, and the mail that its transaction must have added.
struct Noticed {
    partner: String,
    user: String,
    action: String,
    kinds: Vec<&'static str>,
}

impl Outbox {
    pub(crate) async fn read(rows: &Rows) -> Vec<Row> {
        rows.whole("OutboxTable").await
    }

    pub(crate) fn set_items(&mut self, items: Vec<Row>) {
        self.items = items;
    }

    /// Adds an event. `is_invited` shows whether its target has an invitation.
    pub(crate) fn add_event(&mut self, partner: &str, event: &Row, is_invited: bool) {
        let part = |name: &str| event.get(name).and_then(|part| part.as_m().ok());
        let [actor, target] = ["actor", "target"].map(|name| part(name).map(|part| text(part, "id")));
        let by_operator = part("actor").is_some_and(|actor| text(actor, "kind") == "operator");
        let has_new_email = part("after").is_some_and(|after| after.contains_key("email"));
        let action = text(event, "action");
        let kinds = match action.as_str() {
            "password.set" | "primary_admin.recovered" => vec!["password_set"],
            "password.changed" => vec!["password_changed"],
            "password.reset" => vec!["password_was_reset"],
            // The previous address and the new one.
            "user.edited" if has_new_email => vec!["email_changed"; 2],
            "email_change.requested" => vec!["email_change"],
            // The end of all sessions of all users sends no mail.
            "logout.forced" if !by_operator => vec!["logout_forced"],
            "user.suspended" => vec!["suspended"],
            "second_factor.added" | "second_factor.replaced" => vec!["second_factor_added"],
            "second_factor.removed" => vec!["second_factor_removed"],
            // After a restore, an operator removes the factors of all users without a mail.
            "second_factor.reset" if !by_operator => vec!["second_factor_reset"],
            "recovery_code.used" => vec!["recovery_code_used"],
            // A primary admin who hands the portal over is notified of that.
            "permissions.set" if actor != target => vec!["access_changed"],
            "primary_admin.handed_over" => vec!["handed_over"; 2],
            "invitation.sent" => vec!["invitation"],
            "user.added" | "user.restored" if is_invited => vec!["invitation"],
            _ => Vec::new(),
        };
        let noticed = Noticed { partner: partner.to_owned(), user: target.unwrap_or_default(), action, kinds };
        self.events.insert(text(event, "id"), noticed);
    }

    /// The requests to reset the password for an email.
    pub(crate) fn reset_requests(&self, email: &str) -> usize {
        self.items.iter().filter(|item| text(item, "kind") == "password_reset" && text(item, "email") == email).count()
    }

    /// The differences between the outbox and the audit trail since `before`.
    pub(crate) fn violations(&self, before: &Self) -> Vec<Violation> {
        let old: BTreeSet<String> = before.items.iter().map(|item| text(item, "pk")).collect();
        let mut mail: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.contains_key("event_id") && !old.contains(&text(item, "pk"))) {
            mail.entry(text(item, "event_id")).or_default().push(text(item, "kind"));
        }
        let mut found = Vec::new();
        for (id, event) in self.events.iter().filter(|(id, _)| !before.events.contains_key(*id)) {
            let is = mail.remove(id).unwrap_or_default();
            // A user is notified of a sign-in from an unknown source if the account is older than ten minutes. On a busy
            // machine the accounts of the sweep become that old.
            let is_new_sign_in = event.action == "session.started" && is == ["new_sign_in"];
            if is != event.kinds && !is_new_sign_in {
                let what = format!("the event {} has the mail {is:?}, not {:?}", event.action, event.kinds);
                found.push(Violation { partner: event.partner.clone(), user: Some(event.user.clone()), what });
            }
        }
        for (event, kinds) in mail {
            let what = format!("the mail {kinds:?} has no event {event}");
            found.push(Violation { partner: "?".to_owned(), user: None, what });
        }
        found
    }
}

/// The number of messages for each address that the outbox must lead to.
fn expected(whole: &Whole) -> BTreeMap<String, usize> {
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    let is_active = |user: &Row| text(user, "status") == "active";
    for item in &whole.outbox.items {
        let (kind, email) = (text(item, "kind"), text(item, "email"));
        let user = whole.user(&text(item, "partner_id"), &text(item, "user_id"));
        let to = match LinkKind::ALL.into_iter().find(|link| link.as_str() == kind) {
            Some(LinkKind::PasswordReset) => {
                let users = whole.with_email(&email);
                let is_used = users.iter().any(|(partner, user)| whole.user(partner, user).is_some_and(is_active));
                is_used.then_some(email)
            }
            Some(link) => {
                let address = if link == LinkKind::EmailChange { "pending_email" } else { "email" };
                let is_current = |user: &&Row| is_active(user) && binding(link, user).as_ref() == item.get("binding");
                user.filter(is_current).map(|user| text(user, address))
            }
            // A user who was removed gets no mail.
            None => user.map(|_| email),
        };
        if let Some(to) = to {
            *expected.entry(to.to_lowercase()).or_default() += 1;
        }
    }
    expected
}

/// Sends all mail in the outbox. Returns its number, and each address that got another number of messages than the outbox
/// had for it.
pub(crate) async fn send_all(ready: &Ready, whole: &Whole) -> (usize, Vec<String>) {
    let (rows, mut expected) = (Rows::of(ready), expected(whole));
    let keys = rows.outbox_keys().await;
    // Another sweep than the schedule's: as the stream does it, with several invocations.
    let record = |pk: &String| json!({ "dynamodb": { "Keys": { "pk": { "S": pk } }, "SequenceNumber": "1" } });
    let sent = keys.chunks(BATCH).map(async |keys| {
        let records: Vec<Value> = keys.iter().map(record).collect();
        let report = invoke(ready, "send-mail", &json!({ "Records": records })).await.worked();
        assert_eq!(report["batchItemFailures"], json!([]), "{report}");
    });
    stream::iter(sent).buffer_unordered(LANES).collect::<Vec<()>>().await;
    let report = send_due_mail(ready).await;
    let mut violations = Vec::new();
    let left = rows.outbox_keys().await.len();
    if left > 0 || report["examined"] != 0 {
        violations.push(format!("{left} items are left in the outbox: {report}"));
    }
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for message in Mailbox::of(ready).everything().await {
        for to in message.to {
            *sent.entry(to.to_lowercase()).or_default() += 1;
        }
    }
    let addresses: BTreeSet<String> = expected.keys().chain(sent.keys()).cloned().collect();
    for to in addresses {
        let (is, wanted) = (sent.remove(&to).unwrap_or_default(), expected.remove(&to).unwrap_or_default());
        if is != wanted {
            violations.push(format!("{to} got {is} messages, not {wanted}"));
        }
    }
    (keys.len(), violations)
}
