//! `PUT /v1/settings`, and what a required second factor means for sign-ins and sessions.

use portal_tests::authenticator::recovery_codes;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Authenticator, Client, Partner, secrets, stack};
use serde_json::json;

/// A partner whose primary admin has an authenticator app and uses it in this session.
async fn protected() -> (Partner, Authenticator, Vec<String>) {
    let partner = Partner::new().await;
    let (app, codes) = partner.owner().enrolled().await;
    (partner, app, codes)
}

/// Adds an authenticator app in a sign-in. Returns the user, signed in.
async fn enrolled(client: Client, user: &portal_tests::User, session: &str, app: &Authenticator) -> Actor {
    let answer = client.enrol(session, &app.code()).await.expect(200);
    recovery_codes(&answer);
    assert_eq!(answer.json["user"]["second_factor"], "totp", "{answer}");
    Actor::from_answer(client, user.clone(), &answer)
}

#[tokio::test]
async fn only_the_primary_admin_with_a_second_factor_in_a_fresh_session_sets_it() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let admin = partner.new_user("admin").await;
    assert_eq!(admin.settings().await.expect(200).json, json!({ "second_factor": "optional" }));
    admin.require_factors("everyone").await.problem(403, "primary_admin_protected");
    owner.require_factors("everyone").await.problem(403, "second_factor_required");
    owner.enrolled().await;
    owner.require_factors("sometimes").await.problem(422, "validation_failed").names_field("second_factor");
    Rows::of(&stack().ready).age_sessions(owner).await;
    owner.require_factors("everyone").await.problem(403, "reauthentication_required");
    admin.is_signed_in().await;
}

