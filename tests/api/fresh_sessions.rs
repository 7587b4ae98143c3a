//! Changes that could take over an account or a portal need a session whose user was authenticated in the last 15 minutes.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Call, Partner, User, secrets, stack};
use serde_json::json;

/// The changes that need a fresh session, apart from those of second factors and settings, which have their own modules.
fn guarded(owner: &Actor, ann: &User, next: &User) -> Vec<(&'static str, Call, u16)> {
    vec![
        ("own email", owner.edit(owner, &json!({ "email": secrets::email("new") })), 200),
        ("another user's password", owner.set_password(ann, &secrets::password(), &json!({})), 204),
        ("another user's role", owner.set_permissions(ann, &json!({ "role": "manager" })), 200),
        ("handover", owner.hand_over(next), 200),
    ]
}

#[tokio::test]
async fn an_old_session_has_to_be_authenticated_again_for_some_changes() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    let next = partner.new_user("admin").await;
    Rows::of(&stack().ready).age_sessions(owner).await;
    for (what, call, _) in guarded(owner, &ann, &next) {
        let answer = call.await;
        assert_eq!(answer.json["code"], "reauthentication_required", "{what}: {answer}");
        answer.problem(403, "reauthentication_required");
    }
    owner.reauthenticate(&json!({ "current_password": owner.password })).await.expect(204);
    for (what, call, status) in guarded(owner, &ann, &next) {
        let answer = call.await;
        assert_eq!(answer.status, status, "{what}: {answer}");
    }
}

#[tokio::test]
async fn other_changes_need_no_fresh_session() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).age_sessions(owner).await;
    owner.edit(&ann, &json!({ "first_name": "Anna", "email": secrets::email("anna") })).await.expect(200);
    owner.edit(owner, &json!({ "first_name": "Olivia" })).await.expect(200);
    owner.set_permissions(&ann, &json!({ "role": "viewer" })).await.expect(200);
    owner.force_logout(&ann).await.expect(200);
    owner.suspend(&ann).await.expect(200);
    owner.set_own_password(&owner.password, &secrets::password()).await.expect(204);
}

/// A refusal for another reason comes first, so that re-authentication is not asked for in vain.
#[tokio::test]
async fn a_user_without_the_permission_is_not_asked_to_authenticate_again() {
    let partner = Partner::new().await;
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    Rows::of(&stack().ready).age_sessions(&bob).await;
    bob.set_password(&ann, &secrets::password(), &json!({})).await.problem(403, "missing_permission");
    bob.hand_over(&ann).await.problem(403, "primary_admin_protected");
}
