//! Passwords: the rules for new ones, the passwords that users submit, and the Argon2id digests that verify them. This
//! module depends only on `models`. It uses no storage, HTTP or clock, and its callers supply the random bytes.

mod digest;
mod digests;
mod issued;
mod password;
mod rejection;
mod strength;
mod submitted;

pub use digest::HashingFailed;
pub use digests::{Digests, verify_nobody};
pub use issued::Issued;
pub use password::{About, Password};
pub use rejection::Rejection;
pub use submitted::SubmittedPassword;

use unicode_normalization::UnicodeNormalization;

/// The maximum length of a password in characters, after NFC normalization.
const MAX_LENGTH: usize = 128;

/// Returns the text in NFC, so that a password typed on different keyboards stays the same (NIST SP 800-63B-4,
/// 3.1.1.2). The result is cut one character after the maximum length, which is enough to detect that the text is too
/// long.
fn normalized(text: &str) -> String {
    text.nfc().take(MAX_LENGTH + 1).collect()
}
