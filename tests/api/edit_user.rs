//! `PATCH /v1/users/{user_id}`.

use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, secrets, stack};
use serde_json::{Value, json};

#[tokio::test]
async fn an_edit_changes_only_the_given_fields() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let before = owner.see(&ann).await;

    let answer = owner.edit(&ann, &json!({ "last_name": "Lee-Ray" })).await.expect(200);

    let mut expected = before.clone();
    expected["last_name"] = "Lee-Ray".into();
    expected["version"] = 2.into();
    expected["updated_at"] = answer.json["updated_at"].clone();
    assert_eq!(*answer.user(), expected);
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(owner.see(&ann).await, expected);
    Client::new().signed_in(&ann).await;
}

#[tokio::test]
async fn a_new_email_signs_in_and_the_old_one_becomes_free() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").signed_in().await;
    let email = secrets::email("Ann");

    owner.edit(&ann, &json!({ "email": email })).await.expect(200);

    ann.is_signed_in().await;
    let client = Client::new();
    client.sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    client.sign_in(&email, &ann.password).await.expect(200);
    owner.add("Bob", "Ray").email(&ann.email).created().await;
    owner.add("Bob", "Ray").email(&email).send().await.problem(409, "email_taken");
}

#[tokio::test]
async fn the_case_of_an_email_can_change() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let email = ann.email.to_uppercase();
    let answer = partner.owner().edit(&ann, &json!({ "email": email })).await.expect(200);
    assert_eq!(answer.json["email"], email);
    partner.owner().add("Bob", "Ray").email(&ann.email).send().await.problem(409, "email_taken");
}

#[tokio::test]
async fn an_email_of_another_user_is_taken() {
    let partner = Partner::new().await;
    let (ann, bob) =
        (partner.owner().add("Ann", "Lee").created().await, partner.owner().add("Bob", "Ray").created().await);
    let answer = partner.owner().edit(&ann, &json!({ "email": bob.email.to_uppercase() })).await;
    answer.problem(409, "email_taken");
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
}

#[tokio::test]
async fn a_stale_if_match_changes_nothing() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let rename = |name: &str| owner.edit(&ann, &json!({ "first_name": name }));

    let first = rename("Anna").if_match("\"1\"").await.expect(200);
    rename("Annie").if_match("\"1\"").await.problem(412, "version_mismatch");
    assert_eq!(owner.see(&ann).await["first_name"], "Anna");
    rename("Annie").if_match(first.header("etag")).await.expect(200);
    rename("Anne").await.expect(200);
}

#[tokio::test]
async fn if_match_is_parsed_as_http_defines_it() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let rename = |name: &str| owner.edit(&ann, &json!({ "first_name": name }));
    for stale in ["W/\"1\"", "\"2\"", "\"0\", \"2\"", "\"0,*,2\""] {
        rename("Anna").if_match(stale).await.problem(412, "version_mismatch");
    }
    rename("Anna").if_match("\"0\"").if_match("\"2\"").await.problem(412, "version_mismatch");
    for unreadable in ["1", "", "\"1", "\"0\", *"] {
        rename("Anna").if_match(unreadable).await.problem(400, "invalid_request").names_field("If-Match");
    }
    rename("Anna").if_match("*").await.expect(200);
    rename("Annie").if_match("\"7\", \"2\"").await.expect(200);
    rename("Anne").if_match("\"7\"").if_match("\"3\"").await.expect(200);
}

#[tokio::test]
async fn an_empty_edit_changes_nothing() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let before = partner.owner().see(&ann).await;
    let answer = partner.owner().edit(&ann, &json!({})).await.expect(200);
    assert_eq!(*answer.user(), before);
}

