//! `PUT /v1/users/{user_id}/permissions`.
//!
//! Also runs with moto.

use portal_tests::Partner;
use serde_json::{Value, json};

/// Every permission, sorted.
pub(crate) const ALL: [&str; 8] = [
    "audit.read",
    "users.add",
    "users.edit",
    "users.force_logout",
    "users.read",
    "users.remove",
    "users.reset_factors",
    "users.set_permissions",
];

/// The default permissions of each role, sorted.
pub(crate) const DEFAULTS: [(&str, &[&str]); 3] = [
    ("admin", &ALL),
    ("manager", &["users.add", "users.edit", "users.force_logout", "users.read"]),
    ("viewer", &["users.read"]),
];

/// The user's permissions, sorted.
pub(crate) fn of(user: &Value) -> Vec<&str> {
    let mut held: Vec<_> = user["permissions"].as_array().unwrap().iter().map(|held| held.as_str().unwrap()).collect();
    held.sort_unstable();
    held
}

#[tokio::test]
async fn a_role_without_permissions_gets_its_default_permissions() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").permissions(&[]).created().await;
    for (version, (role, expected)) in (2..).zip(DEFAULTS) {
        let answer = owner.set_permissions(&ann, &json!({ "role": role })).await.expect(200);
        assert_eq!(answer.user()["role"], role);
        assert_eq!(of(&answer.json), expected);
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(owner.see(&ann).await, answer.json);
    }
}

#[tokio::test]
async fn given_permissions_replace_the_whole_set() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let body = json!({ "role": "viewer", "permissions": ["audit.read", "users.read", "audit.read"] });
    let answer = partner.owner().set_permissions(&ann, &body).await.expect(200);
    assert_eq!(of(&answer.json), ["audit.read", "users.read"]);
}

#[tokio::test]
async fn new_permissions_apply_from_the_next_request() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    ann.add("Bob", "Ray").role("viewer").created().await;

    partner.owner().set_permissions(&ann, &json!({ "role": "viewer" })).await.expect(200);

    ann.is_signed_in().await;
    ann.add("Cy", "Fox").role("viewer").send().await.problem(403, "missing_permission");
    partner.owner().set_permissions(&ann, &json!({ "role": "admin" })).await.expect(200);
    ann.add("Cy", "Fox").role("viewer").created().await;
}

#[tokio::test]
async fn no_user_changes_their_own_permissions() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let body = json!({ "role": "viewer" });
    admin.set_permissions(&admin, &body).await.problem(403, "self_change_forbidden");
    assert_eq!(partner.owner().see(&admin).await["version"], 1);
}

#[tokio::test]
async fn the_permissions_of_the_primary_admin_cannot_be_changed() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let body = json!({ "role": "viewer" });
    admin.set_permissions(partner.owner(), &body).await.problem(403, "primary_admin_protected");
    let own = partner.owner().set_permissions(partner.owner(), &body).await.expect(403);
    assert!(["self_change_forbidden", "primary_admin_protected"].contains(&own.text_at("/code")), "{own}");
    assert_eq!(partner.owner().see(partner.owner()).await["role"], "primary_admin");
}

#[tokio::test]
async fn the_role_primary_admin_cannot_be_granted() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let answer = partner.owner().set_permissions(&ann, &json!({ "role": "primary_admin" })).await;
    answer.problem(422, "validation_failed").names_field("role");
}

#[tokio::test]
async fn permissions_above_the_ceiling_of_the_role_are_rejected() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    for (role, permission) in [("viewer", "users.edit"), ("manager", "users.remove")] {
        let body = json!({ "role": role, "permissions": ["users.read", permission] });
        let answer = partner.owner().set_permissions(&ann, &body).await;
        answer.problem(422, "validation_failed").names_field("permissions");
    }
    let missing = partner.owner().set_permissions(&ann, &json!({ "permissions": [] })).await;
    missing.problem(422, "validation_failed").names_field("role");
}

#[tokio::test]
async fn no_user_grants_permissions_that_they_do_not_have() {
    let partner = Partner::new().await;
    let held = ["users.read", "users.set_permissions"];
    let admin = partner.owner().add("Ada", "Min").role("admin").permissions(&held).signed_in().await;
    let viewer = partner.owner().add("Vi", "Ewer").role("viewer").created().await;
    let above = partner.owner().add("Abe", "Ove").role("manager").created().await;

    admin.set_permissions(&viewer, &json!({ "role": "admin" })).await.problem(403, "exceeds_own_permissions");
    admin.set_permissions(&above, &json!({ "role": "viewer" })).await.problem(403, "exceeds_own_permissions");
    let body = json!({ "role": "admin", "permissions": held });
    admin.set_permissions(&viewer, &body).await.expect(200);
}

#[tokio::test]
async fn a_manager_sets_no_permissions() {
    let partner = Partner::new().await;
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    let answer = manager.set_permissions(&viewer, &json!({ "role": "viewer", "permissions": [] })).await;
    answer.problem(403, "missing_permission");
}
