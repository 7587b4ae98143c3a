//! What the system relies on in a Cognito user pool, checked against the local one through the real AWS SDK.
//!
//! `COGNITO_ENDPOINT=http://127.0.0.1:4599 cargo test --test user_pool` runs the same suite against another
//! server of the protocol, which keeps both honest: the suite says what AWS documents, not what our pool happens to do. Where
//! other servers are known to do something else, [`departures`] lists it. Every test makes a pool of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test says what went wrong"
)]

mod departures;
mod protocol;
mod self_service;
mod server;
mod sessions;
mod settings;
mod tokens;
mod users;
