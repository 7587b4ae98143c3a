//! What a person writes beside a decision, for whoever reads the audit trail: one line, 1–500 characters.

use unicode_normalization::UnicodeNormalization;

use super::name::{is_control, is_invisible};

/// The longest note, in Unicode scalar values after trimming and NFC.
const LENGTH_MAX: usize = 500;

/// Why a text is no note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// Nothing that can be seen.
    #[error("This field cannot be blank; leave it out instead.")]
    Empty,
    /// More than 500 characters.
    #[error("This field has at most 500 characters.")]
    TooLong,
    /// A control character, a line break, or one that changes the direction of the text.
    #[error("This field cannot contain control characters or line breaks.")]
    ControlCharacter,
}

impl InvalidNote {
    /// The word for it in a problem's `errors`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
        }
    }
}

/// A note on a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Reads a note; white space around it is dropped, and it is kept in Unicode's form NFC.
    pub fn parse(text: &str) -> Result<Self, InvalidNote> {
        // One more than allowed is enough to tell, however long the text is.
        let note: String = text.trim().nfc().take(LENGTH_MAX + 1).collect();
        if note.chars().any(is_control) {
            return Err(InvalidNote::ControlCharacter);
        }
        if note.chars().all(is_invisible) {
            return Err(InvalidNote::Empty);
        }
        if note.chars().count() > LENGTH_MAX {
            return Err(InvalidNote::TooLong);
        }
        Ok(Self(note))
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_up_to_500_characters_is_a_note() {
        assert_eq!(Note::parse(" Left on Friday — thanks, Zoë! ").unwrap().as_str(), "Left on Friday — thanks, Zoë!");
        assert!(Note::parse(&"é".repeat(500)).is_ok());
        assert_eq!(Note::parse(&"é".repeat(501)), Err(InvalidNote::TooLong));
    }

    #[test]
    fn each_reason_has_a_code() {
        let reasons = [InvalidNote::Empty, InvalidNote::TooLong, InvalidNote::ControlCharacter];
        assert_eq!(reasons.map(InvalidNote::code), ["empty", "too_long", "control_character"]);
    }

    #[test]
    fn nothing_to_read_and_what_breaks_a_line_is_none() {
        for text in ["", "  ", "\u{200B}"] {
            assert_eq!(Note::parse(text), Err(InvalidNote::Empty), "{text:?}");
        }
        for text in ["one\ntwo", "a\u{202E}b", "a\0b"] {
            assert_eq!(Note::parse(text), Err(InvalidNote::ControlCharacter), "{text:?}");
        }
    }
}
