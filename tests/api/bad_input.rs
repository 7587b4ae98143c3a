//! Invalid input to every action that reads a body. Each has its problem with the names of the fields.

use portal_tests::{Client, Partner, secrets};
use serde_json::{Value, json};

/// Emails that the portal does not accept.
pub(crate) const MALFORMED_EMAILS: [&str; 8] = [
    "",
    "plain",
    "@example.com",
    "ann@",
    "ann@@example.com",
    "ann lee@example.com",
    "ann@exa mple.com",
    "ann\u{7}@example.com",
];

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_an_invalid_request() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let calls = [
        ("POST", "/v1/users".to_owned()),
        ("PATCH", ann.path()),
        ("PUT", format!("{}/password", ann.path())),
        ("PUT", format!("{}/permissions", ann.path())),
        ("POST", "/v1/access-review/decisions".to_owned()),
        ("POST", "/v1/users/bulk".to_owned()),
        ("POST", "/v1/sessions".to_owned()),
        ("POST", "/v1/sessions/challenge".to_owned()),
        ("POST", "/v1/sessions/refresh".to_owned()),
    ];
    for (method, path) in calls {
        let needs_a_body = path != "/v1/sessions/refresh";
        let bodies = ["{", "{\"first_name\":}", "[]", "5", "\"text\"", "{} {}", "nul", "null null", "\u{feff}{}"];
        for body in bodies.into_iter().chain(needs_a_body.then_some("null")) {
            let answer = owner.call(method, &path).body("application/json", body).await;
            answer.problem(400, "invalid_request");
        }
        let not_unicode = owner.call(method, &path).body("application/json", vec![b'"', 0xff, b'"']).await;
        not_unicode.problem(400, "invalid_request");
        let unknown = owner.call(method, &path).json(&json!({ "unheard_of": 1 })).await;
        unknown.problem(400, "invalid_request").names_field("unheard_of");
    }
}

#[tokio::test]
async fn null_counts_as_no_body_where_none_is_needed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").signed_in().await;
    let sent = |method: &str, path: &str| owner.call(method, path).body("application/json", " null\n");
    sent("GET", "/v1/me").await.expect(200);
    sent("GET", "/v1/users").await.expect(200);
    sent("POST", &format!("{}/force-logout", ann.path())).await.expect(200);
    ann.is_signed_out().await;
    sent("DELETE", &ann.path()).await.expect(204);
    owner.get(&ann.path()).await.problem(404, "not_found");
    sent("POST", "/v1/sessions/refresh").await.problem(401, "unauthenticated");
    sent("DELETE", "/v1/sessions/current").await.expect(204);
    owner.is_signed_out().await;
}

#[tokio::test]
async fn a_repeated_field_is_named() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let body = r#"{"first_name": "Eve", "last_name": "Roy", "first_name": "Ann", "first_name": "Bo"}"#;
    let answer = partner.owner().call("PATCH", &ann.path()).body("application/json", body).await;
    answer.problem(400, "invalid_request").names_field("first_name");
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
}

