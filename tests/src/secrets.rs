//! Passwords and emails that no test run has seen before, and a memory of every secret, for the test that looks for them
//! in the logs.

use std::sync::Mutex;

/// Where all emails of the tests are: a name that nothing but an email of ours has.
pub const EMAIL_DOMAIN: &str = "portal-tests.example";

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lower-case letters and digits that nobody has guessed.
pub fn random(length: usize) -> String {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::from(byte % 32)])).collect()
}

/// A password that every rule accepts.
pub fn password() -> String {
    remembered(format!("{}-{}", random(12), random(12)))
}

/// An address that nobody has: `annxk3j9…@portal-tests.example`.
pub fn email(name: &str) -> String {
    let mut local_part = name.to_lowercase();
    local_part.retain(|character| character.is_ascii_alphanumeric());
    remembered(format!("{local_part}x{}@{EMAIL_DOMAIN}", random(10)))
}

/// Takes a note of a secret that must never be logged.
pub fn remembered(secret: impl Into<String>) -> String {
    let secret = secret.into();
    if secret.len() >= 12 {
        KNOWN.lock().unwrap().push(secret.clone());
    }
    secret
}

/// Every secret so far.
pub fn known() -> Vec<String> {
    KNOWN.lock().unwrap().clone()
}
