//! Logs: one JSON object a line, on stdout, where Lambda collects them. Never a password, token, digest or email.

use tracing::level_filters::LevelFilter;

use crate::config;

/// Starts logging; once per process.
pub fn start() {
    let level = config::log_level().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .init();
}
