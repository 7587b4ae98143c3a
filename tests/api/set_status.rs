//! `PUT /v1/users/{user_id}/status`.

use futures::future::{join, join3};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, invoke, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_suspended_user_loses_access_at_once_and_keeps_all_data() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("manager").await;
    let (refreshed, elsewhere) = (ann.refreshed().await, ann.elsewhere().await);
    let before = owner.see(&ann).await;

    let answer = owner.suspend(&ann).await.expect(200);

    for session in [&ann, &refreshed, &elsewhere] {
        session.is_signed_out().await;
        session.cannot_refresh().await;
    }
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    let mut expected = before;
    for (field, value) in [
        ("status", json!("suspended")),
        ("version", json!(2)),
        ("signed_out_at", answer.json["updated_at"].clone()),
        ("updated_at", answer.json["updated_at"].clone()),
    ] {
        expected[field] = value;
    }
    assert_eq!(*answer.user(), expected);
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(owner.see(&ann).await, expected);
    assert!(Rows::of(&stack().ready).cognito_users(&ann).await.is_empty(), "the generation has also ended in Cognito");
}

#[tokio::test]
async fn a_reactivated_user_can_sign_in_but_old_sessions_stay_ended() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    owner.suspend(&ann).await.expect(200);

    let answer = owner.reactivate(&ann).await.expect(200);

    assert_eq!((&answer.user()["status"], answer.header("etag")), (&json!("active"), "\"3\""));
    ann.is_signed_out().await;
    ann.cannot_refresh().await;
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn setting_the_current_status_changes_nothing() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let ann = partner.new_user("viewer").await;
    let events = rows.audit(&partner.id).await.len();
    assert_eq!(owner.reactivate(&ann).await.expect(200).user()["version"], 1);
    ann.is_signed_in().await;
    assert_eq!(rows.audit(&partner.id).await.len(), events);

    let first = owner.suspend(&ann).await.expect(200);
    assert_eq!(owner.suspend(&ann).await.expect(200).json, first.json);
    owner.suspend(&ann).if_match("\"1\"").await.problem(412, "version_mismatch");
    assert_eq!(rows.audit(&partner.id).await.len(), events + 1);
}

#[tokio::test]
async fn a_new_reason_for_the_same_status_is_recorded_without_other_changes() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let ann = partner.new_user("viewer").await;
    let first = owner.suspend(&ann).await.expect(200);
    let events = rows.audit(&partner.id).await.len();
    let body = json!({ "status": "suspended", "reason": "On leave" });
    let second = owner.set_status(&ann, &body).if_match("\"2\"").await.expect(200);

    let mut expected = first.json.clone();
    expected["version"] = json!(3);
    expected["updated_at"] = second.json["updated_at"].clone();
    assert_eq!(second.json, expected, "no session is left to end");
    owner.set_status(&ann, &body).if_match("\"2\"").await.problem(412, "version_mismatch");
    assert_eq!(rows.audit(&partner.id).await.len(), events + 1);
    let page = owner.get("/v1/audit-events?limit=1").await.expect(200);
    assert_eq!(page.text_at("/items/0/summary"), "Olive Owner noted why Nora Newcomer is suspended: On leave");
    assert_eq!(page.json["items"][0]["after"], json!({ "reason": "On leave" }));
    assert!(rows.marks(&ann).await.len() <= 1);
    owner.reactivate(&ann).await.expect(200);
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn the_reason_is_stored_only_in_the_audit_trail() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let ann = partner.new_user("viewer").await;
    let body = json!({ "status": "suspended", "reason": " On leave until May " });
    let answer = owner.set_status(&ann, &body).await.expect(200);
    assert!(!answer.json.to_string().contains("On leave"), "{answer}");

    let events = rows.audit(&partner.id).await;
    let event = events.last().unwrap();
    assert_eq!(event["action"].as_s().unwrap(), "user.suspended");
    let (before, after) = (event["before"].as_m().unwrap(), event["after"].as_m().unwrap());
    assert_eq!(before["status"].as_s().unwrap(), "active");
    assert_eq!(after["status"].as_s().unwrap(), "suspended");
    assert_eq!(after["reason"].as_s().unwrap(), "On leave until May");
    assert!(!format!("{:?}", rows.user(&ann).await).contains("On leave"));

    owner.reactivate(&ann).await.expect(200);
    let events = rows.audit(&partner.id).await;
    let event = events.last().unwrap();
    assert_eq!(event["action"].as_s().unwrap(), "user.reactivated");
    assert!(!event["after"].as_m().unwrap().contains_key("reason"));
}

