//! Counters of attempts, which limit guessing and mail. A window starts with its first attempt. Blocked attempts do not
//! extend it.
//!
//! An attempt is counted before it is checked, unless another count limits it (that of a known source). An attempt in flight, or one whose process died, counts as failed. If
//! enough attempts have failed to reach the limit, the next one is blocked at once. If some of them are still in
//! flight, the next one waits for a moment, because they may succeed.

use std::net::{IpAddr, Ipv6Addr};
use std::slice;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::expression::{Expression, number};
use super::keys::{self, ItemKey};
use super::read::{Items, from_item};
use super::{Store, StoreError};
use crate::models::{Email, PartnerId, Timestamp, UserId};
use crate::random;

/// The length of most windows.
const WINDOW: Duration = Duration::from_mins(15);

/// The length of a window for mail to one address or of one partner.
const DAY: Duration = Duration::from_hours(24);

/// The maximum number of attempts to write a counter when other requests write it at the same time.
const MAX_WRITES: u32 = 12;

/// The maximum time that an attempt waits for attempts in flight that fill a limit.
const IN_FLIGHT_TIMEOUT: Duration = Duration::from_secs(8);

/// A counter for attempts of one kind, by one source or on one target.
#[derive(Debug, Clone)]
pub struct Counter {
    item_key: ItemKey,
    limit: u32,
    window: Duration,
}

impl Counter {
    /// Counts sign-ins with one email at one partner, or without a partner, from one network.
    pub fn sign_in(email: &Email, partner: Option<&PartnerId>, address: &str) -> Self {
        let partner = partner.map_or("-", PartnerId::as_str);
        Self::new("SIGN_IN", &format!("{} {partner} {}", email.normalized(), network(address)), 5)
    }

    /// Counts sign-ins from one network.
    pub fn network(address: &str) -> Self {
        Self::new("NETWORK", &network(address), 50)
    }

    /// Counts checks of a user's own password in one session. A stolen session does not block the user's other
    /// sessions.
    pub fn current_password(user: &UserId, session_id: &str) -> Self {
        Self::new("CURRENT_PASSWORD", &format!("{user} {session_id}"), 5)
    }

    /// Counts reads by one user that cover many items: a search, a page of the audit trail or of a review's record, or
    /// a page of a CSV export. A search of 10,000 users takes 400 of the 3,000 read units per second that DynamoDB
    /// gives a partner's items, so one user takes at most 9 % of them. No person searches, pages or exports 40 times a
    /// minute.
    pub fn expensive_reads(user: &UserId) -> Self {
        Self::new("EXPENSIVE_READS", user.as_str(), 600)
    }

    /// Counts reads by one user that cover all users of the partner, or a thousand of them: the first page of a review
    /// or of a review's record, and large pages of a review. With 10,000 users, the first page of a record takes 2,166
    /// read units, so one user takes at most 12 %. Other pages of a review take as much as pages of the list, which are
    /// not counted.
    pub fn reads_of_everybody(user: &UserId) -> Self {
        Self::new("READS_OF_EVERYBODY", user.as_str(), 150)
    }

    /// Counts changes of one kind that a user makes to their own record.
    pub fn own_changes(kind: &str, user: &UserId) -> Self {
        Self::new("OWN_CHANGES", &format!("{kind} {user}"), 20)
    }

    /// Counts requests to reset a password from one network.
    pub fn reset_requests(address: &str) -> Self {
        Self::new("RESET_REQUESTS", &network(address), 20)
    }

    /// Counts requests to reset the password for one email, which is given as its pseudonym: in an hour, and in a day.
    pub fn resets(pseudonym: &str) -> [Self; 2] {
        [
            Self { window: Duration::from_hours(1), ..Self::new("RESETS_IN_AN_HOUR", pseudonym, 3) },
            Self { window: DAY, ..Self::new("RESETS_IN_A_DAY", pseudonym, 10) },
        ]
    }

    /// Counts the invitations of one partner in a day.
    pub fn invitations(partner: &PartnerId, limit: u32) -> Self {
        Self { window: DAY, ..Self::new("INVITATIONS", partner.as_str(), limit) }
    }

    /// Counts the invitations of one partner to one address in a day. The partner is in the key, so that no partner uses up
    /// the invitations of another.
    pub fn invitations_to(partner: &PartnerId, email: &Email) -> Self {
        Self { window: DAY, ..Self::new("INVITATIONS_TO", &format!("{partner} {}", email.normalized()), 3) }
    }

    fn new(kind: &str, of: &str, limit: u32) -> Self {
        Self { item_key: keys::counter(kind, of), limit, window: WINDOW }
    }

    /// Returns the key of the counter's item.
    pub fn item_key(&self) -> &ItemKey {
        &self.item_key
    }

