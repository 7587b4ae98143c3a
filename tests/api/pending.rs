//! `pending`: the state of users who have not chosen a password, and the filter of `GET /v1/users` by it.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

/// The ids in a list, sorted.
async fn listed(actor: &Actor, query: &str) -> Vec<String> {
    let answer = actor.get(&format!("/v1/users?{query}")).await.expect(200);
    let items = answer.json["items"].as_array().unwrap();
    assert_eq!(answer.json["total"], items.len(), "{answer}");
    let mut ids: Vec<String> = items.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn ids(users: &[&User]) -> Vec<String> {
    let mut ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
    ids.sort();
    ids
}

/// A user with an initial password that was set on this day, or now.
async fn with_initial_password(partner: &Partner, role: &str, since: Option<&str>) -> User {
    let ann = partner.owner().add("Ann", "Lee").role(role).without("must_change").created().await;
    if let Some(since) = since {
        Rows::of(&stack().ready).set_time(&ann, "password_changed_at", since).await;
    }
    ann
}

#[tokio::test]
async fn a_user_is_pending_until_they_choose_a_password() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = with_initial_password(&partner, "viewer", None).await;
    let user = owner.see(&ann).await;
    assert_eq!((&user["pending"]["kind"], &user["must_change_password"]), (&json!("initial_password"), &json!(true)));
    let [created, expires] =
        ["/created_at", "/pending/expires_at"].map(|at| user.pointer(at).unwrap().as_str().unwrap());
    assert_eq!(days(expires) - days(created), 7, "{user}");

    let client = Client::new();
    let session = client.challenged(&ann).await;
    let answer = client.answer_challenge(&session, &secrets::password()).await.expect(200);
    assert_eq!(answer.json["user"]["pending"], Value::Null);
    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    assert_eq!(owner.see(&ann).await["pending"]["kind"], "initial_password");
    owner.set_password(&ann, &secrets::password(), &json!({ "must_change": false })).await.expect(204);
    assert_eq!(owner.see(&ann).await["pending"], Value::Null);
}

/// The number of the day of a time.
fn days(time: &str) -> i64 {
    portal_core::models::Timestamp::parse(time).unwrap().unix_millis() / 86_400_000
}

#[tokio::test]
async fn the_list_is_filtered_by_the_state_of_pending_users() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let chosen = owner.add("Bob", "Ray").role("viewer").created().await;
    let waiting = with_initial_password(&partner, "viewer", None).await;
    let manager = with_initial_password(&partner, "manager", None).await;
    let expired = with_initial_password(&partner, "viewer", Some("2020-01-01T00:00:00.000Z")).await;

    for sort in ["name", "email", "created_at", "last_sign_in_at"] {
        let list = async |filter: &str| listed(owner, &format!("sort={sort}&{filter}")).await;
        assert_eq!(list("pending=waiting").await, ids(&[&waiting, &manager]), "{sort}");
        assert_eq!(list("pending=expired").await, ids(&[&expired]), "{sort}");
        assert_eq!(list("pending=waiting&role=viewer").await, ids(&[&waiting]), "{sort}");
        assert_eq!(list(&format!("pending=waiting&search={}", manager.email)).await, ids(&[&manager]), "{sort}");
        assert!(list(&format!("pending=expired&search={}", chosen.email)).await.is_empty(), "{sort}");
    }
    assert_eq!(listed(owner, "").await.len(), 5);
    owner.suspend(&waiting).await.expect(200);
    assert_eq!(listed(owner, "pending=waiting&status=active").await, ids(&[&manager]));
    assert_eq!(listed(owner, "pending=waiting&status=suspended").await, ids(&[&waiting]));
    owner.get("/v1/users?pending=all").await.problem(400, "invalid_request").names_field("pending");
}

#[tokio::test]
async fn a_filtered_list_has_pages_and_a_cursor_of_its_own() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(with_initial_password(&partner, "viewer", None).await.id);
    }
    expected.sort();
    let first = owner.get("/v1/users?pending=waiting&limit=2").await.expect(200);
    let cursor = first.text_at("/next_cursor").to_owned();
    let second = owner.get(&format!("/v1/users?pending=waiting&limit=2&cursor={cursor}")).await.expect(200);
    let pages = [&first, &second].map(|page| page.json["items"].as_array().unwrap().clone()).concat();
    let mut found: Vec<_> = pages.iter().map(|user| user["id"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(second.json["next_cursor"], Value::Null);
    let other = owner.get(&format!("/v1/users?pending=expired&limit=2&cursor={cursor}")).await;
    other.problem(400, "invalid_request").names_field("cursor");
}

#[tokio::test]
async fn tables_and_the_review_have_the_state() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = with_initial_password(&partner, "viewer", None).await;
    let pending = owner.see(&ann).await["pending"].clone();
    let expected = [pending["kind"].as_str().unwrap(), pending["expires_at"].as_str().unwrap()];
    for (path, columns) in [
        ("/v1/users", ["pending_kind", "pending_expires_at"]),
        ("/v1/access-review", ["user_pending_kind", "user_pending_expires_at"]),
    ] {
        let table = owner.get(path).header("accept", "text/csv").await.expect(200);
        let mut reader = csv::Reader::from_reader(table.text.trim_start_matches('\u{feff}').as_bytes());
        let headings = reader.headers().unwrap().clone();
        let line = reader.records().map(Result::unwrap).find(|line| line.iter().any(|cell| cell == ann.id)).unwrap();
        let cell = |name: &str| &line[headings.iter().position(|heading| heading == name).unwrap()];
        assert_eq!(columns.map(cell), expected, "{table}");
    }
    let review = owner.get("/v1/access-review").await.expect(200);
    let items = review.json["items"].as_array().unwrap();
    assert!(items.iter().any(|item| item["user"]["id"] == ann.id && item["user"]["pending"] == pending), "{review}");
}
