//! `DELETE /v1/users/{user_id}`.
//!
//! Also runs with moto.

use portal_tests::Partner;
use portal_tests::rows::Rows;
use portal_tests::stack;

#[tokio::test]
async fn a_removal_deletes_the_user_with_every_session_and_secret() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("admin").await;
    let refreshed = ann.refreshed().await;
    assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 2);

    owner.remove(&ann).await.expect(204);

    owner.get(&ann.path()).await.problem(404, "not_found");
    owner.remove(&ann).await.problem(404, "not_found");
    ann.is_signed_out().await;
    refreshed.is_signed_out().await;
    ann.cannot_refresh().await;
    assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 1);
    assert!(Rows::of(&stack().ready).credentials(&ann).await.is_empty());
}

#[tokio::test]
async fn the_email_of_a_removed_user_can_be_used_again() {
    let partner = Partner::new().await;
    let old = partner.new_user("admin").await;
    partner.owner().remove(&old).await.expect(204);
    let new = partner.owner().add("Ann", "Other").email(&old.email).signed_in().await;
    assert_ne!(new.id, old.id);
    new.is_signed_in().await;
    old.is_signed_out().await;
}

#[tokio::test]
async fn no_user_removes_themselves() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    admin.remove(&admin).await.problem(403, "self_change_forbidden");
    admin.is_signed_in().await;
}

#[tokio::test]
async fn no_user_removes_the_primary_admin() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    admin.remove(partner.owner()).await.problem(403, "primary_admin_protected");
    let own = partner.owner().remove(partner.owner()).await.expect(403);
    assert!(["self_change_forbidden", "primary_admin_protected"].contains(&own.text_at("/code")), "{own}");
    partner.owner().is_signed_in().await;
}

#[tokio::test]
async fn a_manager_removes_no_user_and_an_admin_no_more_powerful_user() {
    let partner = Partner::new().await;
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    manager.remove(&viewer).await.problem(403, "missing_permission");
    let held = ["users.read", "users.remove"];
    let weak = partner.owner().add("Wea", "Kly").role("admin").permissions(&held).signed_in().await;
    weak.remove(&manager).await.problem(403, "exceeds_own_permissions");
    weak.remove(&viewer).await.expect(204);
}
