//! A summary of a partner's users: the progress of the review, and the number of users by role and by the
//! last sign-in and activity.

use serde::{Deserialize, Serialize};

use super::{Facts, Rank, Review, days};
use crate::models::{Role, Timestamp};

/// The number of users whose last sign-in or activity was within a number of days. Each user counts only in the smallest
/// range that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithinDays {
    /// The end of the range in days. `None` for times before all other ranges.
    pub within_days: Option<u32>,
    /// The number of users in the range.
    pub users: u64,
}

/// The number of users by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ByRole {
    primary_admin: u64,
    admin: u64,
    manager: u64,
    viewer: u64,
}

/// The numbers that a review shows for all users of a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of users.
    pub users: u64,
    /// The number of users with a pressing reason.
    to_look_at: u64,
    /// The number of users whose access was reviewed in the last 90 days.
    reviewed: u64,
    by_role: ByRole,
    by_last_sign_in: [WithinDays; 5],
    by_last_active: [WithinDays; 5],
    never_signed_in: u64,
}

/// The ends of the ranges in days.
const RANGES: [Option<u32>; 5] = [Some(7), Some(30), Some(90), Some(365), None];

/// What one user adds to the numbers. It is small, so that it can be kept for each user while all of them are read.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The rank of the user.
    pub rank: Rank,
    role: Role,
    is_reviewed: bool,
    /// The indexes of the ranges with the last sign-in and the last activity, if there was any.
    ranges: Option<(u8, u8)>,
}

impl Share {
    /// Returns what a user with these facts adds.
    pub fn of(user: &Facts, review: &Review) -> Self {
        Self {
            rank: review.rank(user, &review.reasons(user)),
            role: user.role,
            is_reviewed: review.is_reviewed(user),
            ranges: user.last_sign_in_at.zip(user.last_active_at).map(|(signed_in, active)| {
                let index = |at| {
                    let found = (0..).zip(RANGES).find(|(_, range)| is_within(*range, review, at));
                    found.map_or(0, |(index, _)| index)
                };
                (index(signed_in), index(active))
            }),
        }
    }
}

fn is_within(range: Option<u32>, review: &Review, at: Timestamp) -> bool {
    range.is_none_or(|number| !review.is_ago(days(number), at))
}

impl Default for Summary {
    fn default() -> Self {
        let ranges = RANGES.map(|within_days| WithinDays { within_days, users: 0 });
        Self {
            users: 0,
            to_look_at: 0,
            reviewed: 0,
            by_role: ByRole::default(),
            by_last_sign_in: ranges,
            by_last_active: ranges,
            never_signed_in: 0,
        }
    }
}

impl Summary {
    /// Adds one user to the numbers.
    pub fn count(&mut self, user: Share) {
        self.users += 1;
        self.to_look_at += u64::from(user.rank == Rank::Pressing);
        self.reviewed += u64::from(user.is_reviewed);
        let of_role = match user.role {
            Role::PrimaryAdmin => &mut self.by_role.primary_admin,
            Role::Admin => &mut self.by_role.admin,
            Role::Manager => &mut self.by_role.manager,
            Role::Viewer => &mut self.by_role.viewer,
        };
        *of_role += 1;
        let Some((signed_in, active)) = user.ranges else {
            self.never_signed_in += 1;
            return;
        };
        for (ranges, index) in [(&mut self.by_last_sign_in, signed_in), (&mut self.by_last_active, active)] {
            if let Some(range) = ranges.get_mut(usize::from(index)) {
                range.users += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::tests::{ago, ann, now};
    use super::*;
    use crate::models::{Requirement, User};

    #[test]
    fn each_user_is_counted_once_in_each_breakdown() {
        let review = Review { now: now(), inactive_days: 90, requirement: Requirement::Optional };
        let last = |at| User { last_sign_in_at: Some(at), ..ann() };
        let millisecond = Duration::from_millis(1);
        let users = [
            last(now()),
            last(ago(7).plus(millisecond)),
            last(ago(7)),
            last(ago(30).plus(millisecond)),
            last(ago(30)),
            last(ago(90)),
            last(ago(365)),
            User { last_refresh_at: Some(ago(89)), ..last(ago(4_000)) },
            User { last_sign_in_at: None, reviewed_at: None, role: Role::Admin, ..ann() },
            User { reviewed_at: Some(ago(90)), role: Role::Manager, ..ann() },
            User { reviewed_at: Some(ago(89)), role: Role::PrimaryAdmin, ..ann() },
        ];
        let mut summary = Summary::default();
        for user in &users {
            summary.count(Share::of(&Facts::of(user), &review));
        }
        let expected = json!({
            "users": 11,
            "to_look_at": 3,
            "reviewed": 9,
            "by_role": { "primary_admin": 1, "admin": 1, "manager": 1, "viewer": 8 },
            "by_last_sign_in": [
                { "within_days": 7, "users": 4 },
                { "within_days": 30, "users": 2 },
                { "within_days": 90, "users": 1 },
                { "within_days": 365, "users": 1 },
                { "within_days": null, "users": 2 },
            ],
            "by_last_active": [
                { "within_days": 7, "users": 4 },
                { "within_days": 30, "users": 2 },
                { "within_days": 90, "users": 2 },
                { "within_days": 365, "users": 1 },
                { "within_days": null, "users": 1 },
            ],
            "never_signed_in": 1,
        });
        assert_eq!(serde_json::to_value(summary).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Summary>(expected).unwrap(), summary);
    }
}
