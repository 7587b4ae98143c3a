//! Email addresses. They are displayed as typed, and compared in lower case.

use std::borrow::Cow;
use std::fmt;

use super::name::is_invisible;
use super::text_form::text_form;

/// The maximum length of a local part (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// The maximum length of an address that fits into an SMTP path (RFC 5321, 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// The scheme of a link to an address.
const MAILTO: &str = "mailto:";
/// The maximum length of a label in a domain (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// A valid email address, whose domain may be international.
///
/// The grammar is that of the WHATWG's `<input type=email>`, with two stricter rules that all real addresses meet: the
/// domain has a dot, and the local part neither begins nor ends with a dot nor has two in a row. `Debug` hides the
/// address, so that no log shows it.
///
/// ```
/// use portal_core::models::{Email, InvalidEmail};
///
/// # fn main() -> Result<(), InvalidEmail> {
/// let email = Email::parse(" Ada@Example.com ")?;
/// assert_eq!(email.typed(), "Ada@Example.com");
/// assert_eq!(email.normalized(), "ada@example.com");
/// assert!(email.same_address(&Email::parse("ada@example.COM")?));
/// assert_eq!(Email::parse("ada@localhost"), Err(InvalidEmail::Malformed));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    typed: String,
    normalized: String,
}

/// The reason why a text is not an email address. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// The text is empty or white space.
    #[error("An email address is needed.")]
    Empty,
    /// The address is longer than SMTP allows.
    #[error("An email address has at most 254 characters, at most 64 of them before the @.")]
    TooLong,
    /// The text does not have the form `name@example.com`.
    #[error("This is not an email address such as name@example.com.")]
    Malformed,
}

impl InvalidEmail {
    /// Returns the error code in the `errors` of a problem.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
        }
    }
}

impl Email {
    /// Reads an address. White space around it, invisible characters and the parts of a link, `mailto:` and `?subject=…`, are
    /// removed, because people paste them with it.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        // Longer than any address with what is pasted around it.
        const MAX_READ: usize = 2_000;
        let visible: String =
            text.trim().chars().filter(|c| c.is_whitespace() || !is_invisible(*c)).take(MAX_READ).collect();
        let visible = visible.trim();
        let scheme = visible.get(..MAILTO.len()).filter(|scheme| scheme.eq_ignore_ascii_case(MAILTO));
        let link = scheme.and_then(|scheme| visible.get(scheme.len()..)?.split('?').next());
        let typed = link.map_or(visible, str::trim);
        if typed.is_empty() {
            return Err(InvalidEmail::Empty);
        }
        // Neither side of the grammar allows another @, so either end finds the same one.
        let (local_part, domain) = typed.split_once('@').ok_or(InvalidEmail::Malformed)?;
        let domain = ascii_domain(domain).ok_or(InvalidEmail::Malformed)?;
        if !is_local_part(local_part) || !is_domain(&domain) {
            return Err(InvalidEmail::Malformed);
        }
        let length = typed.len().max(local_part.len() + 1 + domain.len());
        if local_part.len() > MAX_LOCAL_PART || length > MAX_ADDRESS {
            return Err(InvalidEmail::TooLong);
        }
        let normalized = format!("{local_part}@{domain}").to_ascii_lowercase();
        Ok(Self { typed: typed.to_owned(), normalized })
    }

    /// Returns the address as typed, for display.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// Returns the address in lower case and with an ASCII domain, for comparisons, keys and mail.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// Returns the part before the @, as typed.
    pub fn local_part(&self) -> &str {
        self.typed.split_once('@').map_or("", |(local_part, _)| local_part)
    }

    /// Returns whether both are the same address in any case. `==` also compares the case.
    pub fn same_address(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

/// Returns the domain in ASCII: `bücher.example` becomes `xn--bcher-kva.example`. `None` if no international domain has this
/// form.
fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return Some(Cow::Borrowed(domain));
    }
    idna::domain_to_ascii_strict(domain).ok().map(Cow::Owned)
}

fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    };
    text.split('.').all(is_atom)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

