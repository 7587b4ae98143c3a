//! Second factors: the codes of authenticator apps, recovery codes, passkeys, the limits for wrong codes, and the steps of
//! a sign-in. This module depends only on `models`. It uses no storage, HTTP or clock, and its callers supply the random
//! bytes.

mod attempts;
mod code;
mod passkey;
mod recovery;
mod step;
mod stored;
mod totp;

use std::time::Duration;

use crate::models::Timestamp;
pub use attempts::{CodeAttempts, CodeLimit, MAX_WRONG_IN_A_CHALLENGE};
pub use code::SubmittedCode;
pub use passkey::{
    MAX_PASSKEYS, PASSKEY_CHALLENGE_LIFETIME, Passkey, PasskeyChallenge, PasskeyPurpose, user_handle, user_of_handle,
};
pub use recovery::{RECOVERY_CODE_BYTES, RecoveryCodes};
pub use step::{NeedsProof, Presented, Progress, Step, can_enrol, next_step};
pub use stored::{Accepted, App, Factors};
pub use totp::{DerivationFailed, TotpSecret};

/// The time after a sign-in or a re-authentication in which a session is fresh. Changes that could take over an account
/// or a portal need a fresh session.
const FRESH_FOR: Duration = Duration::from_mins(15);

/// Returns whether a session whose user was authenticated at `authenticated_at` is fresh.
pub fn is_fresh(authenticated_at: Timestamp, now: Timestamp) -> bool {
    now < authenticated_at.plus(FRESH_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_fresh_for_15_minutes() {
        let at = Timestamp::from_unix_seconds(1_795_350_591);
        let later = |seconds| at.plus(Duration::from_secs(seconds));
        assert!(is_fresh(at, at) && is_fresh(at, later(15 * 60 - 1)));
        assert!(!is_fresh(at, later(15 * 60)) && !is_fresh(at, later(86_400)));
    }
}
