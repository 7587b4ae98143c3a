//! Names of people, partners and passkeys: 1–100 characters of any script, without characters that break a line or reorder text,
//! and not only invisible ones.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::text_form::text_form;

/// The maximum length of a name, in Unicode scalar values after trimming and NFC.
const MAX_LENGTH: usize = 100;

/// The reason why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text has no visible character.
    #[error("A name is needed.")]
    Empty,
    /// The text has more than 100 characters.
    #[error("A name has at most 100 characters.")]
    TooLong,
    /// The text has a control character, a line break, or a character that changes the direction of text.
    #[error("A name cannot contain control characters.")]
    ControlCharacter,
}

impl InvalidName {
    /// Returns the error code in the `errors` of a problem.
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
            /// Reads a name. White space around it is removed, and the text is normalized to NFC.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                read(text).map(Self)
            }

            /// Returns the name.
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
    ///
    /// ```
    /// use portal_core::models::{InvalidName, PersonName};
    ///
    /// assert_eq!(PersonName::parse(" Zoë ").map(|name| name.to_string()), Ok("Zoë".to_owned()));
    /// assert_eq!(PersonName::parse("   "), Err(InvalidName::Empty));
    /// assert_eq!(PersonName::parse("Zoë\nKing"), Err(InvalidName::ControlCharacter));
    /// ```
    PersonName
);
name!(
    /// The name of a partner, which is an agency or a reseller.
    PartnerName
);
name!(
    /// The name that a user gives a passkey.
    PasskeyName
);

impl PersonName {
    /// Reads a name that a person may lack, as a last name. Returns `None` if the text has no visible character.
    pub fn parse_optional(text: &str) -> Result<Option<Self>, InvalidName> {
        match Self::parse(text) {
            Ok(name) => Ok(Some(name)),
            Err(InvalidName::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read(text: &str) -> Result<String, InvalidName> {
    let text = text.trim();
    if text.chars().any(is_control) {
        return Err(InvalidName::ControlCharacter);
    }
    // One character more than the maximum is enough to detect a name that is too long.
    let name: String = visible(text).nfc().take(MAX_LENGTH + 1).collect();
    // Marks without a letter are hardly visible.
    if name.chars().all(is_combining_mark) {
        return Err(InvalidName::Empty);
    }
    if name.chars().count() > MAX_LENGTH {
        return Err(InvalidName::TooLong);
    }
    Ok(name)
}

/// Returns the text without invisible characters, and with one space for each run of white space: two names that look
/// alike become equal. Joiners and variation selectors are kept only where they change how their neighbours look.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() {
            if !visible.is_empty() && !visible.ends_with(' ') {
                visible.push(' ');
            }
        } else if !is_invisible(letter) || changes_neighbours(&visible, letter, letters.peek()) {
            visible.push(letter);
        }
    }
    visible.truncate(visible.trim_end().len());
    visible
}

/// Returns whether an invisible character after this text changes how the characters around it look.
fn changes_neighbours(text: &str, letter: char, after: Option<&char>) -> bool {
    let (Some(before), after) = (text.chars().next_back(), after.copied()) else { return false };
    match letter {
        // ZERO WIDTH NON-JOINER, as in Persian compounds and Indic conjuncts.
        '\u{200C}' => {
            let letter = text.chars().rev().find(|c| !is_arabic_mark(*c));
            is_virama(before) || (letter.is_some_and(joins_the_next) && after.is_some_and(is_arabic_letter))
        }
        // ZERO WIDTH JOINER, as in Indic conjuncts, the Bengali ya-phalaa and composed emoji.
        '\u{200D}' => {
            is_virama(before)
                || after.is_some_and(is_virama)
                || (is_pictograph(before) && after.is_some_and(is_pictograph))
        }
        // The emoji form of a symbol.
        '\u{FE0F}' => is_pictograph(before) && before != letter,
        // The variants of an ideograph, which occur in Japanese names.
        '\u{E0100}'..='\u{E01EF}' => is_ideograph(before),
        // The variants of a Mongolian letter.
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(before, '\u{1820}'..='\u{18AA}'),
        _ => false,
    }
}

fn is_arabic_letter(letter: char) -> bool {
    matches!(letter, '\u{0620}'..='\u{064A}' | '\u{066E}'..='\u{06D3}' | '\u{0750}'..='\u{077F}')
}

/// Returns whether this is an Arabic vowel sign or a similar mark on a letter.
fn is_arabic_mark(letter: char) -> bool {
    matches!(letter, '\u{064B}'..='\u{065F}' | '\u{0670}')
}

/// Returns whether this is an Arabic letter that connects to the next one.
fn joins_the_next(letter: char) -> bool {
    const NEVER: &str = "ءآأؤإاةدذرزوىٱڈڑژۃۆۇےە";
    is_arabic_letter(letter) && !NEVER.contains(letter)
}

/// Returns whether this is the sign of an Indic script that removes a letter's vowel.
fn is_virama(letter: char) -> bool {
    matches!(
        letter,
        '\u{094D}'
            | '\u{09CD}'
            | '\u{0A4D}'
            | '\u{0ACD}'
            | '\u{0B4D}'
            | '\u{0BCD}'
            | '\u{0C4D}'
            | '\u{0CCD}'
            | '\u{0D4D}'
            | '\u{0DCA}'
            | '\u{1039}'
            | '\u{17D2}'
    )
}

fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFD}')
}

