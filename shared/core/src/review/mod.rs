//! Who needs a closer look, and why: pure rules over the models, as of one moment. Nothing here decides who may look.

mod reduced;
mod summary;

pub use reduced::{Access, reduced};
pub use summary::{LastSignIn, Summary};

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::models::{Status, Timestamp, User};

/// Access is reviewed as often as this, and what nobody decided on for as long is to be looked at.
pub const EVERY: Duration = days(90);

/// How long nobody has to look at somebody new who has not signed in, or at a password that is to be changed: it has
/// expired then.
const BEGINNING: Duration = days(7);

/// This many days of 24 hours.
pub const fn days(days: u32) -> Duration {
    Duration::from_hours(days as u64 * 24)
}

/// A plain reason to look closer at a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Has not signed in since being added.
    NeverSignedIn,
    /// Has not signed in for as long as the reviewer says.
    Inactive,
    /// The password that somebody else set was not changed, as it has to be at the first sign-in with it.
    InitialPasswordUnused,
    /// Holds a permission that the role does not give by itself.
    ExceedsRoleDefault,
    /// There was no decision on the access for 90 days, or none since the access was raised.
    NotReviewed,
}

impl Reason {
    const ALL: [Self; 5] =
        [Self::NeverSignedIn, Self::Inactive, Self::InitialPasswordUnused, Self::ExceedsRoleDefault, Self::NotReviewed];

    /// The word that clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSignedIn => "never_signed_in",
            Self::Inactive => "inactive",
            Self::InitialPasswordUnused => "initial_password_unused",
            Self::ExceedsRoleDefault => "exceeds_role_default",
            Self::NotReviewed => "not_reviewed",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How soon a user is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Something is out of order.
    Pressing,
    /// Only that it is time, or that somebody new has not begun yet.
    Due,
    /// No reason at all.
    Settled,
}

impl Rank {
    /// One digit, which sorts as the rank does.
    pub const fn digit(self) -> char {
        match self {
            Self::Pressing => '0',
            Self::Due => '1',
            Self::Settled => '2',
        }
    }
}

/// When a review is made, and what it takes for inactive.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    /// When.
    pub now: Timestamp,
    /// Days without a sign-in.
    pub inactive_days: u32,
}

impl Review {
    /// Every reason to look closer at this user, in the contract's order.
    pub fn reasons(&self, user: &User) -> Vec<Reason> {
        Reason::ALL.into_iter().filter(|reason| self.holds(*reason, user)).collect()
    }

    fn holds(&self, reason: Reason, user: &User) -> bool {
        // Somebody who is shut out cannot sign in: that it does not happen tells nothing.
        let can_sign_in = match user.status {
            Status::Active => true,
            Status::Suspended => false,
        };
        match reason {
            Reason::NeverSignedIn => can_sign_in && user.last_sign_in_at.is_none(),
            Reason::Inactive => {
                can_sign_in && user.last_sign_in_at.is_some_and(|at| self.is_ago(days(self.inactive_days), at))
            }
            Reason::InitialPasswordUnused => can_sign_in && user.must_change_password,
            Reason::ExceedsRoleDefault => !user.permissions.is_subset_of(&user.role.default_permissions()),
            Reason::NotReviewed => match user.review() {
                Some((at, _)) => self.is_ago(EVERY, at),
                None => user.raised_at.is_some() || self.is_ago(EVERY, user.created_at),
            },
        }
    }

    /// How soon this user is to be looked at, for these reasons.
    pub fn rank(&self, user: &User, reasons: &[Reason]) -> Rank {
        if reasons.iter().any(|reason| self.is_pressing(*reason, user)) {
            Rank::Pressing
        } else if reasons.is_empty() {
            Rank::Settled
        } else {
            Rank::Due
        }
    }

    fn is_pressing(&self, reason: Reason, user: &User) -> bool {
        match reason {
            Reason::NeverSignedIn => self.is_ago(BEGINNING, user.created_at),
            Reason::InitialPasswordUnused => {
                self.is_ago(BEGINNING, user.password_changed_at.unwrap_or(user.created_at))
            }
            Reason::Inactive | Reason::ExceedsRoleDefault => true,
            Reason::NotReviewed => false,
        }
    }

    /// Whether the access was decided on in this round.
    fn is_reviewed(&self, user: &User) -> bool {
        user.review().is_some_and(|(at, _)| !self.is_ago(EVERY, at))
    }

    /// Whether it was this long ago, or longer.
    fn is_ago(&self, duration: Duration, at: Timestamp) -> bool {
        at.plus(duration) <= self.now
    }
}

