//! The messages that SES accepted, newest last, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// The maximum number of messages. The oldest ones are dropped.
const MAX_MESSAGES: usize = 10_000;

/// A message, as `GET /messages` returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    /// The id that SES returned to the sender.
    pub(crate) id: String,
    /// The addresses of all recipients, also of copies.
    pub(crate) to: Vec<String>,
    pub(crate) from: String,
    pub(crate) subject: String,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// The time at which SES accepted it.
    pub(crate) at: String,
}

impl Message {
    fn is_to(&self, address: Option<&str>) -> bool {
        address.is_none_or(|address| self.to.iter().any(|to| to.eq_ignore_ascii_case(address)))
    }
}

/// All messages since the start of the stack or the last deletion.
#[derive(Debug)]
pub(crate) struct Mailbox {
    messages: Mutex<VecDeque<Message>>,
    /// Changes with every message.
    arrivals: watch::Sender<()>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { messages: Mutex::default(), arrivals: watch::Sender::new(()) }
    }

    pub(super) fn add(&self, message: Message) {
        let mut messages = self.locked();
        if messages.len() == MAX_MESSAGES {
            messages.pop_front();
        }
        messages.push_back(message);
        drop(messages);
        self.arrivals.send_replace(());
    }

    /// The messages to an address, or all messages. The newest one is first.
    pub(super) fn messages(&self, to: Option<&str>) -> Vec<Message> {
        self.locked().iter().rev().filter(|message| message.is_to(to)).cloned().collect()
    }

    pub(super) fn message(&self, id: &str) -> Option<Message> {
        self.locked().iter().find(|message| message.id == id).cloned()
    }

    pub(super) fn clear(&self) {
        self.locked().clear();
    }

    /// Waits until this number of messages to an address is there.
    pub(super) async fn holds(&self, to: Option<&str>, count: usize) {
        let mut arrivals = self.arrivals.subscribe();
        while self.locked().iter().filter(|message| message.is_to(to)).take(count).count() < count {
            // The sender lives as long as the mailbox.
            let _ = arrivals.changed().await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
