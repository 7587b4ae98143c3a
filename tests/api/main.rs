//! Tests every action over HTTP on the real stack. There is one module for each action, and one for each rule that concerns
//! several actions. The slowest is `concurrency`. The comment of each slow test says what it costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reports a failure with a panic"
)]

mod add_user;
mod answer_challenge;
mod audit;
mod bad_input;
mod change_users;
mod concurrency;
mod contract;
mod cors;
mod coverage;
mod create_partner;
mod csv_export;
mod decide_access;
mod edge;
mod edit_user;
mod end_all_sessions;
mod end_session;
mod expensive_reads;
mod force_logout;
mod get_me;
mod get_review_record;
mod get_user;
mod hand_over;
mod idempotency;
mod import_users;
mod invoke;
mod list_audit_events;
mod list_sessions;
mod list_users;
mod log_level;
mod logs;
mod lost_user_pool;
mod own_changes;
mod portal_page;
mod races;
mod recover_primary_admin;
mod refresh_session;
mod refused_changes;
mod remove_user;
mod repair_identities;
mod restart;
mod review_access;
mod set_password;
mod set_permissions;
mod set_status;
mod sign_in;
mod sign_in_limits;
mod sign_in_partners;
mod sign_out;
#[cfg(target_os = "linux")]
mod year;
