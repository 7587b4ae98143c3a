//! A stand-in for Amazon SES: accepts the messages that SES would accept, and keeps them in a mailbox that people and
//! tests read. For the addresses of SES's mailbox simulator it sends the events of bounces and complaints. No message
//! leaves the machine.

mod events;
mod mailbox;
mod page;
mod ses;
mod time;

pub(crate) use self::events::deliver;
pub(crate) use self::mailbox::Mailbox;
pub(crate) use self::page::router as mailbox_router;
pub(crate) use self::ses::router as ses_router;

/// The address in `Portal <portal@example.com>`, or the text itself.
pub(crate) fn address(text: &str) -> &str {
    let inside = text.rsplit_once('<').and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
    inside.unwrap_or(text).trim()
}

#[cfg(test)]
mod tests;
