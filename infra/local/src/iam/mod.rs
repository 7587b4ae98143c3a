//! Decides which calls the role of each function allows, as IAM does: a call is allowed only if a statement allows it
//! and no statement denies it. The module knows statements and request bodies, but neither the template's text nor
//! HTTP. `policy` and `needs` do no I/O; `record` writes a file.

mod needs;
mod policy;
mod record;

pub(crate) use needs::{Need, NeedsError, cognito, dynamodb, ses};
pub(crate) use policy::{Policy, PolicyError, Verdict};
pub(crate) use record::Record;
