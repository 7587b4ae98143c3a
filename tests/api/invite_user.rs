//! Invitations: `invite` in `POST /v1/users` and in the import, and `POST /v1/users/{user_id}/invitation`.

use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, secrets, stack};
use serde_json::{Value, json};

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

#[tokio::test]
async fn an_invited_user_has_no_password() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let answer = owner.add("Ann", "Lee").role("viewer").invite().send().await.expect(201);
    assert_eq!(answer.json["generated_password"], Value::Null);
    assert_eq!((&answer.json["status"], &answer.json["must_change_password"]), (&json!("active"), &json!(true)));
    assert_eq!(answer.json["pending"]["kind"], "invitation");
    let email = answer.text_at("/email");
    let client = Client::new();
    let wrong = client.sign_in(email, &secrets::password()).await;
    wrong.problem(401, "unauthenticated");
    let unknown = client.sign_in(&secrets::email("unused"), &secrets::password()).await;
    assert_eq!(wrong.json["detail"], unknown.json["detail"], "the response to a wrong password");
    for password in ["", " "] {
        client.sign_in(email, password).await.problem(401, "unauthenticated");
    }
    let listed = owner.get("/v1/users?pending=waiting").await.expect(200);
    assert_eq!(listed.json["items"][0]["id"], answer.json["id"]);
}

#[tokio::test]
async fn an_invitation_replaces_a_password() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let invite = || owner.add("Ann", "Lee").invite();
    let answer = invite().with("password", secrets::password()).send().await;
    answer.problem(422, "validation_failed").names_field("password");
    invite().with("must_change", false).send().await.problem(422, "validation_failed").names_field("must_change");
    invite().with("invite", "yes").send().await.problem(422, "validation_failed").names_field("invite");
    invite().with("must_change", true).send().await.expect(201);
    let given = owner.add("Ann", "Lee").with("invite", false).created().await;
    Client::new().signed_in(&given).await;
}

#[tokio::test]
async fn a_retry_invites_no_second_user() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let body = json!({ "first_name": "Ann", "last_name": "Lee", "email": secrets::email("ann"), "invite": true });
    let send = |body: &Value| owner.post("/v1/users", body).idempotency_key("ann");
    let first = send(&body).await.expect(201);
    for _ in 0..4 {
        let again = send(&body).await.expect(201);
        assert_eq!((again.header("idempotent-replayed"), &again.json["id"]), ("true", &first.json["id"]));
    }
    let mut other = body.clone();
    other["invite"] = false.into();
    send(&other).await.problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn another_invitation_voids_the_previous_one() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let ann = owner.add("Ann", "Lee").role("viewer").invited().await;
    rows.expire_invitation(&ann).await;
    assert_eq!(owner.get("/v1/users?pending=expired").await.expect(200).json["items"][0]["id"], ann.id);
    let first = rows.put_link(&ann, LinkKind::Invitation).await;

    let answer = owner.invite(&ann).await.expect(202);

    assert_eq!((answer.header("etag"), &answer.json["version"]), ("\"2\"", &json!(2)));
    assert_eq!(answer.json["pending"]["kind"], "invitation");
    assert_eq!(owner.get("/v1/users?pending=waiting").await.expect(200).json["items"][0]["id"], ann.id);
    Client::new().confirm_reset(&first, &secrets::password()).await.problem(422, "invalid_link");
    let second = rows.put_link(&ann, LinkKind::Invitation).await;
    let password = secrets::password();
    Client::new().confirm_reset(&second, &password).await.expect(204);
    Client::new().signed_in(&ann.with_password(&password)).await;
    let events = owner.get(&format!("/v1/audit-events?user_id={}&action=invitation.sent", ann.id)).await.expect(200);
    assert_eq!(events.json["items"][0]["summary"], "Olive Owner sent an invitation to Ann Lee");
}

#[tokio::test]
async fn a_user_with_an_initial_password_can_be_invited_and_others_cannot() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), rows());
    let initial = owner.add("Ann", "Lee").role("viewer").without("must_change").created().await;
    assert_eq!(owner.invite(&initial).await.expect(202).json["pending"]["kind"], "invitation");
    let token = rows.put_link(&initial, LinkKind::Invitation).await;
    Client::new().look_up(&token).await.expect(200);
    owner.set_password(&initial, &secrets::password(), &json!({})).await.expect(204);
    Client::new().look_up(&token).await.problem(422, "invalid_link");

    let chosen = owner.add("Bob", "Ray").role("viewer").created().await;
    owner.invite(&chosen).await.problem(409, "cannot_be_invited");
    let suspended = owner.add("Cat", "Fox").role("viewer").invited().await;
    owner.suspend(&suspended).await.expect(200);
    owner.invite(&suspended).await.problem(409, "cannot_be_invited");
    owner.reactivate(&suspended).await.expect(200);
    owner.invite(&suspended).await.expect(202);
    let removed = owner.add("Dan", "Gray").role("viewer").invited().await;
    let token = rows.put_link(&removed, LinkKind::Invitation).await;
    owner.remove(&removed).await.expect(204);
    owner.invite(&removed).await.problem(404, "not_found");
    Client::new().confirm_reset(&token, &secrets::password()).await.problem(422, "invalid_link");
}

