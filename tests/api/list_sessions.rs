//! `GET /v1/users/{user_id}/sessions`.

use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, stack};
use serde_json::{Value, json};

/// The user agent of Firefox on Windows.
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";

async fn with_browser(user: &User, user_agent: &str) -> Actor {
    let client = Client::new();
    let sign_in = client.sign_in_at(&user.partner_id, &user.email, &user.password);
    let answer = sign_in.header("user-agent", user_agent).await.expect(200);
    Actor::from_answer(client, user.clone(), &answer)
}

async fn items(actor: &Actor, of: &User) -> Vec<Value> {
    actor.sessions(of).await.expect(200).json["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn all_sessions_of_a_user_are_listed_newest_first() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).created().await;
    let first = with_browser(&ann, "curl/8.5.0").await;
    let second = with_browser(&ann, FIREFOX).await;
    let third = with_browser(&ann, "something of their own").await;

    let answer = second.sessions(&ann).await.expect(200);

    let items = answer.json["items"].as_array().unwrap();
    let browsers: Vec<_> = items.iter().map(|item| item["browser"].clone()).collect();
    assert_eq!(browsers, [Value::Null, json!("Firefox on Windows"), json!("curl")], "{answer}");
    let current: Vec<_> = items.iter().map(|item| item["is_current"].clone()).collect();
    assert_eq!(current, [false, true, false]);
    for (item, session) in items.iter().zip([&third, &second, &first]) {
        let mut fields: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["address", "browser", "created_at", "expires_at", "id", "is_current"]);
        let text = |field: &str| item[field].as_str().unwrap();
        assert!(text("created_at") < text("expires_at"), "{item}");
        assert_eq!(text("address"), session.client.address, "{item}");
    }
    assert_eq!(answer.json.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_contains_no_usable_token() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let answer = partner.owner().sessions(&ann).await.expect(200);
    for item in answer.json["items"].as_array().unwrap() {
        let id = item["id"].as_str().unwrap();
        ann.client.get("/v1/me").bearer(id).await.gateway(401, "Unauthorized");
        ann.client.refresh(id).await.problem(401, "unauthenticated");
        assert!(!id.contains(['/', '%', '?', '#']), "an id can be part of a path: {id}");
    }
    for secret in [&ann.token, &ann.refresh_token] {
        assert!(!answer.json.to_string().contains(secret.as_str()));
    }
}

#[tokio::test]
async fn ended_sessions_are_not_listed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let elsewhere = ann.elsewhere().await;
    assert_eq!(items(owner, &ann).await.len(), 2);

    elsewhere.sign_out().await.expect(204);
    assert_eq!(items(owner, &ann).await.len(), 1);
    Rows::of(&stack().ready).expire_sessions(&ann).await;
    assert_eq!(items(owner, &ann).await.len(), 0, "expired sessions are not listed");

    let again = ann.elsewhere().await;
    owner.force_logout(&ann).await.expect(200);
    assert_eq!(items(owner, &again).await.len(), 0, "sessions of an earlier generation are not listed");
}

#[tokio::test]
async fn a_refresh_does_not_change_the_session_in_the_list() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let before = items(&ann, &ann).await;
    assert_eq!(items(&ann.refreshed().await, &ann).await, before);
}

#[tokio::test]
async fn a_new_user_has_no_sessions() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    assert!(items(partner.owner(), &ann).await.is_empty());
}

#[tokio::test]
async fn listing_others_needs_the_force_logout_permission_and_changes_nothing() {
    let partner = Partner::new().await;
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    viewer.sessions(&manager).await.problem(403, "missing_permission");
    assert_eq!(items(&viewer, &viewer).await.len(), 1);
    assert_eq!(items(&manager, &viewer).await.len(), 1);
    assert_eq!(items(&manager, &viewer).await[0]["is_current"], false);
    assert_eq!(partner.owner().see(&viewer).await["version"], 1);
}

#[tokio::test]
async fn no_user_sees_the_sessions_of_a_more_powerful_user() {
    let partner = Partner::new().await;
    let (owner, admin, manager) = (partner.owner(), partner.new_user("admin").await, partner.new_user("manager").await);
    for actor in [&admin, &manager] {
        actor.sessions(owner).await.problem(403, "primary_admin_protected");
    }
    manager.sessions(&admin).await.problem(403, "exceeds_own_permissions");
    let equal = partner.new_user("manager").await;
    assert_eq!(items(&manager, &equal).await.len(), 1);
    // The primary admin sees all sessions, and every user sees their own.
    for user in [owner, &admin, &manager] {
        assert_eq!(items(owner, user).await.len(), 1);
        assert_eq!(items(user, user).await.len(), 1);
    }
}
