//! Names of people and partners: any script, 1–100 characters, nothing that breaks a line, hides or reorders the text around it.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::text_form::text_form;

/// The longest name, in Unicode scalar values after trimming and NFC.
const LENGTH_MAX: usize = 100;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing that can be seen.
    #[error("A name is needed.")]
    Empty,
    /// More than 100 characters.
    #[error("A name has at most 100 characters.")]
    TooLong,
    /// A control character, a line break, or one that changes the direction of the text.
    #[error("A name cannot contain control characters.")]
    ControlCharacter,
}

impl InvalidName {
    /// The word for it in a problem's `errors`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
        }
    }
}

macro_rules! name {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Reads a name; white space around it is dropped, and it is kept in Unicode's form NFC.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                read(text).map(Self)
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }

        text_form!($name, InvalidName, as_str);
    };
}

name!(
    /// A first or last name of a person.
    PersonName
);
name!(
    /// The name of a partner: an agency or a reseller.
    PartnerName
);

fn read(text: &str) -> Result<String, InvalidName> {
    // One more than allowed is enough to tell, however long the text is.
    let name: String = text.trim().nfc().take(LENGTH_MAX + 1).collect();
    if name.chars().any(is_control) {
        return Err(InvalidName::ControlCharacter);
    }
    if name.chars().all(is_invisible) {
        return Err(InvalidName::Empty);
    }
    if name.chars().count() > LENGTH_MAX {
        return Err(InvalidName::TooLong);
    }
    Ok(name)
}

/// Control characters, line and paragraph separators, and the bidirectional embeddings, overrides and isolates.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// White space, and what Unicode's `Default_Ignorable_Code_Point` lists, and the blank of Braille.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{00AD}'
                | '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFF8}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_script_are_read() {
        for text in ["A", "Ada", "Jean-Luc", "O’Brien", "李", "Ольга", "محمد", "नरेन्द्र", "Nguyễn Văn", "👩‍🚀", "X Æ A-12"]
        {
            assert_eq!(PersonName::parse(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn each_reason_has_a_code() {
        let reasons = [InvalidName::Empty, InvalidName::TooLong, InvalidName::ControlCharacter];
        assert_eq!(reasons.map(InvalidName::code), ["empty", "too_long", "control_character"]);
    }

    #[test]
    fn white_space_around_it_is_dropped_and_inside_kept() {
        assert_eq!(PersonName::parse("\u{3000} Mary  Ann\t\n").unwrap().as_str(), "Mary  Ann");
    }

    #[test]
    fn it_is_kept_in_nfc() {
        let (composed, decomposed) = (PersonName::parse("Zo\u{EB}").unwrap(), PersonName::parse("Zoe\u{308}").unwrap());
        assert_eq!(composed, decomposed);
        assert_eq!(decomposed.as_str().chars().count(), 3);
    }

    #[test]
    fn what_nobody_can_see_is_no_name() {
        for text in
            ["", " ", "\t\n", "\u{3000}", "\u{200B}", "\u{200B} \u{FEFF}", "\u{2060}\u{AD}", "\u{3164}", "\u{2800}"]
        {
            assert_eq!(PartnerName::parse(text), Err(InvalidName::Empty), "{text:?}");
        }
    }

    #[test]
    fn a_name_has_at_most_100_characters_once_trimmed_and_composed() {
        for character in ["a", "é", "李", "👩"] {
            assert!(PersonName::parse(&format!("  {}  ", character.repeat(100))).is_ok());
            assert_eq!(PersonName::parse(&character.repeat(101)), Err(InvalidName::TooLong));
        }
        assert!(PersonName::parse(&"e\u{301}".repeat(100)).is_ok());
        assert_eq!(PersonName::parse(&"e\u{301}".repeat(101)), Err(InvalidName::TooLong));
    }

    #[test]
    fn control_characters_are_refused() {
        for character in [
            '\0', '\n', '\r', '\t', '\u{1B}', '\u{7F}', '\u{85}', '\u{9F}', '\u{2028}', '\u{2029}', '\u{202A}',
            '\u{202E}', '\u{2066}', '\u{2069}',
        ] {
            let text = format!("A{character}da");
            assert_eq!(PersonName::parse(&text), Err(InvalidName::ControlCharacter), "{character:?}");
        }
        assert_eq!(PersonName::parse("\u{202E}"), Err(InvalidName::ControlCharacter));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_again(text in "\\PC{0,120}|.{0,120}") {
            if let Ok(name) = PersonName::parse(&text) {
                prop_assert!((1..=LENGTH_MAX).contains(&name.as_str().chars().count()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
