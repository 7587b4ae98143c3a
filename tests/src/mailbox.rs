//! The mailbox of a stack, which holds the messages that the portal sends.
//!
//! ```text
//! let mailbox = Mailbox::new();
//! ann.post("/v1/password-resets", …).await.expect(202);
//! let token = mailbox.message(&ann.email).await.token();               // waits for the message
//! ```
//!
//! By default the stream of the outbox sends messages in the background. A test that must know that no message is sent
//! starts a stack with [`NO_STREAMS`](crate::NO_STREAMS), and sends what is due with [`send_due_mail`]. Faults at SES are
//! injected as at other services: [`Faults::watch`](crate::faults::Faults::watch) with [`send_due_mail_within`], or
//! [`Faults::watch_mail`](crate::faults::Faults::watch_mail) for messages that the stream sends.
//!
//! If `PORTAL_SES` names an independent SES (aws-ses-v2-local), the mailbox of the shared stack is the store of that server.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Trace;
use crate::stack::variable;
use crate::{Ready, invoke_within, secrets, stack};

/// A message, as the mailbox returns it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The id that SES returned.
    pub id: String,
    /// The addresses of the recipients.
    pub to: Vec<String>,
    /// The sender, with a name if it has one.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
    /// The headers by name.
    pub headers: BTreeMap<String, String>,
    /// The time at which SES accepted it.
    pub at: String,
}

impl Message {
    /// The plain text, which every message of the portal has.
    #[track_caller]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_else(|| panic!("a message without a text: {self:?}"))
    }

    /// The HTML, which every message of the portal has.
    #[track_caller]
    pub fn html(&self) -> &str {
        self.html.as_deref().unwrap_or_else(|| panic!("a message without HTML: {self:?}"))
    }

    /// The links in the plain text, in their order.
    pub fn links(&self) -> Vec<String> {
        let words = self.text().split_whitespace();
        words.filter(|word| word.starts_with("http")).map(str::to_owned).collect()
    }

    /// The token in the fragment of the only link that has one: `TOKEN` in `http://…#reset=TOKEN`. It counts as a secret.
    #[track_caller]
    pub fn token(&self) -> String {
        let links = self.links();
        let tokens: Vec<&str> = links.iter().filter_map(|link| link.split_once('#')).map(|(_, token)| token).collect();
        let [token] = tokens.as_slice() else { panic!("expected one link with a token: {links:?}") };
        secrets::remembered(token.rsplit('=').next().unwrap())
    }
}

/// The mailbox of one stack.
#[derive(Debug, Clone)]
pub struct Mailbox {
    url: String,
    /// Whether it is the store of an independent SES.
    is_independent: bool,
    http: reqwest::Client,
}

/// The store of an independent SES. The oldest message is first.
#[derive(Debug, Deserialize)]
struct Store {
    emails: Vec<Stored>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    message_id: String,
    from: String,
    destination: Destination,
    subject: String,
    body: Body,
    #[serde(default)]
    headers: Vec<Header>,
    at: i64,
}

#[derive(Debug, Deserialize)]
struct Destination {
    to: Vec<String>,
    cc: Vec<String>,
    bcc: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Body {
    text: Option<String>,
    html: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
    value: String,
}

impl From<Stored> for Message {
    fn from(stored: Stored) -> Self {
        let Stored { message_id: id, from, destination, subject, body: Body { text, html }, headers, at } = stored;
        let to = [destination.to, destination.cc, destination.bcc].concat();
        let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
        Self { id, to, from, subject, text, html, headers, at: at.to_string() }
    }
}

impl Mailbox {
    /// The mailbox of the shared stack.
    pub fn new() -> Self {
        Self::of(&stack().ready)
    }

    /// The mailbox of this stack.
    #[track_caller]
    pub fn of(ready: &Ready) -> Self {
        let independent = if ready.mail_url.is_none() { variable("PORTAL_SES") } else { None };
        let is_independent = independent.is_some();
        let url = independent.or_else(|| ready.mail_url.clone()).expect("mail is on");
        Self { url, is_independent, http: reqwest::Client::new() }
    }

    /// The messages to an address that are there now. The newest one is first.
    pub async fn messages(&self, to: &str) -> Vec<Message> {
        if self.is_independent { self.stored(to).await } else { self.get(&[("to", to)]).await }
    }

    /// All messages that are there now. The newest one is first. An independent SES has those of other test binaries too.
    pub async fn everything(&self) -> Vec<Message> {
        if self.is_independent { self.stored("").await } else { self.get(&[]).await }
    }

    /// The messages to an address, or all of them, in the store of an independent SES.
    async fn stored(&self, to: &str) -> Vec<Message> {
        let store: Store = self.http.get(format!("{}/store", self.url)).send().await.unwrap().json().await.unwrap();
        let messages = store.emails.into_iter().rev().map(Message::from);
        messages.filter(|message| to.is_empty() || message.to.iter().any(|one| one.eq_ignore_ascii_case(to))).collect()
    }

    /// Asks an independent SES, which cannot wait, again and again for about 30 s.
    async fn poll(&self, to: &str, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        for _ in 0..600 {
            messages = self.stored(to).await;
            if messages.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        messages
    }

    /// Waits until this number of messages to an address is there, and returns all of them. The newest one is first.
    pub async fn wait_for(&self, to: &str, count: usize) -> Vec<Message> {
        let messages = if self.is_independent {
            self.poll(to, count).await
        } else {
            self.get(&[("to", to), ("at_least", &count.to_string())]).await
        };
        assert!(messages.len() >= count, "expected {count} messages to {to}, got {messages:?}");
        messages
    }

    /// Waits for the message to an address. There must be only one.
    pub async fn message(&self, to: &str) -> Message {
        let mut messages = self.wait_for(to, 1).await;
        assert_eq!(messages.len(), 1, "expected one message to {to}, got {messages:?}");
        messages.remove(0)
    }

    /// Deletes all messages. Only a test with its own stack may do this.
    pub async fn clear(&self) {
        let answer = self.http.delete(format!("{}/messages", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    async fn get(&self, query: &[(&str, &str)]) -> Vec<Message> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| {
                let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                format!("{name}={value}")
            })
            .collect();
        let answer = self.http.get(format!("{}/messages?{}", self.url, query.join("&"))).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends the messages that are due, as the schedule does for those that the stream missed. When it returns, they are in
/// the mailbox.
pub async fn send_due_mail(ready: &Ready) -> Value {
    send_due_mail_within(&Trace::new(), ready).await
}

/// Like [`send_due_mail`], as part of a trace.
pub async fn send_due_mail_within(trace: &Trace, ready: &Ready) -> Value {
    invoke_within(trace, ready, "sweep-outbox", &json!({ "older_than_seconds": 0 })).await.worked()
}

/// A new address of SES's mailbox simulator, such as `bounce+k3j9…@simulator.amazonses.com`. `kind` is `bounce`,
/// `complaint`, `suppressionlist`, `ooto` or `success`.
pub fn simulated_email(kind: &str) -> String {
    secrets::remembered(format!("{kind}+{}@simulator.amazonses.com", secrets::random(12)))
}
