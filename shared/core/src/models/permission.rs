//! Permissions and sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::closed_set::closed_set;

closed_set! {
    /// A permission that a user can have within their partner.
    pub enum Permission or UnknownPermission("there is no such permission") {
        /// List and read users.
        UsersRead = "users.read",
        /// Add users.
        UsersAdd = "users.add",
        /// Change the name, email and password of users.
        UsersEdit = "users.edit",
        /// Remove users.
        UsersRemove = "users.remove",
        /// End the sessions of users.
        UsersForceLogout = "users.force_logout",
        /// Change the role and permissions of users.
        UsersSetPermissions = "users.set_permissions",
        /// Remove the second factors of users.
        UsersResetFactors = "users.reset_factors",
        /// Read the audit trail.
        AuditRead = "audit.read",
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u16);

const fn bit(permission: Permission) -> u16 {
    1 << permission as u8
}

impl Permissions {
    /// Returns the empty set.
    pub const fn none() -> Self {
        Self(0)
    }

    /// Returns the set of all permissions.
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Returns whether the permission is in the set.
    pub const fn contains(&self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Returns whether `other` contains every permission of this set.
    pub const fn is_subset_of(&self, other: &Self) -> bool {
        self.missing_from(other).is_empty()
    }

    /// Returns the permissions of this set that `other` lacks.
    #[must_use]
    pub const fn missing_from(&self, other: &Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether the set is empty.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Iterates over the permissions of the set, in the order of the API contract.
    pub fn iter(&self) -> impl Iterator<Item = Permission> + use<> {
        let set = *self;
        Permission::ALL.into_iter().filter(move |permission| set.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | bit(permission)))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Permission>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract_in_its_order() {
        assert_eq!(
            Permission::ALL.map(Permission::as_str),
            [
                "users.read",
                "users.add",
                "users.edit",
                "users.remove",
                "users.force_logout",
                "users.set_permissions",
                "users.reset_factors",
                "audit.read"
            ]
        );
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Ok(permission));
        }
        for word in ["", "users", "Users.read", "users.read ", "users.*"] {
            assert_eq!(Permission::parse(word), Err(UnknownPermission));
        }
    }

    #[test]
    fn a_set_is_written_in_the_contracts_order_without_duplicates() {
        let set: Permissions = serde_json::from_str(r#"["audit.read","users.read","audit.read"]"#).unwrap();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["users.read","audit.read"]"#);
        assert_eq!(serde_json::to_string(&Permissions::none()).unwrap(), "[]");
        assert!(serde_json::from_str::<Permissions>(r#"["users.fly"]"#).is_err());
    }

    #[test]
    fn debug_lists_the_words() {
        assert_eq!(format!("{:?}", Permissions::none()), "{}");
        let set: Permissions = [Permission::AuditRead, Permission::UsersRead].into_iter().collect();
        assert_eq!(format!("{set:?}"), r#"{"users.read", "audit.read"}"#);
    }

    #[test]
    fn missing_from_returns_the_permissions_that_the_other_set_lacks() {
        let few: Permissions = [Permission::UsersRead, Permission::UsersEdit].into_iter().collect();
        let other: Permissions = [Permission::UsersRead, Permission::AuditRead].into_iter().collect();
        assert!(few.missing_from(&other).iter().eq([Permission::UsersEdit]));
        assert!(!few.is_subset_of(&other));
        assert!(few.is_subset_of(&Permissions::all()));
        assert!(Permissions::none().is_subset_of(&few));
    }

    proptest! {
        #[test]
        fn a_set_contains_the_permissions_that_it_was_made_from(chosen in prop::sample::subsequence(Permission::ALL.to_vec(), 0..=Permission::ALL.len())) {
            let set: Permissions = chosen.iter().copied().collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), chosen);
            let json = serde_json::to_value(set).unwrap();
            prop_assert_eq!(serde_json::from_value::<Permissions>(json).unwrap(), set);
        }
    }
}
