//! The wall clock of the gateway and the Lambda runtime. Durations are measured with `Instant` instead.

use std::time::{Duration, SystemTime};

/// The time since the start of 1970, in UTC.
#[allow(clippy::disallowed_methods, reason = "the local stack reads the clock here; its functions have their own")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
