//! The facts about a user that a review considers.

use crate::models::{Role, SecondFactor, Status, Timestamp, User};

/// The facts about a user that decide about the reasons, the rank and the summary of a review. They are a small part of
/// the user, so that a review of many users reads little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The role.
    pub role: Role,
    /// Whether the user is active or suspended.
    pub status: Status,
    /// Whether the user has a permission that the role does not have by default.
    pub exceeds_role_default: bool,
    /// The time at which the user was invited or was given an initial password, unless the user has chosen a password.
    pub initial_password_set_at: Option<Timestamp>,
    /// The time at which the user was added.
    pub created_at: Timestamp,
    /// The time of the last sign-in, if any.
    pub last_sign_in_at: Option<Timestamp>,
    /// The time at which the user was last active, if any.
    pub last_active_at: Option<Timestamp>,
    /// The time of the last decision, if it covers the access that the user has now.
    pub reviewed_at: Option<Timestamp>,
    /// Whether the access was raised after the last decision.
    pub is_raised: bool,
    /// The strongest second factor.
    pub second_factor: SecondFactor,
}

impl Facts {
    /// Returns the facts about a user.
    pub fn of(user: &User) -> Self {
        Self {
            role: user.role,
            status: user.status,
            exceeds_role_default: !user.permissions.is_subset_of(&user.role.default_permissions()),
            initial_password_set_at: user.pending_since(),
            created_at: user.created_at,
            last_sign_in_at: user.last_sign_in_at,
            last_active_at: user.last_active_at(),
            reviewed_at: user.review().map(|(at, _)| at),
            is_raised: user.raised_at.is_some(),
            second_factor: user.second_factor,
        }
    }
}
