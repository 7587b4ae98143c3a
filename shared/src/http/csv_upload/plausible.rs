//! Judges whether a text can be the right reading of a file in an 8-bit charset. In a wrong reading, letters become symbols,
//! or letters of the wrong case in the middle of a word.

/// The letters outside ASCII that are usual in English, French and German.
const USUAL: &str = "àâäçèéêëîïôöùûüÿñœæßÀÂÄÇÈÉÊËÎÏÔÖÙÛÜŸÑŒÆ";

/// Returns whether the text could be what its author wrote.
pub(super) fn is_plausible(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters.iter().enumerate().filter(|(_, c)| !c.is_ascii()).all(|(index, c)| is_in_place(*c, &letters, index))
}

/// Returns whether all letters of the text are usual in English, French and German, and the first one is not a small letter
/// with an accent.
pub(super) fn is_usual(text: &str) -> bool {
    text.chars().next().is_none_or(|first| first.is_ascii() || !first.is_lowercase())
        && text.chars().all(|c| c.is_ascii() || !is_letter(c) || USUAL.contains(c))
}

/// Returns whether the character is a letter of Western European languages.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ' | 'Œ' | 'œ' | 'Š' | 'š' | 'Ÿ' | 'Ž' | 'ž')
}

fn is_in_place(c: char, letters: &[char], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|index| letters.get(index)).copied().filter(|c| is_letter(*c));
    let after = letters.get(index + 1).copied().filter(|c| is_letter(*c));
    match c {
        c if is_letter(c) => is_in_word(c, letters, index),
        '\u{a0}' => true,
        c if c.is_control() || c == char::REPLACEMENT_CHARACTER => false,
        // An apostrophe.
        '’' | '´' => true,
        '‘' => before.is_none() || after.is_some(),
        // A dash for a hyphen.
        '–' => before.is_some() == after.is_some(),
        // Spanish and French abbreviations: `Mª`, `n°`.
        'ª' | 'º' | '°' => after.is_none(),
        // Catalan: `Gal·la`.
        '·' => before.is_none_or(|c| "lL".contains(c)) && after.is_none_or(|c| "lL".contains(c)),
        _ => before.is_none() && after.is_none(),
    }
}

/// Returns whether a letter outside ASCII fits the case of the word around it.
fn is_in_word(c: char, letters: &[char], index: usize) -> bool {
    let is_start = |end: &usize| letters.get(*end).is_none_or(|c| !is_letter(*c));
    let start = (0..index).rev().find(is_start).map_or(0, |end| end + 1);
    let end = (index..letters.len()).find(is_start).unwrap_or(letters.len());
    let word = letters.get(start..end).unwrap_or_default();
    // A word in capitals can have letters of both cases outside ASCII, because not all keyboards have their capitals.
    if !word.iter().any(char::is_ascii_lowercase) {
        return c != 'ß' || index > start;
    }
    if c.is_uppercase() {
        return index == start;
    }
    (c != 'ß' || index > start) && letters.get(index + 1).is_none_or(|next| !next.is_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them_are_plausible() {
        for name in [
            "Zoé",
            "Élodie",
            "éric",
            "Hélène Lefèvre",
            "LEFÈVRE",
            "LEFèVRE",
            "ANDRé",
            "François",
            "Noël",
            "Müller",
            "Größe",
            "Jean–Luc",
            "D’Arc",
            "O‘Brien",
            "N’diaye",
            "Marie\u{a0}Ève",
            "Mª José",
            "Cœur",
            "Øystein",
            "Gal·la",
            "Š",
            "Miloš",
            "№ 12",
            "« Ann »",
            "5 €",
            "",
        ] {
            assert!(is_plausible(name), "{name}");
        }
    }

    #[test]
    fn symbols_and_capitals_inside_words_are_not_plausible() {
        for name in [
            "ZoÃ©",
            "Zo√©",
            "ZoÈ",
            "Zo‚",
            "ZoŽ",
            "HÇläne",
            "H‚lŠne",
            "…lodie",
            "FranÁois",
            "Fran\u{8d}ois",
            "M¸ller",
            "MŸller",
            "MÅller",
            "Gr^ˆe",
            "Jo\u{fffd}l",
            "†ller",
            "Zo‘",
            "OíBrien",
            "ßa",
            "Lopez™",
        ] {
            assert!(!is_plausible(name), "{name}");
        }
    }

    #[test]
    fn letters_of_other_languages_are_not_usual() {
        assert!(is_usual("Zoé O’Brien, Größe"));
        for name in ["Juárez", "Nicolò", "Bjørn", "Miloš", "âlodie"] {
            assert!(!is_usual(name), "{name}");
        }
    }
}
