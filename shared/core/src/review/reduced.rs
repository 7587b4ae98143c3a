//! The access that a user keeps after a reduction.

use serde::Serialize;

use crate::models::{Permissions, Role, User};

/// A role and the permissions of a user who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The role.
    pub role: Role,
    /// The permissions.
    pub permissions: Permissions,
}

impl Access {
    /// Returns the user's current access.
    pub fn of(user: &User) -> Self {
        Self { role: user.role, permissions: user.permissions }
    }
}

/// Returns the user's access reduced by one step. The first step removes the permissions beyond the role's default;
/// each later step lowers the role. The result never adds a permission. Returns `None` if there is no lower access.
pub fn reduced(user: &User) -> Option<Access> {
    let within = |role: Role| {
        let default = role.default_permissions();
        Access { role, permissions: user.permissions.iter().filter(|held| default.contains(*held)).collect() }
    };
    let next_down = match user.role {
        // The role of the primary admin can be handed over, but not reduced.
        Role::PrimaryAdmin => return None,
        Role::Admin => Some(Role::Manager),
        Role::Manager => Some(Role::Viewer),
        Role::Viewer => None,
    };
    let own = within(user.role);
    if own.permissions == user.permissions { next_down.map(within) } else { Some(own) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ann;
    use super::*;
    use crate::models::Permission::{self, AuditRead, UsersEdit, UsersRead, UsersRemove};

    fn user(role: Role, permissions: Permissions) -> User {
        User { role, permissions, ..ann() }
    }

    fn access(role: Role, permissions: &[Permission]) -> Access {
        Access { role, permissions: permissions.iter().copied().collect() }
    }

    #[test]
    fn permissions_beyond_the_roles_default_are_removed_first() {
        for role in [Role::Manager, Role::Viewer] {
            let default = Access { role, permissions: role.default_permissions() };
            assert_eq!(reduced(&user(role, role.ceiling())), Some(default));
        }
    }

    #[test]
    fn a_user_with_only_default_permissions_goes_one_role_down() {
        let default = |role: Role| user(role, role.default_permissions());
        let down = |role: Role| Some(Access { role, permissions: role.default_permissions() });
        assert_eq!(reduced(&default(Role::Admin)), down(Role::Manager));
        assert_eq!(reduced(&default(Role::Manager)), down(Role::Viewer));
        assert_eq!(reduced(&default(Role::Viewer)), None);
        assert_eq!(reduced(&default(Role::PrimaryAdmin)), None);
    }

    #[test]
    fn a_reduction_never_adds_a_permission() {
        let few = [UsersRead, UsersEdit, UsersRemove].into_iter().collect();
        assert_eq!(reduced(&user(Role::Admin, few)), Some(access(Role::Manager, &[UsersRead, UsersEdit])));
        let odd = [UsersRead, AuditRead].into_iter().collect();
        assert_eq!(reduced(&user(Role::Manager, odd)), Some(access(Role::Manager, &[UsersRead])));
        assert_eq!(reduced(&user(Role::Manager, Permissions::none())), Some(access(Role::Viewer, &[])));
        assert_eq!(reduced(&user(Role::Viewer, Permissions::none())), None);
    }

    #[test]
    fn repeated_reductions_end_with_the_lowest_role() {
        let mut user = user(Role::Admin, Permissions::all());
        for _ in 0..2 {
            let Access { role, permissions } = reduced(&user).unwrap();
            assert!(permissions.is_subset_of(&user.permissions) && permissions.is_subset_of(&role.ceiling()));
            user = User { role, permissions, ..user };
        }
        assert_eq!((reduced(&user), user.role), (None, Role::Viewer));
    }
}
