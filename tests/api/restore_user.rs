//! `POST /v1/removed-users/{user_id}/restore`.

use portal_core::mail::LinkKind;
use portal_core::models::Timestamp;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

/// The removed users that this actor lists.
pub(crate) async fn listed(actor: &Actor) -> Vec<Value> {
    actor.get("/v1/removed-users").await.expect(200).json["items"].as_array().unwrap().clone()
}

/// A user who was removed by the primary admin.
pub(crate) async fn removed(partner: &Partner, role: &str) -> User {
    let user = partner.owner().add("Ann", "Lee").role(role).created().await;
    partner.owner().remove(&user).await.expect(204);
    user
}

fn password() -> Value {
    json!({ "password": secrets::password() })
}

#[tokio::test]
async fn a_restored_user_keeps_everything_but_the_password_and_the_sessions() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let permissions = ["users.read", "users.force_logout"];
    let ann = owner.add("Ann", "Lee").role("manager").permissions(&permissions).signed_in().await;
    let before = owner.see(&ann).await;
    owner.remove(&ann).await.expect(204);

    let list = listed(owner).await;
    let [entry] = list.as_slice() else { panic!("{list:?}") };
    for field in ["id", "first_name", "last_name", "email", "role", "permissions", "status"] {
        assert_eq!(entry[field], before[field], "{field}");
    }
    assert_eq!(entry["removed_by"], owner.id);
    let time = |field: &str| Timestamp::parse(entry[field].as_str().unwrap()).unwrap().unix_millis();
    assert_eq!(time("restorable_until") - time("removed_at"), 30 * 24 * 60 * 60 * 1_000);

    let new = secrets::password();
    let answer = owner.restore(&ann, &json!({ "password": new })).await.expect(200);
    let after = owner.see(&ann).await;
    assert_eq!(answer.json, after);
    for field in ["id", "first_name", "last_name", "email", "role", "permissions", "status", "created_at", "created_by"]
    {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["must_change_password"], true);
    assert!(after["version"].as_u64() > before["version"].as_u64(), "{after}");
    assert!(listed(owner).await.is_empty());

    ann.is_signed_out().await;
    ann.cannot_refresh().await;
    let client = Client::new();
    client.sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    let session = client.challenged(&ann.with_password(&new)).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
    let trail = owner.get(&format!("/v1/audit-events?user_id={}", ann.id)).await.expect(200);
    let actions: Vec<&str> =
        trail.json["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert!(actions.ends_with(&["user.restored", "user.removed", "session.started", "user.added"]), "{actions:?}");

    owner.remove(&ann).await.expect(204);
    owner.restore(&ann, &password()).await.expect(200);
}

#[tokio::test]
async fn a_user_is_restored_with_an_invitation_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").invited().await;
    let old = rows().put_link(&ann, LinkKind::Invitation).await;
    owner.remove(&ann).await.expect(204);
    let answer = owner.restore(&ann, &json!({ "invite": true })).await.expect(200);
    assert_eq!(answer.json["pending"]["kind"], "invitation");
    owner.restore(&ann, &json!({ "invite": true })).await.problem(404, "not_found");

    let client = Client::new();
    client.look_up(&old).await.problem(422, "invalid_link");
    let link = rows().put_link(&ann, LinkKind::Invitation).await;
    let new = secrets::password();
    client.confirm_reset(&link, &new).await.expect(204);
    client.signed_in(&ann.with_password(&new)).await.is_signed_in().await;
}

#[tokio::test]
async fn the_invitations_of_restores_count_like_all_others_to_an_address() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").invited().await;
    let invite = json!({ "invite": true });
    for _ in 0..2 {
        owner.remove(&ann).await.expect(204);
        owner.restore(&ann, &invite).await.expect(200);
    }
    owner.remove(&ann).await.expect(204);
    owner.restore(&ann, &invite).await.problem(429, "too_many_requests");
    owner.restore(&ann, &password()).await.expect(200);
}

