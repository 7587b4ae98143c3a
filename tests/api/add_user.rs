//! `POST /v1/users`.

use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, new_partner, secrets, stack};
use serde_json::{Value, json};

#[tokio::test]
async fn three_fields_are_enough_to_add_a_user() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let email = secrets::email("Ann");
    let body = json!({ "first_name": "Ann", "last_name": "Lee", "email": email });

    let answer = owner.post("/v1/users", &body).await.expect(201);

    let id = answer.text_at("/id");
    assert_eq!(answer.header("location"), format!("/v1/users/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.json["role"], "admin");
    assert_eq!(answer.json["status"], "active");
    assert_eq!(answer.json["must_change_password"], true);
    assert_eq!(answer.json["created_by"], owner.id);
    assert_eq!(answer.json["version"], 1);
    assert!(answer.json["last_sign_in_at"].is_null());
    assert!(answer.json["last_active_at"].is_null());
    let password = secrets::remembered(answer.text_at("/generated_password"));
    assert!(password.chars().count() >= 15);
    let again = owner.get(&format!("/v1/users/{id}")).await.expect(200);
    assert!(again.user()["generated_password"].is_null(), "the password is returned once");
    let signed_in = Client::new().sign_in(&email, &password).await.expect(200);
    assert_eq!(signed_in.json["challenge"], "new_password_required");
}

#[tokio::test]
async fn a_given_password_is_not_returned() {
    let partner = Partner::new().await;
    let answer = partner.owner().add("Ann", "Lee").send().await.expect(201);
    let password = answer.json.as_object().unwrap().get("generated_password");
    assert!(password.is_some_and(serde_json::Value::is_null), "the field exists and is null: {answer}");
    assert_eq!(answer.json["must_change_password"], false);
}

#[tokio::test]
async fn each_role_has_its_default_permissions() {
    let partner = Partner::new().await;
    for (role, expected) in crate::set_permissions::DEFAULTS {
        let answer = partner.owner().add("Ann", "Lee").role(role).send().await.expect(201);
        assert_eq!(crate::set_permissions::of(&answer.json), expected, "{role}");
    }
}

#[tokio::test]
async fn permissions_replace_the_default_set() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("manager").permissions(&["audit.read", "users.read"]);
    let answer = ann.send().await.expect(201);
    assert_eq!(crate::set_permissions::of(&answer.json), ["audit.read", "users.read"]);
    let none = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).send().await.expect(201);
    assert_eq!(none.json["permissions"], json!([]));
}

#[tokio::test]
async fn an_email_is_taken_in_any_case() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    for email in [ann.email.clone(), ann.email.to_uppercase(), partner.owner().email.to_uppercase()] {
        partner.owner().add("Bob", "Ray").email(&email).send().await.problem(409, "email_taken");
    }
}

#[tokio::test]
async fn an_email_is_kept_as_it_was_typed() {
    let partner = Partner::new().await;
    let email = secrets::email("ann").replace("ann", "Ann.O'Lee+Portal");
    let answer = partner.owner().add("Ann", "Lee").email(&email).send().await.expect(201);
    assert_eq!(answer.json["email"], email);
}

#[tokio::test]
async fn another_partner_may_use_the_same_email() {
    let partner = Partner::new().await;
    let other = new_partner(&stack().ready, &secrets::email("owner"), Some(&secrets::password())).await;
    partner.owner().add("Ann", "Lee").email(&other.email).created().await;
}

#[tokio::test]
async fn names_of_any_script_are_kept() {
    let partner = Partner::new().await;
    let long = "é".repeat(100);
    for (first, last) in [("李", "小龍"), ("Zoë", "O’Neill-Ångström"), ("Ναυσικά", "محمد"), (long.as_str(), "x")]
    {
        let answer = partner.owner().add("Ann", "Lee").with("first_name", first).with("last_name", last).send().await;
        let answer = answer.expect(201);
        assert_eq!((&answer.json["first_name"], &answer.json["last_name"]), (&json!(first), &json!(last)));
    }
}

#[tokio::test]
async fn a_manager_cannot_add_a_more_powerful_user() {
    let partner = Partner::new().await;
    let manager = partner.new_user("manager").await;
    // The default role is admin.
    manager.add("Ann", "Lee").send().await.problem(403, "exceeds_own_permissions");
    manager.add("Ann", "Lee").role("admin").send().await.problem(403, "exceeds_own_permissions");
    let more = manager.add("Ann", "Lee").role("manager").permissions(&["users.read", "audit.read"]).send().await;
    more.problem(403, "exceeds_own_permissions");
    manager.add("Ann", "Lee").role("manager").created().await;
    manager.add("Ann", "Lee").role("viewer").created().await;
}

