//! The time that a function has left for its work.

use std::time::Duration;

use crate::BaseApp;

/// The time before a function's deadline that is reserved for its response.
const RESPONSE_RESERVE: Duration = Duration::from_millis(700);

/// Returns the time until work must end, if Lambda stops the function at `deadline` (in milliseconds since 1970).
pub(super) fn time_left(base: &BaseApp, deadline: u64) -> Duration {
    let now = u64::try_from(base.now().unix_millis()).unwrap_or_default();
    Duration::from_millis(deadline.saturating_sub(now)).saturating_sub(RESPONSE_RESERVE)
}
