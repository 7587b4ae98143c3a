//! What every function of the partner portal shares, over the domain in `app-core`. Dependencies point downward only:
//! functions → `actions` → `session` → `http` → `app` → `store`, `identity` → `app-core`.

pub mod actions;
mod app;
pub mod clock;
pub mod config;
mod connector;
mod edge;
pub mod http;
pub mod identity;
pub mod origin;
pub mod random;
pub mod session;
pub mod store;
pub mod telemetry;

pub use app::{App, BaseApp};
pub use portal_core::{error, models, passwords, policy, review};
