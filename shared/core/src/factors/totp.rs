//! Time-based codes (RFC 6238) of authenticator apps: HMAC-SHA-1, six digits, a step of 30 seconds, and one step of
//! tolerance on either side. Apps support no other parameters reliably.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use totp_rs::{Builder, Secret};

use crate::models::Timestamp;

/// The length of a secret, as RFC 4226 recommends.
const BYTES: usize = 20;

/// Separates these secrets from others that could be derived from the same token.
const PURPOSE: &[u8] = b"partner-portal totp secret";

/// The characters that need no escape in a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name of the portal in the list of an app.
const ISSUER: &str = "Partner Portal";

/// No secret could be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no secret could be derived")]
pub struct DerivationFailed;

/// The secret that an authenticator app and the portal share. Serde writes it as text, which belongs only in the
/// Credentials table.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; BYTES]);

impl TotpSecret {
    /// Derives the secret from a random token of 256 bits. The client answers with the same token and a code, so nothing
    /// has to be stored before the code is right.
    ///
    /// # Errors
    /// Returns [`DerivationFailed`], which never occurs for secrets of this length.
    pub fn derived(token: &str) -> Result<Self, DerivationFailed> {
        let mut secret = [0; BYTES];
        Hkdf::<Sha256>::new(None, token.as_bytes()).expand(PURPOSE, &mut secret).map_err(|_| DerivationFailed)?;
        Ok(Self(secret))
    }

    /// Returns the text that a user can type into an app: 32 characters of base 32.
    pub fn to_base32(&self) -> String {
        Secret::from(self.0).to_base32()
    }

    /// Returns the URI for an app, usually shown as a QR code. The label has the partner's name, so that one person's
    /// accounts at several partners differ.
    pub fn uri(&self, partner: &str, email: &str) -> String {
        let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let (issuer, account) = (escaped(ISSUER), escaped(&format!("{email} ({partner})").replace(':', " ")));
        let secret = self.to_base32();
        format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
    }

    /// Returns the step of this code, if it is the code of the present step or of one of its neighbours.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<u64> {
        let seconds = u64::try_from(now.unix_seconds()).ok()?;
        Builder::new().with_secret(Secret::from(self.0)).build_noncompliant().check(code, seconds)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

impl Serialize for TotpSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TotpSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("a secret with a wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    /// RFC 6238, appendix B, with the secret for SHA-1. A code of six digits is the end of one of eight.
    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let secret = TotpSecret(*b"12345678901234567890");
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let (_, code) = code.split_at(2);
            assert_eq!(secret.step_of(code, at(seconds)), Some(seconds.unsigned_abs() / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_accepted_in_its_step_and_in_both_neighbours() {
        let secret = TotpSecret(*b"12345678901234567890");
        let step = 1_111_111_109 / 30;
        for (offset, is_accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = secret.step_of("081804", at((step + offset) * 30));
            assert_eq!(found.is_some(), is_accepted, "{offset}");
            assert!(found.is_none_or(|found| found == step.unsigned_abs()));
        }
    }

    #[test]
    fn other_texts_are_not_codes() {
        let secret = TotpSecret(*b"12345678901234567890");
        for text in ["", "81804", "0081804", "+81804", "081 804", "08180４", "081804 "] {
            assert_eq!(secret.step_of(text, at(1_111_111_109)), None, "{text:?}");
        }
    }

    #[test]
    fn a_secret_depends_on_the_whole_token_and_is_always_the_same() {
        let secret = TotpSecret::derived("a-token").unwrap();
        assert_eq!(secret, TotpSecret::derived("a-token").unwrap());
        assert_ne!(secret, TotpSecret::derived("a-tokem").unwrap());
        assert_ne!(secret.0, [0; BYTES]);
        assert_eq!(secret.to_base32().len(), 32);
    }

    #[test]
    fn the_uri_names_the_partner_and_the_account() {
        let secret = TotpSecret(*b"12345678901234567890");
        assert_eq!(
            secret.uri("Acme: \"A & B\"", "ann+1@example.com"),
            "otpauth://totp/Partner%20Portal:ann%2B1%40example.com%20%28Acme%20%20%22A%20%26%20B%22%29\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Partner%20Portal&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(format!("{:?}", TotpSecret::derived("a-token").unwrap()), "TotpSecret(…)");
    }

    #[test]
    fn only_a_secret_of_20_bytes_is_read() {
        for text in ["\"\"", "\"MTIzNA\"", "\"***\"", "1"] {
            assert!(serde_json::from_str::<TotpSecret>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_stored_secret_is_read_back(bytes: [u8; BYTES]) {
            let text = serde_json::to_string(&TotpSecret(bytes)).unwrap();
            prop_assert_eq!(text.len(), 29);
            prop_assert_eq!(serde_json::from_str::<TotpSecret>(&text).unwrap(), TotpSecret(bytes));
        }
    }
}
