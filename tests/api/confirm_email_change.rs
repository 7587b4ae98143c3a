//! A change of one's own email while mail is on: `PATCH /v1/users/{user_id}` and `POST /v1/email-changes/confirm`.

use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, secrets, stack};
use serde_json::{Value, json};

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

/// Requests a new email of the actor, and returns it.
async fn request(actor: &Actor) -> String {
    let email = secrets::email("new");
    let answer = actor.edit(actor, &json!({ "email": email })).await.expect(200);
    assert_eq!((&answer.user()["email"], &answer.json["pending_email"]), (&json!(actor.email), &json!(email)));
    email
}

#[tokio::test]
async fn a_new_email_of_ones_own_counts_after_it_is_confirmed() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let ann = partner.new_user("admin").await;
    let email = request(&ann).await;
    Client::new().sign_in(&ann.email, &ann.password).await.expect(200);
    Client::new().sign_in(&email, &ann.password).await.problem(401, "unauthenticated");
    assert_eq!(owner.see(&ann).await["pending_email"], email);

    let token = rows.put_link(&ann, LinkKind::EmailChange).await;
    let answer = ann.confirm_email(&token).await.expect(200);

    assert_eq!((&answer.user()["email"], &answer.json["pending_email"]), (&json!(email), &Value::Null));
    assert_eq!((&answer.json["version"], answer.header("etag")), (&json!(3), "\"3\""));
    ann.is_signed_in().await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    Client::new().sign_in(&email, &ann.password).await.expect(200);
    ann.confirm_email(&token).await.problem(422, "invalid_link");
    let events = owner.get(&format!("/v1/audit-events?actor_id={}", ann.id)).await.expect(200);
    let events = events.json["items"].as_array().unwrap();
    let event =
        |action: &str| events.iter().find(|event| event["action"] == action).unwrap_or_else(|| panic!("{action}"));
    assert_eq!(event("email_change.requested")["after"], json!({ "pending_email": email }));
    assert_eq!(event("email_change.requested")["summary"], "Nora Newcomer asked to change their own email");
    assert_eq!(event("user.edited")["after"], json!({ "email": email }));
    owner.add("Bob", "Ray").email(&ann.email).created().await;
}

#[tokio::test]
async fn only_the_user_confirms_with_their_own_session() {
    let partner = Partner::new().await;
    let rows = rows();
    let (ann, bob) = (partner.new_user("admin").await, partner.new_user("admin").await);
    request(&ann).await;
    request(&bob).await;
    let token = rows.put_link(&ann, LinkKind::EmailChange).await;
    for other in [&bob, partner.owner(), Partner::new().await.owner()] {
        other.confirm_email(&token).await.problem(422, "invalid_link");
    }
    Client::new().post("/v1/email-changes/confirm", &json!({ "token": token })).await.gateway(401, "Unauthorized");
    for body in [json!({}), json!({ "token": null }), json!({ "token": [] })] {
        let answer = ann.post("/v1/email-changes/confirm", &body).await;
        answer.problem(422, "validation_failed").names_field("token");
    }
    ann.confirm_email("").await.problem(422, "invalid_link");
    let reset = rows.put_link(&ann, LinkKind::PasswordReset).await;
    ann.confirm_email(&reset).await.problem(422, "invalid_link");
    let expired = rows.put_expired_link(&bob, LinkKind::EmailChange).await;
    bob.confirm_email(&expired).await.problem(422, "invalid_link");
    ann.confirm_email(&token).await.expect(200);
}

