//! The sources (networks and devices) from which a user signs in, and the number of consecutive wrong passwords. Each
//! user has one item, which is valid until the password changes.
//!
//! The item is never part of a transaction, because attempts by strangers also write it and must not delay a sign-in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempts::network;
use super::expression::{Expression, number, text};
use super::keys::{self, ItemKey, Key, Table};
use super::read::{Item, from_item};
use super::{Store, StoreError};
use crate::models::{Timestamp, UserId};

/// The maximum number of consecutive wrong passwords from unknown sources. After that, unknown sources cannot sign in.
const MAX_UNKNOWN: u32 = 50;

/// The maximum number of consecutive wrong passwords from a known source. After that, the source is no longer known.
/// With [`MAX_SOURCES`] and [`MAX_UNKNOWN`], there are at most 100 in total (NIST SP 800-63B-4, 3.2.2).
const MAX_KNOWN: u32 = 10;

/// The maximum number of known sources of one user.
const MAX_SOURCES: usize = 5;

/// The time for which a device stays known after its last sign-in.
pub const DEVICE_KNOWN_FOR: Duration = Duration::from_hours(400 * 24);

/// The time for which a network stays known after its last sign-in.
const NETWORK_KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// The maximum number of attempts to count when other requests write the item at the same time.
const MAX_ATTEMPTS: u32 = 8;

/// The source of a request: always a network, and also a device if the request names one for this user.
#[derive(Debug, Clone)]
pub struct Source {
    network: String,
    device: Option<String>,
}

impl Source {
    /// Returns the source of a request from `address`. `device` is the random text that identifies the device.
    pub fn new(address: &str, device: Option<&str>) -> Self {
        Self {
            network: keys::hash(&format!("network {}", network(address))),
            device: device.map(|device| keys::hash(&format!("device {device}"))),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.device.iter().chain([&self.network])
    }
}

/// The stored sources of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourcesItem {
    /// The time at which the password was set. The item is valid only for that password.
    password_set_at: Timestamp,
    /// The number of consecutive wrong passwords from unknown sources.
    failures: u32,
    /// The known sources by their hash.
    known: BTreeMap<String, Known>,
    expires_at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    /// The time of the last sign-in, in seconds since 1970.
    at: i64,
    /// The time until which the source is known, in seconds since 1970.
    until: i64,
    /// The number of consecutive wrong passwords.
    failures: u32,
}

impl Known {
    fn is_live(&self, now: Timestamp) -> bool {
        self.until > now.unix_seconds() && self.failures < MAX_KNOWN
    }
}

/// Whether the source of a counted attempt is known for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The user has signed in from this source before. The value is the source's hash.
    Known(String),
    /// The user has not signed in from this source.
    Unknown,
    /// The source is unknown, and there were too many wrong passwords from unknown sources.
    Shut,
}

impl Key<SourcesItem> {
    /// Returns the key of a user's sources.
    pub fn sources(user: &UserId) -> Self {
        Self::at(ItemKey::new(Table::Sessions, keys::user_sort_key(user), "SOURCES".to_owned()))
    }
}

impl SourcesItem {
    /// Returns the item if it is valid for the password that was set at `password_set_at`.
    fn of(item: Option<&Self>, password_set_at: Timestamp) -> Option<&Self> {
        item.filter(|item| item.password_set_at == password_set_at)
    }

