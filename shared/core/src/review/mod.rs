//! Access review: pure rules over the models that find the users who need a closer look at one point in time, and the
//! reasons. The policy decides which users may read a review.

mod facts;
mod reduced;
mod summary;

pub use facts::Facts;
pub use reduced::{Access, reduced};
pub use summary::{Share, Summary, WithinDays};

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::models::{Requirement, SecondFactor, Status, Timestamp};

/// The period of access reviews. Access without a decision in this period is due for review.
pub const REVIEW_PERIOD: Duration = days(90);

/// The time before a missing first sign-in or an unchanged initial password becomes pressing. The initial password has
/// expired by then.
const GRACE_PERIOD: Duration = days(7);

/// Returns the duration of this number of days of 24 hours.
pub const fn days(days: u32) -> Duration {
    Duration::from_hours(days as u64 * 24)
}

/// A reason to look closer at a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user has never signed in.
    NeverSignedIn,
    /// The user has not been active for the number of days that the reviewer chose.
    Inactive,
    /// The user has not yet changed a password that must be changed at the next sign-in.
    InitialPasswordUnused,
    /// The user has a permission that the role does not have by default.
    ExceedsRoleDefault,
    /// The partner requires a second factor of the user, who has none.
    NoSecondFactor,
    /// The access was not reviewed in the last 90 days, or not since it was raised.
    NotReviewed,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::NeverSignedIn,
        Self::Inactive,
        Self::InitialPasswordUnused,
        Self::ExceedsRoleDefault,
        Self::NoSecondFactor,
        Self::NotReviewed,
    ];

    /// Returns the reason in the form that clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSignedIn => "never_signed_in",
            Self::Inactive => "inactive",
            Self::InitialPasswordUnused => "initial_password_unused",
            Self::ExceedsRoleDefault => "exceeds_role_default",
            Self::NoSecondFactor => "no_second_factor",
            Self::NotReviewed => "not_reviewed",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The urgency with which a user needs a closer look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// At least one reason needs attention now.
    Pressing,
    /// The periodic review is due, or a new user or password is still within the grace period.
    Due,
    /// There is no reason.
    Settled,
}

/// The parameters of a review.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    /// The time of the review.
    pub now: Timestamp,
    /// The number of days without activity after which a user is inactive.
    pub inactive_days: u32,
    /// The users who need a second factor.
    pub requirement: Requirement,
}

impl Review {
    /// Returns every reason to look closer at this user, in the order of the API contract.
    pub fn reasons(&self, user: &Facts) -> Vec<Reason> {
        Reason::ALL.into_iter().filter(|reason| self.applies(*reason, user)).collect()
    }

    fn applies(&self, reason: Reason, user: &Facts) -> bool {
        // A suspended user cannot sign in, so missing activity means nothing.
        let can_sign_in = match user.status {
            Status::Active => true,
            Status::Suspended => false,
        };
        match reason {
            Reason::NeverSignedIn => can_sign_in && user.last_sign_in_at.is_none(),
            Reason::Inactive => {
                can_sign_in && user.last_active_at.is_some_and(|at| self.is_ago(days(self.inactive_days), at))
            }
            Reason::InitialPasswordUnused => can_sign_in && user.initial_password_set_at.is_some(),
            Reason::ExceedsRoleDefault => user.exceeds_role_default,
            Reason::NoSecondFactor => {
                can_sign_in && user.second_factor == SecondFactor::None && self.requirement.covers(user.role)
            }
            Reason::NotReviewed => match user.reviewed_at {
                Some(at) => self.is_ago(REVIEW_PERIOD, at),
                None => user.is_raised || self.is_ago(REVIEW_PERIOD, user.created_at),
            },
        }
    }

    /// Returns the rank of a user who has these reasons.
    pub fn rank(&self, user: &Facts, reasons: &[Reason]) -> Rank {
        if reasons.iter().any(|reason| self.is_pressing(*reason, user)) {
            Rank::Pressing
        } else if reasons.is_empty() {
            Rank::Settled
        } else {
            Rank::Due
        }
    }

