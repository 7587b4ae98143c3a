//! The limits of requests. They depend on the request alone, so a client that meets one learns nothing of any user.

use portal::error::Failure;
use portal::models::{Email, PartnerId, Timestamp};
use portal::store::{Counted, Counter, Items, Store};

/// Failed sign-ins with this email from this network, and failed sign-ins from this network.
pub(crate) struct Limits([Counter; 2]);

/// An attempt that is counted and whose outcome is open; nothing, when it was counted by an earlier decision.
#[derive(Default)]
pub(crate) struct Open(Vec<Counted>);

impl Limits {
    pub(crate) fn of(email: &Email, partner: Option<&PartnerId>, address: &str) -> Self {
        Self([Counter::sign_in(email, partner, address), Counter::network(address)])
    }

    pub(crate) async fn read(&self, store: &Store) -> Result<Items, Failure> {
        Ok(store.read(&self.0.each_ref().map(|counter| counter.item_key().clone())).await?)
    }

    /// Counts an attempt. Returns the seconds until the next one counts again when too many have failed. `stored` is a read
    /// of a moment ago.
    pub(crate) async fn count(
        &self,
        store: &Store,
        stored: &Items,
        now: Timestamp,
    ) -> Result<Result<Open, u64>, Failure> {
        let Self([pair, network]) = self;
        if let Some(seconds) = pair.blocked(stored, now)?.max(network.blocked(stored, now)?) {
            return Ok(Err(seconds));
        }
        let (pair, network) =
            tokio::try_join!(store.count_open(pair, stored, now), store.count_open(network, stored, now))?;
        match (pair, network) {
            (Ok(pair), Ok(network)) => Ok(Ok(Open(vec![pair, network]))),
            // What the other has counted was not compared with anything.
            (Ok(counted), Err(seconds)) | (Err(seconds), Ok(counted)) => {
                store.take_back(&counted).await?;
                Ok(Err(seconds))
            }
            (Err(one), Err(other)) => Ok(Err(one.max(other))),
        }
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
