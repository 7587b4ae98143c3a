//! `POST /v1/users/import`.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use futures::future::join;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

const HEADINGS: &str = "first_name,last_name,email,role,permissions";

fn table(rows: &[String]) -> String {
    format!("{HEADINGS}\r\n{}\r\n", rows.join("\r\n"))
}

/// Line, field and code.
type Problem<'a> = (u64, &'a str, &'a str);

/// The problems of a dry run, in order.
fn problems(answer: &Answer) -> Vec<Problem<'_>> {
    assert_eq!(answer.status, 200, "{answer}");
    let problem = |problem: &'_ Value| -> u64 {
        assert_eq!(problem.as_object().unwrap().len(), 4, "{problem}");
        assert!(!problem["message"].as_str().unwrap().is_empty());
        problem["line"].as_u64().unwrap()
    };
    let found = answer.json["problems"].as_array().unwrap();
    found.iter().map(|it| (problem(it), it["field"].as_str().unwrap(), it["code"].as_str().unwrap())).collect()
}

/// The line, the outcome and the generated password of each row. Checks that every field exists.
fn results(answer: &Answer) -> Vec<(u64, String, Option<String>)> {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json["dry_run"], false);
    let result = |result: &Value| {
        assert_eq!(result.as_object().unwrap().len(), 6, "{result}");
        let outcome = result["outcome"].as_str().unwrap().to_owned();
        // A user from an earlier request may have been removed since.
        let is_removed = answer.header("idempotent-replayed") == "true" && result["user"].is_null();
        assert_eq!(result["user"].is_object() || is_removed, outcome == "added" || is_removed, "{result}");
        assert_eq!(result["problem"].is_null(), ["added", "exists"].contains(&outcome.as_str()), "{result}");
        let password = result["generated_password"].as_str().map(secrets::remembered);
        (result["line"].as_u64().unwrap(), outcome, password)
    };
    answer.json["results"].as_array().unwrap().iter().map(result).collect()
}

async fn total(owner: &Actor) -> Value {
    owner.get("/v1/users").await.expect(200).json["total"].clone()
}

#[tokio::test]
async fn imported_users_get_initial_passwords_that_must_be_changed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let emails = [secrets::email("ann"), secrets::email("bob"), secrets::email("zoe")];
    let rows = [
        format!("Ann,Lee,{},admin,", emails[0]),
        format!("Bob,\"Ray, jr.\",{},manager,users.read audit.read", emails[1]),
        format!("'=Zoë,Ö,{},viewer,", emails[2]),
    ];
    let planned = owner.import(table(&rows), true).await;
    assert_eq!(problems(&planned), []);
    assert_eq!((&planned.json["dry_run"], &planned.json["rows"]), (&json!(true), &json!(3)));
    assert_eq!(
        planned.json["users"][1],
        json!({
            "line": 3, "first_name": "Bob", "last_name": "Ray, jr.", "email": emails[1],
            "role": "manager", "permissions": ["users.read", "audit.read"],
        })
    );
    assert_eq!(total(owner).await, 1, "a dry run adds no user");
    assert_eq!(owner.import(table(&rows), true).await.json, planned.json);

    let answer = owner.import(table(&rows), false).await;
    let reported = results(&answer);
    assert_eq!(reported.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(total(owner).await, 4);
    let expected = [("admin", 8, "Ann"), ("manager", 2, "Bob"), ("viewer", 1, "=Zoë")];
    for (((_, outcome, password), result), (role, permissions, name)) in
        reported.iter().zip(answer.json["results"].as_array().unwrap()).zip(expected)
    {
        assert_eq!(outcome, "added");
        let user = &result["user"];
        assert_eq!((&user["role"], &user["first_name"]), (&json!(role), &json!(name)));
        assert_eq!(user["permissions"].as_array().unwrap().len(), permissions);
        assert_eq!((&user["must_change_password"], &user["version"]), (&json!(true), &json!(1)));
        assert_eq!(user["created_by"], owner.id);
        let added = User {
            id: user["id"].as_str().unwrap().to_owned(),
            partner_id: partner.id.clone(),
            email: result["email"].as_str().unwrap().to_owned(),
            password: password.clone().unwrap(),
        };
        assert_eq!(owner.see(&added).await, *user);
        Client::new().challenged(&added).await;
    }
    let passwords: BTreeSet<_> = reported.iter().filter_map(|(.., password)| password.clone()).collect();
    assert_eq!(passwords.len(), 3, "each user has a different password");
    let events = Rows::of(&stack().ready).audit(&partner.id).await;
    let added = events.iter().filter(|event| event["action"].as_s().unwrap() == "user.added");
    assert_eq!(added.count(), 3, "each user has an event");
    assert!(!format!("{events:?}").contains(passwords.first().unwrap()));
}

