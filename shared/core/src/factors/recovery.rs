//! Recovery codes: each replaces the second factor once.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::SubmittedCode;
use crate::models::UserId;

/// The number of codes.
const CODES: usize = 10;

/// The characters of a code. Each has 5 random bits, so a code has 50.
pub(super) const LENGTH: usize = 10;

/// The number of random bytes for all codes.
pub const RECOVERY_CODE_BYTES: usize = CODES * LENGTH;

/// Crockford's base 32, which has no letters that look like digits.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The number of characters of a stored hash: 132 bits.
const HASH_LENGTH: usize = 22;

/// New recovery codes, for the only response that shows them.
pub struct RecoveryCodes(Vec<String>);

impl RecoveryCodes {
    /// Makes ten codes from random bytes. Each byte gives one character.
    pub fn generate(random: &[u8; RECOVERY_CODE_BYTES]) -> Self {
        let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from).unwrap_or_default();
        Self(random.chunks(LENGTH).map(|bytes| bytes.iter().map(letter).collect()).collect())
    }

    /// Returns the codes as users see them, in two groups.
    pub fn shown(&self) -> Vec<String> {
        let grouped = |code: &String| {
            let (one, other) = code.split_at(LENGTH / 2);
            format!("{one}-{other}")
        };
        self.0.iter().map(grouped).collect()
    }

    /// Returns the hashes of the codes, for this user.
    pub(super) fn hashes(&self, user: &UserId) -> Vec<String> {
        self.0.iter().map(|code| hash(user, code)).collect()
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(…)")
    }
}

/// Returns the hash of a code. It contains the user, so that equal codes of two users have different hashes. A fast hash
/// suffices: the item that has it also has the secret of the authenticator app.
fn hash(user: &UserId, code: &str) -> String {
    let digest = Sha256::digest(format!("recovery code {user} {code}"));
    URL_SAFE_NO_PAD.encode(digest).chars().take(HASH_LENGTH).collect()
}

/// Returns the hash of a submitted code, if it has the form of a recovery code.
pub(super) fn hash_of(user: &UserId, submitted: &SubmittedCode) -> Option<String> {
    Some(hash(user, submitted.recovery_code()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::models::Timestamp;

    fn user(number: u8) -> UserId {
        UserId::new(Timestamp::from_unix_millis(1), [number; 10])
    }

    #[test]
    fn codes_are_shown_in_two_groups() {
        let shown = RecoveryCodes::generate(&std::array::from_fn(|index| u8::try_from(index).unwrap())).shown();
        assert_eq!(shown.len(), 10);
        assert_eq!(shown[0], "01234-56789");
        assert_eq!(shown[1], "ABCDE-FGHJK");
        assert_eq!(shown[2], "MNPQR-STVWX");
        assert_eq!(shown[3], "YZ012-34567");
    }

    #[test]
    fn equal_codes_of_two_users_have_different_hashes() {
        let codes = RecoveryCodes::generate(&[7; RECOVERY_CODE_BYTES]);
        assert_eq!(codes.hashes(&user(1)).len(), 10);
        assert_eq!(codes.hashes(&user(1)).iter().collect::<BTreeSet<_>>().len(), 1);
        assert_ne!(codes.hashes(&user(1)), codes.hashes(&user(2)));
    }

    #[test]
    fn debug_hides_the_codes() {
        assert_eq!(format!("{:?}", RecoveryCodes::generate(&[0; RECOVERY_CODE_BYTES])), "RecoveryCodes(…)");
    }

    proptest! {
        #[test]
        fn every_code_has_50_random_bits(random in prop::collection::vec(any::<u8>(), RECOVERY_CODE_BYTES)) {
            let random: [u8; RECOVERY_CODE_BYTES] = random.try_into().unwrap();
            let codes = RecoveryCodes::generate(&random);
            for (code, bytes) in codes.0.iter().zip(random.chunks(LENGTH)) {
                let bits = |letter: u8| ALPHABET.iter().position(|other| *other == letter).unwrap();
                prop_assert!(code.bytes().map(bits).eq(bytes.iter().map(|byte| usize::from(byte % 32))));
            }
        }
    }
}
