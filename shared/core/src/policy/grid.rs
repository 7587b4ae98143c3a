//! The policy as a grid that a person can review. It has a line for every combination of actor, action and relation to
//! the target. A test compares it with `grid.txt`.

use std::fmt::Write as _;
use std::path::Path;

use super::fixtures::{Plan, user};
use super::{ActionKind, Denied, authorize};
use crate::models::{Permission, Permissions, Role, Status, User};

const REVIEWED: &str = include_str!("grid.txt");

const HEADING: &str = "\
# All decisions of the policy, rendered from the code. A test compares the code with this file, so a changed line here is a
# change of the policy.
#
# Actors have the default permissions of their role, except for
#   lesser_admin   an admin with users.read, users.edit and users.set_permissions
#   powerless      a viewer without permissions
# Targets are users of the actor's partner with the default permissions of their role, except for
#   holds_same     another user with exactly the actor's permissions
#   holds_more     another user with one permission more than the actor (if there is one more)
#   foreign_…      a user of another partner
# WHAT is the grant, the edited field, or the state of the target: suspended, has never signed in (never_in) or still has
# an initial password (initial).
# Grants are a role with its default permissions, except for
#   viewer+remove  a viewer who may remove users, which is above the ceiling
#   lesser_admin   an admin with the default permissions of a viewer
";

const PARTNER: u8 = 1;
const ACTOR: u8 = 1;
const OTHER: u8 = 2;

fn actors() -> Vec<(&'static str, User)> {
    let lesser = [Permission::UsersRead, Permission::UsersEdit, Permission::UsersSetPermissions].into_iter().collect();
    let actor = |role, permissions| user(PARTNER, ACTOR, role, permissions);
    vec![
        ("primary_admin", actor(Role::PrimaryAdmin, Role::PrimaryAdmin.default_permissions())),
        ("admin", actor(Role::Admin, Role::Admin.default_permissions())),
        ("lesser_admin", actor(Role::Admin, lesser)),
        ("manager", actor(Role::Manager, Role::Manager.default_permissions())),
        ("viewer", actor(Role::Viewer, Role::Viewer.default_permissions())),
        ("powerless", actor(Role::Viewer, Permissions::none())),
    ]
}

fn targets(actor: &User) -> Vec<(&'static str, User)> {
    let other = |role: Role| user(PARTNER, OTHER, role, role.default_permissions());
    let foreign = |role: Role| user(PARTNER + 1, OTHER, role, role.default_permissions());
    let mut targets = vec![("self", actor.clone())];
    if !actor.is_primary_admin() {
        targets.push(("primary_admin", other(Role::PrimaryAdmin)));
    }
    targets.extend([
        ("admin", other(Role::Admin)),
        ("manager", other(Role::Manager)),
        ("viewer", other(Role::Viewer)),
        ("holds_same", user(PARTNER, OTHER, Role::Admin, actor.permissions)),
    ]);
    if let Some(one_more) = Permissions::all().missing_from(&actor.permissions).iter().next() {
        let more = actor.permissions.iter().chain([one_more]).collect();
        targets.push(("holds_more", user(PARTNER, OTHER, Role::Admin, more)));
    }
    targets.extend([("foreign_viewer", foreign(Role::Viewer)), ("foreign_primary", foreign(Role::PrimaryAdmin))]);
    targets
}

fn grants() -> Vec<(&'static str, Role, Permissions)> {
    let default = |role: Role| (role.as_str(), role, role.default_permissions());
    let above = [Permission::UsersRead, Permission::UsersRemove].into_iter().collect();
    vec![
        default(Role::Viewer),
        default(Role::Manager),
        default(Role::Admin),
        default(Role::PrimaryAdmin),
        ("viewer+remove", Role::Viewer, above),
        ("lesser_admin", Role::Admin, Role::Viewer.default_permissions()),
    ]
}

fn decision(actor: &User, plan: &Plan, target: &User) -> String {
    match authorize(actor, &plan.as_action(target)) {
        Ok(()) => "allow".to_owned(),
        Err(Denied::NoSuchUser) => "no_such_user".to_owned(),
        Err(Denied::PrimaryAdminProtected) => "primary_admin_protected".to_owned(),
        Err(Denied::SelfChangeForbidden) => "self_change_forbidden".to_owned(),
        Err(Denied::MissingPermission(permission)) => format!("missing_permission {permission}"),
        Err(Denied::ExceedsOwnPermissions) => "exceeds_own_permissions".to_owned(),
        Err(Denied::NotAnActiveAdmin) => "not_an_active_admin".to_owned(),
        Err(Denied::NotSignedInYet) => "not_signed_in_yet".to_owned(),
        Err(Denied::InvalidGrant(_)) => "above_ceiling".to_owned(),
    }
}

