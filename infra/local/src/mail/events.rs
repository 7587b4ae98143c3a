//! The events that SES sends through `EventBridge` for a message, and their delivery to functions.
//!
//! Every message is sent and delivered here, except to the addresses of SES's mailbox simulator
//! (`bounce@simulator.amazonses.com`, also with a label: `bounce+ann@…`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::mailbox::Message;
use super::{address, time::Moment};
use crate::lambda::{Lambda, log, random};
use crate::plan::{ConfigurationSet, Identity, MailEvent, Rule};
use crate::template::{ACCOUNT, REGION, ses_arn};

/// Lambda invokes a function again after an error, this number of times.
const RETRIES: u32 = 2;
const SIMULATOR: &str = "simulator.amazonses.com";

/// A message that SES accepted.
pub(super) struct Sent<'a> {
    pub(super) message: &'a Message,
    pub(super) identity: &'a Identity,
    /// Without a configuration set, SES sends no events.
    pub(super) set: Option<&'a ConfigurationSet>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) at: Moment,
}

/// What happens to the copy for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Complaint,
    Bounce,
    /// A bounce without an attempt to deliver.
    Suppressed,
}

impl Outcome {
    fn of(recipient: &str) -> Self {
        let recipient = recipient.to_ascii_lowercase();
        let Some((local, SIMULATOR)) = recipient.rsplit_once('@') else { return Self::Delivered };
        match local.split_once('+').map_or(local, |(name, _)| name) {
            "bounce" => Self::Bounce,
            "complaint" => Self::Complaint,
            "suppressionlist" => Self::Suppressed,
            // `success` and `ooto`: an automatic response is not an event.
            _ => Self::Delivered,
        }
    }
}

impl Sent<'_> {
    /// The events to send, in their order.
    pub(super) fn events(&self) -> Vec<Value> {
        let Some(set) = self.set else { return Vec::new() };
        let with = |outcomes: &[Outcome]| -> Vec<&str> {
            let all = self.message.to.iter().map(String::as_str);
            all.filter(|recipient| outcomes.contains(&Outcome::of(recipient))).collect()
        };
        let delivered = with(&[Outcome::Delivered, Outcome::Complaint]);
        let bounced = with(&[Outcome::Bounce, Outcome::Suppressed]);
        let complained = with(&[Outcome::Complaint]);
        let mut events = Vec::new();
        let mut add = |kind, detail_type: &str, name: &str, key: &str, detail: &Value| {
            if set.events.contains(&kind) {
                events.push(self.event(set, detail_type, name, key, detail));
            }
        };
        add(MailEvent::Send, "Email Sent", "Send", "send", &json!({}));
        if !delivered.is_empty() {
            add(MailEvent::Delivery, "Email Delivered", "Delivery", "delivery", &self.delivery(&delivered));
        }
        if !bounced.is_empty() {
            add(MailEvent::Bounce, "Email Bounced", "Bounce", "bounce", &self.bounce(&bounced));
        }
        if !complained.is_empty() {
            let detail = self.complaint(&complained);
            add(MailEvent::Complaint, "Email Complaint Received", "Complaint", "complaint", &detail);
        }
        events
    }

    fn event(&self, set: &ConfigurationSet, detail_type: &str, name: &str, key: &str, detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": random::request_id(),
            "detail-type": detail_type,
            "source": "aws.ses",
            "account": ACCOUNT,
            "time": self.at.seconds,
            "region": REGION,
            "resources": [ses_arn(&format!("configuration-set/{}", set.name))],
            "detail": { "eventType": name, "mail": self.mail(set), key: detail },
        })
    }

    fn mail(&self, set: &ConfigurationSet) -> Value {
        let message = self.message;
        let headers = message.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let from_domain = address(&message.from).rsplit_once('@').map_or("", |(_, domain)| domain);
        let own =
            [("ses:operation", "SendEmail"), ("ses:configuration-set", &set.name), ("ses:from-domain", from_domain)];
        let tags = own.into_iter().chain(self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let tags: Map<String, Value> = tags.map(|(name, value)| (name.to_owned(), json!([value]))).collect();
        let list = |name: &str| -> Vec<&str> {
            message.headers.get(name).map_or_else(Vec::new, |list| list.split(", ").collect())
        };
        json!({
            "timestamp": self.at.millis,
            "source": message.from,
            "sourceArn": ses_arn(&format!("identity/{}", self.identity.name)),
            "sendingAccountId": ACCOUNT,
            "messageId": message.id,
            "destination": message.to,
            "headersTruncated": false,
            "headers": headers.collect::<Vec<_>>(),
            "commonHeaders": {
                "from": [message.from],
                "date": message.headers.get("Date"),
                "to": list("To"),
                "messageId": message.id,
                "subject": message.subject,
            },
            "tags": tags,
        })
    }

    fn delivery(&self, recipients: &[&str]) -> Value {
        json!({
            "timestamp": self.at.millis,
            "processingTimeMillis": 1,
            "recipients": recipients,
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "a8-70.smtp-out.amazonses.com",
        })
    }

    fn bounce(&self, recipients: &[&str]) -> Value {
        let recipients = recipients.iter().map(|recipient| {
            let diagnosis = match Outcome::of(recipient) {
                Outcome::Suppressed => {
                    "Amazon SES has suppressed sending to this address because it has a recent history \
                                        of bouncing as an invalid address."
                }
                _ => "smtp; 550 5.1.1 user unknown",
            };
            json!({ "emailAddress": recipient, "action": "failed", "status": "5.1.1", "diagnosticCode": diagnosis })
        });
        json!({
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": recipients.collect::<Vec<_>>(),
            "timestamp": self.at.millis,
            "feedbackId": feedback_id(),
            "reportingMTA": "dns; a8-70.smtp-out.amazonses.com",
        })
    }

    fn complaint(&self, recipients: &[&str]) -> Value {
        let recipients = recipients.iter().map(|recipient| json!({ "emailAddress": recipient }));
        json!({
            "complainedRecipients": recipients.collect::<Vec<_>>(),
            "timestamp": self.at.millis,
            "feedbackId": feedback_id(),
            "complaintSubType": null,
            "userAgent": "Amazon SES Mailbox Simulator",
            "complaintFeedbackType": "abuse",
            "arrivalDate": self.at.millis,
        })
    }
}

fn feedback_id() -> String {
    format!("{}-{}-000000", random::hex::<8>(), random::request_id())
}

/// Invokes the functions whose rules match, as `EventBridge` and Lambda do, until no more events can come.
pub(crate) async fn deliver(mut events: UnboundedReceiver<Value>, rules: Vec<Rule>, lambda: Lambda) {
    while let Some(event) = events.recv().await {
        for rule in rules.iter().filter(|rule| rule.pattern.matches(&event)) {
            tokio::spawn(invoke(lambda.clone(), rule.function.clone(), event.to_string()));
        }
    }
}

/// AWS waits for minutes before it retries; here a retry is immediate.
async fn invoke(lambda: Lambda, function: String, event: String) {
    for _ in 0..=RETRIES {
        match lambda.invoke(&function, event.clone().into()).await {
            Ok(answer) if answer.function_error.is_none() => return,
            Ok(_) => log::line("events", &format!("{function} failed: see its log above")),
            Err(problem) => {
                log::line("events", &format!("cannot invoke {function}: {problem}"));
                return;
            }
        }
    }
}