    fn is_pressing(&self, reason: Reason, user: &Facts) -> bool {
        match reason {
            Reason::NeverSignedIn => self.is_ago(GRACE_PERIOD, user.created_at),
            Reason::InitialPasswordUnused => {
                user.initial_password_set_at.is_some_and(|at| self.is_ago(GRACE_PERIOD, at))
            }
            Reason::Inactive | Reason::ExceedsRoleDefault => true,
            Reason::NoSecondFactor | Reason::NotReviewed => false,
        }
    }

    /// Returns whether the access was reviewed within the current period.
    fn is_reviewed(&self, user: &Facts) -> bool {
        user.reviewed_at.is_some_and(|at| !self.is_ago(REVIEW_PERIOD, at))
    }

    /// Returns whether `at` is at least this long ago.
    fn is_ago(&self, duration: Duration, at: Timestamp) -> bool {
        at.plus(duration) <= self.now
    }
}

#[cfg(test)]
mod tests {
    use super::Reason::{ExceedsRoleDefault, Inactive, InitialPasswordUnused, NeverSignedIn, NotReviewed};
    use super::*;
    use crate::models::{Email, PartnerId, Permission, Permissions, PersonName, Profile, Role, User, UserId};

    /// The time of all reviews in these tests.
    pub(super) fn now() -> Timestamp {
        Timestamp::from_unix_millis(1_795_350_591_123)
    }

    pub(super) fn ago(number: u32) -> Timestamp {
        now().minus(days(number))
    }

    /// An active viewer, added a year ago, who signed in today.
    pub(super) fn ann() -> User {
        let added = ago(365);
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: PersonName::parse("Lee").ok(),
            email: Email::parse("ann@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.default_permissions(),
            must_change_password: false,
        };
        let (id, partner) = (UserId::new(added, [1; 10]), PartnerId::new(added, [2; 10]));
        let user = User::new(id, partner, profile, added, None);
        User { reviewed_at: Some(now()), ..user.signed_in(now()) }
    }

    fn review() -> Review {
        Review { now: now(), inactive_days: 30, requirement: Requirement::Optional }
    }

    fn reasons(user: &User) -> Vec<Reason> {
        review().reasons(&Facts::of(user))
    }

    fn rank(user: &User) -> Rank {
        review().rank(&Facts::of(user), &reasons(user))
    }

    #[test]
    fn a_day_has_24_hours() {
        assert_eq!([days(0), days(1), days(90)].map(|days| days.as_secs()), [0, 86_400, 7_776_000]);
    }

    #[test]
    fn the_words_of_the_reasons_are_those_of_the_contract() {
        let words = [
            "never_signed_in",
            "inactive",
            "initial_password_unused",
            "exceeds_role_default",
            "no_second_factor",
            "not_reviewed",
        ];
        assert_eq!(Reason::ALL.map(Reason::as_str), words);
        assert_eq!(serde_json::to_value(Reason::ALL).unwrap(), serde_json::json!(words));
    }

    #[test]
    fn a_user_without_a_required_second_factor_is_due() {
        let requiring = |requirement: Requirement, user: &User| {
            let (review, facts) = (Review { requirement, ..review() }, Facts::of(user));
            let reasons = review.reasons(&facts);
            (review.rank(&facts, &reasons), reasons)
        };
        let due = (Rank::Due, vec![Reason::NoSecondFactor]);
        let settled = (Rank::Settled, vec![]);
        assert_eq!(requiring(Requirement::Optional, &ann()), settled);
        assert_eq!(requiring(Requirement::Admins, &ann()), settled);
        assert_eq!(requiring(Requirement::Everyone, &ann()), due);
        let with_factor = User { second_factor: SecondFactor::Totp, ..ann() };
        assert_eq!(requiring(Requirement::Everyone, &with_factor), settled);
        let suspended = User { status: Status::Suspended, ..ann() };
        assert_eq!(requiring(Requirement::Everyone, &suspended), settled);
    }

    #[test]
    fn an_active_user_with_a_recent_review_has_no_reasons() {
        assert_eq!(reasons(&ann()), []);
    }

    #[test]
    fn a_missing_first_sign_in_is_pressing_after_a_week() {
        let never = |created_at| User { created_at, last_sign_in_at: None, ..ann() };
        for (created_at, expected) in
            [(now(), Rank::Due), (ago(7).plus(Duration::from_millis(1)), Rank::Due), (ago(7), Rank::Pressing)]
        {
            assert_eq!((&*reasons(&never(created_at)), rank(&never(created_at))), (&[NeverSignedIn][..], expected));
        }
    }