#[tokio::test]
async fn every_other_change_voids_the_request() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    for change in
        ["another request", "the same request again", "cancelled", "logout", "own password", "password", "email"]
    {
        let ann = partner.new_user("admin").await;
        let email = request(&ann).await;
        let token = rows.put_link(&ann, LinkKind::EmailChange).await;
        let mut now = ann.clone();
        match change {
            "another request" => drop(request(&ann).await),
            "the same request again" => drop(ann.edit(&ann, &json!({ "email": email })).await.expect(200)),
            "cancelled" => {
                let answer = ann.edit(&ann, &json!({ "email": ann.email })).await.expect(200);
                assert_eq!(answer.json["pending_email"], Value::Null);
            }
            "logout" => {
                owner.force_logout(&ann).await.expect(200);
                now = ann.elsewhere().await;
            }
            "own password" => drop(ann.set_own_password(&ann.password, &secrets::password()).await.expect(204)),
            "password" => {
                let password = secrets::password();
                owner.set_password(&ann, &password, &json!({ "must_change": false })).await.expect(204);
                now = Client::new().signed_in(&ann.with_password(&password)).await;
            }
            _ => {
                let answer = owner.edit(&ann, &json!({ "email": secrets::email("admin") })).await.expect(200);
                assert_eq!(answer.json["pending_email"], Value::Null);
            }
        }
        now.confirm_email(&token).await.problem(422, "invalid_link");
        assert_ne!(owner.see(&ann).await["email"], email, "{change}");
    }
}

#[tokio::test]
async fn a_name_that_is_edited_does_not_void_the_request() {
    let partner = Partner::new().await;
    let (ann, rows) = (partner.new_user("admin").await, rows());
    let email = request(&ann).await;
    let token = rows.put_link(&ann, LinkKind::EmailChange).await;
    ann.edit(&ann, &json!({ "first_name": "Anna", "language": "fr" })).await.expect(200);
    let answer = ann.confirm_email(&token).await.expect(200);
    assert_eq!((&answer.json["email"], &answer.json["first_name"]), (&json!(email), &json!("Anna")));
}

#[tokio::test]
async fn an_email_that_was_taken_meanwhile_is_rejected() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let ann = partner.new_user("admin").await;
    let bob = owner.add("Bob", "Ray").created().await;
    ann.edit(&ann, &json!({ "email": bob.email.to_uppercase() })).await.problem(409, "email_taken");
    assert_eq!(owner.see(&ann).await["pending_email"], Value::Null);

    let email = request(&ann).await;
    let token = rows.put_link(&ann, LinkKind::EmailChange).await;
    let cat = owner.add("Cat", "Fox").email(&email).created().await;
    ann.confirm_email(&token).await.problem(409, "email_taken");
    owner.remove(&cat).await.expect(204);
    ann.confirm_email(&token).await.expect(200);
}

#[tokio::test]
async fn the_case_of_ones_own_email_changes_at_once() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    let email = ann.email.to_uppercase();
    let answer = ann.edit(&ann, &json!({ "email": email })).await.expect(200);
    assert_eq!((&answer.json["email"], &answer.json["pending_email"]), (&json!(email), &Value::Null));
}

#[tokio::test]
async fn an_admin_changes_the_email_of_another_user_at_once() {
    let partner = Partner::new().await;
    let ann = partner.new_user("admin").await;
    let email = secrets::email("ann");
    let answer = partner.owner().edit(&ann, &json!({ "email": email })).await.expect(200);
    assert_eq!((&answer.json["email"], &answer.json["pending_email"]), (&json!(email), &Value::Null));
}

#[tokio::test]
async fn a_user_without_the_permission_cannot_request_another_email() {
    let partner = Partner::new().await;
    let rows = rows();
    let viewer = partner.new_user("viewer").await;
    viewer.edit(&viewer, &json!({ "email": secrets::email("new") })).await.problem(403, "missing_permission");
    let admin = partner.new_user("admin").await;
    request(&admin).await;
    let token = rows.put_link(&admin, LinkKind::EmailChange).await;
    partner.owner().set_permissions(&admin, &json!({ "role": "viewer" })).await.expect(200);
    admin.confirm_email(&token).await.problem(403, "missing_permission");
}

#[tokio::test]
async fn an_address_gets_three_mails_in_a_day_from_one_partner() {
    let partner = Partner::new().await;
    let (ann, email) = (partner.new_user("admin").await, secrets::email("new"));
    for _ in 0..3 {
        ann.edit(&ann, &json!({ "email": email })).await.expect(200);
    }
    ann.edit(&ann, &json!({ "email": email })).await.problem(429, "too_many_requests");
    request(&ann).await;
}
