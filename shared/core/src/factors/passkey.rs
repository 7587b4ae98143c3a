//! Passkeys (`WebAuthn`). This module has what the credential stores, and the challenges. It verifies nothing: the library
//! that verifies is large, so that only the functions that need it link it.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::models::{PartnerId, PasskeyName, Timestamp, UserId};

/// The maximum number of passkeys of one user.
pub const MAX_PASSKEYS: usize = 10;

/// The time in which an authenticator can answer a challenge.
pub const PASSKEY_CHALLENGE_LIFETIME: Duration = Duration::from_mins(5);

/// The length of the id of a partner or of a user in a user handle.
const ID_BYTES: usize = 16;

/// A passkey of a user. Names of attributes are short, because up to ten passkeys are in the item of the credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The id that the authenticator has chosen, in base 64 for URLs.
    pub id: String,
    /// The name that the user has chosen.
    pub name: PasskeyName,
    /// The public key: a `COSE_Key` (RFC 9052) in base 64 for URLs.
    pub key: String,
    /// The number of signatures, as the authenticator counted them. Most synchronized passkeys always have zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub counter: u32,
    /// Whether the passkey can be synchronized between devices.
    #[serde(default, skip_serializing_if = "is_false")]
    pub synced: bool,
    /// How a browser can reach the authenticator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<String>,
    /// The time at which the passkey was added.
    pub added_at: Timestamp,
    /// The time of its last use after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl fmt::Debug for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passkey(…)")
    }
}

/// What the answer to a challenge is for. An answer for one purpose is never valid for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyPurpose {
    /// A passkey is added.
    Registration,
    /// A passkey follows the password.
    SecondFactor,
    /// A passkey replaces the password and the second factor.
    SignIn,
    /// The user of a session is authenticated again.
    Reauthentication,
}

impl PasskeyPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::SecondFactor => "second factor",
            Self::SignIn => "sign-in",
            Self::Reauthentication => "re-authentication",
        }
    }
}

/// A challenge that an authenticator signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasskeyChallenge([u8; 32]);

impl PasskeyChallenge {
    /// Derives the challenge for a purpose from a random token of 256 bits, so that only the token or its hash is stored.
    pub fn derived(purpose: PasskeyPurpose, token: &str) -> Self {
        let purpose = purpose.as_str();
        Self(Sha256::digest(format!("partner-portal passkey {purpose} {token}")).into())
    }

    /// Returns the challenge in base 64 for URLs.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Returns the user handle of a user, which authenticators store with the passkey and return at a sign-in, in base 64 for
/// URLs. It has the ids of the partner and of the user, and nothing personal.
pub fn user_handle(partner: &PartnerId, user: &UserId) -> String {
    URL_SAFE_NO_PAD.encode([partner.to_bytes(), user.to_bytes()].concat())
}

/// Reads the text that [`user_handle`] returns.
pub fn user_of_handle(handle: &str) -> Option<(PartnerId, UserId)> {
    let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
    let (partner, user) = bytes.split_at_checked(ID_BYTES)?;
    let partner = PartnerId::from_bytes(partner.try_into().ok()?).ok()?;
    Some((partner, UserId::from_bytes(user.try_into().ok()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_handle_is_read_back_and_has_at_most_64_bytes() {
        let at = Timestamp::from_unix_millis(1_795_350_591_123);
        let (partner, user) = (PartnerId::new(at, [1; 10]), UserId::new(at, [2; 10]));
        let handle = user_handle(&partner, &user);
        assert!(URL_SAFE_NO_PAD.decode(&handle).unwrap().len() <= 64);
        assert_eq!(user_of_handle(&handle), Some((partner, user)));
        for other in ["", "AAAA", "***", &handle[1..], &format!("{handle}AAAA"), &"A".repeat(43)] {
            assert_eq!(user_of_handle(other), None, "{other}");
        }
    }

    #[test]
    fn a_challenge_depends_on_the_purpose_and_on_the_token() {
        use PasskeyPurpose::{Reauthentication, Registration, SecondFactor, SignIn};
        let purposes = [Registration, SecondFactor, SignIn, Reauthentication];
        let texts: std::collections::BTreeSet<String> = purposes
            .into_iter()
            .flat_map(|purpose| ["a", "b"].map(|token| PasskeyChallenge::derived(purpose, token).to_text()))
            .collect();
        assert_eq!(texts.len(), 8);
        assert!(texts.iter().all(|text| text.len() == 43));
        assert_eq!(PasskeyChallenge::derived(SignIn, "a"), PasskeyChallenge::derived(SignIn, "a"));
    }
}
