//! The one reader of the clock. Everything else is given the time.

use std::time::SystemTime;

use crate::models::Timestamp;

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> SystemTime);

impl Clock {
    /// The machine's clock.
    #[allow(clippy::disallowed_methods, reason = "this is the clock's one home")]
    pub fn system() -> Self {
        Self(SystemTime::now)
    }

    /// The time of this moment.
    pub fn now(&self) -> Timestamp {
        let since_1970 = (self.0)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}
