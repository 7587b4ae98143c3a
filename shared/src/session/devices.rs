//! The identifiers by which a later sign-in recognizes a device.

use crate::models::UserId;

/// The maximum number of users of one device.
const MAX_PAIRS: usize = 5;

/// The identifiers of a device, one for each user who signed in on it: `<user_id>.<random>`, joined by colons, latest
/// user first.
#[derive(Debug, Clone, Default)]
pub struct Devices(String);

impl Devices {
    /// Returns the identifiers in `text`, which the client has kept. Malformed ones identify nothing.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text that the client keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Iterates over the users' ids, each with the random text that identifies the device for this user.
    fn pairs(&self) -> impl Iterator<Item = (UserId, &str)> {
        let pairs = self.0.split(':').take(MAX_PAIRS).filter_map(|pair| pair.split_once('.'));
        pairs.filter_map(|(user, device)| Some((UserId::parse(user).ok()?, device)))
    }

    /// Returns the random text that identifies the device for `user`.
    pub fn of(&self, user: &UserId) -> Option<&str> {
        self.pairs().find(|(named, _)| named == user).map(|(_, device)| device)
    }

    /// Returns the identifiers in which `device` identifies the device for `user`.
    #[must_use]
    pub fn with(&self, user: &UserId, device: &str) -> Self {
        let others = self.pairs().filter(|(named, _)| named != user).map(|(named, device)| format!("{named}.{device}"));
        let pairs: Vec<String> = [format!("{user}.{device}")].into_iter().chain(others).take(MAX_PAIRS).collect();
        Self(pairs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Timestamp;

    #[test]
    fn a_device_has_identifiers_for_the_latest_five_users() {
        let user = |number| UserId::new(Timestamp::from_unix_millis(1), [number; 10]);
        let devices = (1..=7).fold(Devices::default(), |devices, number| devices.with(&user(number), "random"));
        let devices = Devices::new(devices.as_str());
        assert_eq!(devices.pairs().map(|(named, _)| named).collect::<Vec<_>>(), [7, 6, 5, 4, 3].map(user));
        assert_eq!(devices.with(&user(5), "new").of(&user(5)), Some("new"));
        assert_eq!(devices.of(&user(1)), None);
        assert_eq!(Devices::new("nonsense:x.y").pairs().count(), 0);
    }
}