    #[test]
    fn a_user_without_activity_for_the_given_days_is_inactive() {
        let last = |at| User { last_sign_in_at: Some(at), ..ann() };
        assert_eq!(reasons(&last(ago(30))), [Inactive]);
        assert_eq!(reasons(&last(ago(30).plus(Duration::from_millis(1)))), []);
        let refreshed = |at| User { last_refresh_at: Some(at), ..last(ago(300)) };
        assert_eq!(reasons(&refreshed(ago(30))), [Inactive]);
        assert_eq!(reasons(&refreshed(ago(30).plus(Duration::from_millis(1)))), []);
    }

    #[test]
    fn a_password_that_must_be_changed_is_pressing_a_week_after_it_was_set() {
        let set = |at| User { must_change_password: true, password_changed_at: at, ..ann() };
        // Older records lack the time; their password counts as set when the user was added.
        for (at, expected) in [(Some(ago(7)), Rank::Pressing), (Some(ago(6)), Rank::Due), (None, Rank::Pressing)] {
            assert_eq!((&*reasons(&set(at)), rank(&set(at))), (&[InitialPasswordUnused][..], expected));
        }
        assert_eq!(reasons(&User { must_change_password: false, ..set(None) }), []);
    }

    #[test]
    fn only_permissions_beyond_the_roles_default_are_a_reason() {
        let holding = |permissions: Permissions| User { permissions, ..ann() };
        assert_eq!(reasons(&holding(Role::Viewer.ceiling())), [ExceedsRoleDefault]);
        assert_eq!(reasons(&holding([Permission::AuditRead].into_iter().collect())), [ExceedsRoleDefault]);
        assert_eq!(reasons(&holding(Permissions::none())), []);
    }

    #[test]
    fn raised_access_is_due_for_review_at_once() {
        let raised = User { raised_at: Some(now()), ..ann() };
        assert_eq!((&*reasons(&raised), rank(&raised)), (&[NotReviewed][..], Rank::Due));
        assert!(!review().is_reviewed(&Facts::of(&raised)));
    }

    #[test]
    fn a_review_is_due_every_90_days_and_first_90_days_after_the_user_was_added() {
        let reviewed = |at| User { reviewed_at: at, ..ann() };
        assert_eq!(reasons(&reviewed(Some(ago(90)))), [NotReviewed]);
        assert_eq!(reasons(&reviewed(Some(ago(89)))), []);
        assert_eq!(reasons(&reviewed(None)), [NotReviewed]);
        assert_eq!(reasons(&User { created_at: ago(89), ..reviewed(None) }), []);
    }

    #[test]
    fn a_suspended_user_has_no_reasons_about_missing_sign_ins() {
        let away = User {
            created_at: ago(400),
            last_sign_in_at: None,
            must_change_password: true,
            permissions: Role::Viewer.ceiling(),
            reviewed_at: None,
            ..ann()
        };
        assert_eq!(reasons(&away), [NeverSignedIn, InitialPasswordUnused, ExceedsRoleDefault, NotReviewed]);
        let suspended = User { status: Status::Suspended, ..away };
        assert_eq!(reasons(&suspended), [ExceedsRoleDefault, NotReviewed]);
        let back = User { last_sign_in_at: Some(ago(300)), ..suspended };
        assert_eq!(reasons(&back), [ExceedsRoleDefault, NotReviewed]);
    }

    #[test]
    fn pressing_sorts_before_due_and_due_before_settled() {
        for reason in Reason::ALL {
            let is_due = matches!(reason, Reason::NoSecondFactor | NotReviewed);
            let expected = if is_due { Rank::Due } else { Rank::Pressing };
            let user = Facts::of(&User { must_change_password: true, ..ann() });
            assert_eq!(review().rank(&user, &[reason]), expected);
        }
        assert_eq!(review().rank(&Facts::of(&ann()), &[Inactive, NotReviewed]), Rank::Pressing);
        assert_eq!(rank(&ann()), Rank::Settled);
        assert!([Rank::Pressing, Rank::Due, Rank::Settled].is_sorted());
    }
}