#[tokio::test]
async fn an_import_cannot_exceed_the_limit_of_users() {
    let partner = Partner::new().await;
    let (owner, counts) = (partner.owner(), Rows::of(&stack().ready));
    let rows: Vec<String> = ["ann", "bob", "cy"].map(|name| format!("Ann,Lee,{},viewer,", secrets::email(name))).into();
    counts.set_user_count(&partner.id, 9_998).await;
    for dry_run in [true, false] {
        let answer = owner.import(table(&rows), dry_run).await;
        if dry_run {
            assert_eq!(problems(&answer), [(4, "row", "user_limit_reached")]);
        } else {
            answer.problem(422, "validation_failed").names_field("line 4: row");
        }
    }
    assert_eq!(total(owner).await, 9_998);
    // An existing user does not count towards the limit.
    let own = format!("Olive,Owner,{},viewer,", owner.email);
    let fits = owner.import(table(&[own, rows[0].clone(), rows[1].clone()]), false).await;
    let outcomes: Vec<_> = results(&fits).into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["exists", "added", "added"]);
    assert_eq!(counts.user_count(&partner.id).await, 10_000);
    owner.import(table(&rows), true).await.expect(200);
}

#[tokio::test]
async fn a_repeated_import_adds_only_the_missing_users() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let bob = secrets::email("bob");
    let rows = [format!("Anna,Leigh,{},viewer,", ann.email.to_uppercase()), format!("Bob,Ray,{bob},viewer,")];

    let planned = owner.import(table(&rows), true).await;
    assert_eq!(problems(&planned), [(2, "email", "email_taken")], "a warning");
    let first = results(&owner.import(table(&rows), false).await);
    assert_eq!(first.iter().map(|(_, outcome, _)| outcome.as_str()).collect::<Vec<_>>(), ["exists", "added"]);
    let again = results(&owner.import(table(&rows), false).await);
    assert_eq!(again, [(2, "exists".to_owned(), None), (3, "exists".to_owned(), None)]);
    assert_eq!(owner.see(&ann).await["first_name"], "Ann", "an existing user does not change");
    assert_eq!(total(owner).await, 3);
}

#[tokio::test]
async fn every_error_in_every_row_is_reported_and_no_user_is_added() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let email = secrets::email("ann");
    let rows = [
        format!("Ann,Lee,{email},admin,"),
        ",Lee,plain,emperor,users.fly".to_owned(),
        format!("Bob,Ray,{},primary_admin,", secrets::email("bob")),
        format!("Cy,Ray,{},viewer,users.read users.remove", secrets::email("cy")),
        format!("Dee,Ray,{},admin,", email.to_uppercase()),
        format!("Eve,Ray,{},viewer,,more", secrets::email("eve")),
    ];
    let expected = [
        (3, "first_name", "required"),
        (3, "email", "malformed"),
        (3, "role", "unknown_role"),
        (3, "permissions", "unknown_permission"),
        (4, "role", "not_assignable"),
        (5, "permissions", "above_ceiling"),
        (6, "email", "repeated"),
        (7, "row", "too_many_cells"),
    ];
    let planned = owner.import(table(&rows), true).await;
    assert_eq!(problems(&planned), expected);
    assert_eq!(planned.json["rows"], 6);
    assert_eq!(planned.json["users"], json!([]), "no user would be added");

    let answer = owner.import(table(&rows), false).await;
    let fields: Vec<String> = expected.iter().map(|(line, field, _)| format!("line {line}: {field}")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    answer.problem(422, "validation_failed").names_fields(&fields);
    assert_eq!(total(owner).await, 1);
}

