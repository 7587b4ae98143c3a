//! One Argon2id digest and its text form, the PHC string `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, MIN_SALT_LEN, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::models::text_form;

/// The length of a hash in bytes.
const HASH_LENGTH: usize = 32;

/// The working memory of Argon2, kept for the next hash. Allocating 19 MiB for each hash takes a fifth of the hashing
/// time, and fragments the heap. Argon2 overwrites old content before it reads it.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Argon2 could not compute the digest of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argon2 cannot hash: {0}")]
pub struct HashingFailed(argon2::Error);

/// A text is not one of the portal's digests. The error never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Argon2id digest")]
pub(super) struct InvalidDigest;

/// The cost parameters of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The parameters for new hashes, from OWASP's Password Storage Cheat Sheet.
    pub(super) const TODAY: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };

    #[cfg(test)]
    pub(super) const CHEAP: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    fn params(self) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_LENGTH))
    }
}

/// The cost and the salt of a hash. A password is hashed only once to compare it with all digests of the same recipe.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    cost: Cost,
    salt: Vec<u8>,
}

impl Recipe {
    pub(super) fn new(cost: Cost, salt: &[u8]) -> Self {
        Self { cost, salt: salt.to_vec() }
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// The hash of a password, with its recipe.
#[derive(Clone)]
pub(super) struct Digest {
    recipe: Recipe,
    hash: [u8; HASH_LENGTH],
}

impl Digest {
    /// Hashes a password. Only this function runs Argon2id.
    pub(super) fn compute(password: &[u8], recipe: Recipe) -> Result<Self, HashingFailed> {
        #[cfg(test)]
        count::add_one();
        let params = recipe.cost.params().map_err(HashingFailed)?;
        let mut hash = [0; HASH_LENGTH];
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        memory.resize(params.block_count(), Block::new());
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, &recipe.salt, &mut hash, memory.as_mut_slice())
            .map_err(HashingFailed)?;
        Ok(Self { recipe, hash })
    }

    /// Returns a digest that no password is known to have.
    pub(super) fn of_no_password(recipe: Recipe, random: [u8; HASH_LENGTH]) -> Self {
        Self { recipe, hash: random }
    }

    pub(super) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Compares the hashes in constant time.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.hash.ct_eq(&other.hash).into()
    }

    fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "argon2id", "v=19", cost, salt, hash] = parts.as_slice() else { return Err(InvalidDigest) };
        let cost = parse_cost(cost).ok_or(InvalidDigest)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| InvalidDigest)?;
        if salt.len() < MIN_SALT_LEN {
            return Err(InvalidDigest);
        }
        let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| InvalidDigest)?;
        let hash = hash.try_into().map_err(|_| InvalidDigest)?;
        Ok(Self { recipe: Recipe { cost, salt }, hash })
    }

    fn to_phc(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.recipe.cost;
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.recipe.salt), STANDARD_NO_PAD.encode(self.hash));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }
}

fn parse_cost(text: &str) -> Option<Cost> {
    let parts: Vec<&str> = text.split(',').collect();
    let [memory, passes, lanes] = parts.as_slice() else { return None };
    let cost = Cost {
        memory_kib: memory.strip_prefix("m=")?.parse().ok()?,
        passes: passes.strip_prefix("t=")?.parse().ok()?,
        lanes: lanes.strip_prefix("p=")?.parse().ok()?,
    };
    cost.params().is_ok().then_some(cost)
}

text_form!(Digest, InvalidDigest, to_phc);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Counts the hashes of this thread, so that tests can prove how many an operation costs.
#[cfg(test)]
pub(super) mod count {
    use std::cell::Cell;

    thread_local!(static HASHES: Cell<u32> = const { Cell::new(0) });

    pub(in super::super) fn add_one() {
        HASHES.set(HASHES.get() + 1);
    }

    /// Returns the result of `work` and the number of times that it ran Argon2id.
    pub(in super::super) fn during<T>(work: impl FnOnce() -> T) -> (T, u32) {
        let before = HASHES.get();
        let result = work();
        (result, HASHES.get() - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A digest from the test suite of Argon2's reference implementation.
    const REFERENCE: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn a_digest_equals_that_of_the_reference_implementation() {
        let reference = Digest::parse(REFERENCE).unwrap();
        let computed = Digest::compute(b"password", reference.recipe().clone()).unwrap();
        assert_eq!(computed.to_phc(), REFERENCE);
        assert!(computed.matches(&reference));
    }

    #[test]
    fn a_written_digest_can_be_parsed() {
        let digest = Digest::compute(b"password", Recipe::new(Cost::CHEAP, &[7; 16])).unwrap();
        let again = Digest::parse(&digest.to_phc()).unwrap();
        assert!(again.recipe == digest.recipe && again.matches(&digest));
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Digest::parse(REFERENCE).unwrap()), "Digest(…)");
    }

    #[test]
    fn other_forms_and_parameters_are_rejected() {
        for (part, instead) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("v=19", "v=20"),
            ("m=65536", "m=1"),
            ("m=65536", "m=-1"),
            ("m=65536,", ""),
            ("t=2", "t=0"),
            ("p=1", "p=0"),
            ("p=1", "p=1,x=2"),
            ("c29tZXNhbHQ", "c29tZXNhbHQ="),
            ("c29tZXNhbHQ", "c29tZXNhbA"),
            ("GRPPc", "GRPP"),
            ("$argon2id", "argon2id"),
            ("GRPPc", "GRPPc$"),
        ] {
            let text = REFERENCE.replace(part, instead);
            assert_eq!(Digest::parse(&text).unwrap_err(), InvalidDigest, "{text}");
        }
        assert!(Digest::parse("").is_err());
    }
}
