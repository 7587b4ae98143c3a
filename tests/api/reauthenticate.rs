//! `POST /v1/me/reauthentication`.

use portal_tests::rows::Rows;
use portal_tests::{Partner, secrets, stack};
use serde_json::json;

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

#[tokio::test]
async fn a_user_without_a_factor_sends_the_password() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    rows().age_sessions(&ann).await;
    ann.start_totp().await.problem(403, "reauthentication_required");
    for (body, field) in [
        (json!({}), "current_password"),
        (json!({ "current_password": secrets::password() }), "current_password"),
        (json!({ "current_password": null }), "current_password"),
    ] {
        ann.reauthenticate(&body).await.problem(422, "validation_failed").names_field(field);
    }
    let both = json!({ "current_password": ann.password, "code": "123456" });
    ann.reauthenticate(&both).await.problem(422, "validation_failed").names_field("code");
    ann.start_totp().await.problem(403, "reauthentication_required");
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.expect(204);
    ann.start_totp().await.expect(200);
    let refused = partner.owner().get("/v1/audit-events?action=sign_in.refused").await.expect(200);
    assert_eq!(refused.json["items"].as_array().unwrap().len(), 1, "{refused}");
}

#[tokio::test]
async fn a_user_with_a_factor_uses_it() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, codes) = ann.enrolled().await;
    rows().age_sessions(&ann).await;
    let password = ann.reauthenticate(&json!({ "current_password": ann.password })).await;
    password.problem(422, "validation_failed").names_fields(&["current_password", "code"]);
    let wrong = ann.reauthenticate(&json!({ "code": app.wrong_code() })).await;
    wrong.problem(422, "validation_failed").names_field("code");
    let code = app.code_after(1);
    ann.reauthenticate(&json!({ "code": code })).await.expect(204);
    ann.start_totp().await.expect(200);
    ann.reauthenticate(&json!({ "code": code })).await.problem(422, "validation_failed").names_field("code");
    ann.reauthenticate(&json!({ "code": codes[0] })).await.expect(204);
    ann.reauthenticate(&json!({ "code": codes[0] })).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn it_makes_no_other_session_fresh() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    rows().age_sessions(&ann).await;
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.expect(204);
    ann.start_totp().await.expect(200);
    elsewhere.start_totp().await.problem(403, "reauthentication_required");
}

#[tokio::test]
async fn wrong_passwords_and_wrong_codes_are_limited() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for _ in 0..5 {
        ann.reauthenticate(&json!({ "current_password": secrets::password() })).await.problem(422, "validation_failed");
    }
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.problem(429, "too_many_requests");

    let bob = partner.new_user("viewer").await;
    let (app, codes) = bob.enrolled().await;
    for _ in 0..10 {
        bob.reauthenticate(&json!({ "code": app.wrong_code() })).await.problem(422, "validation_failed");
    }
    bob.reauthenticate(&json!({ "code": codes[0] })).await.problem(429, "too_many_requests");
    // The limit is that of the user: a sign-in from there waits as well.
    let session = bob.client.asked_for_factor(&bob).await;
    bob.client.use_factor(&session, &codes[0]).await.problem(429, "too_many_requests");
}
