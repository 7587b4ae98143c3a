//! `PUT /v1/users/{user_id}/password`.

use portal_tests::{Client, Partner, secrets};
use serde_json::json;

#[tokio::test]
async fn setting_a_users_password_ends_their_sessions_and_requires_a_new_one() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (elsewhere, refreshed) = (ann.elsewhere().await, ann.refreshed().await);
    let password = secrets::password();

    partner.owner().set_password(&ann, &password, &json!({})).await.expect(204);

    for session in [&ann, &elsewhere, &refreshed] {
        session.is_signed_out().await;
    }
    ann.cannot_refresh().await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    let after = partner.owner().see(&ann).await;
    assert_eq!((&after["must_change_password"], &after["version"]), (&json!(true), &json!(2)));
    let client = Client::new();
    let session = client.challenged(&ann.with_password(&password)).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_password_that_an_admin_sets_can_be_permanent() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let password = secrets::password();
    partner.owner().set_password(&ann, &password, &json!({ "must_change": false })).await.expect(204);
    let again = Client::new().signed_in(&ann.with_password(&password)).await;
    again.is_signed_in().await;
}

#[tokio::test]
async fn a_user_who_changes_their_password_keeps_only_the_current_session() {
    let partner = Partner::new().await;
    let here = partner.new_user("viewer").await;
    let elsewhere = here.elsewhere().await;
    let password = secrets::password();

    here.set_own_password(&here.password, &password).await.expect(204);

    here.is_signed_in().await;
    here.refreshed().await.is_signed_in().await;
    elsewhere.is_signed_out().await;
    Client::new().sign_in(&here.email, &here.password).await.problem(401, "unauthenticated");
    Client::new().signed_in(&here.with_password(&password)).await.is_signed_in().await;
    let after = partner.owner().see(&here).await;
    assert_eq!((&after["must_change_password"], &after["version"]), (&json!(false), &json!(2)));
}

#[tokio::test]
async fn a_user_who_changes_their_password_must_give_the_current_one() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    let missing = ann.set_password(&ann, &secrets::password(), &json!({})).await;
    missing.problem(422, "validation_failed").names_field("current_password");
    let wrong = ann.set_own_password(&secrets::password(), &secrets::password()).await;
    wrong.problem(422, "validation_failed").names_field("current_password");
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn must_change_is_rejected_for_the_callers_own_password() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    for must_change in [true, false] {
        let more = json!({ "current_password": ann.password, "must_change": must_change });
        let answer = ann.set_password(&ann, &secrets::password(), &more).await;
        answer.problem(422, "validation_failed").names_field("must_change");
    }
}

#[tokio::test]
async fn current_password_is_accepted_only_for_the_callers_own_password() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let more = json!({ "current_password": ann.password });
    let answer = partner.owner().set_password(&ann, &secrets::password(), &more).await;
    answer.problem(422, "validation_failed").names_field("current_password");
}

#[tokio::test]
async fn guesses_of_the_current_password_are_limited() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for _ in 0..5 {
        let answer = ann.set_own_password(&secrets::password(), &secrets::password()).await;
        answer.problem(422, "validation_failed").names_field("current_password");
    }
    let blocked = ann.set_own_password(&ann.password, &secrets::password()).await;
    blocked.problem(429, "too_many_requests");
    assert!((1..=900).contains(&blocked.retry_after()), "{blocked}");
    ann.is_signed_in().await;
}

#[tokio::test]
async fn none_of_the_last_five_passwords_can_be_used_again() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut used = vec![ann.password.clone()];
    for _ in 0..5 {
        let password = secrets::password();
        ann.set_own_password(used.last().unwrap(), &password).await.expect(204);
        used.push(password);
    }
    for last in &used[1..] {
        let answer = partner.owner().set_password(&ann, last, &json!({})).await;
        answer.problem(422, "password_rejected").names_field("password");
    }
    let answer = ann.set_own_password(&used[5], &used[1]).await;
    answer.problem(422, "password_rejected").names_field("password");
    ann.set_own_password(&used[5], &used[0]).await.expect(204);
}

#[tokio::test]
async fn a_password_must_not_contain_the_users_name_or_email() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Featherstone").email("marigold.baker@example.com").created().await;
    for name in ["featherstone", "marigold.baker"] {
        let password = format!("{name}-{}", secrets::random(12));
        let answer = partner.owner().set_password(&ann, &password, &json!({})).await;
        answer.problem(422, "password_rejected").names_field("password");
    }
    let missing = partner.owner().put(&format!("{}/password", ann.path()), &json!({})).await;
    missing.problem(422, "validation_failed").names_field("password");
}

#[tokio::test]
async fn only_the_primary_admin_sets_the_primary_admins_password() {
    let partner = Partner::new().await;
    let (owner, admin) = (partner.owner(), partner.new_user("admin").await);
    let password = secrets::password();
    admin.set_password(owner, &password, &json!({})).await.problem(403, "primary_admin_protected");
    owner.set_own_password(&owner.password, &password).await.expect(204);
    owner.is_signed_in().await;
}

#[tokio::test]
async fn a_manager_cannot_set_the_password_of_an_admin() {
    let partner = Partner::new().await;
    let (manager, admin) = (partner.new_user("manager").await, partner.new_user("admin").await);
    let answer = manager.set_password(&admin, &secrets::password(), &json!({})).await;
    answer.problem(403, "exceeds_own_permissions");
    admin.is_signed_in().await;
}

#[tokio::test]
async fn a_viewer_cannot_set_the_password_of_another_user() {
    let partner = Partner::new().await;
    let (viewer, other) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let answer = viewer.set_password(&other, &secrets::password(), &json!({})).await;
    answer.problem(403, "missing_permission");
}
