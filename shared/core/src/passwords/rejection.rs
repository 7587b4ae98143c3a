//! The reasons for rejecting a new password.

/// The reason for rejecting a new password. `Display` is the message for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The password has fewer than 15 characters.
    #[error("A password has at least 15 characters.")]
    TooShort,
    /// The password has more than 128 characters.
    #[error("A password has at most 128 characters.")]
    TooLong,
    /// A program would guess the password easily.
    #[error("This password is too easy to guess; several unrelated words make a good one.")]
    Guessable,
    /// The password contains the part of the user's email before the @.
    #[error("The password must not contain the email address.")]
    ContainsEmail,
    /// The password contains the user's first or last name.
    #[error("The password must not contain the name.")]
    ContainsName,
    /// The password is the current one or one of the four before it.
    #[error("This is one of the last five passwords.")]
    Reused,
}

impl Rejection {
    /// Returns the error code in the `errors` of a problem.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Guessable => "guessable",
            Self::ContainsEmail => "contains_email",
            Self::ContainsName => "contains_name",
            Self::Reused => "reused",
        }
    }

    /// Returns the message for the user.
    pub fn message(self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Rejection::{ContainsEmail, ContainsName, Guessable, Reused, TooLong, TooShort};
    use super::*;

    #[test]
    fn each_reason_has_a_code_and_a_message() {
        let reasons = [TooShort, TooLong, Guessable, ContainsEmail, ContainsName, Reused];
        let codes = ["too_short", "too_long", "guessable", "contains_email", "contains_name", "reused"];
        assert_eq!(reasons.map(Rejection::code), codes);
        assert_eq!(TooShort.message(), "A password has at least 15 characters.");
    }
}
