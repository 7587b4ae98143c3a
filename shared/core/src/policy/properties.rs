//! What holds for every actor, wish and target, whatever the grid's examples are.

use proptest::prelude::*;

use super::kinds::{Kind, user};
use super::{Denied, Wish, authorize};
use crate::models::{Permission, Permissions, Role, User};

/// The parts of any wish; `as_wish` uses those that its kind has.
#[derive(Clone, Debug)]
struct Plan {
    kind: Kind,
    email: bool,
    role: Role,
    permissions: Permissions,
}

impl Plan {
    fn as_wish<'a>(&'a self, target: &'a User) -> Wish<'a> {
        match self.kind {
            Kind::ListUsers => Wish::ListUsers,
            Kind::ListAuditEvents => Wish::ListAuditEvents,
            Kind::GetUser => Wish::GetUser { target },
            Kind::AddUser => Wish::AddUser { role: self.role, permissions: &self.permissions },
            Kind::EditUser => Wish::EditUser { target, email: self.email },
            Kind::SetPassword => Wish::SetPassword { target },
            Kind::SetPermissions => Wish::SetPermissions { target, role: self.role, permissions: &self.permissions },
            Kind::ForceLogout => Wish::ForceLogout { target },
            Kind::RemoveUser => Wish::RemoveUser { target },
            Kind::SetStatus => Wish::SetStatus { target },
            Kind::ListSessions => Wish::ListSessions { target },
            Kind::EndSession => Wish::EndSession { target },
            Kind::HandOver => Wish::HandOver { target },
            Kind::ReviewAccess => Wish::ReviewAccess,
            Kind::KeepAccess => Wish::KeepAccess { target },
        }
    }
}

fn changes_a_user(kind: Kind) -> bool {
    match kind {
        Kind::ListUsers
        | Kind::ListAuditEvents
        | Kind::GetUser
        | Kind::AddUser
        | Kind::ListSessions
        | Kind::ReviewAccess => false,
        Kind::EditUser
        | Kind::SetPassword
        | Kind::SetPermissions
        | Kind::ForceLogout
        | Kind::RemoveUser
        | Kind::SetStatus
        | Kind::EndSession
        | Kind::HandOver
        | Kind::KeepAccess => true,
    }
}

/// The name of the change in the audit trail.
fn name_of_change(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::ListUsers | Kind::ListAuditEvents | Kind::GetUser | Kind::ListSessions | Kind::ReviewAccess => {
            return None;
        }
        Kind::AddUser => "add_user",
        Kind::EditUser => "edit_user",
        Kind::SetPassword => "set_password",
        Kind::SetPermissions => "set_permissions",
        Kind::ForceLogout => "force_logout",
        Kind::RemoveUser => "remove_user",
        Kind::SetStatus => "set_status",
        Kind::EndSession => "end_session",
        Kind::HandOver => "hand_over",
        Kind::KeepAccess => "keep_access",
    })
}

/// The primary admin alone may do it to the primary admin.
fn is_protected(kind: Kind) -> bool {
    guards(kind) && kind != Kind::KeepAccess
}

/// It takes every permission of the target.
fn guards(kind: Kind) -> bool {
    changes_a_user(kind) || kind == Kind::ListSessions
}

fn has_target(kind: Kind) -> bool {
    guards(kind) || kind == Kind::GetUser
}

fn any_permissions() -> impl Strategy<Value = Permissions> {
    prop::sample::subsequence(Permission::ALL.to_vec(), 0..=Permission::ALL.len())
        .prop_map(|permissions| permissions.into_iter().collect())
}

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn any_plan() -> impl Strategy<Value = Plan> {
    plan_where(|_| true)
}

fn plan_where(is_wanted: fn(Kind) -> bool) -> impl Strategy<Value = Plan> {
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| is_wanted(*kind)).collect();
    (prop::sample::select(kinds), any::<bool>(), any_role(), any_permissions())
        .prop_map(|(kind, email, role, permissions)| Plan { kind, email, role, permissions })
}

/// Any user, of one of two partners; few numbers, so that an actor often meets itself.
fn any_user() -> impl Strategy<Value = User> {
    (0..10_u8, 0..3_u8, any_role(), any_permissions())
        .prop_map(|(partner, number, role, permissions)| user(u8::from(partner == 0), number, role, permissions))
}