fn columns([actor, action, what, target, decision]: [&str; 5]) -> String {
    format!("{actor:<15}  {action:<15}  {what:<13}  {target:<15}  {decision}\n")
}

/// The grants or the edited fields of an action of this kind, if it has any.
fn plans(kind: ActionKind) -> Vec<(&'static str, Plan)> {
    let plain = Plan { kind, email: false, role: Role::Viewer, permissions: Permissions::none() };
    if kind.has("permissions") {
        grants()
            .into_iter()
            .map(|(what, role, permissions)| (what, Plan { role, permissions, ..plain.clone() }))
            .collect()
    } else if kind.has("email") {
        vec![("name", plain.clone()), ("email", Plan { email: true, ..plain })]
    } else {
        vec![("-", plain)]
    }
}

/// Admins who cannot become the primary admin.
fn unfit_admins() -> Vec<(&'static str, User)> {
    let admin = user(PARTNER, OTHER, Role::Admin, Role::Admin.default_permissions());
    vec![
        ("suspended", User { status: Status::Suspended, ..admin.clone() }),
        ("never_in", User { last_sign_in_at: None, ..admin.clone() }),
        ("initial", User { must_change_password: true, ..admin }),
    ]
}

/// The lines of one actor and one kind of action.
fn lines_of(kind: ActionKind, name: &str, actor: &User) -> Vec<String> {
    let action = kind.as_str().replace('_', " ");
    let line = |plan: &Plan, what: &str, relation: &str, target: &User| {
        columns([name, &action, what, relation, &decision(actor, plan, target)])
    };
    let targets = if kind.has("target") { targets(actor) } else { vec![("-", actor.clone())] };
    let mut lines = Vec::new();
    for (what, plan) in plans(kind) {
        lines.extend(targets.iter().map(|(relation, target)| line(&plan, what, relation, target)));
        if kind.rule().primary_admin_only && kind.has("target") {
            lines.extend(unfit_admins().iter().map(|(what, target)| line(&plan, what, "admin", target)));
        }
    }
    lines
}

fn render() -> String {
    let mut grid = HEADING.to_owned();
    for kind in ActionKind::ALL {
        grid.push('\n');
        grid.push_str(&columns(["ACTOR", "ACTION", "WHAT", "TARGET", "DECISION"]));
        for (name, actor) in &actors() {
            for line in lines_of(*kind, name, actor) {
                grid.push_str(&line);
            }
        }
    }
    grid
}

#[test]
fn the_code_decides_as_the_reviewed_grid_says() {
    let rendered = render();
    if rendered == REVIEWED {
        return;
    }
    let mut diff = String::new();
    for gone in REVIEWED.lines().filter(|line| !rendered.lines().any(|other| other == *line)) {
        let _ = writeln!(diff, "- {gone}");
    }
    for new in rendered.lines().filter(|line| !REVIEWED.lines().any(|other| other == *line)) {
        let _ = writeln!(diff, "+ {new}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&folder).unwrap();
    let new = folder.join("policy-grid.txt.new");
    std::fs::write(&new, rendered).unwrap();
    panic!(
        "the policy differs from its reviewed grid:\n{diff}\nIf every changed line is intended, accept the new grid:\n  cp {} shared/core/src/policy/grid.txt\n",
        new.display()
    );
}

#[test]
fn the_grid_has_lines_for_every_actor_and_every_kind_of_action() {
    for (name, actor) in &actors() {
        for kind in ActionKind::ALL {
            assert!(!lines_of(*kind, name, actor).is_empty(), "{name} {kind:?}");
        }
    }
    assert!(Role::ALL.iter().all(|role| actors().iter().any(|(_, actor)| actor.role == *role)));
}

#[test]
fn every_reason_and_every_permission_is_in_the_grid() {
    for word in [
        "allow",
        "no_such_user",
        "primary_admin_protected",
        "self_change_forbidden",
        "exceeds_own_permissions",
        "above_ceiling",
        "not_an_active_admin",
        "not_signed_in_yet",
    ] {
        assert!(REVIEWED.lines().any(|line| line.ends_with(word)), "{word}");
    }
    // Reading the audit trail is not an action on users.
    for permission in Permission::ALL.into_iter().filter(|permission| *permission != Permission::AuditRead) {
        let word = format!("missing_permission {permission}");
        assert!(REVIEWED.lines().any(|line| line.ends_with(&word)), "{word}");
    }
}
