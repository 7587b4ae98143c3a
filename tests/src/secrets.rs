//! New passwords and emails for every test run, and a list of all secrets for the test that searches the logs for them.

use std::sync::Mutex;

/// The domain of all emails in the tests. Nothing else contains this name.
pub const EMAIL_DOMAIN: &str = "portal-tests.example";

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Random lower-case letters and digits.
pub fn random(length: usize) -> String {
    of(b"abcdefghijkmnpqrstuvwxyz23456789", length)
}

/// A new password that satisfies every rule. It has no vowels and no digits that can stand for one, so it never contains a
/// name or a word by chance.
pub fn password() -> String {
    let part = || of(b"bcdfghjkmnpqrstvwxz256789BCDFGHJ", 12);
    remembered(format!("{}-{}", part(), part()))
}

fn of(alphabet: &[u8; 32], length: usize) -> String {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(alphabet[usize::from(byte % 32)])).collect()
}

/// A new, unused email: `annxk3j9…@portal-tests.example`.
pub fn email(name: &str) -> String {
    let mut local_part = name.to_lowercase();
    local_part.retain(|character| character.is_ascii_alphanumeric());
    remembered(format!("{local_part}x{}@{EMAIL_DOMAIN}", random(10)))
}

/// Registers a secret that must never be logged.
pub fn remembered(secret: impl Into<String>) -> String {
    let secret = secret.into();
    if secret.len() >= 11 {
        KNOWN.lock().unwrap().push(secret.clone());
    }
    secret
}

/// Every secret that has been registered.
pub fn known() -> Vec<String> {
    KNOWN.lock().unwrap().clone()
}