/// Returns whether the character is in a block of symbols and emoji, or selects the emoji form of one.
fn is_pictograph(letter: char) -> bool {
    matches!(letter, '\u{2190}'..='\u{27BF}' | '\u{2900}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}' | '\u{FE0F}')
}

/// Returns whether the character is a control character, a line or paragraph separator, or a bidirectional embedding,
/// override or isolate.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether the character is white space, has Unicode's property `Default_Ignorable_Code_Point`, is the blank
/// Braille pattern, a null notehead, a mark of annotations or of objects in a text, or is no character at all.
pub fn is_invisible(c: char) -> bool {
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
                | '\u{FFF0}'..='\u{FFFC}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D159}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
                | '\u{FDD0}'..='\u{FDEF}'
        )
        || matches!(u32::from(c) & 0xFFFF, 0xFFFE | 0xFFFF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_any_script_are_accepted() {
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
    fn white_space_around_a_name_is_removed_and_inside_becomes_one_space() {
        for text in ["\u{3000} Mary  Ann\u{A0} ", "Mary\u{A0}Ann", "Mary\u{2009}\u{3000}Ann"] {
            assert_eq!(PersonName::parse(text).unwrap().as_str(), "Mary Ann", "{text:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_equal() {
        let ada = PersonName::parse("Ada").unwrap();
        for invisible in [
            '\u{AD}',
            '\u{34F}',
            '\u{61C}',
            '\u{115F}',
            '\u{180E}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{200F}',
            '\u{2060}',
            '\u{2063}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE00}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{FFF9}',
            '\u{FFFC}',
            '\u{FFFF}',
            '\u{1D159}',
            '\u{1D173}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            for text in
                [format!("{invisible}Ada"), format!("A{invisible}d{invisible}{invisible}a"), format!("Ada{invisible}")]
            {
                assert_eq!(PersonName::parse(&text), Ok(ada.clone()), "{text:?}");
            }
        }
        assert_eq!(PersonName::parse("\u{200F}דוד\u{200F}").unwrap().as_str(), "דוד");
        // The mark meets its letter when the character between them is gone.
        assert_eq!(PersonName::parse("Zoe\u{200B}\u{308}").unwrap().as_str(), "Zoë");
    }

    #[test]
    fn invisible_characters_that_change_their_neighbours_are_kept() {
        for text in [
            "می\u{200C}خواهم",
            "م\u{64F}\u{200C}حمد",
            "क्\u{200D}ष",
            "র\u{200D}্যা",
            "👩\u{200D}🚀",
            "❤\u{FE0F}",
            "葛\u{E0100}",
        ] {
            assert_eq!(PersonName::parse(text).unwrap().as_str(), text, "{text:?}");
        }
        // After these letters a non-joiner has no effect.
        assert_eq!(PersonName::parse("دا\u{200C}ر").unwrap().as_str(), "دار");
    }

    #[test]
    fn a_name_is_normalized_to_nfc() {
        let (composed, decomposed) = (PersonName::parse("Zo\u{EB}").unwrap(), PersonName::parse("Zoe\u{308}").unwrap());
        assert_eq!(composed, decomposed);
        assert_eq!(decomposed.as_str().chars().count(), 3);
    }

    #[test]
    fn a_text_without_visible_characters_is_rejected() {
        for text in [
            "",
            " ",
            "\t\n",
            "\u{3000}",
            "\u{200B}",
            "\u{200B} \u{FEFF}",
            "\u{2060}\u{AD}",
            "\u{3164}",
            "\u{2800}",
            "\u{301}\u{301}",
        ] {
            assert_eq!(PartnerName::parse(text), Err(InvalidName::Empty), "{text:?}");
        }
    }

    #[test]
    fn an_optional_name_may_be_empty_but_keeps_the_other_rules() {
        for text in ["", "  ", "\u{200B}"] {
            assert_eq!(PersonName::parse_optional(text), Ok(None), "{text:?}");
        }
        assert_eq!(PersonName::parse_optional(" Lee "), PersonName::parse("Lee").map(Some));
        assert_eq!(PersonName::parse_optional(&"a".repeat(101)), Err(InvalidName::TooLong));
        assert_eq!(PersonName::parse_optional("Lee\nRoy"), Err(InvalidName::ControlCharacter));
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
    fn control_characters_are_rejected() {
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
        fn parsing_a_name_again_changes_nothing(text in "\\PC{0,120}|.{0,120}") {
            if let Ok(name) = PersonName::parse(&text) {
                prop_assert!((1..=MAX_LENGTH).contains(&name.as_str().chars().count()));
                prop_assert!(!name.as_str().chars().any(char::is_control));
                prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
