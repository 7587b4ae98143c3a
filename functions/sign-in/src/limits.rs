//! The rate limits for requests. They depend on the request alone, so a client that
//! reaches one learns nothing about any user.

use portal::error::Failure;
use portal::models::{Email, PartnerId, Timestamp};
use portal::store::{Counted, Counter, Items, Store};

/// The counters of failed sign-ins: with this email from this network, and with any email from this network.
pub(crate) struct Limits([Counter; 2]);

/// A counted attempt whose outcome is not known yet. It is empty if the request itself is not counted.
#[derive(Default)]
pub(crate) struct Open(Vec<Counted>);

impl Limits {
    pub(crate) fn of(email: &Email, partner: Option<&PartnerId>, address: &str) -> Self {
        Self([Counter::sign_in(email, partner, address), Counter::network(address)])
    }

    pub(crate) async fn read(&self, store: &Store) -> Result<Items, Failure> {
        Ok(store.read(&self.0.each_ref().map(|counter| counter.item_key().clone())).await?)
    }

    /// Returns the seconds until the next attempt is allowed, if too many have failed.
    pub(crate) fn blocked(&self, stored: &Items, now: Timestamp) -> Result<Option<u64>, Failure> {
        let Self([pair, network]) = self;
        Ok(pair.blocked(stored, now)?.max(network.blocked(stored, now)?))
    }

    /// Counts an attempt before its outcome is known. If too many have failed, it returns the seconds until the next one
    /// is allowed. `stored` is a recent read of the counters.
    pub(crate) async fn count(
        &self,
        store: &Store,
        stored: &Items,
        now: Timestamp,
    ) -> Result<Result<Open, u64>, Failure> {
        let Self([pair, network]) = self;
        let (pair, network) =
            tokio::try_join!(store.count_open(pair, stored, now), store.count_open(network, stored, now))?;
        match (pair, network) {
            (Ok(pair), Ok(network)) => Ok(Ok(Open(vec![pair, network]))),
            // One limit is reached, so the password is not compared, and the other count is taken back.
            (Ok(counted), Err(seconds)) | (Err(seconds), Ok(counted)) => {
                store.take_back(&counted).await?;
                Ok(Err(seconds))
            }
            (Err(one), Err(other)) => Ok(Err(one.max(other))),
        }
    }

    /// Counts an attempt that failed and was not counted before.
    pub(crate) async fn count_failure(&self, store: &Store, stored: &Items, now: Timestamp) -> Result<(), Failure> {
        let Self([pair, network]) = self;
        tokio::try_join!(store.count_failure(pair, stored, now), store.count_failure(network, stored, now))?;
        Ok(())
    }
}

impl Open {
    pub(crate) async fn fail(&self, store: &Store) -> Result<(), Failure> {
        futures_util::future::try_join_all(self.0.iter().map(|counted| store.count_failed(counted))).await?;
        Ok(())
    }

    pub(crate) async fn take_back(&self, store: &Store) -> Result<(), Failure> {
        futures_util::future::try_join_all(self.0.iter().map(|counted| store.take_back(counted))).await?;
        Ok(())
    }
}
