//! The only reader of the clock. All other code gets the time as a value.

use std::time::SystemTime;

use crate::models::Timestamp;

/// A source of the current time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> SystemTime);

impl Clock {
    /// Returns the machine's clock.
    #[allow(clippy::disallowed_methods, reason = "only this module reads the clock")]
    pub fn system() -> Self {
        Self(SystemTime::now)
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        let since_1970 = (self.0)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}