#[tokio::test]
async fn errors_in_the_file_are_reported_with_a_line() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let many = format!("{HEADINGS}\n{}", "Ann,Lee,a@b.c,viewer,\n".repeat(501));
    let cases: [(Vec<u8>, Vec<Problem<'_>>); 4] = [
        (b"".to_vec(), vec![(1, "file", "empty")]),
        (b"first_name,last_name,phone\nAnn,Lee,a@b.c".to_vec(), vec![(1, "email", "missing_column")]),
        (format!("{}\nAnn", ",x".repeat(500_000)).into_bytes(), vec![(1, "file", "too_many_columns")]),
        (many.into_bytes(), vec![(502, "file", "too_many_rows")]),
    ];
    for (body, expected) in cases {
        let planned = owner.import(body.clone(), true).await;
        let found: Vec<_> = problems(&planned).into_iter().filter(|(.., code)| *code != "repeated").collect();
        assert_eq!(found, expected);
        owner.import(body, false).await.problem(422, "validation_failed");
    }
    let semicolons = format!("\u{feff}email;first_name;last_name;role\n{};Ann;Lee;viewer\n", secrets::email("ann"));
    assert_eq!(problems(&owner.import(semicolons, true).await), []);
    let json = json!({ "users": [] });
    owner.post("/v1/users/import", &json).await.problem(415, "unsupported_media_type");
    for (query, field) in [
        ("dry_run=maybe", "dry_run"),
        ("dry_run=true&fast=yes", "fast"),
        ("role_if_missing=primary_admin", "role_if_missing"),
        ("role_if_missing=owner", "role_if_missing"),
    ] {
        let answer = owner.call("POST", &format!("/v1/users/import?{query}")).body("text/csv", "").await;
        answer.problem(400, "invalid_request").names_field(field);
    }
    for content_type in ["text/csv; charset=utf-9", "text/csv; charset=utf-8; charset=macintosh", "text/csvx"] {
        let unknown = owner.call("POST", "/v1/users/import").body(content_type, HEADINGS).await;
        unknown.problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn an_import_cannot_grant_permissions_that_the_caller_lacks() {
    let partner = Partner::new().await;
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    let rows = [
        format!("Ann,Lee,{},viewer,", secrets::email("ann")),
        format!("Bob,Ray,{},admin,", secrets::email("bob")),
        format!("Cy,Ray,{},viewer,users.read audit.read", secrets::email("cy")),
        format!("Dee,Ray,{},admin,users.read", secrets::email("dee")),
    ];
    let before = total(partner.owner()).await;
    for dry_run in [true, false] {
        viewer.import(table(&rows), dry_run).await.problem(403, "missing_permission");
    }
    let expected = [(3, "permissions"), (4, "permissions"), (5, "role")];
    let expected = expected.map(|(line, field)| (line, field, "exceeds_own_permissions"));
    assert_eq!(problems(&manager.import(table(&rows), true).await), expected);
    let refused = manager.import(table(&rows), false).await;
    refused.problem(422, "validation_failed").names_fields(&[
        "line 3: permissions",
        "line 4: permissions",
        "line 5: role",
    ]);
    assert_eq!(total(partner.owner()).await, before);
    let reported = partner.owner().get("/v1/audit-events?action=change.refused").await.expect(200);
    let reported: BTreeSet<_> =
        reported.json["items"].as_array().unwrap().iter().map(|event| event["actor"]["id"].to_string()).collect();
    assert_eq!(reported.len(), 2, "both refusals are recorded, and the dry runs are not");

    assert_eq!(results(&manager.import(table(&rows[..1]), false).await)[0].1, "added");
}

#[tokio::test]
async fn initial_passwords_are_available_as_csv() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let bob = secrets::email("bob");
    let rows = [format!("Ann,Lee,{},admin,", ann.email), format!("'=Bob,Ray,{bob},viewer,")];
    let answer = partner.owner().import(table(&rows), false).header("accept", "text/csv").await.expect(200);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"imported-users.csv\"");
    let lines: Vec<BTreeMap<String, String>> =
        csv::Reader::from_reader(answer.text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    let password = secrets::remembered(&lines[1]["generated_password"]);
    let line = |cells: [&str; 7]| {
        let names = ["line", "first_name", "last_name", "email", "role", "outcome", "generated_password"];
        names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        lines,
        [
            line(["2", "Ann", "Lee", &ann.email, "admin", "exists", ""]),
            line(["3", "'=Bob", "Ray", &bob, "viewer", "added", &password]),
        ]
    );
    let answer = Client::new().sign_in_at(&partner.id, &bob, &password).await.expect(200);
    assert_eq!(answer.json["challenge"], "new_password_required");
}

/// Adds the users in more than one transaction. Hashing takes about 2 s.
#[tokio::test]
async fn concurrent_imports_of_the_same_table_add_each_user_once() {
    let partner = Partner::new().await;
    let (owner, other) = (partner.owner(), partner.new_user("admin").await);
    let rows: Vec<String> = (0..30).map(|_| format!("Ann,Lee,{},viewer,", secrets::email("ann"))).collect();
    let imports =
        join(owner.import(table(&rows), false).into_future(), other.import(table(&rows), false).into_future());
    let (one, two) = imports.await;
    let (one, two) = (results(&one), results(&two));
    for (one, two) in one.iter().zip(&two) {
        let mut outcomes = [one.1.as_str(), two.1.as_str()];
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["added", "exists"], "line {}", one.0);
    }
    assert_eq!((one.len(), total(owner).await), (30, json!(32)));
}

