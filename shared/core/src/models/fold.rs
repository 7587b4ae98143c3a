//! Text without case and accents, for sorting and searching: `Łódź`, `LODZ` and `lodz` become equal.

use unicode_normalization::UnicodeNormalization;

use super::name::is_invisible;

/// Returns the text in lower case, without diacritical marks and invisible characters, with plain quotes and hyphens,
/// and with one space for each run of white space.
///
/// Arabic and Hebrew are folded as people type them: without vowel signs and points, and with one form of alef, yeh,
/// heh and kaf. Vowel signs of Indic scripts are kept, because they carry meaning as letters do. Folding a text twice has
/// the same result as folding it once.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let letters = text.chars().filter_map(plain).nfkd().filter_map(plain).flat_map(char::to_lowercase);
    for letter in letters {
        match letter {
            ' ' if folded.ends_with(' ') => {}
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ŧ' => folded.push('t'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            'ٱ' => folded.push('ا'),
            'ى' | 'ی' => folded.push('ي'),
            'ة' | 'ھ' | 'ہ' | 'ە' => folded.push('ه'),
            'ک' => folded.push('ك'),
            '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | 'ʹ' | 'ʻ'..='ʿ' | '`' | '׳' => {
                folded.push('\'');
            }
            '“' | '”' | '„' | '‟' | '«' | '»' | '״' => folded.push('"'),
            '‐'..='―' | '−' | '־' => folded.push('-'),
            letter => folded.push(letter),
        }
    }
    folded
}

/// Removes control characters and diacritical marks, and replaces white space by a space.
///
/// It also runs before the decomposition, which reorders the marks around a removed character only if that is already
/// gone.
fn plain(letter: char) -> Option<char> {
    match letter {
        space if space.is_whitespace() => Some(' '),
        // Typed for an apostrophe. Its decomposition is a space with an accent.
        '´' => Some('\''),
        letter if letter.is_control() || is_diacritical_mark(letter) || is_invisible(letter) => None,
        letter => Some(letter),
    }
}

/// Returns whether the character is in one of Unicode's blocks "Combining Diacritical Marks", their "Extended",
/// "Supplement" and "for Symbols", and "Combining Half Marks", or is a point or mark of Hebrew or Arabic.
fn is_diacritical_mark(letter: char) -> bool {
    matches!(
        letter,
        '\u{0300}'..='\u{036F}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE20}'..='\u{FE2F}'
            | '\u{0591}'..='\u{05BD}'
            | '\u{05BF}'
            | '\u{05C1}'..='\u{05C2}'
            | '\u{05C4}'..='\u{05C5}'
            | '\u{05C7}'
            | '\u{0610}'..='\u{061A}'
            | '\u{0640}'
            | '\u{064B}'..='\u{065F}'
            | '\u{0670}'
            | '\u{06D6}'..='\u{06DC}'
            | '\u{06DF}'..='\u{06E4}'
            | '\u{06E7}'..='\u{06E8}'
            | '\u{06EA}'..='\u{06ED}'
            | '\u{08CA}'..='\u{08E1}'
            | '\u{08E3}'..='\u{08FF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_accents_are_removed() {
        for (text, folded) in [
            ("", ""),
            ("Ada Lovelace", "ada lovelace"),
            ("ÉÈÊË Zoë Zoe\u{308}", "eeee zoe zoe"),
            ("Łódź", "lodz"),
            ("Straße STRASSE ẞ", "strasse strasse ss"),
            ("Øresund Ærø", "oresund aero"),
            ("Œuvre", "oeuvre"),
            ("Þór Ðorđe Ħal Ŧ", "thor dorde hal t"),
            ("İIıi", "iiii"),
            ("ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ σισυφοσ"),
            ("Ёлка Йод", "елка иод"),
            ("Nguyễn Văn", "nguyen van"),
            ("ﬁne Ａｄａ ²", "fine ada 2"),
            ("नरेन्द्र", "नरेन्द्र"),
            ("한국", "한국"),
            ("أحمد", "احمد"),
            ("محمّد", "محمد"),
            ("مُحَمَّد ٱلْآمِر", "محمد الامر"),
            ("فاطمة علی", "فاطمه علي"),
            ("שָׁלוֹם כֹּהֵן", "שלום כהן"),
            ("O’Brien O‘Brien O`Brien O´Brien", "o'brien o'brien o'brien o'brien"),
            ("ʿAlī Saʾd Kaʻena ‹Bo›", "'ali sa'd ka'ena 'bo'"),
            ("„Ann“ «Bo»", "\"ann\" \"bo\""),
            ("Jean‐Luc Jean–Luc Jean−Luc", "jean-luc jean-luc jean-luc"),
            ("A\u{200B}n\u{AD}n\u{2060}", "ann"),
            ("a\t \u{A0}\nb", "a b"),
            ("a\u{0}b\u{7F}c", "abc"),
        ] {
            assert_eq!(fold(text), folded.nfkd().collect::<String>(), "{text:?}");
        }
    }

    #[test]
    fn folding_any_one_character_twice_changes_nothing() {
        for character in '\0'..=char::MAX {
            let once = fold(character.encode_utf8(&mut [0; 4]));
            assert_eq!(fold(&once), once, "{character:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn folding_marks_in_any_order_twice_changes_nothing(text in "[a\u{300}\u{34F}\u{5B0}\u{5B4}\u{20DD}\u{93C}\u{94D}\u{1} \u{A8}]{0,12}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn upper_and_lower_case_of_latin_fold_alike(text in "[a-zA-Zà-öø-ÿĀ-ň ]{0,20}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text.to_lowercase()));
        }
    }
}
