//! Identifiers: a prefix for the type, and a UUID version 7, so that ids sort by the time of their creation.

use std::fmt;

use uuid::{Builder, Uuid, Variant, Version};

use super::Timestamp;
use super::text_form::text_form;

/// The text is not an id of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is `{prefix}` and 32 lower-case hexadecimal digits of a UUID version 7")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$about:meta])* $name:ident, $prefix:literal) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Returns a new id from a time and random bytes. Ids of later milliseconds sort after it.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(write($prefix, at, random))
            }

            /// Reads exactly the form that `as_str` returns.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_valid($prefix, text) { Ok(Self(text.to_owned())) } else { Err(InvalidId { prefix: $prefix }) }
            }

            /// Returns the id with its prefix.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the id without its prefix, in 16 bytes that sort in the same order.
            pub fn to_bytes(&self) -> [u8; 16] {
                uuid($prefix, &self.0).into_bytes()
            }

            /// Reads exactly the form that `to_bytes` returns.
            pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidId> {
                Self::parse(&format!("{}{}", $prefix, Uuid::from_bytes(bytes).simple()))
            }

            /// Returns the time at which the id was created.
            pub fn at(&self) -> Timestamp {
                let [a, b, c, d, e, f, ..] = self.to_bytes();
                Timestamp::from_unix_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        text_form!($name, InvalidId, as_str);
    };
}

id!(
    /// The id of a partner: `prt_…`.
    PartnerId, "prt_"
);
id!(
    /// The id of a user: `usr_…`.
    UserId, "usr_"
);
id!(
    /// The id of an audit event: `evt_…`.
    EventId, "evt_"
);
id!(
    /// The id of a mail that is to be sent: `mail_…`.
    MailId, "mail_"
);

fn write(prefix: &str, at: Timestamp, random: [u8; 10]) -> String {
    let uuid = Builder::from_unix_timestamp_millis(at.unix_millis().unsigned_abs(), &random).into_uuid();
    format!("{prefix}{}", uuid.simple())
}

/// Returns the UUID of an id, which is valid by construction.
fn uuid(prefix: &str, id: &str) -> Uuid {
    id.strip_prefix(prefix).and_then(|digits| Uuid::try_parse(digits).ok()).unwrap_or_default()
}

fn is_valid(prefix: &str, text: &str) -> bool {
    let Some(digits) = text.strip_prefix(prefix) else { return false };
    digits.len() == 32
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        && Uuid::try_parse(digits)
            .is_ok_and(|uuid| uuid.get_version() == Some(Version::SortRand) && uuid.get_variant() == Variant::RFC4122)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_its_prefix_and_a_version_7_uuid() {
        let at = Timestamp::from_unix_millis(0x0123_4567_89ab);
        assert_eq!(UserId::new(at, [0xff; 10]).as_str(), "usr_0123456789ab7fffbfffffffffffffff");
        assert_eq!(PartnerId::new(at, [0; 10]).as_str(), "prt_0123456789ab70008000000000000000");
        assert_eq!(EventId::new(at, [0; 10]).to_string(), "evt_0123456789ab70008000000000000000");
    }

    #[test]
    fn other_forms_are_rejected() {
        for text in [
            "",
            "usr_",
            "0123456789ab7fffbfffffffffffffff",
            "prt_0123456789ab7fffbfffffffffffffff",
            "usr_0123456789AB7fffbfffffffffffffff",
            "usr_0123456789ab7fffbffffffffffffff",
            "usr_0123456789ab7fffbffffffffffffffff",
            "usr_0123456789ab4fffbfffffffffffffff",
            "usr_0123456789ab7fff0fffffffffffffff",
            "usr_01234567-89ab-7fff-bfff-ffffffff",
            " usr_0123456789ab7fffbfffffffffffffff",
            "usr_0123456789ab7fffbfffffffffffffé",
        ] {
            assert_eq!(UserId::parse(text), Err(InvalidId { prefix: "usr_" }), "{text}");
            assert!(serde_json::from_value::<UserId>(text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_of_another_version_are_rejected() {
        assert_eq!(UserId::from_bytes([0; 16]), Err(InvalidId { prefix: "usr_" }));
    }

    proptest! {
        #[test]
        fn a_new_id_can_be_parsed(millis in 0..253_402_300_799_999_i64, random: [u8; 10]) {
            let id = UserId::new(Timestamp::from_unix_millis(millis), random);
            prop_assert_eq!(UserId::parse(id.as_str()), Ok(id.clone()));
            prop_assert_eq!(serde_json::from_value::<UserId>(serde_json::to_value(&id).unwrap()).unwrap(), id.clone());
            prop_assert_eq!(UserId::from_bytes(id.to_bytes()), Ok(id.clone()));
            prop_assert_eq!(id.at(), Timestamp::from_unix_millis(millis));
        }

        #[test]
        fn ids_sort_by_the_time_of_their_creation(earlier in 0..1_i64 << 46, later in 1..1_i64 << 46, one: [u8; 10], other: [u8; 10]) {
            let first = EventId::new(Timestamp::from_unix_millis(earlier), one);
            let second = EventId::new(Timestamp::from_unix_millis(earlier + later), other);
            prop_assert!(first.as_str() < second.as_str());
            prop_assert!(first.to_bytes() < second.to_bytes());
        }
    }
}