#[cfg(test)]
mod tests {
    use super::Reason::{ExceedsRoleDefault, Inactive, InitialPasswordUnused, NeverSignedIn, NotReviewed};
    use super::*;
    use crate::models::{Email, PartnerId, Permission, Permissions, PersonName, Profile, Role, UserId};

    /// The moment of all reviews here.
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
            last_name: PersonName::parse("Lee").unwrap(),
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
        Review { now: now(), inactive_days: 30 }
    }

    fn reasons(user: &User) -> Vec<Reason> {
        review().reasons(user)
    }

    fn rank(user: &User) -> Rank {
        review().rank(user, &reasons(user))
    }

    #[test]
    fn a_day_has_24_hours() {
        assert_eq!([days(0), days(1), days(90)].map(|days| days.as_secs()), [0, 86_400, 7_776_000]);
    }

    #[test]
    fn the_words_of_the_reasons_are_those_of_the_contract() {
        let words = ["never_signed_in", "inactive", "initial_password_unused", "exceeds_role_default", "not_reviewed"];
        assert_eq!(Reason::ALL.map(Reason::as_str), words);
        assert_eq!(serde_json::to_value(Reason::ALL).unwrap(), serde_json::json!(words));
    }

    #[test]
    fn nothing_is_said_of_who_signs_in_and_was_reviewed() {
        assert_eq!(reasons(&ann()), []);
    }

    #[test]
    fn who_never_signed_in_presses_after_a_week() {
        let never = |created_at| User { created_at, last_sign_in_at: None, ..ann() };
        for (created_at, expected) in
            [(now(), Rank::Due), (ago(7).plus(Duration::from_millis(1)), Rank::Due), (ago(7), Rank::Pressing)]
        {
            assert_eq!((&*reasons(&never(created_at)), rank(&never(created_at))), (&[NeverSignedIn][..], expected));
        }
    }

    #[test]
    fn who_has_not_signed_in_for_so_many_days_is_inactive() {
        let last = |at| User { last_sign_in_at: Some(at), ..ann() };
        assert_eq!(reasons(&last(ago(30))), [Inactive]);
        assert_eq!(reasons(&last(ago(30).plus(Duration::from_millis(1)))), []);
    }

    #[test]
    fn a_password_that_is_to_be_changed_presses_a_week_after_it_was_set() {
        let set = |at| User { must_change_password: true, password_changed_at: at, ..ann() };
        // Where that was not kept, the user was added with it.
        for (at, expected) in [(Some(ago(7)), Rank::Pressing), (Some(ago(6)), Rank::Due), (None, Rank::Pressing)] {
            assert_eq!((&*reasons(&set(at)), rank(&set(at))), (&[InitialPasswordUnused][..], expected));
        }
        assert_eq!(reasons(&User { must_change_password: false, ..set(None) }), []);
    }

    #[test]
    fn only_more_than_the_role_gives_is_too_much() {
        let holding = |permissions: Permissions| User { permissions, ..ann() };
        assert_eq!(reasons(&holding(Role::Viewer.ceiling())), [ExceedsRoleDefault]);
        assert_eq!(reasons(&holding([Permission::AuditRead].into_iter().collect())), [ExceedsRoleDefault]);
        assert_eq!(reasons(&holding(Permissions::none())), []);
    }

    #[test]
    fn raised_access_is_reviewed_again_at_once() {
        let raised = User { raised_at: Some(now()), ..ann() };
        assert_eq!((&*reasons(&raised), rank(&raised)), (&[NotReviewed][..], Rank::Due));
        assert!(!review().is_reviewed(&raised));
    }

    #[test]
    fn a_review_is_due_every_90_days_and_the_first_90_days_after_the_beginning() {
        let reviewed = |at| User { reviewed_at: at, ..ann() };
        assert_eq!(reasons(&reviewed(Some(ago(90)))), [NotReviewed]);
        assert_eq!(reasons(&reviewed(Some(ago(89)))), []);
        assert_eq!(reasons(&reviewed(None)), [NotReviewed]);
        assert_eq!(reasons(&User { created_at: ago(89), ..reviewed(None) }), []);
    }

    #[test]
    fn who_is_shut_out_is_not_blamed_for_staying_away() {
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
    fn what_is_out_of_order_comes_before_what_is_due_and_that_before_the_rest() {
        for reason in Reason::ALL {
            let expected = if reason == NotReviewed { Rank::Due } else { Rank::Pressing };
            assert_eq!(review().rank(&ann(), &[reason]), expected);
        }
        assert_eq!(review().rank(&ann(), &[Inactive, NotReviewed]), Rank::Pressing);
        assert_eq!(rank(&ann()), Rank::Settled);
        let ranks = [Rank::Pressing, Rank::Due, Rank::Settled];
        assert!(ranks.is_sorted() && ranks.map(Rank::digit).is_sorted());
    }
}
