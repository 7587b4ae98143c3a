//! The cookies of the page. Scripts cannot read the one with the refresh token and the one that identifies the device. The page
//! itself sets the one with the language.

use std::time::Duration;

use crate::session::Devices;

/// The name of the refresh token's cookie. With the prefix `__Host-`, a browser accepts it only from this host, over
/// TLS and for all paths.
const REFRESH: &str = "__Host-refresh";

/// The name of the cookie that identifies the device. The cookie alone gives no access.
const DEVICE: &str = "__Host-device";

/// The name of the cookie with the code of the language that the user chose on the page.
const LANGUAGE: &str = "language";

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

/// Returns the header that sets the cookie with the identifiers of the device.
pub(super) fn set_devices(devices: &Devices, lifetime: Duration) -> String {
    set(DEVICE, devices.as_str(), lifetime)
}

/// Returns the identifiers of the device in a `Cookie` header.
pub(super) fn devices(header: &str) -> Devices {
    read(header, DEVICE).map(Devices::new).unwrap_or_default()
}

/// Returns the language in a `Cookie` header, if it is one of these codes.
pub(super) fn language<'a>(header: &str, languages: &[&'a str]) -> Option<&'a str> {
    let chosen = read(header, LANGUAGE)?;
    languages.iter().copied().find(|language| *language == chosen)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Timestamp, UserId};

    #[test]
    fn the_refresh_token_is_found_among_other_cookies() {
        assert_eq!(refresh("a=b; __Host-refresh=abc.def; c=d"), Some("abc.def"));
        assert_eq!(refresh("a=b"), None);
        assert_eq!(refresh("__Host-refresh="), None);
    }

    #[test]
    fn the_language_is_one_of_the_pages() {
        assert_eq!(language("a=b; language=fr", &["en", "fr"]), Some("fr"));
        assert_eq!(language("language=de", &["en", "fr"]), None);
        assert_eq!(language("a=fr", &["en", "fr"]), None);
    }

    #[test]
    fn the_devices_are_those_of_the_devices_cookie() {
        let user = UserId::new(Timestamp::from_unix_millis(1), [1; 10]);
        let set = set_devices(&Devices::default().with(&user, "random"), Duration::ZERO);
        assert_eq!(devices(&format!("a=b; {set}")).of(&user), Some("random"));
        assert_eq!(devices("a=b").of(&user), None);
    }
}
