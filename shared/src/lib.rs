//! What every function of the partner portal shares, over the domain in `portal-core`. Dependencies point downward only:
//! functions → `actions` → `session` → `http` → `app` → `store`, `identity` → `portal-core`.

pub mod actions;
mod app;
pub mod clock;
pub mod config;
mod connector;
mod edge;
pub mod http;
pub mod identity;
pub mod random;
pub mod session;
pub mod store;
pub mod telemetry;

pub use app::{Front, Portal};
pub use portal_core::{error, models, passwords, policy, review};
