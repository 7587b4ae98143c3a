//! `GET /v1/access-review`.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

use crate::csv_export;

const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

async fn review(actor: &Actor) -> Answer {
    actor.get("/v1/access-review").await.expect(200)
}

#[track_caller]
fn item<'a>(answer: &'a Answer, user: &User) -> &'a Value {
    let items = answer.json["items"].as_array().unwrap();
    items.iter().find(|item| item["user"]["id"] == user.id).unwrap_or_else(|| panic!("no {}: {answer}", user.id))
}

fn ids(answer: &Answer) -> Vec<&str> {
    answer.json["items"].as_array().unwrap().iter().map(|item| item["user"]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_review_lists_every_user_with_the_facts_for_a_decision() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").permissions(&["users.read", "audit.read"]).signed_in().await;
    ann.elsewhere().await;
    ann.elsewhere().await.sign_out().await.expect(204);

    let answer = review(owner).await;

    let user = owner.see(&ann).await;
    let expected = json!({
        "inactive_days": 90,
        "items": [
            {
                "user": user,
                "password_changed_at": user["created_at"],
                "open_sessions": 2,
                "reviewed_at": null,
                "reviewed_by": null,
                "reasons": ["exceeds_role_default"],
                "reduced": { "role": "viewer", "permissions": ["users.read"] },
            },
            {
                "user": owner.see(owner).await,
                "password_changed_at": owner.see(owner).await["created_at"],
                "open_sessions": 1,
                "reviewed_at": null,
                "reviewed_by": null,
                "reasons": [],
                "reduced": null,
            },
        ],
        "next_cursor": null,
        "total": 2,
        "summary": {
            "users": 2,
            "to_look_at": 1,
            "reviewed": 0,
            "by_role": { "primary_admin": 1, "admin": 0, "manager": 0, "viewer": 1 },
            "by_last_sign_in": [
                { "within_days": 7, "users": 2 },
                { "within_days": 30, "users": 0 },
                { "within_days": 90, "users": 0 },
                { "within_days": 365, "users": 0 },
                { "within_days": null, "users": 0 },
            ],
            "by_last_active": [
                { "within_days": 7, "users": 2 },
                { "within_days": 30, "users": 0 },
                { "within_days": 90, "users": 0 },
                { "within_days": 365, "users": 0 },
                { "within_days": null, "users": 0 },
            ],
            "never_signed_in": 0,
        },
    });
    assert_eq!(answer.json, expected);
}

#[tokio::test]
async fn urgent_users_come_first_and_pages_continue_in_order() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let mut users = Vec::new();
    for last_name in ["Adams", "Baker", "Clark", "Davis"] {
        users.push(owner.add("Ann", last_name).role("viewer").created().await);
    }
    // Davis was added long ago and has never signed in. Baker was added long ago and has signed in recently.
    rows.set_time(&users[3], "created_at", LONG_AGO).await;
    let baker = Client::new().signed_in(&users[1]).await;
    rows.set_time(&users[1], "created_at", LONG_AGO).await;

    let whole = review(owner).await;
    assert_eq!(ids(&whole), [&users[3].id, &users[0].id, &users[1].id, &users[2].id, &owner.id]);
    assert_eq!(whole.json["summary"]["to_look_at"], 1);
    assert_eq!(item(&whole, &users[3])["reasons"], json!(["never_signed_in", "not_reviewed"]));
    assert_eq!(item(&whole, &users[0])["reasons"], json!(["never_signed_in"]));
    assert_eq!(item(&whole, &baker)["reasons"], json!(["not_reviewed"]));

    for limit in 1..=5 {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = owner.get(&format!("/v1/access-review?limit={limit}{cursor}")).await.expect(200);
            assert_eq!((&page.json["total"], &page.json["summary"]), (&json!(5), &whole.json["summary"]));
            paged.extend(page.json["items"].as_array().unwrap().clone());
            let Some(next) = page.json["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(Value::Array(paged), whole.json["items"], "by {limit}");
    }
}

#[tokio::test]
async fn the_reviewer_chooses_after_how_many_days_a_user_is_inactive() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).set_last_sign_in(&ann, LONG_AGO).await;

    for (query, reasons) in [("", json!(["inactive"])), ("?inactive_days=3650", json!([]))] {
        let answer = owner.get(&format!("/v1/access-review{query}")).await.expect(200);
        assert_eq!(item(&answer, &ann)["reasons"], reasons, "{query}");
    }
    for breakdown in ["by_last_sign_in", "by_last_active"] {
        let ranges = &review(owner).await.json["summary"][breakdown];
        assert_eq!(ranges[4], json!({ "within_days": null, "users": 1 }), "{breakdown}");
    }
}

