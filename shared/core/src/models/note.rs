//! A note that a user adds to a decision, for readers of the audit trail: one line of 1–500 characters.

use unicode_normalization::UnicodeNormalization;

use super::name::{is_control, is_invisible};

/// The maximum length of a note, in Unicode scalar values after trimming and NFC.
const MAX_LENGTH: usize = 500;

/// The reason why a text is not a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// The text has no visible character.
    #[error("This field cannot be blank; leave it out instead.")]
    Empty,
    /// The text has more than 500 characters.
    #[error("This field has at most 500 characters.")]
    TooLong,
    /// The text has a control character, a line break, or a character that changes the direction of text.
    #[error("This field cannot contain control characters or line breaks.")]
    ControlCharacter,
}

impl InvalidNote {
    /// Returns the error code in the `errors` of a problem.
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
    /// Reads a note. White space around it is removed, and the text is normalized to NFC.
    pub fn parse(text: &str) -> Result<Self, InvalidNote> {
        // One character more than the maximum is enough to detect a note that is too long.
        let note: String = text.trim().nfc().take(MAX_LENGTH + 1).collect();
        if note.chars().any(is_control) {
            return Err(InvalidNote::ControlCharacter);
        }
        if note.chars().all(is_invisible) {
            return Err(InvalidNote::Empty);
        }
        if note.chars().count() > MAX_LENGTH {
            return Err(InvalidNote::TooLong);
        }
        Ok(Self(note))
    }

    /// Returns the note.
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
    fn blank_notes_and_control_characters_are_rejected() {
        for text in ["", "  ", "\u{200B}"] {
            assert_eq!(Note::parse(text), Err(InvalidNote::Empty), "{text:?}");
        }
        for text in ["one\ntwo", "a\u{202E}b", "a\0b"] {
            assert_eq!(Note::parse(text), Err(InvalidNote::ControlCharacter), "{text:?}");
        }
    }
}