/// Rows of viewers with these emails.
fn viewers(emails: &[String]) -> Vec<String> {
    emails.iter().map(|email| format!("Ann,Lee,{email},viewer,")).collect()
}

fn user(partner: &Partner, email: &str, password: &str) -> User {
    let (partner_id, email) = (partner.id.clone(), email.to_owned());
    User { id: String::new(), partner_id, email, password: password.to_owned() }
}

/// Adds the users in more than one transaction. Hashes about 60 passwords.
#[tokio::test]
async fn a_retried_import_returns_passwords_that_work() {
    let partner = Partner::new().await;
    let (owner, key) = (partner.owner(), secrets::random(20));
    let there = owner.add("Ann", "There").created().await;
    let emails: Vec<String> = (0..27).map(|_| secrets::email("ann")).collect();
    let file = table(&viewers(&[&emails[..], std::slice::from_ref(&there.email)].concat()));
    let import = || owner.import(file.clone(), false).idempotency_key(&key);
    let first = import().await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let reported = results(&first);
    let id = |line: usize| first.json["results"][line]["user"]["id"].as_str().unwrap().to_owned();
    let password = |line: usize| reported[line].2.clone().unwrap();
    let imported = |line: usize| User { id: id(line), ..user(&partner, &emails[line], &password(line)) };

    // One user has chosen a password, one has more permissions now, one is suspended and one is removed.
    let client = Client::new();
    let (chosen, own) = (imported(0), secrets::password());
    client.answer_challenge(&client.challenged(&chosen).await, &own).await.expect(200);
    owner.set_permissions(&imported(1), &json!({ "role": "admin" })).await.expect(200);
    owner.suspend(&imported(2)).await.expect(200);
    owner.remove(&imported(3)).await.expect(204);
    let before = total(owner).await;

    for _ in 0..2 {
        let again = import().await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{again}");
        let retried = results(&again);
        let outcomes: BTreeSet<_> = retried[..27].iter().map(|(_, outcome, _)| outcome.as_str()).collect();
        assert_eq!((outcomes, retried[27].1.as_str()), (BTreeSet::from(["added"]), "exists"));
        assert!(again.json["results"][3]["user"].is_null(), "the user was removed");
        assert!(
            retried[..4].iter().chain(&retried[27..]).all(|(.., password)| password.is_none()),
            "these passwords are not replaced"
        );
        for line in [4, 26] {
            let replaced = retried[line].2.clone().unwrap();
            Client::new().challenged(&User { id: id(line), ..user(&partner, &emails[line], &replaced) }).await;
            let old = Client::new().sign_in_at(&partner.id, &emails[line], &password(line)).await;
            old.problem(401, "unauthenticated");
        }
        let passwords: BTreeSet<_> = retried.iter().filter_map(|(.., password)| password.clone()).collect();
        assert_eq!(passwords.len(), 23);
        assert_eq!(total(owner).await, before, "no user is added twice");
    }
    client.sign_in_at(&partner.id, &emails[0], &own).await.expect(200);
    Client::new().challenged(&imported(1)).await;
    let events = Rows::of(&stack().ready).audit(&partner.id).await;
    let set = events.iter().filter(|event| event["action"].as_s().unwrap() == "password.set");
    assert_eq!(set.count(), 2 * 23, "each new password has an event");
}