    /// Returns the seconds until another attempt is possible, if too many have failed.
    ///
    /// # Errors
    /// Returns [`StoreError::Shape`] if the item is not valid.
    pub fn blocked(&self, stored: &Items, now: Timestamp) -> Result<Option<u64>, StoreError> {
        Ok(self.item(stored)?.and_then(|item| item.blocked(self.limit, now)))
    }

    /// Returns the seconds until another attempt is possible, if there were too many with any outcome.
    ///
    /// # Errors
    /// Returns [`StoreError::Shape`] if the item is not valid.
    pub fn full(&self, stored: &Items, now: Timestamp) -> Result<Option<u64>, StoreError> {
        Ok(self.item(stored)?.filter(|item| item.is_full(self.limit, 1, now)).map(|item| item.seconds_left(now)))
    }

    /// Returns the update that counts one more attempt. It requires that the window in `stored` is current and has
    /// room.
    pub(super) fn one_more(&self, stored: &Items, now: Timestamp) -> Result<Expression, StoreError> {
        Ok(self.counting(self.item(stored)?.as_ref(), 1, now).0)
    }

    /// Returns the update that counts `attempts` more, and the end of their window.
    fn counting(&self, item: Option<&CounterItem>, attempts: u32, now: Timestamp) -> (Expression, i64) {
        let mut expression = Expression::default();
        let expires_at = match item {
            Some(item) if item.is_live(now) => {
                expression.when("expires_at", "=", number(item.expires_at));
                expression.when("attempts", "<=", number(self.limit.saturating_sub(attempts)));
                expression.add("attempts", i64::from(attempts));
                item.expires_at
            }
            Some(_) | None => {
                let expires_at = now.plus(self.window).unix_seconds();
                expression.when_absent_or_expired(now);
                expression.set("attempts", number(attempts));
                expression.set("failed", number(0));
                expression.set("expires_at", number(expires_at));
                expires_at
            }
        };
        (expression, expires_at)
    }

    /// Returns the update that counts a failed attempt. Attempts in flight may fill the window, so it needs no room.
    fn failure(&self, item: Option<&CounterItem>, now: Timestamp) -> Expression {
        let mut expression = Expression::default();
        match item {
            Some(item) if item.is_live(now) => {
                expression.when("expires_at", "=", number(item.expires_at));
                expression.add("attempts", 1);
                expression.add("failed", 1);
            }
            Some(_) | None => {
                expression.when_absent_or_expired(now);
                expression.set("attempts", number(1));
                expression.set("failed", number(1));
                expression.set("expires_at", number(now.plus(self.window).unix_seconds()));
            }
        }
        expression
    }

    fn item(&self, stored: &Items) -> Result<Option<CounterItem>, StoreError> {
        stored.item(&self.item_key).map(from_item).transpose()
    }
}

/// The stored state of a counter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CounterItem {
    /// The number of attempts that failed or are in flight.
    attempts: u32,
    /// The number of attempts that are known to have failed.
    #[serde(default)]
    failed: u32,
    expires_at: i64,
}

impl CounterItem {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at > now.unix_seconds()
    }

    fn blocked(&self, limit: u32, now: Timestamp) -> Option<u64> {
        (self.is_live(now) && self.failed >= limit).then(|| self.seconds_left(now))
    }

    /// Returns whether the window has no room for `attempts` more.
    fn is_full(&self, limit: u32, attempts: u32, now: Timestamp) -> bool {
        self.is_live(now) && self.attempts.saturating_add(attempts) > limit
    }

    fn seconds_left(&self, now: Timestamp) -> u64 {
        u64::try_from(self.expires_at.saturating_sub(now.unix_seconds())).unwrap_or_default().max(1)
    }
}

/// A counted attempt whose outcome is not known yet.
#[derive(Debug)]
#[must_use]
pub struct Counted {
    item_key: ItemKey,
    /// Identifies the window.
    expires_at: i64,
}

impl Store {
    /// Counts an attempt that counts with any outcome. `stored` must contain a recent read of the counter.
    ///
    /// Returns the seconds until another attempt is possible, if there were too many.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the attempt could not be counted. It must then be rejected.
    pub async fn count(&self, counter: &Counter, stored: &Items, now: Timestamp) -> Result<Option<u64>, StoreError> {
        self.count_many(counter, 1, stored, now).await
    }

    /// Does the same as [`count`](Self::count) for several attempts. Either all of them are counted or none.
    ///
    /// # Errors
    /// Returns the same errors as [`count`](Self::count).
    pub async fn count_many(
        &self,
        counter: &Counter,
        attempts: u32,
        stored: &Items,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        if attempts > counter.limit {
            return Ok(Some(counter.window.as_secs()));
        }
        let mut item = counter.item(stored)?;
        for _ in 0..MAX_WRITES {
            if let Some(item) = &item
                && item.is_full(counter.limit, attempts, now)
            {
                return Ok(Some(item.seconds_left(now)));
            }
            if self.try_count(counter, item.as_ref(), attempts, now).await?.is_some() {
                return Ok(None);
            }
            item = self.read_counter(counter).await?;
        }
        Err(StoreError::Unavailable("too many concurrent writes to a counter".to_owned()))
    }