/// An actor and a target, who is now and then the actor.
fn any_pair() -> impl Strategy<Value = (User, User)> {
    (any_user(), any_user(), 0..4_u8)
        .prop_map(|(actor, target, same)| if same == 0 { (actor.clone(), actor) } else { (actor, target) })
}

/// A partner as it can be: one primary admin, everybody within the ceiling of their role.
fn any_partner() -> impl Strategy<Value = Vec<User>> {
    let member = (prop::sample::select(vec![Role::Admin, Role::Admin, Role::Manager, Role::Viewer]), any_permissions());
    prop::collection::vec(member, 1..6).prop_map(|members| {
        let primary = (Role::PrimaryAdmin, Permissions::all());
        (0..)
            .zip([primary].into_iter().chain(members))
            .map(|(number, (role, permissions))| {
                let within = permissions.iter().filter(|permission| role.ceiling().contains(*permission)).collect();
                user(1, number, role, within)
            })
            .collect()
    })
}

/// Somebody who tries everything, with every account that they get hold of.
struct Intruder {
    users: Vec<User>,
    /// The accounts that the intruder can sign in to.
    held: Vec<User>,
    next_number: u8,
}

impl Intruder {
    /// Carries a wish out if it is allowed, and takes over whatever account it gives a hold of.
    fn attempt(&mut self, plan: &Plan, actor: prop::sample::Index, target: prop::sample::Index) {
        let actor = actor.get(&self.held).clone();
        let target = target.get(&self.users).clone();
        if authorize(&actor, &plan.as_wish(&target)).is_err() {
            return;
        }
        match plan.kind {
            // A suspended user holds what it held: letting it in again gives no more.
            Kind::ListUsers
            | Kind::ListAuditEvents
            | Kind::GetUser
            | Kind::ForceLogout
            | Kind::SetStatus
            | Kind::ListSessions
            | Kind::EndSession
            | Kind::ReviewAccess
            | Kind::KeepAccess => {}
            Kind::AddUser => {
                let added = user(1, self.next_number, plan.role, plan.permissions);
                self.next_number += 1;
                self.users.push(added.clone());
                self.held.push(added);
            }
            // A new email gives no hold of an account today; it might when passwords can be reset by mail.
            Kind::EditUser | Kind::SetPassword => self.held.push(target),
            Kind::SetPermissions => {
                for record in self.users.iter_mut().chain(&mut self.held).filter(|user| user.id == target.id) {
                    record.role = plan.role;
                    record.permissions = plan.permissions;
                }
            }
            Kind::HandOver => {
                for record in self.users.iter_mut().chain(&mut self.held) {
                    if record.id == target.id {
                        record.role = Role::PrimaryAdmin;
                        record.permissions = Permissions::all();
                    } else if record.id == actor.id {
                        record.role = Role::Admin;
                    }
                }
            }
            Kind::RemoveUser => {
                self.users.retain(|user| user.id != target.id);
                self.held.retain(|user| user.id != target.id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_chain_of_wishes_raises_the_power_of_who_starts_it(
        users in any_partner(),
        who in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any_plan(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..25),
    ) {
        let start = who.get(&users).clone();
        let primary_admin = users[0].clone();
        let mut intruder = Intruder { users, held: vec![start.clone()], next_number: 100 };
        for (plan, actor, target) in &steps {
            intruder.attempt(plan, *actor, *target);
            for account in &intruder.held {
                prop_assert!(account.permissions.is_subset_of(&start.permissions), "{plan:?} gave {account:?}");
                prop_assert!(!account.is_primary_admin() || start.is_primary_admin(), "{plan:?} gave {account:?}");
            }
            let is_as_it_was = intruder.users.contains(&primary_admin);
            prop_assert!(is_as_it_was || start.is_primary_admin(), "{plan:?} changed the primary admin");
            let owners = intruder.users.iter().filter(|user| user.is_primary_admin()).count();
            prop_assert!(owners == 1, "{plan:?} left {owners} primary admins");
            if intruder.held.is_empty() {
                break;
            }
        }
    }

    #[test]
    fn the_audit_trail_gets_the_target_of_every_action_and_the_name_of_every_change(
        target in any_user(),
        plan in any_plan(),
    ) {
        let action = plan.as_wish(&target);
        prop_assert_eq!(action.change(), name_of_change(plan.kind));
        prop_assert_eq!(action.target(), has_target(plan.kind).then_some(&target));
    }

    #[test]
    fn no_wish_changes_its_actors_own_role_or_permissions((actor, target) in any_pair(), plan in any_plan()) {
        if authorize(&actor, &plan.as_wish(&target)).is_ok() && target.id == actor.id {
            let is_of_what_one_is = matches!(
                plan.kind,
                Kind::SetPermissions | Kind::RemoveUser | Kind::SetStatus | Kind::HandOver | Kind::KeepAccess
            );
            prop_assert!(!is_of_what_one_is);
        }
    }

    #[test]
    fn only_the_primary_admin_changes_the_primary_admin_or_sees_their_sessions((actor, target) in any_pair(), plan in plan_where(is_protected)) {
        let primary = User { role: Role::PrimaryAdmin, ..target };
        let decision = authorize(&actor, &plan.as_wish(&primary));
        if primary.partner_id == actor.partner_id && primary.id != actor.id {
            prop_assert_eq!(decision, Err(Denied::PrimaryAdminProtected));
        }
    }

    #[test]
    fn a_user_of_another_partner_does_not_exist(actor in any_user(), target in any_user(), plan in plan_where(has_target)) {
        let foreign = User { partner_id: user(9, 0, Role::Viewer, Permissions::none()).partner_id, ..target };
        prop_assert_eq!(authorize(&actor, &plan.as_wish(&foreign)), Err(Denied::NoSuchUser));
    }

    #[test]
    fn more_permissions_never_forbid_what_was_allowed(
        (actor, target) in any_pair(),
        plan in any_plan(),
        more in any_permissions(),
    ) {
        let wish = plan.as_wish(&target);
        if authorize(&actor, &wish).is_ok() {
            let stronger = User { permissions: actor.permissions.iter().chain(more.iter()).collect(), ..actor };
            prop_assert_eq!(authorize(&stronger, &wish), Ok(()));
        }
    }

    #[test]
    fn nobody_makes_a_user_who_holds_more_or_is_more_than_themselves_or_holds_more_than_the_role_can(
        (actor, target) in any_pair(),
        plan in plan_where(|kind| matches!(kind, Kind::AddUser | Kind::SetPermissions)),
    ) {
        if authorize(&actor, &plan.as_wish(&target)).is_ok() {
            prop_assert!(plan.permissions.is_subset_of(&actor.permissions));
            prop_assert!(plan.permissions.is_subset_of(&plan.role.ceiling()));
            prop_assert_ne!(plan.role, Role::PrimaryAdmin);
            prop_assert!(!plan.role.is_above(actor.role));
        }
    }

    #[test]
    fn only_who_holds_all_that_a_user_holds_changes_that_user_or_sees_their_sessions((actor, target) in any_pair(), plan in plan_where(guards)) {
        if actor.id != target.id && authorize(&actor, &plan.as_wish(&target)).is_ok() {
            prop_assert!(target.permissions.is_subset_of(&actor.permissions));
        }
    }

    #[test]
    fn who_holds_nothing_has_only_the_rights_over_their_own_record(
        (actor, target) in any_pair(),
        plan in any_plan(),
    ) {
        let actor = User { permissions: Permissions::none(), ..actor };
        if authorize(&actor, &plan.as_wish(&target)).is_ok() {
            prop_assert_eq!(&actor.id, &target.id);
            let is_ones_right = match plan.kind {
                Kind::GetUser | Kind::SetPassword | Kind::ForceLogout | Kind::ListSessions | Kind::EndSession => true,
                Kind::EditUser => !plan.email,
                Kind::ListUsers
                | Kind::ListAuditEvents
                | Kind::AddUser
                | Kind::SetPermissions
                | Kind::RemoveUser
                | Kind::SetStatus
                | Kind::HandOver
                | Kind::ReviewAccess
                | Kind::KeepAccess => false,
            };
            prop_assert!(is_ones_right);
        }
    }
}