#[tokio::test]
async fn no_user_adds_a_user_with_a_higher_role() {
    let partner = Partner::new().await;
    let manager = partner.new_user("manager").await;
    for permissions in [&["users.read"][..], &[]] {
        let answer = manager.add("Ann", "Lee").role("admin").permissions(permissions).send().await;
        answer.problem(403, "exceeds_own_permissions");
    }
    manager.add("Ann", "Lee").role("manager").created().await;
    let admin = partner.owner().add("Bo", "Day").permissions(&["users.read", "users.add"]).signed_in().await;
    admin.add("Cy", "Fox").role("admin").permissions(&["users.read"]).created().await;
}

#[tokio::test]
async fn a_partner_has_at_most_ten_thousand_users() {
    let partner = Partner::new().await;
    let (owner, counts) = (partner.owner(), Rows::of(&stack().ready));
    counts.set_user_count(&partner.id, 9_999).await;
    let last = owner.add("Ann", "Lee").created().await;
    owner.add("Bob", "Ray").send().await.problem(422, "user_limit_reached");
    assert_eq!(counts.user_count(&partner.id).await, 10_000);
    owner.remove(&last).await.expect(204);
    owner.add("Bob", "Ray").created().await;
}

#[tokio::test]
async fn a_viewer_cannot_add_users() {
    let partner = Partner::new().await;
    let viewer = partner.new_user("viewer").await;
    viewer.add("Ann", "Lee").role("viewer").send().await.problem(403, "missing_permission");
}

#[tokio::test]
async fn a_second_primary_admin_cannot_be_added() {
    let partner = Partner::new().await;
    let answer = partner.owner().add("Ann", "Lee").role("primary_admin").send().await;
    answer.problem(422, "validation_failed").names_field("role");
}

#[tokio::test]
async fn permissions_above_the_ceiling_of_the_role_are_rejected() {
    let partner = Partner::new().await;
    for (role, permission) in
        [("viewer", "users.edit"), ("manager", "users.set_permissions"), ("manager", "users.remove")]
    {
        let answer = partner.owner().add("Ann", "Lee").role(role).permissions(&["users.read", permission]).send().await;
        answer.problem(422, "validation_failed").names_field("permissions");
    }
}

#[tokio::test]
async fn one_name_is_enough() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for last_name in [Value::Null, json!(""), json!("  "), json!("\u{200B}")] {
        let suharto = owner.add("Suharto", "").with("last_name", last_name.clone()).created().await;
        let user = owner.see(&suharto).await;
        assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Suharto"), &Value::Null), "{last_name}");
        let events = owner.get(&format!("/v1/audit-events?user_id={}", suharto.id)).await.expect(200);
        let event = &events.json["items"][0];
        assert_eq!(event["summary"], "Olive Owner added Suharto as admin");
        assert_eq!((&event["target"]["name"], &event["after"]["last_name"]), (&json!("Suharto"), &Value::Null));
    }
    let guessable = owner.add("Suharto", "").with("password", "violet suharto stone 31").send().await;
    guessable.problem(422, "password_rejected").names_field("password");

    let body = json!({ "first_name": "Suharto", "last_name": null, "email": secrets::email("suharto") });
    let mut other = body.clone();
    other["last_name"] = "".into();
    let first = owner.post("/v1/users", &body).header("idempotency-key", "one-name").await.expect(201);
    secrets::remembered(first.text_at("/generated_password"));
    let again = owner.post("/v1/users", &other).header("idempotency-key", "one-name").await.expect(201);
    assert_eq!(again.json["id"], first.json["id"], "both requests ask for the same user");
}

#[tokio::test]
async fn the_first_name_is_required() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    for first_name in [Value::Null, json!(""), json!(" ")] {
        let answer = owner.add("Ann", "Lee").with("first_name", first_name.clone()).send().await;
        answer.problem(422, "validation_failed").names_field("first_name");
        let answer = owner.edit(&ann, &json!({ "first_name": first_name })).await;
        answer.problem(422, "validation_failed").names_field("first_name");
    }
}

#[tokio::test]
async fn a_new_user_has_the_language_of_the_caller_unless_another_one_is_given() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let language = async |add: portal_tests::Add<'_>| add.send().await.expect(201).json["language"].clone();
    assert_eq!(language(owner.add("Ann", "Lee")).await, "en");
    assert_eq!(language(owner.add("Ann", "Lee").with("language", "fr")).await, "fr");
    owner.edit(owner, &json!({ "language": "fr" })).await.expect(200);
    assert_eq!(language(owner.add("Ann", "Lee")).await, "fr");
    assert_eq!(language(owner.add("Ann", "Lee").with("language", Value::Null)).await, "fr");
    assert_eq!(language(owner.add("Ann", "Lee").with("language", "en")).await, "en");
    for (language, code) in
        [(json!("de"), "unknown_language"), (json!(""), "unknown_language"), (json!(1), "wrong_type")]
    {
        let answer = owner.add("Ann", "Lee").with("language", language).send().await;
        answer.problem(422, "validation_failed").names_field("language");
        assert_eq!(answer.json["errors"][0]["code"], code, "{answer}");
    }
}
