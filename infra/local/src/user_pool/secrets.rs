//! Random names and secrets, and the hashes under which secrets are stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Builder;

const LOWER_CASE: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED_CASE: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A token has 1,760 characters, about as many as Cognito's, so that everything that carries it (a cookie, a header) is
/// tested with a realistic size.
const REFRESH_TOKEN_BYTES: usize = 1_320;

pub(super) type Sha256Hash = [u8; 32];

/// A version 4 UUID.
pub(super) fn uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// Such as `eu-west-1_aB3dE6gH9`.
pub(super) fn pool_id(region: &str) -> Result<String, getrandom::Error> {
    Ok(format!("{region}_{}", name(9, MIXED_CASE)?))
}

pub(super) fn client_id() -> Result<String, getrandom::Error> {
    name(26, LOWER_CASE)
}

/// An opaque random token. Cognito's refresh tokens are encrypted, so clients cannot read them either.
pub(super) fn refresh_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; REFRESH_TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A random password that is never returned.
pub(super) fn unknown_password() -> Result<String, getrandom::Error> {
    name(32, MIXED_CASE)
}

/// The distribution is slightly uneven, which is acceptable for a name.
fn name(length: usize, alphabet: &[u8]) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len()))
        .copied()
        .map(char::from)
        .collect())
}

/// The stored form of a refresh token. The token is long and random, so it needs neither a salt nor a slow hash.
pub(super) fn token_hash(token: &str) -> Sha256Hash {
    Sha256::digest(token).into()
}

/// The stored form of a password. The portal's passwords are random machine secrets of 256 bits, so a slow hash would
/// not add security. The salt protects passwords that an operator chooses.
pub(super) struct PasswordHash {
    pub(super) salt: [u8; 16],
    pub(super) hash: Sha256Hash,
}

impl PasswordHash {
    pub(super) fn of(password: &str) -> Result<Self, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(Self { salt, hash: salted(&salt, password) })
    }

    /// The comparison need not take constant time: the number of equal bytes of two salted hashes does not help an
    /// attacker.
    pub(super) fn matches(&self, password: &str) -> bool {
        salted(&self.salt, password) == self.hash
    }
}

fn salted(salt: &[u8], password: &str) -> Sha256Hash {
    Sha256::new_with_prefix(salt).chain_update(password).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_shape_of_cognitos() {
        let pool = pool_id("eu-west-1").unwrap();
        let unique = pool.strip_prefix("eu-west-1_").unwrap();
        assert_eq!(unique.len(), 9);
        assert!(unique.chars().all(|c| c.is_ascii_alphanumeric()));

        let client = client_id().unwrap();
        assert_eq!(client.len(), 26);
        assert!(client.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));

        assert_eq!(refresh_token().unwrap().len(), 1_760);
    }

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let stored = PasswordHash::of("a long enough secret").unwrap();
        assert!(stored.matches("a long enough secret"));
        assert!(!stored.matches("a long enough secreT"));
        assert!(!stored.matches(""));
        assert_ne!(stored.hash, PasswordHash::of("a long enough secret").unwrap().hash, "salted");
    }
}
