//! The limits for invitations. An invitation is mail that one user causes to another person's address, so a partner sends
//! only a limited number of them, and only few to one address. No limit is shared between partners.

use futures_util::future::try_join_all;

use super::Call;
use crate::error::Failure;
use crate::models::Email;
use crate::store::{Counter, ItemKey, Items, Transaction};

/// The counters of invitations of the caller's partner to some addresses, as they were read.
struct Counters {
    of_partner: Counter,
    to: Vec<Counter>,
    stored: Items,
}

impl Call<'_> {
    async fn invitation_counters(&self, emails: &[&Email]) -> Result<Counters, Failure> {
        let partner = &self.caller.user.partner_id;
        let of_partner = Counter::invitations(partner, self.app.invitations_per_day()?);
        let to: Vec<Counter> = emails.iter().map(|email| Counter::invitations_to(partner, email)).collect();
        let keys: Vec<ItemKey> = to.iter().chain([&of_partner]).map(|counter| counter.item_key().clone()).collect();
        let stored = self.app.store().read(&keys).await?;
        Ok(Counters { of_partner, to, stored })
    }

    /// Counts an invitation to `email`. The count is part of `transaction`, so only sent invitations count.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`], or why the counters could not be read.
    pub async fn count_invitation(&self, transaction: &mut Transaction<'_>, email: &Email) -> Result<(), Failure> {
        let Counters { of_partner, to, stored } = self.invitation_counters(&[email]).await?;
        for counter in to.iter().chain([&of_partner]) {
            if let Some(seconds) = counter.full(&stored, self.now)? {
                return Err(Failure::TooManyRequests(seconds));
            }
            transaction.count(counter, &stored, self.now)?;
        }
        Ok(())
    }

    /// Counts invitations to these addresses before they are committed, because a transaction of an import has no room
    /// for their counters. Returns for each address how many seconds it has to wait, if there were too many to it.
    ///
    /// # Errors
    /// [`Failure::TooManyRequests`] if there were too many of the partner, or why they could not be counted.
    pub async fn count_invitations(&self, emails: &[&Email]) -> Result<Vec<Option<u64>>, Failure> {
        let Counters { of_partner, to, stored } = self.invitation_counters(emails).await?;
        let (store, now) = (self.app.store(), self.now);
        let waits = try_join_all(to.iter().map(|counter| store.count(counter, &stored, now))).await?;
        let counted = u32::try_from(waits.iter().filter(|wait| wait.is_none()).count()).unwrap_or(u32::MAX);
        if counted > 0
            && let Some(seconds) = store.count_many(&of_partner, counted, &stored, now).await?
        {
            return Err(Failure::TooManyRequests(seconds));
        }
        Ok(waits)
    }
}
