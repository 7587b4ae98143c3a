//! The code that a user submits as a second factor.

use std::fmt;

use super::TotpSecret;
use super::recovery::{ALPHABET, LENGTH};
use crate::models::Timestamp;

/// The number of digits of an app's code.
const DIGITS: usize = 6;

/// The maximum number of characters that are read.
const MAX_READ: usize = 100;

/// A code of an authenticator app or a recovery code, as submitted. Any text is accepted; a text of another form never
/// matches.
pub struct SubmittedCode(String);

impl SubmittedCode {
    /// Accepts any text. Spaces and hyphens are ignored. So is the case of a recovery code, and letters that look like
    /// digits are read as these, as Crockford's base 32 defines.
    pub fn parse(typed: &str) -> Self {
        let is_ignored = |letter: &char| letter.is_whitespace() || matches!(letter, '-' | '\u{2010}'..='\u{2015}');
        let read = |letter: char| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        Self(typed.chars().take(MAX_READ).filter(|letter| !is_ignored(letter)).map(read).collect())
    }

    /// Returns the step of the code, if it is one of an app with this secret, which has not been added yet.
    pub fn step_in(&self, secret: &TotpSecret, now: Timestamp) -> Option<u64> {
        secret.step_of(self.app_code()?, now)
    }

    /// Returns the code of an app, if it has this form.
    pub(super) fn app_code(&self) -> Option<&str> {
        let is_code = self.0.len() == DIGITS && self.0.bytes().all(|letter| letter.is_ascii_digit());
        is_code.then_some(self.0.as_str())
    }

    /// Returns the recovery code, if it has this form.
    pub(super) fn recovery_code(&self) -> Option<&str> {
        let is_code = self.0.len() == LENGTH && self.0.bytes().all(|letter| ALPHABET.contains(&letter));
        is_code.then_some(self.0.as_str())
    }
}

impl fmt::Debug for SubmittedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubmittedCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_recognized_by_its_form() {
        for (typed, app, recovery) in [
            ("081804", Some("081804"), None),
            (" 081 804\n", Some("081804"), None),
            ("01234-56789", None, Some("0123456789")),
            ("olabc\u{2013}defgh", None, Some("01ABCDEFGH")),
            ("o81804", Some("081804"), None),
            ("ABCDE-FGHJU", None, None),
            ("ABCDE-FGHJ", None, None),
            ("08180\u{ff14}", None, None),
            ("", None, None),
        ] {
            let code = SubmittedCode::parse(typed);
            assert_eq!((code.app_code(), code.recovery_code()), (app, recovery), "{typed:?}");
        }
        assert_eq!(SubmittedCode::parse(&"1".repeat(10_000)).0.len(), MAX_READ);
    }

    #[test]
    fn debug_hides_the_code() {
        assert_eq!(format!("{:?}", SubmittedCode::parse("081804")), "SubmittedCode(…)");
    }
}