    fn known<'a>(&self, source: &'a Source, now: Timestamp) -> Option<&'a String> {
        source.names().find(|name| self.known.get(*name).is_some_and(|known| known.is_live(now)))
    }

    /// Returns whether the source is known for the password that was set at `password_set_at`.
    pub fn knows(item: Option<&Self>, password_set_at: Timestamp, source: &Source, now: Timestamp) -> bool {
        Self::of(item, password_set_at).is_some_and(|item| item.known(source, now).is_some())
    }

    /// Returns whether the source's device is known for the password that was set at `password_set_at`.
    pub fn knows_device(item: Option<&Self>, password_set_at: Timestamp, source: &Source, now: Timestamp) -> bool {
        let live = |item: &Self, device: &String| item.known.get(device).is_some_and(|known| known.is_live(now));
        Self::of(item, password_set_at).zip(source.device.as_ref()).is_some_and(|(item, device)| live(item, device))
    }

    /// Returns the standing of an attempt that was counted earlier.
    pub fn standing(item: Option<&Self>, password_set_at: Timestamp, source: &Source, now: Timestamp) -> Standing {
        let Some(item) = Self::of(item, password_set_at) else { return Standing::Unknown };
        match item.known(source, now) {
            Some(name) => Standing::Known(name.clone()),
            None if item.failures > MAX_UNKNOWN => Standing::Shut,
            None => Standing::Unknown,
        }
    }

    /// Returns whether far fewer wrong passwords are counted than close the account to unknown sources, so that attempts
    /// in flight do not reach that number.
    pub fn is_far_from_shut(item: Option<&Self>, password_set_at: Timestamp) -> bool {
        Self::of(item, password_set_at).is_none_or(|item| item.failures < MAX_UNKNOWN / 2)
    }

    /// Returns the item after a sign-in from `source`: all counts are zero, and the source is known.
    #[must_use]
    pub fn signed_in(before: Option<&Self>, password_set_at: Timestamp, source: &Source, now: Timestamp) -> Self {
        let seconds = now.unix_seconds();
        let mut known = Self::of(before, password_set_at).map(|item| item.known.clone()).unwrap_or_default();
        known.retain(|_, known| known.is_live(now));
        for known in known.values_mut() {
            known.failures = 0;
        }
        let fresh = |lifetime| Known { at: seconds, until: now.plus(lifetime).unix_seconds(), failures: 0 };
        known.insert(source.network.clone(), fresh(NETWORK_KNOWN_FOR));
        if let Some(device) = &source.device {
            known.insert(device.clone(), fresh(DEVICE_KNOWN_FOR));
        }
        while known.len() > MAX_SOURCES {
            let others = known.iter().filter(|(name, _)| !source.names().any(|own| own == *name));
            let Some(oldest) = others.min_by_key(|(_, known)| known.at).map(|(name, _)| name.clone()) else { break };
            known.remove(&oldest);
        }
        Self { password_set_at, failures: 0, known, expires_at: now.plus(DEVICE_KNOWN_FOR).unix_seconds() }
    }

    /// Returns the item after the user changed the password at `now`. Only the device that changed it stays known.
    /// Returns `None` if there is no such known device.
    #[must_use]
    pub fn password_changed(
        before: Option<&Self>,
        password_set_at: Timestamp,
        source: &Source,
        now: Timestamp,
    ) -> Option<Self> {
        let device = source.device.as_ref()?;
        let known = Self::of(before, password_set_at)?.known.get(device).filter(|known| known.is_live(now))?;
        let known = BTreeMap::from([(device.clone(), Known { failures: 0, ..known.clone() })]);
        Some(Self { password_set_at: now, failures: 0, known, expires_at: now.plus(DEVICE_KNOWN_FOR).unix_seconds() })
    }
}

impl Store {
    /// Counts an attempt to sign in as failed before its password is compared. `item` must be a recent read.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the attempt could not be counted. It must then be rejected.
    pub async fn count_guess(
        &self,
        user: &UserId,
        item: Option<&SourcesItem>,
        password_set_at: Timestamp,
        source: &Source,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        let key = Key::sources(user);
        let mut item = item.cloned();
        for _ in 0..MAX_ATTEMPTS {
            let mut expression = Expression::default();
            let marker = text(password_set_at.to_string());
            let current = SourcesItem::of(item.as_ref(), password_set_at);
            let known = current.and_then(|item| item.known(source, now)).cloned();
            match (current, &known) {
                (Some(_), Some(name)) => {
                    expression.when("password_set_at", "=", marker);
                    expression.count_in("known", name, "failures", 1);
                }
                (Some(_), None) => {
                    expression.when("password_set_at", "=", marker);
                    expression.add("failures", 1);
                }
                (None, _) => {
                    expression.when_absent_or_other("password_set_at", marker.clone());
                    expression.set("password_set_at", marker);
                    expression.set("failures", number(1));
                    expression.set("known", aws_sdk_dynamodb::types::AttributeValue::M(Item::new()));
                    expression.set("expires_at", number(now.plus(DEVICE_KNOWN_FOR).unix_seconds()));
                }
            }
            if let Some(after) = self.update(&key.item_key, expression).await? {
                let after: SourcesItem = from_item(&after)?;
                match known {
                    Some(name) if after.known.get(&name).is_some_and(|known| known.failures <= MAX_KNOWN) => {
                        return Ok(Standing::Known(name));
                    }
                    // The source has just stopped being known, so the attempt is counted as one from an unknown source.
                    Some(_) => {}
                    None if after.failures > MAX_UNKNOWN => return Ok(Standing::Shut),
                    None => return Ok(Standing::Unknown),
                }
            }
            item = self.read(&[key.item_key()]).await?.get(&key)?;
        }
        Err(StoreError::Unavailable("too many concurrent writes to a user's sources".to_owned()))
    }

