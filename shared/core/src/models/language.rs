//! The languages of mail and of the page.

use super::closed_set::closed_set;

closed_set! {
    /// The language in which the portal writes to a user.
    #[derive(Default)]
    pub enum Language or UnknownLanguage("there is no such language") {
        /// English.
        #[default]
        English = "en",
        /// French.
        French = "fr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        assert_eq!(Language::ALL.map(Language::as_str), ["en", "fr"]);
        assert_eq!(Language::default(), Language::English);
    }
}
