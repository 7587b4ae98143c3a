//! The domain of the partner portal: models, policy, access review, passwords, second factors, mail and
//! the closed set of failures. Neither
//! this crate nor its dependencies use AWS or HTTP. Modules depend downward only: `error` → `policy`, `passwords`,
//! `factors`, `review`, `mail` → `models`.

pub mod error;
pub mod factors;
pub mod mail;
pub mod models;
pub mod passwords;
pub mod policy;
pub mod review;
