//! The limits for wrong codes of one user. A code has six digits, so these limits are what makes it hard to guess. They
//! can only be reached with the right password, or in a session of the user.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::models::Timestamp;

/// The maximum number of wrong codes for one challenge.
pub const MAX_WRONG_IN_A_CHALLENGE: u32 = 5;

/// The maximum number of wrong codes in a window. Known devices have a window of their own, so that a stranger who has the
/// password does not block the user's devices.
const MAX_IN_A_WINDOW: u32 = 10;

/// The length of a window, which starts with its first wrong code.
const WINDOW: Duration = Duration::from_mins(15);

/// The maximum number of consecutive wrong codes. After that, codes are refused until the password is a new one.
const MAX_IN_A_ROW: u32 = 50;

/// The wrong codes of a user. A code counts as wrong before it is checked, so codes in flight count as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeAttempts {
    /// The number of the user's password. The counts are valid for this password.
    password_version: u64,
    /// The consecutive wrong codes.
    in_a_row: u32,
    unknown: Window,
    known: Window,
}

/// The wrong codes in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    count: u32,
    /// The end of the window, in seconds since 1970.
    until: i64,
}

/// The reason why a code is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeLimit {
    /// Another code is checked after this number of seconds.
    Wait(u64),
    /// No code is checked before the password is a new one.
    UntilNewPassword,
}

impl Window {
    fn counted(self, now: Timestamp) -> Result<Self, CodeLimit> {
        let left = u64::try_from(self.until.saturating_sub(now.unix_seconds())).unwrap_or_default();
        if left == 0 {
            return Ok(Self { count: 1, until: now.plus(WINDOW).unix_seconds() });
        }
        if self.count >= MAX_IN_A_WINDOW {
            return Err(CodeLimit::Wait(left));
        }
        Ok(Self { count: self.count + 1, ..self })
    }
}

impl CodeAttempts {
    /// Returns the counts with one more code, which is not checked yet.
    ///
    /// # Errors
    /// Returns [`CodeLimit`] if the code must not be checked. It then does not count.
    pub fn counted(
        before: Option<&Self>,
        password_version: u64,
        is_known_device: bool,
        now: Timestamp,
    ) -> Result<Self, CodeLimit> {
        let same = before.filter(|before| before.password_version == password_version);
        let before = same.cloned().unwrap_or_else(|| Self { password_version, ..Self::default() });
        if before.in_a_row >= MAX_IN_A_ROW {
            return Err(CodeLimit::UntilNewPassword);
        }
        let in_a_row = before.in_a_row + 1;
        if is_known_device {
            Ok(Self { in_a_row, known: before.known.counted(now)?, ..before })
        } else {
            Ok(Self { in_a_row, unknown: before.unknown.counted(now)?, ..before })
        }
    }

    /// Returns the counts after a right code from a known or an unknown device.
    #[must_use]
    pub fn accepted(&self, is_known_device: bool) -> Self {
        let in_a_row = 0;
        if is_known_device {
            Self { in_a_row, known: Window::default(), ..self.clone() }
        } else {
            Self { in_a_row, unknown: Window::default(), ..self.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_795_350_591).plus(Duration::from_secs(seconds))
    }

    fn after(codes: u32, is_known: bool, now: Timestamp) -> CodeAttempts {
        let counted = |before: Option<CodeAttempts>, _| CodeAttempts::counted(before.as_ref(), 1, is_known, now).ok();
        (0..codes).fold(None, counted).unwrap()
    }

    #[test]
    fn ten_wrong_codes_in_15_minutes_block_for_the_rest_of_them() {
        let full = after(10, false, at(0));
        let count = |seconds| CodeAttempts::counted(Some(&full), 1, false, at(seconds));
        assert_eq!(count(0), Err(CodeLimit::Wait(900)));
        assert_eq!(count(899), Err(CodeLimit::Wait(1)));
        assert_eq!(count(900).unwrap().unknown.count, 1);
        assert!(CodeAttempts::counted(Some(&after(9, false, at(0))), 1, false, at(0)).is_ok());
    }

    #[test]
    fn known_devices_have_a_window_of_their_own() {
        let full = after(10, false, at(0));
        let known = CodeAttempts::counted(Some(&full), 1, true, at(0)).unwrap();
        assert_eq!((known.known.count, known.unknown.count, known.in_a_row), (1, 10, 11));
        assert!(CodeAttempts::counted(Some(&after(10, true, at(0))), 1, true, at(0)).is_err());
    }

    #[test]
    fn fifty_wrong_codes_in_a_row_block_every_device_until_the_password_is_new() {
        let mut counts = None;
        for number in 0..50 {
            // Ten in each window.
            counts = CodeAttempts::counted(counts.as_ref(), 1, number % 2 == 0, at(number / 20 * 900)).ok();
        }
        for is_known in [true, false] {
            let count = |version| CodeAttempts::counted(counts.as_ref(), version, is_known, at(9_000));
            assert_eq!(count(1), Err(CodeLimit::UntilNewPassword));
            assert_eq!(count(2).unwrap().in_a_row, 1);
        }
    }

    #[test]
    fn a_right_code_clears_the_row_and_the_window_of_its_kind_of_device() {
        let mixed = CodeAttempts::counted(Some(&after(9, false, at(0))), 1, true, at(0)).unwrap();
        let by_known = mixed.accepted(true);
        assert_eq!((by_known.in_a_row, by_known.known.count, by_known.unknown.count), (0, 0, 9));
        let by_unknown = mixed.accepted(false);
        assert_eq!((by_unknown.in_a_row, by_unknown.known.count, by_unknown.unknown.count), (0, 1, 0));
    }

    proptest! {
        #[test]
        fn no_15_minutes_have_more_than_20_checked_codes_without_a_right_one(
            steps in prop::collection::vec((0..300_u64, any::<bool>()), 1..200),
        ) {
            let (mut counts, mut now, mut checked) = (None, 0, Vec::new());
            for (pause, is_known) in steps {
                now += pause;
                if let Ok(after) = CodeAttempts::counted(counts.as_ref(), 1, is_known, at(now)) {
                    counts = Some(after);
                    checked.push((now, is_known));
                }
            }
            prop_assert!(checked.len() <= 50);
            // A window starts with its first code, so two windows can follow each other.
            for kind in [true, false] {
                let of_kind: Vec<u64> =
                    checked.iter().filter(|(_, is_known)| *is_known == kind).map(|(at, _)| *at).collect();
                for (index, first) in of_kind.iter().enumerate() {
                    let within = of_kind[index..].iter().filter(|at| **at < first + 900).count();
                    prop_assert!(within <= 20, "{within}");
                }
            }
        }
    }
}
