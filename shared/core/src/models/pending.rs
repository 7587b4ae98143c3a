//! Users who have not chosen a password.

use std::time::Duration;

use serde::Serialize;

use super::Timestamp;
use super::closed_set::closed_set;

/// The time in which a user must choose a password: the lifetime of an initial password and of an invitation (OWASP ASVS
/// 6.4.1: initial secrets are short-lived). Both have the same, so that the start of the time is enough to store.
pub const PENDING_LIFETIME: Duration = Duration::from_hours(7 * 24);

closed_set! {
    /// What a user who has not chosen a password was given.
    pub enum PendingKind or UnknownPendingKind("there is no such kind") {
        /// A link to choose a password.
        Invitation = "invitation",
        /// A password that must be changed at the first sign-in.
        InitialPassword = "initial_password",
    }
}

/// The state of a user who has not chosen a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// What the user was given.
    pub kind: PendingKind,
    /// The time until which the user can choose a password with it.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        let expires_at = Timestamp::from_unix_millis(1_795_350_591_123);
        let pending = Pending { kind: PendingKind::InitialPassword, expires_at };
        let json = r#"{"kind":"initial_password","expires_at":"2026-11-22T12:29:51.123Z"}"#;
        assert_eq!(serde_json::to_string(&pending).unwrap(), json);
        assert_eq!(PendingKind::ALL.map(PendingKind::as_str), ["invitation", "initial_password"]);
    }
}
