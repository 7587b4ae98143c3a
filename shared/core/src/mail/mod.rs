//! Mail to users: its kinds, and the links in it.

mod kind;
mod link;

pub use kind::{MailKind, UnknownMailKind};
pub use link::{Binding, InvalidLinkToken, LinkKind, LinkToken, SECRET_BYTES, UnknownLinkKind};
