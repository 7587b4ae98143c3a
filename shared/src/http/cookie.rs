//! The cookies of the page, out of reach of scripts: one holds a refresh token, one names the device to its users.

use std::time::Duration;

use crate::models::UserId;

/// `__Host-`: the browser takes it only from this very host, over TLS, for every path.
const REFRESH: &str = "__Host-refresh";

/// Names the device; proves nothing by itself.
const DEVICE: &str = "__Host-device";

/// How many users a device can be known to.
const MAX_PAIRS: usize = 5;

/// Sets the refresh token's cookie.
pub(super) fn set_refresh(refresh_token: &str, lifetime: Duration) -> String {
    set(REFRESH, refresh_token, lifetime)
}

/// Removes the refresh token's cookie.
pub(super) fn clear_refresh() -> String {
    set(REFRESH, "", Duration::ZERO)
}

/// The refresh token in a `Cookie` header.
pub(super) fn refresh(header: &str) -> Option<&str> {
    read(header, REFRESH)
}

fn set(name: &str, value: &str, lifetime: Duration) -> String {
    format!("{name}={value}; Max-Age={}; Path=/; Secure; HttpOnly; SameSite=Strict", lifetime.as_secs())
}

fn read<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted && !value.is_empty()).then_some(value))
}

/// What a device is called by the users who sign in on it: `<user_id>.<random>`, joined by colons, the latest first.
#[derive(Debug, Clone, Default)]
pub struct DeviceCookie(String);

impl DeviceCookie {
    /// From a `Cookie` header.
    pub(super) fn read(header: &str) -> Self {
        Self(read(header, DEVICE).unwrap_or_default().to_owned())
    }

    /// The ids of users, and the random text by which each knows the device.
    pub fn pairs(&self) -> impl Iterator<Item = (UserId, &str)> {
        let pairs = self.0.split(':').take(MAX_PAIRS).filter_map(|pair| pair.split_once('.'));
        pairs.filter_map(|(user, device)| Some((UserId::parse(user).ok()?, device)))
    }

    /// The random text by which `user` knows the device.
    pub fn of(&self, user: &UserId) -> Option<&str> {
        self.pairs().find(|(named, _)| named == user).map(|(_, device)| device)
    }

    /// The cookie once `user` knows the device by `device`.
    #[must_use]
    pub fn with(&self, user: &UserId, device: &str) -> Self {
        let others = self.pairs().filter(|(named, _)| named != user).map(|(named, device)| format!("{named}.{device}"));
        let pairs: Vec<String> = [format!("{user}.{device}")].into_iter().chain(others).take(MAX_PAIRS).collect();
        Self(pairs.join(":"))
    }

    pub(super) fn set(&self, lifetime: Duration) -> String {
        set(DEVICE, &self.0, lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Timestamp;

    #[test]
    fn what_was_set_is_read_back_among_other_cookies() {
        assert_eq!(refresh("a=b; __Host-refresh=abc.def; c=d"), Some("abc.def"));
        assert_eq!(refresh("a=b"), None);
        assert_eq!(refresh("__Host-refresh="), None);
    }

    #[test]
    fn a_device_names_itself_to_the_latest_five_users() {
        let user = |number| UserId::new(Timestamp::from_unix_millis(1), [number; 10]);
        let cookie = (1..=7).fold(DeviceCookie::default(), |cookie, number| cookie.with(&user(number), "random"));
        let cookie = DeviceCookie::read(&format!("a=b; {}", cookie.set(Duration::ZERO)));
        assert_eq!(cookie.pairs().map(|(named, _)| named).collect::<Vec<_>>(), [7, 6, 5, 4, 3].map(user));
        assert_eq!(cookie.with(&user(5), "new").of(&user(5)), Some("new"));
        assert_eq!(cookie.of(&user(1)), None);
        assert_eq!(DeviceCookie::read("__Host-device=nonsense:x.y").pairs().count(), 0);
    }
}
