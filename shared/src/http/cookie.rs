//! The cookies of the page, which scripts cannot read. One holds the refresh token, and one identifies the device.

use std::time::Duration;

use crate::models::UserId;

/// The name of the refresh token's cookie. With the prefix `__Host-`, a browser accepts it only from this host, over
/// TLS and for all paths.
const REFRESH: &str = "__Host-refresh";

/// The name of the cookie that identifies the device. The cookie alone gives no access.
const DEVICE: &str = "__Host-device";

/// The maximum number of users in one device cookie.
const MAX_PAIRS: usize = 5;

/// Returns the header that sets the refresh token's cookie.
pub(super) fn set_refresh(refresh_token: &str, lifetime: Duration) -> String {
    set(REFRESH, refresh_token, lifetime)
}

/// Returns the header that deletes the refresh token's cookie.
pub(super) fn clear_refresh() -> String {
    set(REFRESH, "", Duration::ZERO)
}

/// Returns the refresh token in a `Cookie` header.
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

/// The identifiers of a device, one for each user who signed in on it: `<user_id>.<random>`, joined by colons, latest
/// user first.
#[derive(Debug, Clone, Default)]
pub struct DeviceCookie(String);

impl DeviceCookie {
    /// Reads a `Cookie` header.
    pub(super) fn read(header: &str) -> Self {
        Self(read(header, DEVICE).unwrap_or_default().to_owned())
    }

    /// Iterates over the users' ids, each with the random text that identifies the device for this user.
    pub fn pairs(&self) -> impl Iterator<Item = (UserId, &str)> {
        let pairs = self.0.split(':').take(MAX_PAIRS).filter_map(|pair| pair.split_once('.'));
        pairs.filter_map(|(user, device)| Some((UserId::parse(user).ok()?, device)))
    }

    /// Returns the random text that identifies the device for `user`.
    pub fn of(&self, user: &UserId) -> Option<&str> {
        self.pairs().find(|(named, _)| named == user).map(|(_, device)| device)
    }

    /// Returns the cookie in which `device` identifies the device for `user`.
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
    fn the_refresh_token_is_found_among_other_cookies() {
        assert_eq!(refresh("a=b; __Host-refresh=abc.def; c=d"), Some("abc.def"));
        assert_eq!(refresh("a=b"), None);
        assert_eq!(refresh("__Host-refresh="), None);
    }

    #[test]
    fn a_device_cookie_contains_the_latest_five_users() {
        let user = |number| UserId::new(Timestamp::from_unix_millis(1), [number; 10]);
        let cookie = (1..=7).fold(DeviceCookie::default(), |cookie, number| cookie.with(&user(number), "random"));
        let cookie = DeviceCookie::read(&format!("a=b; {}", cookie.set(Duration::ZERO)));
        assert_eq!(cookie.pairs().map(|(named, _)| named).collect::<Vec<_>>(), [7, 6, 5, 4, 3].map(user));
        assert_eq!(cookie.with(&user(5), "new").of(&user(5)), Some("new"));
        assert_eq!(cookie.of(&user(1)), None);
        assert_eq!(DeviceCookie::read("__Host-device=nonsense:x.y").pairs().count(), 0);
    }
}
