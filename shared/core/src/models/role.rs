//! Roles: the default and the maximum permissions of their users.

use super::closed_set::closed_set;
use super::{Permission, Permissions};

closed_set! {
    /// The role of a user in their partner.
    pub enum Role or UnknownRole("there is no such role") {
        /// Owns the portal. Each partner has exactly one primary admin, and the role cannot be granted.
        PrimaryAdmin = "primary_admin",
        /// Manages users. The role itself sets no limits.
        Admin = "admin",
        /// Manages users, but not their permissions.
        Manager = "manager",
        /// Only reads.
        Viewer = "viewer",
    }
}

/// The reason why a role cannot be granted together with some permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// The role can never be granted.
    #[error("The role primary_admin cannot be assigned.")]
    NotAssignable,
    /// The permissions exceed the role's ceiling.
    #[error("The role cannot hold all of these permissions.")]
    AboveCeiling,
}

impl InvalidGrant {
    /// Returns the field at fault.
    pub const fn field(self) -> &'static str {
        match self {
            Self::NotAssignable => "role",
            Self::AboveCeiling => "permissions",
        }
    }

    /// Returns the error code in the `errors` of a problem.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAssignable => "not_assignable",
            Self::AboveCeiling => "above_ceiling",
        }
    }
}

impl Role {
    /// Checks that a user can be given this role with these permissions.
    ///
    /// # Errors
    /// Returns [`InvalidGrant`].
    pub fn check_grant(self, permissions: &Permissions) -> Result<(), InvalidGrant> {
        if self == Self::PrimaryAdmin {
            Err(InvalidGrant::NotAssignable)
        } else if permissions.is_subset_of(&self.ceiling()) {
            Ok(())
        } else {
            Err(InvalidGrant::AboveCeiling)
        }
    }

    /// Returns whether this role comes before `other` in the order primary admin, admin, manager, viewer.
    pub fn is_above(self, other: Self) -> bool {
        self.rank() < other.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::PrimaryAdmin => 0,
            Self::Admin => 1,
            Self::Manager => 2,
            Self::Viewer => 3,
        }
    }

    /// Returns the permissions that a user with this role gets if no others are chosen.
    pub fn default_permissions(self) -> Permissions {
        match self {
            Self::PrimaryAdmin | Self::Admin => Permissions::all(),
            Self::Manager => Permissions::from_iter([
                Permission::UsersRead,
                Permission::UsersAdd,
                Permission::UsersEdit,
                Permission::UsersForceLogout,
            ]),
            Self::Viewer => Permissions::from_iter([Permission::UsersRead]),
        }
    }

    /// Returns the maximum permissions of a user with this role.
    pub fn ceiling(self) -> Permissions {
        match self {
            Self::PrimaryAdmin | Self::Admin => Permissions::all(),
            Self::Manager | Self::Viewer => self.default_permissions().iter().chain([Permission::AuditRead]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(permissions: Permissions) -> Vec<&'static str> {
        permissions.iter().map(Permission::as_str).collect()
    }

    #[test]
    fn the_words_are_those_of_the_contract() {
        assert_eq!(Role::ALL.map(Role::as_str), ["primary_admin", "admin", "manager", "viewer"]);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!(Role::parse("Admin"), Err(UnknownRole));
    }

    #[test]
    fn defaults_and_ceilings_are_those_of_the_contract() {
        for role in [Role::PrimaryAdmin, Role::Admin] {
            assert_eq!(role.default_permissions(), Permissions::all());
            assert_eq!(role.ceiling(), Permissions::all());
        }
        let manager = ["users.read", "users.add", "users.edit", "users.force_logout"];
        assert_eq!(words(Role::Manager.default_permissions()), manager);
        assert_eq!(words(Role::Manager.ceiling()), [&manager[..], &["audit.read"]].concat());
        assert_eq!(words(Role::Viewer.default_permissions()), ["users.read"]);
        assert_eq!(words(Role::Viewer.ceiling()), ["users.read", "audit.read"]);
    }

    #[test]
    fn each_role_is_above_those_that_follow_it() {
        for (number, role) in Role::ALL.iter().enumerate() {
            for (other_number, other) in Role::ALL.iter().enumerate() {
                assert_eq!(role.is_above(*other), number < other_number, "{role} {other}");
            }
        }
    }

    #[test]
    fn any_role_but_primary_admin_can_be_granted_up_to_its_ceiling() {
        for role in [Role::Admin, Role::Manager, Role::Viewer] {
            assert_eq!(role.check_grant(&Permissions::none()), Ok(()));
            assert_eq!(role.check_grant(&role.ceiling()), Ok(()));
            let is_all = role.ceiling() == Permissions::all();
            assert_eq!(
                role.check_grant(&Permissions::all()),
                if is_all { Ok(()) } else { Err(InvalidGrant::AboveCeiling) }
            );
        }
        assert_eq!(Role::PrimaryAdmin.check_grant(&Permissions::all()), Err(InvalidGrant::NotAssignable));
    }

    #[test]
    fn an_invalid_grant_names_its_field() {
        let error = |error: InvalidGrant| (error.field(), error.code(), error.to_string());
        assert_eq!(
            error(InvalidGrant::NotAssignable),
            ("role", "not_assignable", "The role primary_admin cannot be assigned.".to_owned())
        );
        assert_eq!(
            error(InvalidGrant::AboveCeiling),
            ("permissions", "above_ceiling", "The role cannot hold all of these permissions.".to_owned())
        );
    }

    #[test]
    fn default_permissions_are_within_the_ceiling() {
        for role in Role::ALL {
            assert!(role.default_permissions().is_subset_of(&role.ceiling()), "{role}");
        }
    }
}