    /// Sends the same call as [`count_guess`](Self::count_guess), for a user who does not exist. The condition fails.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn count_no_guess(&self, absent: &UserId) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when_present();
        expression.add("failures", 1);
        self.update_if(&Key::sources(absent).item_key, expression).await?;
        Ok(())
    }

    /// Subtracts a counted attempt, because its password was right.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails. The attempt then stays counted.
    pub async fn take_guess_back(
        &self,
        user: &UserId,
        password_set_at: Timestamp,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.when("password_set_at", "=", text(password_set_at.to_string()));
        match standing {
            Standing::Known(name) => {
                expression.when_in("known", name, "failures", ">", 0);
                expression.count_in("known", name, "failures", -1);
            }
            Standing::Unknown | Standing::Shut => {
                expression.when("failures", ">", number(0));
                expression.add("failures", -1);
            }
        }
        self.update_if(&Key::sources(user).item_key, expression).await?;
        Ok(())
    }

    /// Stores a user's sources.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn put_sources(&self, user: &UserId, sources: &SourcesItem) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        for (attribute, value) in serde_dynamo::to_item::<_, Item>(sources)? {
            expression.set(&attribute, value);
        }
        self.update_if(&Key::sources(user).item_key, expression).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn source(number: u8) -> Source {
        Source::new(&format!("192.0.2.{number}"), None)
    }

    #[test]
    fn a_source_is_known_for_a_limited_time_and_only_with_the_same_password() {
        let device = Source::new("192.0.2.1", Some("device"));
        let item = SourcesItem::signed_in(None, at(0), &device, at(10));
        let elsewhere = Source::new("192.0.2.2", Some("device"));
        let days = |days: i64| at(10 + days * 86_400);
        for (source, password, now, is_known) in [
            (&source(1), 0, days(29), true),
            (&source(1), 0, days(30), false),
            (&source(2), 0, days(0), false),
            (&source(1), 1, days(0), false),
            (&elsewhere, 0, days(399), true),
            (&elsewhere, 0, days(400), false),
            (&Source::new("192.0.2.2", Some("another")), 0, days(0), false),
        ] {
            assert_eq!(SourcesItem::knows(Some(&item), at(password), source, now), is_known, "{source:?} {now}");
        }
    }

    #[test]
    fn five_sources_are_known_and_a_new_one_replaces_the_oldest() {
        let mut item = None;
        for number in 1..=7 {
            item = Some(SourcesItem::signed_in(item.as_ref(), at(0), &source(number), at(i64::from(number))));
        }
        let known = |number| SourcesItem::knows(item.as_ref(), at(0), &source(number), at(8));
        assert_eq!((1..=7).map(known).collect::<Vec<_>>(), [false, false, true, true, true, true, true]);
    }

    #[test]
    fn half_of_the_wrong_passwords_are_near_the_limit() {
        let signed_in = SourcesItem::signed_in(None, at(0), &source(1), at(1));
        let after = |failures| SourcesItem { failures, ..signed_in.clone() };
        assert!(SourcesItem::is_far_from_shut(None, at(0)));
        assert!(SourcesItem::is_far_from_shut(Some(&after(MAX_UNKNOWN / 2 - 1)), at(0)));
        assert!(!SourcesItem::is_far_from_shut(Some(&after(MAX_UNKNOWN / 2)), at(0)));
        assert!(SourcesItem::is_far_from_shut(Some(&after(MAX_UNKNOWN)), at(1)), "they are of another password");
    }

    #[test]
    fn only_the_device_stays_known_after_a_password_change() {
        let source = Source::new("192.0.2.1", Some("device"));
        let before = SourcesItem::signed_in(None, at(0), &source, at(1));
        let after = SourcesItem::password_changed(Some(&before), at(0), &source, at(2)).unwrap();
        assert!(SourcesItem::knows(Some(&after), at(2), &source, at(3)));
        assert!(!SourcesItem::knows(Some(&after), at(2), &self::source(1), at(3)));
        assert!(SourcesItem::password_changed(Some(&before), at(0), &self::source(1), at(2)).is_none());
    }
}
