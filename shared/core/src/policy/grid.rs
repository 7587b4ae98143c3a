//! The policy as a grid that a person can review. It has a line for every combination of actor, action and relation to
//! the target. A test compares it with `grid.txt`.

use std::fmt::Write as _;
use std::path::Path;

use super::kinds::{ActionKind, user};
use super::{Action, Denied, authorize};
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

/// One line of the grid: actor, action, detail, target and decision.
struct Line {
    kind: ActionKind,
    text: String,
}

fn line(actor: (&str, &User), action: Action<'_>, detail: &str, target: &str) -> Line {
    let kind = ActionKind::of(&action);
    let name = match kind {
        ActionKind::ListUsers => "list users",
        ActionKind::ListAuditEvents => "list events",
        ActionKind::GetUser => "get user",
        ActionKind::AddUser => "add user",
        ActionKind::EditUser => "edit user",
        ActionKind::SetPassword => "set password",
        ActionKind::SetPermissions => "set permissions",
        ActionKind::ForceLogout => "force logout",
        ActionKind::RemoveUser => "remove user",
        ActionKind::SetStatus => "set status",
        ActionKind::ListSessions => "list sessions",
        ActionKind::EndSession => "end session",
        ActionKind::HandOver => "hand over",
        ActionKind::ReviewAccess => "review access",
        ActionKind::KeepAccess => "keep access",
    };
    let decision = match authorize(actor.1, &action) {
        Ok(()) => "allow".to_owned(),
        Err(Denied::NoSuchUser) => "no_such_user".to_owned(),
        Err(Denied::PrimaryAdminProtected) => "primary_admin_protected".to_owned(),
        Err(Denied::SelfChangeForbidden) => "self_change_forbidden".to_owned(),
        Err(Denied::MissingPermission(permission)) => format!("missing_permission {permission}"),
        Err(Denied::ExceedsOwnPermissions) => "exceeds_own_permissions".to_owned(),
        Err(Denied::NotAnActiveAdmin) => "not_an_active_admin".to_owned(),
        Err(Denied::NotSignedInYet) => "not_signed_in_yet".to_owned(),
        Err(Denied::AboveCeiling) => "above_ceiling".to_owned(),
    };
    Line { kind, text: columns([actor.0, name, detail, target, &decision]) }
}

fn columns([actor, action, what, target, decision]: [&str; 5]) -> String {
    format!("{actor:<15}  {action:<15}  {what:<13}  {target:<15}  {decision}\n")
}

fn lines_of(kind: ActionKind, name: &str, actor: &User) -> Vec<Line> {
    let who = (name, actor);
    let on_each_target = |action: fn(&User) -> Action<'_>, detail: &str| -> Vec<Line> {
        targets(actor).iter().map(|(relation, target)| line(who, action(target), detail, relation)).collect()
    };
    match kind {
        ActionKind::ListUsers => vec![line(who, Action::ListUsers, "-", "-")],
        ActionKind::ListAuditEvents => vec![line(who, Action::ListAuditEvents, "-", "-")],
        ActionKind::GetUser => on_each_target(|target| Action::GetUser { target }, "-"),
        ActionKind::AddUser => grants()
            .iter()
            .map(|(grant, role, permissions)| line(who, Action::AddUser { role: *role, permissions }, grant, "-"))
            .collect(),
        ActionKind::EditUser => [
            on_each_target(|target| Action::EditUser { target, email: false }, "name"),
            on_each_target(|target| Action::EditUser { target, email: true }, "email"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ActionKind::SetPassword => on_each_target(|target| Action::SetPassword { target }, "-"),
        ActionKind::SetPermissions => {
            let mut lines = Vec::new();
            for (grant, role, permissions) in &grants() {
                for (relation, target) in &targets(actor) {
                    lines.push(line(who, Action::SetPermissions { target, role: *role, permissions }, grant, relation));
                }
            }
            lines
        }
        ActionKind::ForceLogout => on_each_target(|target| Action::ForceLogout { target }, "-"),
        ActionKind::RemoveUser => on_each_target(|target| Action::RemoveUser { target }, "-"),
        ActionKind::SetStatus => on_each_target(|target| Action::SetStatus { target }, "-"),
        ActionKind::ListSessions => on_each_target(|target| Action::ListSessions { target }, "-"),
        ActionKind::EndSession => on_each_target(|target| Action::EndSession { target }, "-"),
        ActionKind::ReviewAccess => vec![line(who, Action::ReviewAccess, "-", "-")],
        ActionKind::KeepAccess => on_each_target(|target| Action::KeepAccess { target }, "-"),
        ActionKind::HandOver => {
            let admin = user(PARTNER, OTHER, Role::Admin, Role::Admin.default_permissions());
            let unfit = [
                ("suspended", User { status: Status::Suspended, ..admin.clone() }),
                ("never_in", User { last_sign_in_at: None, ..admin.clone() }),
                ("initial", User { must_change_password: true, ..admin }),
            ];
            let unfit = unfit.iter().map(|(what, target)| line(who, Action::HandOver { target }, what, "admin"));
            on_each_target(|target| Action::HandOver { target }, "-").into_iter().chain(unfit).collect()
        }
    }
}

fn render() -> String {
    let mut grid = HEADING.to_owned();
    for kind in ActionKind::ALL {
        grid.push('\n');
        grid.push_str(&columns(["ACTOR", "ACTION", "WHAT", "TARGET", "DECISION"]));
        for (name, actor) in &actors() {
            for line in lines_of(*kind, name, actor) {
                assert_eq!(line.kind, *kind, "a line under the wrong kind: {}", line.text);
                grid.push_str(&line.text);
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
