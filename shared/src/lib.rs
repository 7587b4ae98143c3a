//! The library that all functions of the partner portal use. The domain is in `portal-core`. Dependencies point
//! downward only: functions → `actions` → `session` → `http` → `app` → `store`, `identity`, `mailer` →
//! `portal-core`.

pub mod actions;
mod app;
mod clients;
pub mod clock;
pub mod config;
mod connector;
mod edge;
pub mod http;
pub mod identity;
pub mod mailer;
pub mod origin;
pub mod passkeys;
pub mod random;
pub mod session;
pub mod store;
pub mod telemetry;

pub use app::{App, BaseApp};
pub use portal_core::{error, factors, mail, models, passwords, policy, review};
