//! The password that a user submits at sign-in.

use std::fmt;

use super::{MAX_LENGTH, normalized};

/// A password that a user submits at sign-in. Any text is accepted; a text that breaks the rules never matches.
pub struct SubmittedPassword {
    text: String,
    too_long: bool,
}

impl SubmittedPassword {
    /// Accepts any text. If it is too long for a password, only its beginning is kept, which is hashed like any other.
    pub fn parse(typed: &str) -> Self {
        let mut text = normalized(typed);
        let too_long = text.chars().count() > MAX_LENGTH;
        if too_long {
            text.pop();
        }
        Self { text, too_long }
    }

    /// Returns whether a password can have this length.
    pub(super) fn can_match(&self) -> bool {
        !self.too_long
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Debug for SubmittedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubmittedPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_and_never_matches() {
        for (length, can_match, kept) in
            [(0, true, 0), (1, true, 1), (128, true, 128), (129, false, 128), (9_999, false, 128)]
        {
            let attempt = SubmittedPassword::parse(&"a".repeat(length));
            assert_eq!((attempt.can_match(), attempt.as_bytes().len()), (can_match, kept), "{length}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        assert_eq!(format!("{:?}", SubmittedPassword::parse("hunter2")), "SubmittedPassword(…)");
    }
}
