//! Limits how often users change themselves: each change is an event in the audit trail, which is kept for good.

use super::Call;
use crate::error::Failure;
use crate::store::{Counter, Transaction};

impl Call<'_> {
    /// Adds to `transaction` that the caller's own change is counted. Only committed changes count, and changes by other users
    /// never do. `counter` was read with the call.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], or why the counter could not be read.
    pub fn count_own_change(&self, transaction: &mut Transaction<'_>, counter: &Counter) -> Result<(), Failure> {
        if let Some(seconds) = counter.full(self.stored(), self.now)? {
            return Err(Failure::TooManyRequests(seconds));
        }
        Ok(transaction.count(counter, self.stored(), self.now)?)
    }
}