#[tokio::test]
async fn a_user_whose_session_was_refreshed_is_not_inactive() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    Rows::of(&stack().ready).set_last_sign_in(&ann, LONG_AGO).await;
    ann.client.refresh(&ann.refresh_token).await.expect(200);

    let answer = owner.get("/v1/access-review?inactive_days=1").await.expect(200);

    assert_eq!(item(&answer, &ann)["reasons"], json!([]));
    assert_eq!(item(&answer, &ann)["user"]["last_sign_in_at"], LONG_AGO);
    let summary = &answer.json["summary"];
    assert_eq!(summary["by_last_sign_in"][4]["users"], 1, "{answer}");
    assert_eq!(summary["by_last_active"][0]["users"], 2, "{answer}");
    let table = csv_export::all(owner, "/v1/access-review", "access-review.csv").await;
    let line = table.iter().find(|line| line["user_id"] == ann.id).unwrap();
    assert_eq!(line["user_last_active_at"], owner.see(&ann).await["last_active_at"].as_str().unwrap());
}

#[tokio::test]
async fn a_new_password_resets_the_age_of_the_password() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let ann = owner.add("Ann", "Lee").role("viewer").without("must_change").created().await;
    for attribute in ["created_at", "password_changed_at"] {
        rows.set_time(&ann, attribute, LONG_AGO).await;
    }
    let before = review(owner).await;
    let unused = json!(["never_signed_in", "initial_password_unused", "not_reviewed"]);
    assert_eq!(item(&before, &ann)["reasons"], unused);
    assert_eq!(item(&before, &ann)["password_changed_at"], LONG_AGO);

    let next = secrets::password();
    owner.set_password(&ann, &next, &json!({})).await.expect(204);

    let after = review(owner).await;
    assert_eq!(item(&after, &ann)["reasons"], unused);
    assert_eq!(item(&after, &ann)["password_changed_at"], owner.see(&ann).await["updated_at"]);
}

#[tokio::test]
async fn a_review_needs_both_read_permissions() {
    let partner = Partner::new().await;
    for (permissions, needs) in
        [(["users.read", "users.edit"], "audit.read"), (["audit.read", "users.edit"], "users.read")]
    {
        let ann = partner.owner().add("Ann", "Lee").permissions(&permissions).signed_in().await;
        for path in ["/v1/access-review", "/v1/access-review/record"] {
            let answer = ann.get(path).await;
            answer.problem(403, "missing_permission");
            assert!(answer.text_at("/detail").contains(needs), "{answer}");
        }
    }
    let both = ["users.read", "audit.read"];
    review(&partner.owner().add("Ann", "Lee").role("viewer").permissions(&both).signed_in().await).await;
}

#[tokio::test]
async fn the_review_is_available_as_csv() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for _ in 0..2 {
        owner.add("=Ann", "Lee").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    }
    let table = csv_export::all(owner, "/v1/access-review?limit=1", "access-review.csv").await;
    assert_eq!(table.len(), 3);
    let [ann, _, me] = &table[..] else { unreachable!("three lines") };
    for (line, column, cell) in [
        (ann, "user_first_name", "'=Ann"),
        (ann, "reasons", "never_signed_in exceeds_role_default"),
        (ann, "reduced_role", "viewer"),
        (ann, "reduced_permissions", "users.read"),
        (ann, "user_permissions", "users.read audit.read"),
        (me, "user_id", owner.id.as_str()),
        (me, "open_sessions", "1"),
        (me, "reviewed_by_name", ""),
    ] {
        assert_eq!(line[column], cell, "{column} of {line:?}");
    }
}

#[tokio::test]
async fn a_bad_query_names_the_parameter() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").created().await;
    for (query, field) in [
        ("inactive_days=0", "inactive_days"),
        ("inactive_days=3651", "inactive_days"),
        ("inactive_days=ten", "inactive_days"),
        ("inactive_days=%2B30", "inactive_days"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=nonsense", "cursor"),
        ("sort=name", "sort"),
    ] {
        let answer = owner.get(&format!("/v1/access-review?{query}")).await;
        answer.problem(400, "invalid_request").names_field(field);
    }
    let page = owner.get("/v1/access-review?limit=1").await.expect(200);
    let cursor = page.text_at("/next_cursor");
    let other_list = owner.get(&format!("/v1/access-review?inactive_days=30&cursor={cursor}")).await;
    other_list.problem(400, "invalid_request").names_field("cursor");
}
