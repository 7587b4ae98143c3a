//! `POST /v1/users/{user_id}/force-logout`.
//!
//! Also runs with moto.

use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, invoke, stack};
use serde_json::json;

#[tokio::test]
async fn every_session_ends_with_the_next_request_and_a_new_sign_in_works() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    let (refreshed, elsewhere) = (ann.refreshed().await, ann.elsewhere().await);

    let answer = partner.owner().force_logout(&ann).await.expect(200);

    for session in [&ann, &refreshed, &elsewhere] {
        session.is_signed_out().await;
        session.cannot_refresh().await;
    }
    let again = ann.elsewhere().await;
    again.is_signed_in().await;
    again.refreshed().await.is_signed_in().await;
    ann.is_signed_out().await;
    let after = partner.owner().see(&ann).await;
    assert_eq!(answer.json, json!({ "signed_out_at": after["signed_out_at"] }));
    assert!(after["signed_out_at"].is_string());
    assert_eq!(after["version"], 2);
}

#[tokio::test]
async fn every_user_can_end_their_own_sessions() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let elsewhere = ann.elsewhere().await;
    ann.force_logout(&ann).await.expect(200);
    ann.is_signed_out().await;
    elsewhere.is_signed_out().await;
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn a_force_logout_can_be_repeated() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for version in 2..5 {
        let session = ann.elsewhere().await;
        partner.owner().force_logout(&ann).await.expect(200);
        session.is_signed_out().await;
        assert_eq!(partner.owner().see(&ann).await["version"], version);
    }
}

#[tokio::test]
async fn a_user_who_never_signed_in_can_be_signed_out() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    partner.owner().force_logout(&ann).await.expect(200);
    Client::new().signed_in(&ann).await.is_signed_in().await;
}

#[tokio::test]
async fn no_other_user_signs_the_primary_admin_out() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    admin.force_logout(partner.owner()).await.problem(403, "primary_admin_protected");
    partner.owner().is_signed_in().await;
    partner.owner().force_logout(partner.owner()).await.expect(200);
    partner.owner().is_signed_out().await;
}

#[tokio::test]
async fn a_manager_signs_out_equal_users_but_no_more_powerful_ones() {
    let partner = Partner::new().await;
    let (manager, equal) = (partner.new_user("manager").await, partner.new_user("manager").await);
    let (admin, viewer) = (partner.new_user("admin").await, partner.new_user("viewer").await);
    manager.force_logout(&equal).await.expect(200);
    manager.force_logout(&admin).await.problem(403, "exceeds_own_permissions");
    viewer.force_logout(&manager).await.problem(403, "missing_permission");
    admin.is_signed_in().await;
}

#[tokio::test]
async fn the_cognito_user_of_the_ended_generation_is_deleted() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let ann = partner.new_user("viewer").await;
    let before = rows.cognito_users(&ann).await;
    assert_eq!(before.len(), 1);

    partner.owner().force_logout(&ann).await.expect(200);
    let again = ann.elsewhere().await;
    invoke(&stack().ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();

    let after = rows.cognito_users(&ann).await;
    assert_eq!(after.len(), 1, "only the Cognito user of the new generation is left: {after:?}");
    assert_ne!(before, after);
    again.refreshed().await.is_signed_in().await;
}

#[tokio::test]
async fn an_admin_who_is_being_signed_out_commits_before_or_not_at_all() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let adds = (0..8).map(|_| admin.add("Ann", "Lee").role("viewer").send());
    let (logout, answers) =
        futures::future::join(partner.owner().force_logout(&admin).into_future(), futures::future::join_all(adds))
            .await;
    logout.expect(200);
    let after = admin.add("Ann", "Lee").role("viewer").send().await;
    after.problem(401, "session_ended");
    for answer in answers {
        assert!(answer.status == 201 || answer.json["code"] == "session_ended", "{answer}");
    }
}
