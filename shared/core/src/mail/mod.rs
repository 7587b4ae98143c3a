//! Mail to users: its kinds, the links in it, and its text in each language.

mod english;
mod french;
mod kind;
mod letter;
mod link;
mod name;
#[cfg(test)]
mod snapshots;

pub use kind::{MailKind, UnknownMailKind};
pub use letter::{By, Content, Letter, Link, Offer, Offered, Place, Rendered};
pub use link::{Binding, InvalidLinkToken, LinkKind, LinkToken, SECRET_BYTES, UnknownLinkKind};
pub use name::mail_name;
