//! New passwords: their rules (NIST SP 800-63B-4, 3.1.1; OWASP ASVS 5, 6.2), and generated passwords.

use std::fmt;

use super::strength::Text;
use super::{MAX_LENGTH, Rejection, normalized};
use crate::models::{Email, PartnerName, PersonName, User};

/// The minimum length of a password that is the only factor, in characters (NIST SP 800-63B-4, 3.1.1.2).
const MIN_LENGTH: usize = 15;
/// The names of the product.
const PRODUCT: [&str; 2] = ["Partner Portal", "portail partenaire"];
/// Lower-case letters and digits, without those that look alike (0 o, 1 l). Their number is a power of two, so that
/// each is equally likely.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A new password: 15 to 128 characters of any kind, in NFC. Only `expose` reveals the text.
///
/// The length is checked first, and the strength once the user is known:
///
/// ```
/// use portal_core::models::{Email, PartnerName, PersonName};
/// use portal_core::passwords::{About, Password, Rejection};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (email, first_name, last_name) =
///     (Email::parse("ada@example.com")?, PersonName::parse("Ada")?, PersonName::parse("Lovelace")?);
/// let partner = PartnerName::parse("Analytical Engines")?;
/// let about = About { email: &email, first_name: &first_name, last_name: Some(&last_name), partner: &partner };
///
/// assert_eq!(Password::parse("correct horse battery staple")?.check_strength(&about), Ok(()));
/// assert_eq!(Password::parse("correct lovelace battery")?.check_strength(&about), Err(Rejection::ContainsName));
/// assert_eq!(Password::parse("too short").unwrap_err(), Rejection::TooShort);
/// # Ok(())
/// # }
/// ```
pub struct Password(String);

/// The user of a new password. The password must not contain the user's name or email as a word.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The email that the user signs in with.
    pub email: &'a Email,
    /// The first name.
    pub first_name: &'a PersonName,
    /// The last name, if any.
    pub last_name: Option<&'a PersonName>,
    /// The name of the user's partner.
    pub partner: &'a PartnerName,
}

impl<'a> About<'a> {
    /// Returns what is known about a user of this partner.
    pub fn of(user: &'a User, partner: &'a PartnerName) -> Self {
        Self { email: &user.email, first_name: &user.first_name, last_name: user.last_name.as_ref(), partner }
    }
}

impl Password {
    /// Reads a password and checks its length. Its strength depends on the user; see
    /// [`check_strength`](Self::check_strength).
    pub fn parse(typed: &str) -> Result<Self, Rejection> {
        let text = normalized(typed);
        let length = text.chars().count();
        if length < MIN_LENGTH {
            return Err(Rejection::TooShort);
        }
        if length > MAX_LENGTH {
            return Err(Rejection::TooLong);
        }
        Ok(Self(text))
    }