text_form!(Email, InvalidEmail, typed);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_every_valid_form_are_accepted() {
        for text in [
            "ada@example.com",
            "Ada.Lovelace+portal@Sub.Example.co.uk",
            "o'brien@example.ie",
            "!#$%&'*+/=?^_`{|}~-@example.com",
            "a@b.c",
            "1@1.1",
            "a@xn--bcher-kva.example",
            "a@b-c.example",
        ] {
            let email = Email::parse(text).expect(text);
            assert_eq!(email.typed(), text);
            assert_eq!(email.normalized(), text.to_lowercase());
        }
    }

    #[test]
    fn each_reason_has_a_code() {
        let reasons = [InvalidEmail::Empty, InvalidEmail::TooLong, InvalidEmail::Malformed];
        assert_eq!(reasons.map(InvalidEmail::code), ["empty", "too_long", "malformed"]);
    }

    #[test]
    fn white_space_around_an_address_is_removed() {
        assert_eq!(Email::parse("\t ada@example.com \n").unwrap().typed(), "ada@example.com");
    }

    #[test]
    fn invisible_characters_and_the_scheme_of_a_link_are_removed() {
        for text in [
            "\u{200B}ada@example.com",
            "ada@\u{AD}example.com\u{FEFF}",
            "\u{202A}ada@example.com\u{202C}",
            "mailto:ada@example.com",
            " MailTo: ada@example.com",
            "mailto:ada@example.com?subject=Portal%20access",
            "\u{2060}mailto:\u{200B}ada@example.com",
        ] {
            assert_eq!(Email::parse(text).expect(text).typed(), "ada@example.com", "{text:?}");
        }
        for text in ["mailto:", "\u{200B}", " mailto: \u{FEFF}"] {
            assert_eq!(Email::parse(text), Err(InvalidEmail::Empty), "{text:?}");
        }
    }

    #[test]
    fn an_international_domain_is_converted_and_shown_as_typed() {
        for (text, normalized) in [
            ("Ada@Bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
            ("ada@élysée。fr", "ada@xn--lyse-9oad.fr"),
        ] {
            let email = Email::parse(text).expect(text);
            assert_eq!((email.typed(), email.normalized()), (text, normalized));
            assert!(email.same_address(&Email::parse(normalized).unwrap()));
        }
        let long = format!("ada@{}.example", "ü".repeat(60));
        assert_eq!(Email::parse(&long), Err(InvalidEmail::Malformed), "the label has more than 63 characters in ASCII");
    }

    #[test]
    fn malformed_addresses_are_rejected() {
        for text in [
            "ada",
            "@",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "ada@home@example.com",
            "ada lovelace@example.com",
            "ada@exa mple.com",
            ".ada@example.com",
            "ada.@example.com",
            "ada..lovelace@example.com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@example..com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exam_ple.com",
            "ada@[192.0.2.1]",
            "\"ada\"@example.com",
            "Ada <ada@example.com>",
            "ada,bob@example.com",
            "ada@example.com\u{0}",
            "ada\n@example.com",
            "ädä@example.com",
            "ada@bü cher.example",
            "ada@-bücher.example",
            "ada@bücher",
            "\u{FF41}da@example.com",
            "mailto:ada",
            "mailto:mailto:ada@example.com",
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail::Malformed), "{text}");
        }
        let long_label = format!("ada@{}.com", "a".repeat(64));
        assert_eq!(Email::parse(&long_label), Err(InvalidEmail::Malformed));
    }

    #[test]
    fn an_empty_address_has_its_own_error() {
        for text in ["", " ", "\n\t"] {
            assert_eq!(Email::parse(text), Err(InvalidEmail::Empty));
        }
    }

    #[test]
    fn addresses_longer_than_smtp_allows_are_rejected() {
        let local_part = |length| format!("{}@example.com", "a".repeat(length));
        assert!(Email::parse(&local_part(64)).is_ok());
        assert_eq!(Email::parse(&local_part(65)), Err(InvalidEmail::TooLong));

        let whole = |length: usize| {
            let domain = ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join(".");
            format!("{}@{domain}.de", "a".repeat(length - domain.len() - 4))
        };
        assert_eq!(whole(254).len(), 254);
        assert!(Email::parse(&whole(254)).is_ok());
        assert_eq!(Email::parse(&whole(255)), Err(InvalidEmail::TooLong));
    }

    #[test]
    fn an_address_in_another_case_is_the_same_address_but_not_equal() {
        let (one, other) = (Email::parse("Ada@Example.com").unwrap(), Email::parse("ada@example.COM").unwrap());
        assert!(one.same_address(&other));
        assert_ne!(one, other);
        assert!(!one.same_address(&Email::parse("bob@example.com").unwrap()));
    }

    #[test]
    fn the_local_part_is_the_part_before_the_at() {
        assert_eq!(Email::parse("Ada.Lovelace@example.com").unwrap().local_part(), "Ada.Lovelace");
    }

    #[test]
    fn debug_and_errors_hide_the_address() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "Email(…)");
        let error = serde_json::from_str::<Email>(r#""ada@secret""#).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn an_address_is_stored_as_typed() {
        let email = Email::parse("Ada@Example.com").unwrap();
        let json = serde_json::to_string(&email).unwrap();
        assert_eq!(json, r#""Ada@Example.com""#);
        assert_eq!(serde_json::from_str::<Email>(&json).unwrap(), email);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in ".*") {
            let _ = Email::parse(&text);
        }

        #[test]
        fn a_parsed_address_is_within_all_limits(text in "[a-c.@ -]{0,40}|[a-zA-Z.]{1,70}@[a-z.-]{1,200}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.typed().len() <= MAX_ADDRESS && email.local_part().len() <= MAX_LOCAL_PART);
                prop_assert_eq!(Email::parse(email.typed()), Ok(email.clone()));
                prop_assert!(Email::parse(email.normalized()).unwrap().same_address(&email));
            }
        }
    }
}
