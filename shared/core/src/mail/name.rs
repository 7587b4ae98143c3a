//! Names in mail. They are the only text in it that users choose, and a mail comes from the portal's trusted address. So
//! a name must not become a link or a message of its own.

/// The maximum length of a name in characters.
const MAX_LENGTH: usize = 60;

/// Returns the name as mail shows it: without parts that are or look like links, and with at most 60 characters. It is
/// empty if nothing else is left.
pub fn mail_name(name: &str) -> String {
    let words: Vec<String> = name.split_whitespace().filter_map(word).collect();
    let name = words.join(" ");
    if name.chars().count() <= MAX_LENGTH {
        return name;
    }
    let start: String = name.chars().take(MAX_LENGTH - 1).collect();
    format!("{}…", start.trim_end())
}

/// Returns the word, unless it is or looks like a link or an address. A dot inside a word is replaced by a space, because
/// mail programs make links from words such as `example.com`: `Dr.Lee` stays readable.
fn word(word: &str) -> Option<String> {
    let has_sign = word.chars().any(is_sign_of_link);
    let is_host = word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("www"));
    let parts: Vec<&str> = word.split(is_dot).filter(|part| !part.is_empty()).collect();
    let has_inner_dot = parts.len() > 1;
    // Initials, as in J.R.R. Tolkien, are not a host.
    let initials = parts.iter().all(|part| part.chars().count() == 1);
    let is_lower = parts.iter().skip(1).all(|part| part.chars().next().is_some_and(|first| !first.is_uppercase()));
    if has_sign || is_host || (has_inner_dot && !initials && is_lower) {
        return None;
    }
    if has_inner_dot && !initials { Some(parts.join(" ")) } else { Some(word.to_owned()) }
}

/// Returns whether the character occurs in links and addresses, but not in names, also in its full-width form.
fn is_sign_of_link(letter: char) -> bool {
    matches!(
        letter,
        '/' | '\\'
            | ':'
            | '@'
            | '%'
            | '#'
            | '?'
            | '='
            | '<'
            | '>'
            | '['
            | ']'
            | '{'
            | '}'
            | '|'
            | '^'
            | '`'
            | '"'
            | '／'
            | '＼'
            | '：'
            | '＠'
            | '％'
            | '＃'
            | '？'
            | '＝'
            | '⁄'
            | '∕'
            | '⧸'
    ) || letter.is_control()
}

/// Returns whether browsers accept the character as a dot in a domain (UTS 46).
fn is_dot(letter: char) -> bool {
    matches!(letter, '.' | '。' | '．' | '｡' | '․')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_unchanged() {
        for name in
            ["Ann Lee", "J.R.R. Tolkien", "Zoë O’Neill-Smith", "Acme & Sons, Inc.", "Müller GmbH", "李小龍", "M. Curie"]
        {
            assert_eq!(mail_name(name), name);
        }
        assert_eq!(mail_name("Dr.Lee"), "Dr Lee");
    }

    #[test]
    fn parts_that_look_like_links_are_removed() {
        for (name, expected) in [
            ("Ann https://evil.example/login Lee", "Ann Lee"),
            ("http://evil.example", ""),
            ("Win at evil.example", "Win at"),
            ("www.Evil.Example", ""),
            ("Evil.Com", "Evil Com"),
            ("ann@evil.example Lee", "Lee"),
            ("javascript:alert(1)", ""),
            ("evil。example", ""),
            ("evil．example now", "now"),
            ("192.0.2.1", ""),
            ("<b>Ann</b>", ""),
        ] {
            assert_eq!(mail_name(name), expected, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let name = mail_name(&"x".repeat(200));
        assert_eq!(name.chars().count(), 60);
        assert!(name.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_name_is_long_or_contains_a_link(name in "([a-zA-Z.:/@ ]|\\PC|[。．]){0,120}") {
            let shown = mail_name(&name);
            prop_assert!(shown.chars().count() <= MAX_LENGTH);
            prop_assert!(!shown.contains("://") && !shown.contains('@') && !shown.contains('/'));
            for word in shown.split(' ') {
                let labels: Vec<&str> = word.trim_matches(is_dot).split(is_dot).collect();
                prop_assert!(labels.len() == 1 || labels.iter().all(|label| label.chars().count() <= 1), "{word}");
            }
            prop_assert_eq!(mail_name(&shown), shown);
        }
    }
}