#[tokio::test]
async fn a_problem_lists_at_most_twenty_errors_and_shortens_long_names() {
    let unknown: serde_json::Map<_, _> = (0..5_000).map(|number| (format!("é{number}"), json!(0))).collect();
    let answer = Client::new().post("/v1/sessions", &Value::Object(unknown)).await;
    let problem = answer.problem(400, "invalid_request");
    assert!(problem.fields().len() == 20 && problem.fields().is_sorted(), "{answer}");
    assert!(answer.text_at("/detail").ends_with("Only the first of them are listed."), "{answer}");
    let long = "é".repeat(30_000);
    let answer = Client::new().post("/v1/sessions", &json!({ &long: 0 })).await;
    answer.problem(400, "invalid_request").names_field(&format!("{}…", "é".repeat(100)));
    let partner = Partner::new().await;
    let rows = "Ann,,plain\n".repeat(100);
    let answer = partner.owner().import_with_role("viewer", format!("first_name,last_name,email\n{rows}"), false).await;
    assert_eq!(answer.problem(422, "validation_failed").fields().len(), 20);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_utf_8_gets_415() {
    let client = Client::new();
    for kind in
        ["application/json; charset=utf-16", "application/json;charset=\"latin1\"", "application/json, text/csv"]
    {
        client.call("POST", "/v1/sessions").body(kind, "{}").await.problem(415, "unsupported_media_type");
    }
    client
        .call("POST", "/v1/sessions")
        .body("application/json;charset=\"UTF-8\"", "{}")
        .await
        .problem(422, "validation_failed");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_rejected_by_the_gateway() {
    let partner = Partner::new().await;
    let body = format!("{{\"first_name\": \"{}\"}}", "x".repeat(11 * 1024 * 1024));
    let answer = partner.owner().call("POST", "/v1/users").body("application/json", body).await;
    answer.gateway(413, "Request Entity Too Large");
    // The gateway also rejects a body that is too large for a Lambda event.
    let body = "x".repeat(7 * 1024 * 1024);
    let answer = partner.owner().call("POST", "/v1/users").body("application/json", body).await;
    answer.gateway(413, "Request Entity Too Large");
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let partner = Partner::new().await;
    for field in ["first_name", "last_name", "email"] {
        let answer = partner.owner().add("Ann", "Lee").without(field).send().await;
        answer.problem(422, "validation_failed").names_field(field);
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let partner = Partner::new().await;
    let wrong = [
        ("first_name", json!(5)),
        ("last_name", json!(["Lee"])),
        ("email", json!({})),
        ("email", Value::Null),
        ("role", json!(1)),
        ("permissions", json!("users.read")),
        ("permissions", json!([5])),
        ("password", json!(123_456_789_012_345_u64)),
        ("must_change", json!("yes")),
    ];
    for (field, value) in wrong {
        let answer = partner.owner().add("Ann", "Lee").with(field, value).send().await;
        answer.problem(422, "validation_failed").names_field(field);
    }
}

#[tokio::test]
async fn a_name_that_breaks_the_rules_is_named() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    for name in ["", "   ", &"x".repeat(101), "An\u{7}n", "Ann\nLee", "Ann\u{0}"] {
        // A person with a single name has no last name.
        let fields = if name.trim().is_empty() { &["first_name"][..] } else { &["first_name", "last_name"] };
        for field in fields.iter().copied() {
            let answer = owner.add("Ann", "Lee").with(field, name).send().await;
            answer.problem(422, "validation_failed").names_field(field);
            let mut change = json!({});
            change[field] = name.into();
            let answer = owner.edit(&ann, &change).await;
            answer.problem(422, "validation_failed").names_field(field);
        }
    }
}

#[tokio::test]
async fn an_email_that_breaks_the_rules_is_named() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let too_long = format!("{}@example.com", "x".repeat(250));
    for email in MALFORMED_EMAILS.into_iter().chain([too_long.as_str()]) {
        let answer = owner.add("Ann", "Lee").email(email).send().await;
        answer.problem(422, "validation_failed").names_field("email");
        owner.edit(&ann, &json!({ "email": email })).await.problem(422, "validation_failed").names_field("email");
    }
}

#[tokio::test]
async fn a_password_that_breaks_the_rules_is_rejected_with_its_reason() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rejected = [
        ("too_short", secrets::random(14)),
        ("too_long", secrets::random(129)),
        ("guessable", "passwordpassword1".to_owned()),
        ("contains_email", format!("marigold.baker-{}", secrets::random(12))),
        ("contains_name", format!("FEATHERSTONE-{}", secrets::random(12))),
    ];
    for (reason, password) in rejected {
        let bad = owner.add("Ann", "Featherstone").email("marigold.baker@example.com").with("password", password);
        let answer = bad.send().await;
        answer.problem(422, "password_rejected").names_field("password");
        assert_eq!(answer.json["errors"][0]["code"], reason, "{answer}");
    }
}

