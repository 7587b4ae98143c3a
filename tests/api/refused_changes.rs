//! The events of refused changes in the history. `coverage` checks that every route records them.

use std::collections::BTreeSet;

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Partner, User, secrets, stack};
use serde_json::{Value, json};

/// The refusals in the history, newest first.
pub(crate) async fn refusals(owner: &Actor) -> Vec<Value> {
    let page = owner.get("/v1/audit-events?action=change.refused&limit=100").await.expect(200);
    page.json["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_refusal_event_has_the_actor_the_action_the_target_and_the_reason() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let manager = partner.new_user("manager").await;
    let admin = owner.add("Ada", "Min").role("admin").signed_in().await;
    let change = json!({ "first_name": "Eve" });
    let new = json!({ "first_name": "Ann", "last_name": "Lee", "email": secrets::email("ann"), "role": "admin" });

    let cases = [
        (admin.edit(owner, &change), "edit_user", Some(owner.id.as_str()), "Ada Min tried to edit Olive Owner"),
        (admin.remove(&admin), "remove_user", Some(&admin.id), "Ada Min tried to remove Ada Min"),
        (
            manager.set_permissions(&admin, &json!({ "role": "viewer" })),
            "set_permissions",
            Some(&admin.id),
            "Nora Newcomer tried to set the role and permissions of Ada Min",
        ),
        (
            manager.force_logout(&admin),
            "force_logout",
            Some(&admin.id),
            "Nora Newcomer tried to end the sessions of Ada Min",
        ),
        (manager.post("/v1/users", &new), "add_user", None, "Nora Newcomer tried to add a user"),
    ];
    let codes = [
        "primary_admin_protected",
        "self_change_forbidden",
        "missing_permission",
        "exceeds_own_permissions",
        "exceeds_own_permissions",
    ];
    for (number, ((call, attempted, target, sentence), code)) in cases.into_iter().zip(codes).enumerate() {
        call.await.problem(403, code);
        let recorded = refusals(owner).await;
        assert_eq!(recorded.len(), number + 1, "{recorded:?}");
        let event = &recorded[0];
        assert_eq!(event["target"]["id"].as_str(), target, "{event}");
        assert_eq!(event["before"], json!({}), "{event}");
        assert_eq!(event["after"], json!({ "attempted": attempted, "code": code }), "{event}");
        assert_eq!(event["summary"], format!("{sentence} and was refused ({})", code.replace('_', " ")));
        assert!(event["address"].as_str().unwrap().starts_with("127."), "{event}");
    }
}

#[tokio::test]
async fn the_same_refusal_is_recorded_once_a_minute_for_all_targets() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (viewer, other) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let users = [&**owner, &*other];

    let calls = (0..20).map(|number| viewer.force_logout(users[number % 2]).into_future());
    for answer in join_all(calls).await {
        assert_eq!(answer.status, 403, "{answer}");
    }
    other.force_logout(&viewer).await.problem(403, "missing_permission");
    viewer.remove(&other).await.problem(403, "missing_permission");

    let recorded = refusals(owner).await;
    let minutes: BTreeSet<_> = recorded
        .iter()
        .map(|event| {
            format!("{} {} {}", event["actor"]["id"], event["after"]["attempted"], &event["at"].as_str().unwrap()[..16])
        })
        .collect();
    assert_eq!(minutes.len(), recorded.len(), "a refusal is recorded once a minute: {recorded:?}");
    let kinds: BTreeSet<_> =
        recorded.iter().map(|event| format!("{} {}", event["actor"]["id"], event["after"]["attempted"])).collect();
    assert_eq!(kinds.len(), 3, "another caller or another action is another refusal: {recorded:?}");
}

#[tokio::test]
async fn the_item_that_prevents_a_second_record_expires_and_the_event_does_not() {
    let partner = Partner::new().await;
    let viewer = partner.new_user("viewer").await;
    viewer.remove(partner.owner()).await.problem(403, "primary_admin_protected");
    let rows = Rows::of(&stack().ready);
    let kept = rows.refusals(&viewer).await;
    assert_eq!(kept.len(), 1);
    let expires_at: u64 = kept[0]["expires_at"].as_n().unwrap().parse().unwrap();
    // A new session expires after 30 days.
    let session: u64 = rows.sessions(&viewer).await[0]["expires_at"].as_n().unwrap().parse().unwrap();
    let signed_in = session - 30 * 24 * 60 * 60;
    assert!(expires_at >= signed_in + 60, "the item must not expire within its minute");
    for event in rows.audit(&partner.id).await {
        let is_sign_in = event["action"].as_s().unwrap() == "session.started";
        assert!(is_sign_in || !event.contains_key("expires_at"), "{event:?}");
    }
}

#[tokio::test]
async fn a_wrong_current_password_is_recorded_as_a_refusal() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let answer = ann.set_own_password(&secrets::password(), &secrets::password()).await;
    answer.problem(422, "validation_failed");
    is_wrong_password(&refusals(owner).await, &ann, &ann, "set_password");
}

/// Checks that the only refusal is that of a wrong current password.
pub(crate) fn is_wrong_password(refusals: &[Value], actor: &User, target: &User, attempted: &str) {
    let recorded: Vec<_> =
        refusals.iter().map(|event| (&event["actor"]["id"], &event["target"]["id"], &event["after"])).collect();
    let why = json!({ "attempted": attempted, "code": "wrong_current_password" });
    assert_eq!(recorded, [(&json!(actor.id), &json!(target.id), &why)]);
}

#[tokio::test]
async fn refused_reads_and_failed_changes_are_not_recorded_as_refusals() {
    let (partner, elsewhere) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    let weak = owner.add("Wea", "Kly").role("viewer").permissions(&[]).signed_in().await;

    weak.get("/v1/users").await.problem(403, "missing_permission");
    weak.get("/v1/audit-events").await.problem(403, "missing_permission");
    weak.get(&owner.path()).await.problem(403, "missing_permission");
    weak.edit(elsewhere.owner(), &json!({ "first_name": "Eve" })).await.problem(404, "not_found");
    weak.edit(&weak, &json!({ "first_name": "" })).await.problem(422, "validation_failed");
    owner.edit(&weak, &json!({ "first_name": "Eve" })).if_match("\"7\"").await.problem(412, "version_mismatch");

    assert_eq!(refusals(owner).await, Vec::<Value>::new());
    assert_eq!(refusals(elsewhere.owner()).await, Vec::<Value>::new());
}
