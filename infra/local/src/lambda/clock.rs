//! The wall clock of the gateway and the Lambda runtime. Durations are measured with `Instant` instead.

use std::time::{Duration, SystemTime};

/// The time that has passed since 1970 began, in UTC.
#[allow(clippy::disallowed_methods, reason = "the local stack reads the clock here; its functions have their own")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
