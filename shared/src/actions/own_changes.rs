//! Limits what users change of themselves: each change is an event of the trail, which is kept for good.

use super::Context;
use crate::error::Failure;
use crate::store::{Counter, Items, Transaction};

impl Context<'_> {
    /// Counts in `transaction` that the caller changes themselves. Only what is committed counts, and changes by other users never
    /// do. `stored` is a read of the counter, a moment ago.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], or what kept us from reading the counter.
    pub fn count_own_change(
        &self,
        transaction: &mut Transaction<'_>,
        counter: &Counter,
        stored: &Items,
    ) -> Result<(), Failure> {
        if let Some(seconds) = counter.full(stored, self.now)? {
            return Err(Failure::TooManyRequests(seconds));
        }
        Ok(transaction.count(counter, stored, self.now)?)
    }
}
