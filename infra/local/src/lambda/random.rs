//! Random names: request ids, trace ids, log streams. None of them is a secret.

use std::fmt::Write as _;

/// `N` random bytes, or zeros if the system cannot provide any. Nothing here has to be secret.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        bytes.fill(0);
    }
    bytes
}

/// `N` random bytes in lower-case hexadecimal.
pub(crate) fn hex<const N: usize>() -> String {
    bytes::<N>().iter().fold(String::with_capacity(2 * N), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A Lambda request id: a random UUID.
pub(crate) fn request_id() -> String {
    uuid::Builder::from_random_bytes(bytes()).into_uuid().to_string()
}
