//! Counts attempts, so that nobody guesses for long. A window begins with its first attempt and lasts 15 minutes; blocked
//! attempts extend nothing.

use std::net::{IpAddr, Ipv6Addr};
use std::slice;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::expression::{Expression, number};
use super::keys::{self, Place};
use super::read::{Rows, row};
use super::{Store, StoreError};
use crate::models::{Email, Timestamp, UserId};

/// How long attempts are counted.
const WINDOW: Duration = Duration::from_mins(15);

/// How often a count is tried again when others count at the same time.
const TRIES: u32 = 12;

/// Attempts of one kind, by one source or on one target.
#[derive(Debug, Clone)]
pub struct Counter {
    place: Place,
    limit: u32,
}

impl Counter {
    /// Sign-ins to one email from one address.
    pub fn pair(email: &Email, address: &str) -> Self {
        Self::new("PAIR", &format!("{} {}", email.normalized(), network(address)), 5)
    }

    /// Sign-ins from one address.
    pub fn address(address: &str) -> Self {
        Self::new("ADDRESS", &network(address), 50)
    }

    /// Sign-ins to one email.
    pub fn email(email: &Email) -> Self {
        Self::new("EMAIL", email.normalized(), 100)
    }

    /// Checks of one's own password by one user.
    pub fn current_password(user: &UserId) -> Self {
        Self::new("CURRENT_PASSWORD", user.as_str(), 5)
    }

    /// Answers to a user's challenges.
    pub fn challenge(user: &UserId) -> Self {
        Self::new("CHALLENGE", user.as_str(), 20)
    }

    /// Challenge tokens from one address that do not exist.
    pub fn unknown_challenge(address: &str) -> Self {
        Self::new("UNKNOWN_CHALLENGE", &network(address), 50)
    }

    /// Refresh tokens from one address that are no good.
    pub fn refused_refresh(address: &str) -> Self {
        Self::new("REFUSED_REFRESH", &network(address), 50)
    }

    fn new(kind: &str, of: &str, limit: u32) -> Self {
        Self { place: keys::counter(kind, of), limit }
    }

    /// Where it is kept.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The seconds until the next attempt counts again, when there have been too many.
    ///
    /// # Errors
    /// [`StoreError::Shape`].
    pub fn blocked(&self, rows: &Rows, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let Some(item) = self.item(rows)? else { return Ok(None) };
        Ok((item.is_live(now) && item.attempts >= self.limit).then(|| item.seconds_left(now)))
    }

    fn item(&self, rows: &Rows) -> Result<Option<CounterItem>, StoreError> {
        rows.item(&self.place).map(row).transpose()
    }
}

/// What a counter has counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CounterItem {
    attempts: u32,
    expires_at: i64,
}

impl CounterItem {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now.unix_seconds()
    }

    fn seconds_left(&self, now: Timestamp) -> u64 {
        u64::try_from(self.expires_at.saturating_sub(now.unix_seconds())).unwrap_or_default().max(1)
    }
}

impl Store {
    /// Counts one attempt. `rows` is a read of the counter, a moment ago.
    ///
    /// Answers the seconds until the next attempt counts again, when there have been too many.
    ///
    /// # Errors
    /// [`StoreError`]; the attempt must then not go on.
    pub async fn count(&self, counter: &Counter, rows: &Rows, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let mut item = counter.item(rows)?;
        for _ in 0..TRIES {
            if let Some(item) = &item
                && item.is_live(now)
                && item.attempts >= counter.limit
            {
                return Ok(Some(item.seconds_left(now)));
            }
            if self.try_count(counter, item.as_ref(), now).await? {
                return Ok(None);
            }
            item = counter.item(&self.read(slice::from_ref(&counter.place)).await?)?;
        }
        Err(StoreError::Unavailable("a counter is counted by too many at once".to_owned()))
    }

    /// Forgets what was counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_counter(&self, counter: &Counter) -> Result<(), StoreError> {
        self.delete(&counter.place).await
    }

    async fn try_count(
        &self,
        counter: &Counter,
        item: Option<&CounterItem>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut expression = Expression::default();
        match item {
            Some(item) if item.is_live(now) => {
                expression.when("expires_at", "=", number(item.expires_at));
                expression.when("attempts", "<", number(counter.limit));
                expression.add("attempts", 1);
            }
            Some(_) | None => {
                expression.when_absent_or_expired(now);
                expression.set("attempts", number(1));
                expression.set("expires_at", number(now.plus(WINDOW).unix_seconds()));
            }
        }
        self.update_if(&counter.place, expression).await
    }
}

/// Who shares attempts: one IPv4 address, or one IPv6 network of 64 bits, which is what one customer has.
pub(super) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => Ipv6Addr::from(u128::from(v6) >> 64 << 64).to_string(),
        },
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn an_ipv6_customer_counts_as_one_and_an_ipv4_address_as_itself() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