#[tokio::test]
async fn a_key_is_valid_for_one_file() {
    let partner = Partner::new().await;
    let (owner, key) = (partner.owner(), secrets::random(20));
    let (ann, bob) = (secrets::email("ann"), secrets::email("bob"));
    let one = table(&viewers(slice::from_ref(&ann)));
    let other = table(&viewers(&[ann.clone(), bob.clone()]));
    // A dry run and a rejected file do not use the key up.
    owner.import(other.clone(), true).idempotency_key(&key).await.expect(200);
    owner.import(table(&viewers(&[ann.clone(), ann.clone()])), false).idempotency_key(&key).await.expect(422);
    results(&owner.import(one.clone(), false).idempotency_key(&key).await);
    owner.import(other, false).idempotency_key(&key).await.problem(422, "idempotency_key_reused");
    let body = json!({ "first_name": "Bob", "last_name": "Ray", "email": bob });
    owner.post("/v1/users", &body).idempotency_key(&key).await.problem(422, "idempotency_key_reused");
    // Other line ends and separators do not make another file.
    let same = one.replace(',', ";").replace("\r\n", "\n");
    assert_eq!(results(&owner.import(same, false).idempotency_key(&key).await)[0].1, "added");
    // Another caller can use the same key. The user exists already.
    let other_admin = partner.new_user("admin").await;
    let theirs = other_admin.import(one.clone(), false).idempotency_key(&key).await;
    assert_eq!((theirs.header("idempotent-replayed"), results(&theirs)[0].1.as_str()), ("", "exists"));

    let used = secrets::random(20);
    let body = json!({ "first_name": "Bob", "last_name": "Ray", "email": bob, "password": secrets::password() });
    owner.post("/v1/users", &body).idempotency_key(&used).await.expect(201);
    owner.import(one.clone(), false).idempotency_key(&used).await.problem(422, "idempotency_key_reused");
    let bad = owner.import(one, false).header_bytes("idempotency-key", b"a\tb").await;
    bad.problem(400, "invalid_request").names_field("Idempotency-Key");
    let kept = Rows::of(&stack().ready).kept_answers(Some(owner)).await;
    assert_eq!(kept.len(), 2);
}