#[tokio::test]
async fn a_suspended_user_comes_back_suspended_and_cannot_be_invited() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    owner.suspend(&ann).await.expect(200);
    owner.remove(&ann).await.expect(204);
    owner.restore(&ann, &json!({ "invite": true })).await.problem(409, "cannot_be_invited");
    let answer = owner.restore(&ann, &password()).await.expect(200);
    assert_eq!(answer.json["status"], "suspended");
}

#[tokio::test]
async fn a_restore_needs_the_email_and_a_place() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = removed(&partner, "viewer").await;
    let other = owner.add("Ann", "Other").email(&ann.email).created().await;
    owner.restore(&ann, &password()).await.problem(409, "email_taken");
    owner.remove(&other).await.expect(204);
    rows().set_user_count(&partner.id, 10_000).await;
    owner.restore(&ann, &password()).await.problem(422, "user_limit_reached");
    rows().set_user_count(&partner.id, 9_999).await;
    owner.restore(&ann, &password()).await.expect(200);
    assert_eq!(rows().user_count(&partner.id).await, 10_000);
}

#[tokio::test]
async fn a_restore_needs_a_valid_password_or_an_invitation() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = removed(&partner, "viewer").await;
    let both = json!({ "password": secrets::password(), "invite": true });
    for body in [json!({}), json!({ "invite": false }), both] {
        owner.restore(&ann, &body).await.problem(422, "validation_failed").names_field("password");
    }
    let weak = json!({ "password": ann.email });
    owner.restore(&ann, &weak).await.problem(422, "password_rejected");
}

#[tokio::test]
async fn only_users_who_could_add_the_user_restore_it() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = removed(&partner, "admin").await;
    let viewer = partner.new_user("viewer").await;
    viewer.get("/v1/removed-users").await.problem(403, "missing_permission");
    viewer.restore(&ann, &password()).await.problem(403, "missing_permission");
    let manager = owner.add("Mae", "Fox").role("manager").permissions(&["users.read", "users.add"]).signed_in().await;
    manager.restore(&ann, &password()).await.problem(403, "exceeds_own_permissions");
    let other = Partner::new().await;
    other.owner().restore(&ann, &password()).await.problem(404, "not_found");
    assert!(listed(other.owner()).await.is_empty());
    assert_eq!(listed(owner).await.len(), 1);
}

/// `recent` can be restored for ten more minutes.
#[tokio::test]
async fn a_user_who_was_removed_more_than_30_days_ago_is_neither_listed_nor_restored() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (old, recent) = (removed(&partner, "viewer").await, removed(&partner, "viewer").await);
    let now = Timestamp::parse(listed(owner).await[0]["removed_at"].as_str().unwrap()).unwrap().unix_millis();
    for (user, since_expiry) in [(&old, 0), (&recent, -10 * 60 * 1_000)] {
        let at = Timestamp::from_unix_millis(now - 30 * 24 * 60 * 60 * 1_000 - since_expiry);
        rows().set_removed_at(user, &at.to_string()).await;
    }
    let list = listed(owner).await;
    assert_eq!(list.iter().map(|user| &user["id"]).collect::<Vec<_>>(), [&json!(recent.id)]);
    owner.restore(&old, &password()).await.problem(404, "not_found");
    owner.restore(&recent, &password()).await.expect(200);
}

#[tokio::test]
async fn the_primary_admin_is_never_listed_and_a_former_one_comes_back_as_an_admin() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let heir = partner.new_user("admin").await;
    heir.remove(owner).await.problem(403, "primary_admin_protected");
    heir.change_users("remove", [&owner.user]).await.expect(200);
    heir.decide(owner, "remove").await.problem(403, "primary_admin_protected");
    assert!(listed(&heir).await.is_empty());
    heir.restore(owner, &password()).await.problem(404, "not_found");

    owner.hand_over(&heir).await.expect(200);
    heir.remove(owner).await.expect(204);
    let list = listed(&heir).await;
    assert_eq!(
        list.iter().map(|user| (&user["id"], &user["role"])).collect::<Vec<_>>(),
        [(&json!(owner.id), &json!("admin"))]
    );
    let answer = heir.restore(owner, &password()).await.expect(200);
    assert_eq!(answer.json["role"], "admin");
}