#[tokio::test]
async fn an_edit_with_the_current_values_changes_nothing() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let ann = owner.add("Zoé", "Lee").created().await;
    let before = owner.see(&ann).await;
    let events = rows.audit(&partner.id).await.len();
    for same in [
        json!({}),
        json!({ "first_name": "Zoé", "last_name": "Lee", "email": ann.email }),
        // The same name with a combining accent, and with spaces around it.
        json!({ "first_name": " Zoe\u{301} " }),
    ] {
        let answer = owner.edit(&ann, &same).if_match("\"1\"").await.expect(200);
        assert_eq!((answer.user(), answer.header("etag")), (&before, "\"1\""), "{same}");
        owner.edit(&ann, &same).if_match("\"2\"").await.problem(412, "version_mismatch");
    }
    let access = json!({ "role": before["role"], "permissions": before["permissions"] });
    let answer = owner.set_permissions(&ann, &access).if_match("\"1\"").await.expect(200);
    assert_eq!((answer.user(), answer.header("etag")), (&before, "\"1\""));
    owner.set_permissions(&ann, &access).if_match("\"2\"").await.problem(412, "version_mismatch");
    assert_eq!(rows.audit(&partner.id).await.len(), events);
    // Another case of the letters is a change.
    owner.edit(&ann, &json!({ "email": ann.email.to_uppercase() })).if_match("\"1\"").await.expect(200);
}

#[tokio::test]
async fn a_request_that_changes_nothing_needs_the_read_permission() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo) =
        (owner.add("Ann", "Lee").role("viewer").permissions(&[]).created().await, partner.new_user("viewer").await);
    owner.suspend(&bo).await.expect(200);
    owner.set_permissions(&bo, &json!({ "role": "viewer", "permissions": [] })).await.expect(200);
    let held = ["users.edit", "users.remove", "users.set_permissions"];
    let blind = owner.add("Bli", "Nd").permissions(&held).signed_in().await;
    blind.get(&ann.path()).await.problem(403, "missing_permission");
    let unchanged = [
        blind.edit(&ann, &json!({})),
        blind.edit(&ann, &json!({ "first_name": "Ann" })),
        blind.edit(&ann, &json!({})).if_match("\"7\""),
        blind.set_permissions(&ann, &json!({ "role": "viewer", "permissions": [] })),
        blind.reactivate(&ann),
        blind.suspend(&bo),
    ];
    for call in unchanged {
        let answer = call.await;
        answer.problem(403, "missing_permission");
        assert!(answer.text_at("/detail").contains("users.read"), "{answer}");
    }
    let many = blind.change_users("suspend", [&*bo]).await.expect(200);
    assert_eq!((many.text_at("/results/0/outcome"), &many.json["results"][0]["user"]), ("refused", &Value::Null));
    // A change needs only its own permission, and every user may read their own record.
    blind.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    blind.suspend(&ann).await.expect(200);
    blind.edit(&blind, &json!({})).await.expect(200);
}

#[tokio::test]
async fn a_stale_if_match_is_rejected_by_every_change() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    let changes = [
        owner.set_password(&ann, &secrets::password(), &json!({})),
        owner.set_permissions(&ann, &json!({ "role": "viewer" })),
        owner.suspend(&ann),
        owner.force_logout(&ann),
        owner.remove(&ann),
    ];
    for change in changes {
        change.if_match("\"1\"").await.problem(412, "version_mismatch");
    }
    assert_eq!(owner.see(&ann).await["version"], 2);
    owner.remove(&ann).if_match("\"2\"").await.expect(204);
}

#[tokio::test]
async fn every_user_can_edit_their_own_name() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let answer = ann.edit(&ann, &json!({ "first_name": "Anna", "last_name": "Ray" })).await.expect(200);
    assert_eq!((&answer.json["first_name"], &answer.json["last_name"]), (&json!("Anna"), &json!("Ray")));
}

#[tokio::test]
async fn a_user_needs_the_edit_permission_to_change_their_own_email() {
    let partner = Partner::new().await;
    let viewer = partner.new_user("viewer").await;
    let edit = json!({ "first_name": "Vera", "email": secrets::email("vera") });
    viewer.edit(&viewer, &edit).await.problem(403, "missing_permission");
    assert_eq!(partner.owner().see(&viewer).await["version"], 1);
    for role in ["manager", "admin"] {
        let user = partner.new_user(role).await;
        user.edit(&user, &json!({ "email": secrets::email(role) })).await.expect(200);
    }
}

