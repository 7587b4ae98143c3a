//! What somebody keeps whose access is reduced.

use serde::Serialize;

use crate::models::{Permissions, Role, User};

/// A role and the permissions held in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The role.
    pub role: Role,
    /// What may be done.
    pub permissions: Permissions,
}

impl Access {
    /// What the user has now.
    pub fn of(user: &User) -> Self {
        Self { role: user.role, permissions: user.permissions }
    }
}

/// One step less than the user has: what is beyond the role's default goes, or else the role is the next one down. Never
/// anything that the user does not hold today; none where there is nothing less.
pub fn reduced(user: &User) -> Option<Access> {
    let within = |role: Role| {
        let default = role.default_permissions();
        Access { role, permissions: user.permissions.iter().filter(|held| default.contains(*held)).collect() }
    };
    let next_down = match user.role {
        // The portal is handed over; it is not taken away.
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
    fn what_is_beyond_the_roles_default_goes_first() {
        for role in [Role::Manager, Role::Viewer] {
            let default = Access { role, permissions: role.default_permissions() };
            assert_eq!(reduced(&user(role, role.ceiling())), Some(default));
        }
    }

    #[test]
    fn who_holds_no_more_than_the_default_goes_one_role_down() {
        let default = |role: Role| user(role, role.default_permissions());
        let down = |role: Role| Some(Access { role, permissions: role.default_permissions() });
        assert_eq!(reduced(&default(Role::Admin)), down(Role::Manager));
        assert_eq!(reduced(&default(Role::Manager)), down(Role::Viewer));
        assert_eq!(reduced(&default(Role::Viewer)), None);
        assert_eq!(reduced(&default(Role::PrimaryAdmin)), None);
    }

    #[test]
    fn nobody_is_given_what_they_did_not_hold() {
        let few = [UsersRead, UsersEdit, UsersRemove].into_iter().collect();
        assert_eq!(reduced(&user(Role::Admin, few)), Some(access(Role::Manager, &[UsersRead, UsersEdit])));
        let odd = [UsersRead, AuditRead].into_iter().collect();
        assert_eq!(reduced(&user(Role::Manager, odd)), Some(access(Role::Manager, &[UsersRead])));
        assert_eq!(reduced(&user(Role::Manager, Permissions::none())), Some(access(Role::Viewer, &[])));
        assert_eq!(reduced(&user(Role::Viewer, Permissions::none())), None);
    }

    #[test]
    fn it_ends_with_nothing_less() {
        let mut user = user(Role::Admin, Permissions::all());
        for _ in 0..2 {
            let Access { role, permissions } = reduced(&user).unwrap();
            assert!(permissions.is_subset_of(&user.permissions) && permissions.is_subset_of(&role.ceiling()));
            user = User { role, permissions, ..user };
        }
        assert_eq!((reduced(&user), user.role), (None, Role::Viewer));
    }
}
