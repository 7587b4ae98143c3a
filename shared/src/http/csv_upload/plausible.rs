//! Judges whether a text can be the right reading of a file in an 8-bit charset. In a wrong reading, letters become symbols,
//! or letters of the wrong case in the middle of a word.

/// The letters outside ASCII that are usual in English, French and German.
const USUAL: &str = "àâäçèéêëîïôöùûüÿñœæßÀÂÄÇÈÉÊËÎÏÔÖÙÛÜŸÑŒÆ";

/// Returns whether the text could be what its author wrote.
pub(super) fn is_plausible(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters.iter().enumerate().filter(|(_, c)| !c.is_ascii()).all(|(index, c)| is_in_place(*c, &letters, index))
}

/// Returns whether all letters of the text are usual in English, French and German, the first one is not a small letter
/// with an accent, and each è, ê, ñ and æ is where these languages have it. Elsewhere, its byte in Windows-1252 can be a
/// frequent Slavic letter in Windows-1250: "Kuèera" and "Jasiñski" are Kučera and Jasiński.
pub(super) fn is_usual(text: &str) -> bool {
    let letters: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let is_usual_before = |(index, c): (usize, &char)| {
        let next = letters.get(index + 1).copied().filter(|c| is_letter(*c));
        let is_vowel = next.is_some_and(|c| "aeiouyàâäéèêëîïôöùûü".contains(c));
        match c {
            'è' | 'ê' => next.is_some() && !is_vowel,
            'ñ' => is_vowel,
            'æ' => next.is_some(),
            _ => true,
        }
    };
    text.chars().next().is_none_or(|first| first.is_ascii() || !first.is_lowercase())
        && text.chars().all(|c| c.is_ascii() || !is_letter(c) || USUAL.contains(c))
        && letters.iter().enumerate().all(is_usual_before)
}

/// Returns whether all letters of the text are Latin ones.
pub(super) fn is_latin(text: &str) -> bool {
    text.chars().all(|c| !c.is_alphabetic() || matches!(c, ..'\u{250}' | '\u{1e00}'..='\u{1eff}'))
}

/// Returns whether the text could be what its author wrote in any language: no word has a symbol, two scripts, or a capital
/// after a small letter.
pub(super) fn is_coherent(text: &str) -> bool {
    let is_between = |c: char| c.is_whitespace() || "’‘–".contains(c) || (c.is_ascii() && !c.is_ascii_alphabetic());
    text.split(is_between).filter(|word| !word.is_ascii()).all(|word| {
        let pairs = word.chars().zip(word.chars().skip(1));
        word.chars().all(char::is_alphabetic)
            && (is_latin(word) || !word.chars().any(|c| is_latin(c.encode_utf8(&mut [0; 4]))))
            && !pairs.into_iter().any(|(one, next)| one.is_lowercase() && next.is_uppercase())
    })
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
        // The frames and blocks of IBM850.
        '\u{2500}'..='\u{25ff}' => false,
        // An apostrophe.
        '’' | '´' => true,
        '‘' => before.is_none() || after.is_some(),
        // A dash for a hyphen.
        '–' => before.is_some() == after.is_some(),
        // Spanish and French abbreviations: `Mª`, `n°`.
        'ª' | 'º' | '°' => after.is_none() && before.is_none_or(|c| c.is_ascii()),
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
            "┘££",
            "Î°",
        ] {
            assert!(!is_plausible(name), "{name}");
        }
    }

    #[test]
    fn letters_of_other_languages_are_not_usual() {
        assert!(is_usual("Zoé O’Brien, Größe"));
        for name in ["Juárez", "Nicolò", "Bjørn", "Miloš", "âlodie", "Kuèera", "HORÈIÈKA", "Jasiñski", "Rumiæ", "Fañch"]
        {
            assert!(!is_usual(name), "{name}");
        }
        for name in ["Hélène", "Agnès", "LEFÈVRE", "Forêt", "Muñoz", "Lætitia"] {
            assert!(is_usual(name), "{name}");
        }
    }

    #[test]
    fn words_of_one_script_without_symbols_are_coherent() {
        for name in
            ["Łukasz Wójcik", "Jiří", "Иван Петров", "Γιώργος", "דָּוִד", "佐藤", "김민수", "McDonald", "O’Şahin", "a@b.c"]
        {
            assert!(is_coherent(name), "{name}");
        }
        for name in ["ZoО", "Gr╣be", "dÝ¼", "łUk", "Zo\u{fffd}", "Zo\u{8d}"] {
            assert!(!is_coherent(name), "{name}");
        }
        assert!(is_latin("Łukasz, Nguyễn 1") && !is_latin("Иван") && !is_latin("李"));
    }
}