#[tokio::test]
async fn only_the_primary_admin_edits_the_primary_admin() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let edit = json!({ "first_name": "Oscar" });
    admin.edit(partner.owner(), &edit).await.problem(403, "primary_admin_protected");
    partner.owner().edit(partner.owner(), &edit).await.expect(200);
}

#[tokio::test]
async fn a_manager_edits_equal_users_but_no_more_powerful_ones() {
    let partner = Partner::new().await;
    let manager = partner.new_user("manager").await;
    let edit = json!({ "first_name": "Edith" });
    let equal = partner.owner().add("Ann", "Lee").role("manager").created().await;
    let admin = partner.owner().add("Bob", "Ray").role("admin").created().await;
    let audits =
        partner.owner().add("Cy", "Fox").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    manager.edit(&equal, &edit).await.expect(200);
    manager.edit(&admin, &edit).await.problem(403, "exceeds_own_permissions");
    manager.edit(&audits, &edit).await.problem(403, "exceeds_own_permissions");
}

#[tokio::test]
async fn a_viewer_cannot_edit_other_users() {
    let partner = Partner::new().await;
    let (viewer, other) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    viewer.edit(&other, &json!({ "first_name": "Eve" })).await.problem(403, "missing_permission");
}

#[tokio::test]
async fn a_last_name_can_be_removed_and_set_again() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").signed_in().await;
    let summary = async || {
        let events = owner.get(&format!("/v1/audit-events?user_id={}", ann.id)).await.expect(200);
        events.json["items"][0]["summary"].clone()
    };

    let answer = owner.edit(&ann, &json!({ "last_name": null })).await.expect(200);
    assert_eq!((&answer.user()["last_name"], &answer.json["version"]), (&Value::Null, &json!(2)));
    assert_eq!(summary().await, "Olive Owner changed the last name of Ann Lee from Lee to none");
    for same in [json!({}), json!({ "last_name": null }), json!({ "last_name": "" }), json!({ "last_name": " " })] {
        let answer = owner.edit(&ann, &same).await.expect(200);
        assert_eq!((&answer.json["last_name"], &answer.json["version"]), (&Value::Null, &json!(2)), "{same}");
    }

    ann.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    assert_eq!(summary().await, "Ann changed their own first name from Ann to Anna");
    let answer = owner.edit(&ann, &json!({ "last_name": "Ray" })).await.expect(200);
    assert_eq!((&answer.user()["first_name"], &answer.json["last_name"]), (&json!("Anna"), &json!("Ray")));
    assert_eq!(summary().await, "Olive Owner changed the last name of Anna to Ray");
    owner.edit(&ann, &json!({ "last_name": "" })).await.expect(200);
    assert_eq!(owner.see(&ann).await["last_name"], Value::Null);
}

#[tokio::test]
async fn users_change_their_own_language_and_an_editor_changes_that_of_others() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    let answer = ann.edit(&ann, &json!({ "language": "fr" })).await.expect(200);
    assert_eq!((&answer.user()["language"], &answer.json["version"]), (&json!("fr"), &json!(2)));
    ann.is_signed_in().await;
    let events = owner.get(&format!("/v1/audit-events?user_id={}&action=user.edited", ann.id)).await.expect(200);
    let event = &events.json["items"][0];
    assert_eq!((&event["before"], &event["after"]), (&json!({ "language": "en" }), &json!({ "language": "fr" })));
    assert_eq!(event["summary"], "Ann Lee changed their own language from en to fr");

    owner.edit(&ann, &json!({ "language": "en" })).await.expect(200);
    assert_eq!(owner.see(&ann).await["language"], "en");
    let bob = owner.add("Bob", "Ray").role("viewer").permissions(&[]).created().await;
    ann.edit(&bob, &json!({ "language": "fr" })).await.problem(403, "missing_permission");
    for language in [json!("es"), Value::Null, json!(["fr"])] {
        let answer = ann.edit(&ann, &json!({ "language": language })).await;
        answer.problem(422, "validation_failed").names_field("language");
    }
}