    /// Generates a password of 100 random bits that can be read aloud: `k7fq-x2mn-…`, five groups of four characters.
    pub fn generate(random: &[u8; 32]) -> Self {
        let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter));
        let groups: Vec<String> =
            random.chunks(4).take(5).map(|bytes| bytes.iter().filter_map(letter).collect()).collect();
        Self(groups.join("-"))
    }

    /// Returns the password's text, for the only response that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Rejects a password that a program would guess, or that contains the user's name or the local part of their email as
    /// a word.
    pub fn check_strength(&self, about: &About<'_>) -> Result<(), Rejection> {
        let text = Text::new(&self.0);
        let (first_name, last_name) = (about.first_name.as_str(), about.last_name.map_or("", PersonName::as_str));
        if text.contains(about.email.local_part()) {
            return Err(Rejection::ContainsEmail);
        }
        if text.contains(first_name) || text.contains(last_name) {
            return Err(Rejection::ContainsName);
        }
        let [english, french] = PRODUCT;
        let known = [
            about.email.typed(),
            about.email.local_part(),
            first_name,
            last_name,
            about.partner.as_str(),
            english,
            french,
        ];
        if text.is_guessable(&known) { Err(Rejection::Guessable) } else { Ok(()) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(password: &str, email: &str, first_name: &str, last_name: &str) -> Result<(), Rejection> {
        Password::parse(password)?.check_strength(&About {
            email: &Email::parse(email).unwrap(),
            first_name: &PersonName::parse(first_name).unwrap(),
            last_name: PersonName::parse_optional(last_name).unwrap().as_ref(),
            partner: &PartnerName::parse("Agence Dupont-Kervella").unwrap(),
        })
    }

    fn check_for_ada(password: &str) -> Result<(), Rejection> {
        check(password, "countess@example.com", "Ada", "Lovelace")
    }

    #[test]
    fn a_password_has_15_to_128_characters_of_any_kind() {
        for character in ["a", " ", "é", "李", "👩", "\u{0}"] {
            assert!(Password::parse(&character.repeat(15)).is_ok());
            assert!(Password::parse(&character.repeat(128)).is_ok());
            assert_eq!(Password::parse(&character.repeat(14)).unwrap_err(), Rejection::TooShort);
            assert_eq!(Password::parse(&character.repeat(129)).unwrap_err(), Rejection::TooLong);
            assert_eq!(Password::parse(&character.repeat(100_000)).unwrap_err(), Rejection::TooLong);
        }
        assert_eq!(Password::parse("").unwrap_err(), Rejection::TooShort);
    }

    #[test]
    fn characters_are_counted_in_nfc() {
        assert!(Password::parse(&"e\u{301}".repeat(128)).is_ok());
        assert_eq!(Password::parse(&"e\u{301}".repeat(14)).unwrap_err(), Rejection::TooShort);
        assert_eq!(Password::parse(&"e\u{301}".repeat(15)).unwrap().expose(), "é".repeat(15));
    }

    #[test]
    fn white_space_is_not_trimmed() {
        assert_eq!(Password::parse(" spaces around ").unwrap().expose(), " spaces around ");
    }

    #[test]
    fn unrelated_words_are_strong() {
        for password in [
            "correct horse battery staple",
            "Tulpen-Fernseher-Regal",
            "плывет облако над рекой",
            "k7fq-x2mn-9dvb-4wtz-hc3y",
        ] {
            assert_eq!(check_for_ada(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn a_guessable_password_is_rejected() {
        for password in [
            "aaaaaaaaaaaaaaaaaaaa",
            "passwordpassword",
            "Password1234567",
            "123456789012345",
            "qwertyuiopasdfghjkl",
            "abcabcabcabcabcabc",
            "partnerportal2026",
            "P4rtn3r P0rt4l!!",
            "PortailPartenaires1",
            "adaadaadaadaadaada",
            "countesscountess",
            "lovelacecountess1815",
            "kervelladupontagence",
            "K3rvell@-2026-K3rvell@",
        ] {
            assert_eq!(check_for_ada(password), Err(Rejection::Guessable), "{password}");
        }
    }

    #[test]
    fn words_of_the_email_and_the_names_do_not_make_a_strong_password() {
        let made_of_words = ["dlomzrguwyfkqhtb", "rkvubnexdlomzrgu", "mopwicaldlomzrgu", "ugrzmold-xenbuvkr"];
        for password in made_of_words {
            let about_words = check(password, "wyfkqhtb.dlomzrgu@rkvubnex.example", "Ada", "Tzehn Mopwical");
            assert_eq!(about_words, Err(Rejection::Guessable), "{password}");
            assert_eq!(check_for_ada(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn the_recorded_verdicts_are_those_of_today() {
        let rows = include_str!("verdicts.tsv").lines().filter(|line| !line.starts_with('#')).skip(1);
        let mut accepted = Vec::new();
        for row in rows {
            let [_, now, password] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let verdict = check(password, "luc.martin@agence-dupont.example", "Luc", "Martin");
            assert_eq!(verdict.map_or_else(Rejection::code, |()| "accepted"), now, "{password}");
            accepted.push(verdict.is_ok());
        }
        assert_eq!(accepted, [[false; 100], [true; 100]].concat(), "the first half is guessable, the second is not");
    }

    #[test]
    fn a_password_with_the_local_part_in_any_spelling_is_rejected() {
        for password in [
            "correct countess battery",
            "battery COUNTESS staple!",
            "xkcd-cöuntéss-9dvb-4wtz",
            "c0unte$$ battery staple",
            "batteryCountessStaple",
            "2026countess2026staple",
            "correct c.o.u.n.t.e.s.s battery",
        ] {
            assert_eq!(check_for_ada(password), Err(Rejection::ContainsEmail), "{password}");
        }
        let phone = |password| check(password, "0683914275@example.com", "Ada", "Lovelace");
        assert_eq!(phone("0683914275-and-a-word"), Err(Rejection::ContainsEmail));
        assert_eq!(phone("10683914275-gondola-velvet-banjo"), Ok(()));
    }

    #[test]
    fn a_password_with_a_name_in_any_spelling_is_rejected() {
        for password in [
            "correct lovelace battery",
            "battery-LOVELACE-staple",
            "xkcd lovelacé 9dvb 4wtz",
            "l0v3l4c3 battery staple",
            "batteryLovelaceStaple",
            "7lovelace7battery7staple",
        ] {
            assert_eq!(check_for_ada(password), Err(Rejection::ContainsName), "{password}");
        }
        let jean = |password| check(password, "jp@example.com", "Jean Pierre", "Özdemir");
        assert_eq!(jean("horse jean pierre 9dvb"), Err(Rejection::ContainsName));
        assert_eq!(jean("horse jean-pierre 9dvb"), Err(Rejection::ContainsName));
        assert_eq!(jean("horseJeanPierre9dvb"), Err(Rejection::ContainsName));
        assert_eq!(jean("staple ozdemir battery"), Err(Rejection::ContainsName));
    }

    #[test]
    fn a_name_or_a_local_part_inside_a_longer_word_is_accepted() {
        for password in ["smartinvestor velvet canoe", "SmartInvestorVelvetCanoe", "martinique-thimble-orbit-fern"] {
            assert_eq!(check(password, "martin@example.com", "Ann", "Martin"), Ok(()), "{password}");
        }
        assert_eq!(check_for_ada("viscountesses gravel banjo"), Ok(()));
    }

    #[test]
    fn a_password_may_contain_names_and_local_parts_of_three_characters() {
        assert_eq!(check("correct adamant joe battery", "joe@example.com", "Ada", "Li"), Ok(()));
    }

    #[test]
    fn a_generated_password_is_five_groups_of_four_letters_of_the_alphabet() {
        let password = Password::generate(&[0; 32]);
        assert_eq!(password.expose(), "aaaa-aaaa-aaaa-aaaa-aaaa");
        let ascending: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(Password::generate(&ascending).expose(), "abcd-efgh-ijkm-npqr-stuv");
    }

    #[test]
    fn the_alphabet_has_no_letter_twice() {
        let mut letters = ALPHABET.to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 32);
    }

    #[test]
    fn debug_hides_the_password() {
        assert_eq!(format!("{:?}", Password::parse("correct horse battery").unwrap()), "Password(…)");
    }

    proptest! {
        #[test]
        fn a_generated_password_can_be_parsed(random: [u8; 32]) {
            let generated = Password::generate(&random);
            let read = Password::parse(generated.expose()).unwrap();
            prop_assert_eq!(read.expose(), generated.expose());
        }

        #[test]
        fn parsing_a_password_again_changes_nothing(typed in ".{0,140}") {
            if let Ok(password) = Password::parse(&typed) {
                prop_assert!((MIN_LENGTH..=MAX_LENGTH).contains(&password.expose().chars().count()));
                let again = Password::parse(password.expose()).unwrap();
                prop_assert_eq!(again.expose(), password.expose());
            }
        }
    }
}