#[tokio::test]
async fn an_invalid_body_names_the_field() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    for (body, field) in [
        (json!({}), "status"),
        (json!({ "status": "asleep" }), "status"),
        (json!({ "status": 1 }), "status"),
        (json!({ "status": "suspended", "reason": "x".repeat(501) }), "reason"),
        (json!({ "status": "suspended", "reason": "one\ntwo" }), "reason"),
        (json!({ "status": "suspended", "reason": " " }), "reason"),
        (json!({ "status": "suspended", "reason": false }), "reason"),
    ] {
        partner.owner().set_status(&ann, &body).await.problem(422, "validation_failed").names_field(field);
    }
    let body = json!({ "status": "suspended", "until": "Friday" });
    partner.owner().set_status(&ann, &body).await.problem(400, "invalid_request").names_field("until");
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
    let body = json!({ "status": "suspended", "reason": "é".repeat(500) });
    partner.owner().set_status(&ann, &body).await.expect(200);
}

#[tokio::test]
async fn no_user_suspends_themselves_or_the_primary_admin() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    admin.suspend(&admin).await.problem(403, "self_change_forbidden");
    admin.suspend(partner.owner()).await.problem(403, "primary_admin_protected");
    partner.owner().suspend(partner.owner()).await.problem(403, "self_change_forbidden");
    admin.is_signed_in().await;
    partner.owner().is_signed_in().await;
}

#[tokio::test]
async fn a_suspension_needs_the_remove_permission_over_the_target() {
    let partner = Partner::new().await;
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    manager.suspend(&viewer).await.problem(403, "missing_permission");
    let held = ["users.read", "users.remove"];
    let weak = partner.owner().add("Wea", "Kly").role("admin").permissions(&held).signed_in().await;
    weak.suspend(&manager).await.problem(403, "exceeds_own_permissions");
    weak.suspend(&viewer).await.expect(200);
    partner.owner().suspend(&manager).await.expect(200);
    weak.reactivate(&manager).await.problem(403, "exceeds_own_permissions");
}

#[tokio::test]
async fn a_suspension_voids_a_challenge_for_good() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    partner.owner().suspend(&ann).await.expect(200);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    partner.owner().reactivate(&ann).await.expect(200);
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    client.challenged(&ann).await;
}

#[tokio::test]
async fn a_password_set_during_a_suspension_works_after_the_reactivation() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().suspend(&ann).await.expect(200);
    let new = ann.with_password(&secrets::password());
    partner.owner().set_password(&ann, &new.password, &json!({ "must_change": false })).await.expect(204);
    Client::new().sign_in(&new.email, &new.password).await.problem(401, "unauthenticated");
    partner.owner().reactivate(&ann).await.expect(200);
    Client::new().signed_in(&new).await.is_signed_in().await;
}

#[tokio::test]
async fn a_sign_in_that_races_with_a_suspension_does_not_outlive_it() {
    let partner = Partner::new().await;
    for _ in 0..6 {
        let ann = partner.new_user("viewer").await;
        let client = Client::new();
        let sign_in = client.sign_in(&ann.email, &ann.password).into_future();
        let (answer, suspended) = join(sign_in, partner.owner().suspend(&ann).into_future()).await;
        suspended.expect(200);
        if answer.status == 200 {
            Actor::from_answer(client, ann.user.clone(), &answer).is_signed_out().await;
        } else {
            answer.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn an_admin_who_is_being_suspended_commits_before_or_not_at_all() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for _ in 0..6 {
        let (ann, bob) = (partner.new_user("admin").await, partner.new_user("viewer").await);
        let (of_ann, of_bob, again) = join3(
            owner.suspend(&ann).into_future(),
            ann.suspend(&bob).into_future(),
            owner.suspend(&ann).into_future(),
        )
        .await;
        assert_eq!(of_ann.expect(200).user()["version"], 2);
        assert_eq!(again.expect(200).user()["version"], 2, "the user is suspended once");
        if of_bob.status != 200 {
            of_bob.problem(401, "session_ended");
        }
        let expected = if of_bob.status == 200 { "suspended" } else { "active" };
        assert_eq!(owner.see(&bob).await["status"], expected);
        ann.suspend(&bob).await.problem(401, "session_ended");
    }
}

#[tokio::test]
async fn repair_does_not_undo_a_suspension() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().suspend(&ann).await.expect(200);
    invoke(&stack().ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();
    assert_eq!(partner.owner().see(&ann).await["status"], "suspended");
    ann.is_signed_out().await;
}