#[tokio::test]
async fn passwords_that_everyone_tries_first_are_rejected() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for password in [
        "motdepasse2026!",
        "Bienvenue@2026!!",
        "Password2026!!!!",
        "P@ssw0rd-P@ssw0rd",
        "azertyuiop12345",
        "Soleil2026Soleil",
        "Partner Portal 2026!",
        "PortailPartenaire26",
        "AcmeAgency2026!",
        "4cm3-4g3ncy-2026",
    ] {
        let answer = owner.add("Ann", "Lee").with("password", password).send().await;
        answer.problem(422, "password_rejected").names_field("password");
        assert_eq!(answer.json["errors"][0]["code"], "guessable", "{answer}");
    }
}

#[tokio::test]
async fn a_name_or_a_local_part_counts_only_as_a_word() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Featherstone").email("marigold@example.com").created().await;
    for (password, reason) in [
        ("marigold2026marigold!", "contains_email"),
        ("M4rigold-canoe-thimble", "contains_email"),
        ("canoeFeatherstoneOrbit", "contains_name"),
    ] {
        let answer = owner.set_password(&ann, password, &json!({})).await;
        answer.problem(422, "password_rejected");
        assert_eq!(answer.json["errors"][0]["code"], reason, "{answer}");
    }
    for more in ["velvetmarigoldscanoe", "featherstones.walnut"] {
        let password = secrets::remembered(format!("{more}-{}", secrets::random(8)));
        owner.set_password(&ann, &password, &json!({})).await.expect(204);
    }
}

#[tokio::test]
async fn the_longest_password_and_any_script_are_accepted() {
    let partner = Partner::new().await;
    for password in [secrets::random(128), format!("пароль из {} слов 🌻", secrets::random(9))] {
        partner.owner().add("Ann", "Lee").with("password", secrets::remembered(password)).signed_in().await;
    }
}

#[tokio::test]
async fn an_unknown_role_and_an_unknown_permission_are_named() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    owner.add("Ann", "Lee").role("emperor").send().await.problem(422, "validation_failed").names_field("role");
    let unknown = owner.add("Ann", "Lee").permissions(&["users.read", "users.fly"]).send().await;
    unknown.problem(422, "validation_failed").names_field("permissions");
    let unknown = owner.set_permissions(&ann, &json!({ "role": "emperor" })).await;
    unknown.problem(422, "validation_failed").names_field("role");
    let unknown = owner.set_permissions(&ann, &json!({ "role": "admin", "permissions": ["users.fly"] })).await;
    unknown.problem(422, "validation_failed").names_field("permissions");
}

#[tokio::test]
async fn all_errors_are_named_at_once() {
    let partner = Partner::new().await;
    let body = json!({ "first_name": "", "email": "plain", "role": "emperor", "permissions": 5, "password": "short" });
    let answer = partner.owner().post("/v1/users", &body).await;
    let problem = answer.problem(422, "validation_failed");
    problem.names_fields(&["first_name", "last_name", "email", "role", "permissions", "password"]);
}

#[tokio::test]
async fn a_problem_repeats_no_secret() {
    let password = secrets::password();
    let partner = Partner::new().await;
    let answers = [
        Client::new().sign_in(&partner.owner().email, &password).await,
        partner.owner().add("Ann", "Lee").with("password", password[..14].to_owned()).send().await,
        partner.owner().set_password(partner.owner(), &password, &json!({ "current_password": 5 })).await,
    ];
    for answer in answers {
        assert!(!answer.text.contains(&password[..14]), "{answer}");
    }
}

#[tokio::test]
async fn an_unknown_route_gets_404() {
    let partner = Partner::new().await;
    for (method, path) in [("PUT", "/v1/users"), ("GET", "/v2/users"), ("GET", "/v1/users/a/b"), ("POST", "/v1/me")] {
        partner.owner().call(method, path).await.gateway(404, "Not Found");
    }
}
