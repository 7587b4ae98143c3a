//! Tests every action over HTTP on the real stack. There is one module for each action, and one for each rule that concerns
//! several actions. The slowest is `concurrency`. The comment of each slow test says what it costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reports a failure with a panic"
)]

// One module for each file of this folder.
automod::dir!("api");