    /// Counts an attempt before its outcome is known. The caller must call [`take_back`](Self::take_back) if it
    /// succeeds, and [`count_failed`](Self::count_failed) if it fails. `stored` must contain a recent read of the
    /// counter.
    ///
    /// Returns the seconds until another attempt is possible, if too many have failed.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the attempt could not be counted. It must then be rejected.
    pub async fn count_open(
        &self,
        counter: &Counter,
        stored: &Items,
        now: Timestamp,
    ) -> Result<Result<Counted, u64>, StoreError> {
        let mut item = counter.item(stored)?;
        let begun = Instant::now();
        loop {
            if let Some(item) = &item {
                if let Some(seconds) = item.blocked(counter.limit, now) {
                    return Ok(Err(seconds));
                }
                if item.is_full(counter.limit, 1, now) && begun.elapsed() > IN_FLIGHT_TIMEOUT {
                    return Ok(Err(item.seconds_left(now)));
                }
            }
            if item.as_ref().is_none_or(|item| !item.is_full(counter.limit, 1, now)) {
                if let Some(counted) = self.try_count(counter, item.as_ref(), 1, now).await? {
                    return Ok(Ok(counted));
                }
                if begun.elapsed() > IN_FLIGHT_TIMEOUT {
                    return Err(StoreError::Unavailable("too many concurrent writes to a counter".to_owned()));
                }
            }
            sleep(pause()).await;
            item = self.read_counter(counter).await?;
        }
    }

    /// Records that a counted attempt failed.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails. The attempt then counts as in flight until the end of its window.
    pub async fn count_failed(&self, counted: &Counted) -> Result<(), StoreError> {
        self.settle(counted, "failed", 1).await
    }

    /// Counts an attempt that failed and was not counted before, unless too many have failed already. `stored` must
    /// contain a recent read of the counter.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the attempt could not be counted.
    pub async fn count_failure(&self, counter: &Counter, stored: &Items, now: Timestamp) -> Result<(), StoreError> {
        let mut item = counter.item(stored)?;
        for _ in 0..MAX_WRITES {
            if item.as_ref().is_some_and(|item| item.blocked(counter.limit, now).is_some())
                || self.update_if(&counter.item_key, counter.failure(item.as_ref(), now)).await?
            {
                return Ok(());
            }
            item = self.read_counter(counter).await?;
        }
        Err(StoreError::Unavailable("too many concurrent writes to a counter".to_owned()))
    }

    /// Subtracts a counted attempt that succeeded.
    ///
    /// # Errors
    /// Returns the same errors as [`count_failed`](Self::count_failed).
    pub async fn take_back(&self, counted: &Counted) -> Result<(), StoreError> {
        self.settle(counted, "attempts", -1).await
    }

    /// Changes the window in which the attempt was counted, but no later one.
    async fn settle(&self, counted: &Counted, attribute: &str, amount: i64) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when("expires_at", "=", number(counted.expires_at));
        expression.when("attempts", ">", number(0));
        expression.add(attribute, amount);
        self.update_if(&counted.item_key, expression).await?;
        Ok(())
    }

    /// Deletes a counter, so that its attempts no longer count.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn clear_counter(&self, counter: &Counter) -> Result<(), StoreError> {
        self.delete(&counter.item_key).await
    }

    async fn read_counter(&self, counter: &Counter) -> Result<Option<CounterItem>, StoreError> {
        counter.item(&self.read(slice::from_ref(&counter.item_key)).await?)
    }

    async fn try_count(
        &self,
        counter: &Counter,
        item: Option<&CounterItem>,
        attempts: u32,
        now: Timestamp,
    ) -> Result<Option<Counted>, StoreError> {
        let (expression, expires_at) = counter.counting(item, attempts, now);
        let is_counted = self.update_if(&counter.item_key, expression).await?;
        Ok(is_counted.then(|| Counted { item_key: counter.item_key.clone(), expires_at }))
    }
}

/// Returns the delay between two reads of a counter: 20 to 100 ms.
fn pause() -> Duration {
    let random = random::bytes::<1>().map_or(0, |[byte]| u64::from(byte));
    Duration::from_millis(20 + random * 80 / 255)
}

/// Returns the network that shares a counter: an IPv4 address, or an IPv6 network of 64 bits, as customers usually have
/// one.
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
    fn addresses_of_one_ipv6_network_count_together_and_each_ipv4_address_alone() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
