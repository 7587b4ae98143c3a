//! A rate limit for the changes that users make to their own records. Each change adds an event to the audit trail,
//! which is kept permanently.

use super::Call;
use crate::error::Failure;
use crate::store::{Counter, Transaction};

impl Call<'_> {
    /// Counts a change that the caller makes to their own record. The count is part of `transaction`, so only committed
    /// changes count. `counter` was read with the call.
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
