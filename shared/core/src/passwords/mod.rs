//! Passwords: what a new one must be, what somebody typed, and the Argon2id digests that tell whether both are one.
//! Knows models only; no storage, no HTTP, no clock, and it takes randomness from its caller.

mod digest;
mod digests;
mod issued;
mod password;
mod rejection;
mod submitted;

pub use digest::HashingFailed;
pub use digests::{Digests, verify_nobody};
pub use issued::Issued;
pub use password::{About, Password};
pub use rejection::Rejection;
pub use submitted::SubmittedPassword;

use unicode_normalization::UnicodeNormalization;

/// The most characters of a password, after NFC.
const MAX_LENGTH: usize = 128;

/// The text in NFC, so that one password typed on two keyboards is one (NIST SP 800-63B-4, 3.1.1.2). Cut off one character
/// past the limit, however long the text is.
fn normalized(text: &str) -> String {
    text.nfc().take(MAX_LENGTH + 1).collect()
}
