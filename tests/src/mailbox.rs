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

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Trace;
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
    http: reqwest::Client,
}

impl Mailbox {
    /// The mailbox of the shared stack.
    pub fn new() -> Self {
        Self::of(&stack().ready)
    }

    /// The mailbox of this stack.
    #[track_caller]
    pub fn of(ready: &Ready) -> Self {
        let url = ready.mail_url.clone().expect("mail is on");
        Self { url, http: reqwest::Client::new() }
    }

    /// The messages to an address that are there now. The newest one is first.
    pub async fn messages(&self, to: &str) -> Vec<Message> {
        self.get(&[("to", to)]).await
    }

    /// Waits until this number of messages to an address is there, and returns all of them. The newest one is first.
    pub async fn wait_for(&self, to: &str, count: usize) -> Vec<Message> {
        let messages = self.get(&[("to", to), ("at_least", &count.to_string())]).await;
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
