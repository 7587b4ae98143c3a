//! The steps of a sign-in after the password was right. Each answer to a challenge reads the current items, and this
//! module decides how the sign-in continues.

use crate::models::{Requirement, User};

/// What a sign-in has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user uses a second factor.
    SecondFactor,
    /// The user chooses a new password.
    NewPassword,
    /// The user adds a second factor, because the partner requires one.
    Enrolment,
    /// The user is signed in.
    Complete,
}

/// The second factor of the user who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The user has none.
    Nothing,
    /// The user has one, and has not used it in this sign-in.
    NotYet,
    /// The user has used it in this sign-in.
    Factor,
}

/// What the sign-in of a user has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The second factor.
    pub factor: Presented,
    /// Whether the user must choose a new password.
    pub must_change_password: bool,
    /// Whether this sign-in may add a second factor: see [`can_enrol`].
    pub can_enrol: bool,
}

/// The user needs a second factor, and the password alone does not suffice to add one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsProof;

/// Returns the next step. A second factor is used before a new password is chosen, so that a stolen password alone cannot
/// change it.
///
/// # Errors
/// Returns [`NeedsProof`] if the user has to add a second factor and must not in this sign-in.
pub fn next_step(requirement: Requirement, user: &User, progress: Progress) -> Result<Step, NeedsProof> {
    match progress {
        Progress { factor: Presented::NotYet, .. } => Ok(Step::SecondFactor),
        Progress { must_change_password: true, .. } => Ok(Step::NewPassword),
        Progress { factor: Presented::Factor, .. } => Ok(Step::Complete),
        _ if !requirement.covers(user.role) => Ok(Step::Complete),
        Progress { can_enrol: true, .. } => Ok(Step::Enrolment),
        Progress { can_enrol: false, .. } => Err(NeedsProof),
    }
}

/// Returns whether a sign-in with the right password may add the user's first second factor: from a source that the user
/// has signed in from before, with a password that was just set for the user, or at the first sign-in. Otherwise a stolen
/// password would be enough to take the account over. `has_new_password` means that this sign-in chose a new password in
/// place of an initial one.
pub fn can_enrol(user: &User, is_known_source: bool, has_new_password: bool) -> bool {
    // A password that was set by another user, by an operator or with a mailed link ends all sessions at the same time.
    // One's own change ends none of this generation.
    let is_set_for_user = user.password_changed_at.is_some() && user.password_changed_at == user.signed_out_at;
    let is_unused = user.last_sign_in_at < user.password_changed_at;
    user.last_sign_in_at.is_none() || is_known_source || has_new_password || (is_set_for_user && is_unused)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::{Email, PartnerId, PersonName, Profile, Role, Timestamp, UserId};

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_795_350_591).plus(Duration::from_hours(hours))
    }

    fn user(role: Role) -> User {
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: PersonName::parse("Lee").ok(),
            email: Email::parse("ann@example.com").unwrap(),
            role,
            permissions: role.default_permissions(),
            must_change_password: false,
        };
        User::new(UserId::new(at(0), [1; 10]), PartnerId::new(at(0), [2; 10]), profile, at(0), None)
    }

    /// Every combination of what a sign-in has reached.
    fn all() -> impl Iterator<Item = Progress> {
        [Presented::Nothing, Presented::NotYet, Presented::Factor].into_iter().flat_map(|factor| {
            (0..4_u8).map(move |bits| Progress {
                factor,
                must_change_password: bits & 1 != 0,
                can_enrol: bits & 2 != 0,
            })
        })
    }

    #[test]
    fn without_a_factor_and_a_requirement_only_a_new_password_is_asked_for() {
        for progress in all().filter(|progress| progress.factor == Presented::Nothing) {
            let expected = if progress.must_change_password { Step::NewPassword } else { Step::Complete };
            assert_eq!(next_step(Requirement::Optional, &user(Role::Admin), progress), Ok(expected));
        }
    }

    #[test]
    fn a_factor_is_always_used_first() {
        for requirement in Requirement::ALL {
            for progress in all().filter(|progress| progress.factor == Presented::NotYet) {
                assert_eq!(next_step(requirement, &user(Role::Viewer), progress), Ok(Step::SecondFactor));
            }
        }
    }

    #[test]
    fn no_sign_in_is_complete_without_what_the_role_requires() {
        for requirement in Requirement::ALL {
            for role in Role::ALL {
                for progress in all() {
                    let step = next_step(requirement, &user(role), progress);
                    if step == Ok(Step::Complete) {
                        assert!(match progress.factor {
                            Presented::Factor => true,
                            Presented::Nothing => !requirement.covers(role),
                            Presented::NotYet => false,
                        });
                        assert!(!progress.must_change_password);
                    }
                    if let Ok(Step::Enrolment) | Err(NeedsProof) = step {
                        assert!(requirement.covers(role) && !progress.must_change_password);
                        assert_eq!(progress.factor, Presented::Nothing);
                        assert_eq!(step == Ok(Step::Enrolment), progress.can_enrol);
                    }
                }
            }
        }
    }

    #[test]
    fn a_stolen_password_alone_adds_no_factor() {
        let new = user(Role::Viewer);
        assert!(can_enrol(&new, false, false), "the first sign-in");
        let ann = new.signed_in(at(1));
        assert!(!can_enrol(&ann, false, false));
        assert!(can_enrol(&ann, true, false) && can_enrol(&ann, false, true));

        let own_change = ann.changed(at(2)).with_new_password(false, at(2));
        assert!(!can_enrol(&own_change, false, false), "the user's own change");
        let set = ann.signed_out(at(2)).with_new_password(false, at(2));
        assert!(can_enrol(&set, false, false), "set by another user or with a mailed link");
        assert!(!can_enrol(&set.signed_in(at(3)), false, false), "and used since");
        assert!(!can_enrol(&ann.signed_out(at(2)), false, false), "a forced logout");
        assert!(!can_enrol(&set.signed_out(at(4)), false, false), "a forced logout after it");
    }
}