#[tokio::test]
async fn sessions_that_lack_what_their_role_requires_end_with_the_next_request() {
    let (partner, ..) = protected().await;
    let owner = partner.owner();
    let (admin, viewer) = (partner.new_user("admin").await, partner.new_user("viewer").await);
    let with_factor = partner.new_user("admin").await;
    with_factor.enrolled().await;

    assert_eq!(owner.require_factors("admins").await.expect(200).json, json!({ "second_factor": "admins" }));
    assert_eq!(owner.settings().await.expect(200).json, json!({ "second_factor": "admins" }));
    admin.is_signed_out().await;
    admin.cannot_refresh().await;
    viewer.is_signed_in().await;
    with_factor.is_signed_in().await;
    owner.set_permissions(&viewer, &json!({ "role": "admin" })).await.expect(200);
    viewer.is_signed_out().await;

    owner.require_factors("optional").await.expect(200);
    admin.is_signed_in().await;
    let changes = owner.get("/v1/audit-events?action=settings.changed").await.expect(200);
    let summary = |index: usize| changes.json["items"][index]["summary"].as_str().unwrap();
    assert_eq!(summary(0), "Olive Owner changed the settings: a second factor is optional");
    assert_eq!(summary(1), "Olive Owner changed the settings: a second factor is required for admins");
    owner.require_factors("optional").await.expect(200);
    let unchanged = owner.get("/v1/audit-events?action=settings.changed").await.expect(200);
    assert_eq!(unchanged.json["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_user_chooses_a_password_and_adds_a_factor() {
    let (partner, ..) = protected().await;
    partner.owner().require_factors("everyone").await.expect(200);
    let ann = partner.owner().add("Ann", "Lee").role("viewer").without("must_change").created().await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    let chosen = secrets::password();
    let next = client.answer_challenge(&session, &chosen).await.expect(200);
    assert_eq!(next.json["challenge"], "second_factor_enrolment", "{next}");
    assert_eq!(next.json.as_object().unwrap().len(), 3, "{next}");
    let (session, app) = (secrets::remembered(next.text_at("/session")), Authenticator::of(&next.json["totp"]));
    client.enrol(&session, &app.wrong_code()).await.problem(422, "validation_failed").names_field("code");

    let ann = enrolled(client, &ann.with_password(&chosen), &session, &app).await;
    ann.is_signed_in().await;
    ann.client.enrol(&session, &app.code_after(1)).await.problem(401, "unauthenticated");
    Client::new().asked_for_factor(&ann).await;
    let events = partner.owner().get(&format!("/v1/audit-events?user_id={}", ann.id)).await.expect(200);
    let actions: Vec<&str> =
        events.json["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["session.started", "second_factor.added", "password.changed", "user.added"]);
}

#[tokio::test]
async fn five_wrong_codes_void_an_enrolment() {
    let (partner, ..) = protected().await;
    partner.owner().require_factors("everyone").await.expect(200);
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let client = Client::new();
    let asked = client.asked_for("second_factor_enrolment", &ann).await;
    let (session, app) = (asked.text_at("/session"), Authenticator::of(&asked.json["totp"]));
    for _ in 0..5 {
        client.enrol(session, &app.wrong_code()).await.problem(422, "validation_failed");
    }
    client.enrol(session, &app.code()).await.problem(401, "unauthenticated");
    assert_eq!(partner.owner().see(&ann).await["second_factor"], "none");
}

#[tokio::test]
async fn a_stolen_password_alone_adds_no_factor() {
    let (partner, ..) = protected().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().require_factors("everyone").await.expect(200);

    let stranger = Client::new();
    let refused = stranger.sign_in_at(&ann.partner_id, &ann.email, &ann.password).await;
    refused.problem(403, "enrolment_needs_proof");
    stranger.sign_in(&ann.email, &ann.password).await.problem(403, "enrolment_needs_proof");
    // The network is known.
    let asked = ann.client.asked_for("second_factor_enrolment", &ann).await;
    let app = Authenticator::of(&asked.json["totp"]);
    let known = enrolled(ann.client.clone(), &ann, asked.text_at("/session"), &app).await;
    known.is_signed_in().await;
}

#[tokio::test]
async fn a_password_that_was_just_set_for_the_user_is_proof_once() {
    let (partner, ..) = protected().await;
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let owner = partner.owner();
    owner.require_factors("everyone").await.expect(200);
    for (user, must_change) in [(&ann, false), (&bob, true)] {
        let password = secrets::password();
        owner.set_password(user, &password, &json!({ "must_change": must_change })).await.expect(204);
        let client = Client::new();
        let user = user.with_password(&password);
        let asked = if must_change {
            let session = client.challenged(&user).await;
            client.answer_challenge(&session, &secrets::password()).await.expect(200)
        } else {
            client.asked_for("second_factor_enrolment", &user).await
        };
        assert_eq!(asked.json["challenge"], "second_factor_enrolment");
        let app = Authenticator::of(&asked.json["totp"]);
        client.enrol(&secrets::remembered(asked.text_at("/session")), &app.code()).await.expect(200);
    }
}

#[tokio::test]
async fn a_required_factor_is_replaced_but_not_removed() {
    let (partner, ..) = protected().await;
    let owner = partner.owner();
    owner.require_factors("admins").await.expect(200);
    owner.remove_totp().await.problem(409, "factor_required");
    let app = Authenticator::of(&owner.start_totp().await.expect(200).json);
    assert_eq!(owner.confirm_totp(&app.code()).await.expect(200).json, json!({ "recovery_codes": null }));
    owner.is_signed_in().await;
    assert_eq!(owner.factors().await.expect(200).json["is_required"], true);
}

#[tokio::test]
async fn the_portal_is_handed_over_only_to_an_admin_with_the_required_factor() {
    let (partner, ..) = protected().await;
    let owner = partner.owner();
    let (ann, bea) = (partner.new_user("admin").await, partner.new_user("admin").await);
    bea.enrolled().await;
    owner.require_factors("admins").await.expect(200);
    owner.hand_over(&ann).await.problem(422, "validation_failed").names_field("user_id");
    owner.hand_over(&bea).await.expect(200);
    bea.is_signed_in().await;
}

#[tokio::test]
async fn the_list_and_the_review_show_who_lacks_a_factor() {
    let (partner, ..) = protected().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    let reasons = async || {
        let review = owner.get("/v1/access-review").await.expect(200);
        let items = review.json["items"].as_array().unwrap().clone();
        let of_ann = items.into_iter().find(|item| item["user"]["id"] == ann.id).unwrap();
        of_ann["reasons"].as_array().unwrap().contains(&json!("no_second_factor"))
    };
    assert!(!reasons().await, "a second factor is optional");
    owner.require_factors("everyone").await.expect(200);
    assert!(reasons().await);

    for (factor, expected) in [("none", &ann.id), ("totp", &owner.id)] {
        let list = owner.get(&format!("/v1/users?second_factor={factor}")).await.expect(200);
        assert_eq!(list.json["items"][0]["id"], expected.as_str(), "{list}");
        assert_eq!(list.json["total"], 1, "{list}");
    }
    owner.get("/v1/users?second_factor=passkey").await.expect(200);
    owner.get("/v1/users?second_factor=sms").await.problem(400, "invalid_request").names_field("second_factor");
    let table = owner.get("/v1/users").header("accept", "text/csv").await.expect(200);
    let mut reader = csv::Reader::from_reader(table.text.trim_start_matches('\u{feff}').as_bytes());
    assert_eq!(reader.headers().unwrap().iter().next_back(), Some("second_factor"));
}
