//! Tests the behaviour of a Cognito user pool that the portal relies on. The tests use the local user pool and the real
//! AWS SDK.
//!
//! `COGNITO_ENDPOINT=http://127.0.0.1:4599 cargo test --test user_pool` runs the same suite against another
//! implementation of the protocol. This shows that the suite tests what AWS documents, and not what the local pool
//! happens to do. [`departures`] lists the known differences of other implementations. Every test creates its own pool.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod departures;
mod protocol;
mod self_service;
mod server;
mod sessions;
mod settings;
mod tokens;
mod users;
