//! The cookie that holds a refresh token, out of reach of scripts.

/// `__Host-`: the browser takes it only from this very host, over TLS, for every path.
const NAME: &str = "__Host-refresh";

/// Sets the cookie for `seconds`.
pub(super) fn set(refresh_token: &str, seconds: u64) -> String {
    format!("{NAME}={refresh_token}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// Takes the cookie away.
pub(super) fn clear() -> String {
    set("", 0)
}

/// The refresh token in a `Cookie` header.
pub(super) fn read(header: &str) -> Option<&str> {
    header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == NAME && !value.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_back_among_other_cookies() {
        assert_eq!(read("a=b; __Host-refresh=abc.def; c=d"), Some("abc.def"));
        assert_eq!(read("a=b"), None);
        assert_eq!(read("__Host-refresh="), None);
    }
}
