//! What the role of each function lets it do, decided as IAM decides it: nothing unless a statement allows it, and whatever
//! a statement denies not at all. Knows statements and the bodies of requests; nothing of the template's text or of HTTP.
//! `policy` and `needs` are pure, `record` writes a file.

mod needs;
mod policy;
mod record;

pub(crate) use needs::{Need, NeedsError, cognito, dynamodb};
pub(crate) use policy::{Policy, PolicyError, Verdict};
pub(crate) use record::Record;
