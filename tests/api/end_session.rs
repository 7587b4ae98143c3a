//! `DELETE /v1/users/{user_id}/sessions/{session_id}`.

use futures::future::{join, join3};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Partner, secrets, stack};

#[tokio::test]
async fn only_the_given_session_ends() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let (lost, refreshed) = (ann.elsewhere().await, ann.elsewhere().await);
    let of_lost = lost.refreshed().await;

    owner.end_session(&ann, &lost.session_id().await).await.expect(204);

    for session in [&lost, &of_lost] {
        session.is_signed_out().await;
        session.cannot_refresh().await;
    }
    for session in [&ann, &refreshed] {
        session.is_signed_in().await;
        session.refreshed().await.is_signed_in().await;
    }
    let after = owner.see(&ann).await;
    assert_eq!((&after["version"], &after["signed_out_at"]), (&1.into(), &serde_json::Value::Null));
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn every_user_can_end_their_own_sessions_even_the_current_one() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let elsewhere = ann.elsewhere().await;
    ann.end_session(&ann, &elsewhere.session_id().await).await.expect(204);
    elsewhere.is_signed_out().await;
    ann.is_signed_in().await;

    ann.end_session(&ann, &ann.session_id().await).await.expect(204);
    ann.is_signed_out().await;
    ann.cannot_refresh().await;
}

#[tokio::test]
async fn an_unknown_session_gets_404() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let id = ann.session_id().await;
    let long = "a".repeat(2_000);
    for unknown in ["0b2c4f7e-0000-4000-8000-000000000000", "x", "%23", "a%2Fb", "CHALLENGE%23x", &long] {
        let answer = owner.end_session(&ann, unknown).await;
        answer.problem(404, "not_found");
        assert_eq!(answer.text_at("/detail"), "There is no such session.");
    }
    owner.end_session(&bob, &id).await.problem(404, "not_found");
    ann.is_signed_in().await;

    owner.end_session(&ann, &id).await.expect(204);
    owner.end_session(&ann, &id).await.problem(404, "not_found");
    let again = ann.elsewhere().await;
    let id = again.session_id().await;
    owner.force_logout(&ann).await.expect(200);
    owner.end_session(&ann, &id).await.problem(404, "not_found");
}

#[tokio::test]
async fn ending_a_session_needs_the_force_logout_permission_over_the_target() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (admin, manager) = (partner.new_user("admin").await, partner.new_user("manager").await);
    let (viewer, other) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    viewer.end_session(&other, &other.session_id().await).await.problem(403, "missing_permission");
    manager.end_session(&admin, &admin.session_id().await).await.problem(403, "exceeds_own_permissions");
    admin.end_session(owner, &owner.session_id().await).await.problem(403, "primary_admin_protected");
    for actor in [&admin, owner, &other] {
        actor.is_signed_in().await;
    }
    manager.end_session(&other, &other.session_id().await).await.expect(204);
}

#[tokio::test]
async fn the_event_names_the_ended_session() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let ann = partner.new_user("viewer").await;
    let id = ann.session_id().await;
    let events = rows.audit(&partner.id).await.len();
    partner.owner().end_session(&ann, &id).await.expect(204);
    partner.owner().end_session(&ann, &id).await.problem(404, "not_found");

    let events = rows.audit(&partner.id).await.split_off(events);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["action"].as_s().unwrap(), "session.ended");
    let (actor, target) = (events[0]["actor"].as_m().unwrap(), events[0]["target"].as_m().unwrap());
    assert_eq!((actor["id"].as_s().unwrap(), target["id"].as_s().unwrap()), (&partner.owner().id, &ann.id));
    let before = events[0]["before"].as_m().unwrap();
    assert_eq!(*before["session_address"].as_s().unwrap(), ann.client.address);
    assert!(before["session_created_at"].is_s());
}

#[tokio::test]
async fn the_second_concurrent_end_of_a_session_gets_404() {
    let partner = Partner::new().await;
    let other = partner.new_user("admin").await;
    let rows = Rows::of(&stack().ready);
    for _ in 0..6 {
        let ann = partner.new_user("viewer").await;
        let id = ann.session_id().await;
        let events = rows.audit(&partner.id).await.len();
        let ends =
            join(partner.owner().end_session(&ann, &id).into_future(), other.end_session(&ann, &id).into_future());
        let (one, two) = ends.await;
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404], "{one}\n{two}");
        assert_eq!(rows.audit(&partner.id).await.len(), events + 1);
        ann.is_signed_out().await;
    }
}

#[tokio::test]
async fn a_session_end_that_races_with_a_promotion_is_authorized_or_rejected() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for _ in 0..6 {
        let (manager, ann) = (partner.new_user("manager").await, partner.new_user("viewer").await);
        let id = ann.session_id().await;
        let (ended, promoted, logout) = join3(
            manager.end_session(&ann, &id).into_future(),
            owner.set_permissions(&ann, &serde_json::json!({ "role": "admin" })).into_future(),
            owner.force_logout(&manager).into_future(),
        )
        .await;
        promoted.expect(200);
        logout.expect(200);
        let lives = ann.get("/v1/me").await.status == 200;
        assert_eq!(lives, ended.status != 204, "{ended}");
        match ended.status {
            204 => {}
            401 => _ = ended.problem(401, "session_ended"),
            _ => _ = ended.problem(403, "exceeds_own_permissions"),
        }
    }
}

#[tokio::test]
async fn a_password_change_that_races_with_a_session_end_succeeds() {
    let partner = Partner::new().await;
    for _ in 0..3 {
        let ann: Actor = partner.new_user("viewer").await;
        let elsewhere = ann.elsewhere().await;
        let id = elsewhere.session_id().await;
        let (changed, ended) = join(
            ann.set_own_password(&ann.password, &secrets::password()).into_future(),
            ann.end_session(&ann, &id).into_future(),
        )
        .await;
        changed.expect(204);
        assert!([204, 404].contains(&ended.status), "{ended}");
        elsewhere.is_signed_out().await;
        ann.is_signed_in().await;
    }
}
