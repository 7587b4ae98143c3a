//! The harness: starts the real stack once per test binary and drives it over HTTP. Actors are the clients.
//!
//! ```text
//! let partner = Partner::new().await;                                  // a a new partner with its primary admin signed in
//! let ann = partner.owner().add("Ann", "Lee").role("manager").signed_in().await;
//! ann.get("/v1/users").await.expect(200);
//! ```
//!
//! The harness knows what a client can see. Only [`rows`] and [`faults`] know the tables and the user pool.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "test support: a test reports a failure with a panic"
)]

mod actor;
mod answer;
pub mod authenticator;
pub mod browser;
mod client;
#[cfg(target_os = "linux")]
mod clock;
pub mod contract;
mod deployed;
pub mod device;
pub mod faults;
pub mod mailbox;
mod partner;
pub mod rows;
pub mod secrets;
mod stack;
pub mod template;

pub use actor::{Actor, Add, User};
pub use answer::{Answer, Problem};
pub use authenticator::Authenticator;
pub use client::{Call, Client};
#[cfg(target_os = "linux")]
pub use clock::Clock;
pub use device::Device;
pub use mailbox::{Mailbox, Message};
pub use partner::{Invoked, Partner, invoke, invoke_within, new_partner};
pub use stack::{Login, NO_MAIL, NO_STREAMS, Ready, Stack, stack, workspace};
