//! Properties that hold for every actor, action and target, in addition to the examples in the grid.

use proptest::prelude::*;

use super::fixtures::{Plan, user};
use super::{ActionKind, Denied, authorize};
use crate::models::{Permission, Permissions, Role, User};

/// The only actions that a user without permissions may perform, and only on their own record. `EditUser` is one of them
/// if it changes only the name.
const OWN_RIGHTS: [ActionKind; 6] = [
    ActionKind::GetUser,
    ActionKind::EditUser,
    ActionKind::SetPassword,
    ActionKind::ForceLogout,
    ActionKind::ListSessions,
    ActionKind::EndSession,
];

fn has_target(kind: ActionKind) -> bool {
    kind.has("target")
}

/// Returns whether the actor needs every permission of the target. Only reading the record of a user needs less.
fn guards(kind: ActionKind) -> bool {
    has_target(kind) && kind != ActionKind::GetUser
}

/// Returns whether only the primary admin may perform this action on the primary admin.
fn is_protected(kind: ActionKind) -> bool {
    guards(kind) && kind != ActionKind::KeepAccess
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

fn plan_where(is_wanted: fn(ActionKind) -> bool) -> impl Strategy<Value = Plan> {
    let kinds: Vec<ActionKind> = ActionKind::ALL.iter().copied().filter(|kind| is_wanted(*kind)).collect();
    (prop::sample::select(kinds), any::<bool>(), any_role(), any_permissions())
        .prop_map(|(kind, email, role, permissions)| Plan { kind, email, role, permissions })
}

/// Any user of one of two partners. There are only three numbers, so actor and target are often the same user.
fn any_user() -> impl Strategy<Value = User> {
    (0..10_u8, 0..3_u8, any_role(), any_permissions())
        .prop_map(|(partner, number, role, permissions)| user(u8::from(partner == 0), number, role, permissions))
}

/// An actor and a target. Sometimes the target is the actor.
fn any_pair() -> impl Strategy<Value = (User, User)> {
    (any_user(), any_user(), 0..4_u8)
        .prop_map(|(actor, target, same)| if same == 0 { (actor.clone(), actor) } else { (actor, target) })
}

/// A valid partner: it has one primary admin, and the permissions of all users are within their role's ceiling.
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

/// An attacker who tries every action with every account under their control.
struct Intruder {
    users: Vec<User>,
    /// The accounts that the attacker can sign in to.
    held: Vec<User>,
    next_number: u8,
}

impl Intruder {
    /// Performs an action if it is allowed, and takes over each account that it gives access to.
    fn attempt(&mut self, plan: &Plan, actor: prop::sample::Index, target: prop::sample::Index) {
        let actor = actor.get(&self.held).clone();
        let target = target.get(&self.users).clone();
        if authorize(&actor, &plan.as_action(&target)).is_err() {
            return;
        }
        let grants = plan.kind.has("permissions");
        if grants && !has_target(plan.kind) {
            let added = user(1, self.next_number, plan.role, plan.permissions);
            self.next_number += 1;
            self.users.push(added.clone());
            self.held.push(added);
        }
        // The worst case: every action that the primary admin is protected from gives control of the target's account.
        if is_protected(plan.kind) {
            self.held.push(target.clone());
        }
        if plan.kind == ActionKind::RemoveUser {
            self.users.retain(|user| user.id != target.id);
            self.held.retain(|user| user.id != target.id);
        }
        for record in self.users.iter_mut().chain(&mut self.held) {
            if grants && has_target(plan.kind) && record.id == target.id {
                record.role = plan.role;
                record.permissions = plan.permissions;
            }
            if plan.kind.rule().primary_admin_only && has_target(plan.kind) {
                if record.id == target.id {
                    record.role = Role::PrimaryAdmin;
                    record.permissions = Permissions::all();
                } else if record.id == actor.id {
                    record.role = Role::Admin;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_chain_of_actions_raises_the_power_of_the_first_actor(
        users in any_partner(),
        first in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any_plan(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..25),
    ) {
        let start = first.get(&users).clone();
        let primary_admin = users[0].clone();
        let mut intruder = Intruder { users, held: vec![start.clone()], next_number: 100 };
        for (plan, actor, target) in &steps {
            intruder.attempt(plan, *actor, *target);
            for account in &intruder.held {
                prop_assert!(account.permissions.is_subset_of(&start.permissions), "{plan:?} gave {account:?}");
                prop_assert!(!account.is_primary_admin() || start.is_primary_admin(), "{plan:?} gave {account:?}");
            }
            let is_unchanged = intruder.users.contains(&primary_admin);
            prop_assert!(is_unchanged || start.is_primary_admin(), "{plan:?} changed the primary admin");
            let owners = intruder.users.iter().filter(|user| user.is_primary_admin()).count();
            prop_assert!(owners == 1, "{plan:?} left {owners} primary admins");
            if intruder.held.is_empty() {
                break;
            }
        }
    }

    #[test]
    fn the_audit_trail_gets_the_target_of_every_action_that_has_one(target in any_user(), plan in any_plan()) {
        let action = plan.as_action(&target);
        prop_assert_eq!(action.kind(), plan.kind);
        prop_assert_eq!(action.target(), has_target(plan.kind).then_some(&target));
    }

    #[test]
    fn no_action_changes_the_actors_own_role_or_permissions((actor, target) in any_pair(), plan in plan_where(has_target)) {
        if authorize(&actor, &plan.as_action(&target)).is_ok() && target.id == actor.id {
            prop_assert!(OWN_RIGHTS.contains(&plan.kind));
        }
    }

    #[test]
    fn only_the_primary_admin_changes_the_primary_admin_or_sees_their_sessions((actor, target) in any_pair(), plan in plan_where(is_protected)) {
        let primary = User { role: Role::PrimaryAdmin, ..target };
        let decision = authorize(&actor, &plan.as_action(&primary));
        if primary.partner_id == actor.partner_id && primary.id != actor.id {
            prop_assert_eq!(decision, Err(Denied::PrimaryAdminProtected));
        }
    }

    #[test]
    fn a_user_of_another_partner_does_not_exist(actor in any_user(), target in any_user(), plan in plan_where(has_target)) {
        let foreign = User { partner_id: user(9, 0, Role::Viewer, Permissions::none()).partner_id, ..target };
        prop_assert_eq!(authorize(&actor, &plan.as_action(&foreign)), Err(Denied::NoSuchUser));
    }

    #[test]
    fn more_permissions_never_forbid_what_was_allowed(
        (actor, target) in any_pair(),
        plan in any_plan(),
        more in any_permissions(),
    ) {
        let action = plan.as_action(&target);
        if authorize(&actor, &action).is_ok() {
            let stronger = User { permissions: actor.permissions.iter().chain(more.iter()).collect(), ..actor };
            prop_assert_eq!(authorize(&stronger, &action), Ok(()));
        }
    }

    #[test]
    fn a_grant_exceeds_neither_the_actors_own_access_nor_the_ceiling_of_the_role(
        (actor, target) in any_pair(),
        plan in plan_where(|kind| kind.has("permissions")),
    ) {
        if authorize(&actor, &plan.as_action(&target)).is_ok() {
            prop_assert!(plan.permissions.is_subset_of(&actor.permissions));
            prop_assert!(plan.permissions.is_subset_of(&plan.role.ceiling()));
            prop_assert_ne!(plan.role, Role::PrimaryAdmin);
            prop_assert!(!plan.role.is_above(actor.role));
        }
    }

    #[test]
    fn changing_a_user_or_listing_their_sessions_needs_all_of_their_permissions((actor, target) in any_pair(), plan in plan_where(guards)) {
        if actor.id != target.id && authorize(&actor, &plan.as_action(&target)).is_ok() {
            prop_assert!(target.permissions.is_subset_of(&actor.permissions));
        }
    }

    #[test]
    fn a_user_without_permissions_has_only_the_rights_over_their_own_record(
        (actor, target) in any_pair(),
        plan in any_plan(),
    ) {
        let actor = User { permissions: Permissions::none(), ..actor };
        if authorize(&actor, &plan.as_action(&target)).is_ok() {
            prop_assert_eq!(&actor.id, &target.id);
            let is_own_right = OWN_RIGHTS.contains(&plan.kind) && !(plan.kind.has("email") && plan.email);
            prop_assert!(is_own_right);
        }
    }
}