#[tokio::test]
async fn only_users_who_may_add_the_user_invite_again() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let admin = owner.add("Ann", "Lee").role("admin").invited().await;
    let viewer = owner.add("Bob", "Ray").role("viewer").invited().await;
    let manager = partner.new_user("manager").await;
    manager.invite(&viewer).await.expect(202);
    manager.invite(&admin).await.problem(403, "exceeds_own_permissions");
    manager.invite(owner).await.problem(403, "primary_admin_protected");
    manager.invite(&manager).await.problem(403, "self_change_forbidden");
    let weak = partner.new_user("viewer").await;
    weak.invite(&viewer).await.problem(403, "missing_permission");
    let other = Partner::new().await;
    other.owner().invite(&viewer).await.problem(404, "not_found");
    owner.invite(&viewer).if_match("\"1\"").await.problem(412, "version_mismatch");
    owner.invite(&viewer).if_match("\"2\"").await.expect(202);
}

#[tokio::test]
async fn an_address_gets_three_invitations_in_a_day_from_one_partner() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").invited().await;
    for _ in 0..2 {
        owner.invite(&ann).await.expect(202);
    }
    let answer = owner.invite(&ann).await;
    answer.problem(429, "too_many_requests");
    assert!((1..=86_400).contains(&answer.retry_after()), "{answer}");
    assert_eq!(owner.see(&ann).await["version"], 3);
    owner.remove(&ann).await.expect(204);
    let again = owner.add("Ann", "Lee").invite().email(&ann.email.to_uppercase()).send().await;
    again.problem(429, "too_many_requests");
    owner.add("Ann", "Lee").email(&ann.email).created().await;
    other.owner().add("Ann", "Lee").email(&ann.email).invited().await;
    owner.add("Bob", "Ray").invited().await;
}

#[tokio::test]
async fn a_rejected_invitation_does_not_count() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    for _ in 0..4 {
        owner.add("Ann", "Lee").invite().email(&ann.email).send().await.problem(409, "email_taken");
    }
    owner.remove(&ann).await.expect(204);
    owner.add("Ann", "Lee").email(&ann.email).invited().await;
}

const HEADINGS: &str = "first_name,last_name,email,role\n";

#[tokio::test]
async fn an_import_invites_users() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let emails: Vec<String> = (0..45).map(|_| secrets::email("ann")).collect();
    let rows = emails.iter().map(|email| format!("Ann,Lee,{email},viewer\n")).collect::<Vec<_>>().concat();
    let import = |dry_run: bool| {
        let path = format!("/v1/users/import?dry_run={dry_run}&invite=true");
        owner.call("POST", &path).body("text/csv", format!("{HEADINGS}{rows}")).idempotency_key("team")
    };
    assert_eq!(import(true).await.expect(200).json["users"].as_array().unwrap().len(), 45);
    let report = import(false).await.expect(200);
    for result in report.json["results"].as_array().unwrap() {
        assert_eq!((&result["outcome"], &result["generated_password"]), (&json!("added"), &Value::Null), "{result}");
        assert_eq!(result["user"]["pending"]["kind"], "invitation");
    }
    assert_eq!(owner.get("/v1/users?pending=waiting").await.expect(200).json["total"], 45);
    for _ in 0..4 {
        let again = import(false).await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert!(again.json["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "added"));
    }
    let path = "/v1/users/import?dry_run=false&invite=false";
    let other = owner.call("POST", path).body("text/csv", format!("{HEADINGS}{rows}")).idempotency_key("team").await;
    other.problem(422, "idempotency_key_reused");
    owner
        .call("POST", "/v1/users/import?invite=maybe")
        .body("text/csv", format!("{HEADINGS}{rows}"))
        .await
        .problem(400, "invalid_request")
        .names_field("invite");
}

#[tokio::test]
async fn an_import_refuses_only_the_rows_above_the_limit_for_an_address() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").invited().await;
    owner.invite(&ann).await.expect(202);
    owner.invite(&ann).await.expect(202);
    owner.remove(&ann).await.expect(204);
    let table = format!("{HEADINGS}Ann,Lee,{},viewer\nBob,Ray,{},viewer\n", ann.email, secrets::email("bob"));
    let path = "/v1/users/import?dry_run=false&invite=true";
    let report = owner.call("POST", path).body("text/csv", table).await.expect(200);
    assert_eq!(report.json["results"][0]["outcome"], "refused", "{report}");
    assert_eq!(report.json["results"][0]["problem"]["code"], "too_many_requests", "{report}");
    assert_eq!(report.json["results"][1]["outcome"], "added", "{report}");
}

/// Starts its own stack, because the limit is a parameter.
#[tokio::test]
async fn a_partner_sends_a_limited_number_of_invitations_in_a_day() {
    let options = ["--ephemeral", "--parameter", "InvitationsPerDay=3"];
    let stack = portal_tests::Stack::start("invitations", &options).unwrap_or_else(|error| panic!("{error}"));
    let (partner, other) = (Partner::of(&stack.ready).await, Partner::of(&stack.ready).await);
    let owner = partner.owner();
    let table = |count: usize| {
        let row = |_| format!("Ann,Lee,{},viewer\n", secrets::email("ann"));
        format!("{HEADINGS}{}", (0..count).map(row).collect::<String>())
    };
    let import =
        |count: usize| owner.call("POST", "/v1/users/import?dry_run=false&invite=true").body("text/csv", table(count));
    import(4).await.problem(429, "too_many_requests");
    import(2).await.expect(200);
    let ann = owner.add("Ann", "Lee").role("viewer").invited().await;
    owner.invite(&ann).await.problem(429, "too_many_requests");
    owner.add("Ann", "Lee").invite().send().await.problem(429, "too_many_requests");
    import(1).await.problem(429, "too_many_requests");
    owner.add("Ann", "Lee").created().await;
    other.owner().add("Ann", "Lee").invited().await;
    stack.end("TERM");
}