#[tokio::test]
async fn a_retried_import_needs_the_permissions_for_its_users() {
    let partner = Partner::new().await;
    let (admin, key) = (partner.new_user("admin").await, secrets::random(20));
    let file = table(&[format!("Ann,Lee,{},admin,", secrets::email("ann"))]);
    assert_eq!(results(&admin.import(file.clone(), false).idempotency_key(&key).await)[0].1, "added");
    partner.owner().set_permissions(&admin, &json!({ "role": "manager" })).await.expect(200);
    let refused = admin.import(file, false).idempotency_key(&key).await;
    refused.problem(422, "validation_failed").names_fields(&["line 2: permissions"]);
}

/// The later request takes the import over from the earlier one. The passwords of the request that started last are valid.
#[tokio::test]
async fn concurrent_requests_with_one_key_add_each_user_once() {
    let partner = Partner::new().await;
    let (owner, key) = (partner.owner(), secrets::random(20));
    let emails: Vec<String> = (0..26).map(|_| secrets::email("ann")).collect();
    let file = table(&viewers(&emails));
    let import = || owner.import(file.clone(), false).idempotency_key(&key).into_future();
    let (one, two) = join(import(), import()).await;
    let answers: Vec<_> = [one, two].into_iter().filter(|answer| answer.status == 200).collect();
    assert!(!answers.is_empty());
    let whole: Vec<_> =
        answers.iter().map(results).filter(|reported| reported.iter().all(|row| row.1 == "added")).collect();
    assert!(!whole.is_empty(), "one of the requests added all users");
    for line in [0, 25] {
        let mut works = false;
        for reported in &whole {
            let sign_in =
                Client::new().sign_in_at(&partner.id, &emails[line], reported[line].2.as_ref().unwrap()).await;
            works |= sign_in.status == 200;
        }
        assert!(works, "line {line}");
    }
    assert_eq!(total(owner).await, 27);
}

#[tokio::test]
async fn a_row_of_an_existing_user_needs_no_permission() {
    let partner = Partner::new().await;
    let manager = partner.new_user("manager").await;
    let there = partner.owner().add("Ann", "Lee").created().await;
    let rows = [format!("Ann,Lee,{},admin,", there.email), format!("Bob,Ray,{},viewer,", secrets::email("bob"))];
    assert_eq!(problems(&manager.import(table(&rows), true).await), [(2, "email", "email_taken")], "a warning");
    let reported = results(&manager.import(table(&rows), false).await);
    assert_eq!(reported.iter().map(|(_, outcome, _)| outcome.as_str()).collect::<Vec<_>>(), ["exists", "added"]);
}

#[tokio::test]
async fn the_cell_of_the_last_name_may_be_empty() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let emails = [secrets::email("suharto"), secrets::email("ann")];
    let rows = [format!("Suharto,,{},viewer,", emails[0]), format!("Ann, ,{},viewer,", emails[1])];
    let planned = owner.import(table(&rows), true).await;
    assert_eq!(problems(&planned), []);
    assert_eq!(planned.json["users"][0]["last_name"], Value::Null);

    let answer = owner.import(table(&rows), false).header("accept", "text/csv").await.expect(200);
    for line in csv::Reader::from_reader(answer.text.as_bytes()).deserialize::<BTreeMap<String, String>>() {
        let line = line.unwrap();
        secrets::remembered(line["generated_password"].as_str());
        assert_eq!((line["last_name"].as_str(), line["outcome"].as_str()), ("", "added"));
    }
    let list = owner.get("/v1/users").await.expect(200);
    let names = list.json["items"].as_array().unwrap().iter().map(|user| (&user["first_name"], &user["last_name"]));
    let expected = [(json!("Ann"), Value::Null), (json!("Olive"), json!("Owner")), (json!("Suharto"), Value::Null)];
    assert_eq!(names.collect::<Vec<_>>(), expected.iter().map(|(first, last)| (first, last)).collect::<Vec<_>>());
}
