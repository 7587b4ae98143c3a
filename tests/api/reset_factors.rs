//! `DELETE /v1/users/{user_id}/factors`, and the reset of a primary admin by an operator.

use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Partner, User, invoke, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_reset_removes_the_factors_and_ends_every_session() {
    let partner = Partner::new().await;
    let (admin, ann) = (partner.new_user("admin").await, partner.new_user("manager").await);
    let (app, codes) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;

    admin.reset_factors(&ann).await.expect(204);
    ann.is_signed_out().await;
    for code in [&app.code_after(1), &codes[0]] {
        client.use_factor(&session, code).await.problem(401, "unauthenticated");
    }
    let again = Client::new().signed_in(&ann).await;
    assert_eq!(again.factors().await.expect(200).json["second_factor"], "none");
    let events = partner.owner().get("/v1/audit-events?action=second_factor.reset").await.expect(200);
    assert_eq!(events.json["items"][0]["before"]["second_factor"], "totp", "{events}");
    let mail = Mailbox::new().wait_for(&ann.email, 2).await;
    assert!(mail.iter().any(|mail| mail.subject.contains("were reset")), "{mail:?}");

    let before = partner.owner().see(&ann).await;
    admin.reset_factors(&ann).await.expect(204);
    assert_eq!(partner.owner().see(&ann).await["version"], before["version"], "there is nothing to reset");
    again.is_signed_in().await;
}

#[tokio::test]
async fn a_reset_needs_the_permission_and_never_acts_upward_or_on_oneself() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let admin = partner.new_user("admin").await;
    let manager = partner.new_user("manager").await;
    let lesser = partner.owner().add("Les", "Ser").role("admin").permissions(&["users.read", "users.reset_factors"]);
    let lesser = lesser.signed_in().await;
    manager.reset_factors(&lesser).await.problem(403, "missing_permission");
    lesser.reset_factors(&manager).await.problem(403, "exceeds_own_permissions");
    admin.reset_factors(&admin).await.problem(403, "self_change_forbidden");
    admin.reset_factors(partner.owner()).await.problem(403, "primary_admin_protected");
    admin.reset_factors(other.owner()).await.problem(404, "not_found");
    admin.reset_factors(&manager).if_match("\"9\"").await.problem(412, "version_mismatch");
    Rows::of(&stack().ready).age_sessions(&admin).await;
    admin.reset_factors(&manager).await.problem(403, "reauthentication_required");
}

#[tokio::test]
async fn an_operator_resets_the_factors_of_a_primary_admin_on_request() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.enrolled().await;
    let recovered = User::recovered(&stack().ready, &partner.id, None).await;
    Client::new().asked_for_factor(&recovered).await;

    let input = json!({ "partner_id": partner.id, "reset_factors": true });
    let answer = invoke(&stack().ready, "recover-primary-admin", &input).await.worked();
    assert_eq!(answer["primary_admin"]["second_factor"], "none", "{answer}");
    let password = secrets::remembered(answer["generated_password"].as_str().unwrap());
    let client = Client::new();
    let session = client.challenged(&owner.with_password(&password)).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}
