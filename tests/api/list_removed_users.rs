//! `GET /v1/removed-users`. What the items contain is in `restore_user`.

use portal_tests::Partner;
use serde_json::{Value, json};

use crate::restore_user::{listed, removed};

#[tokio::test]
async fn the_list_has_pages_and_the_user_who_was_added_last_comes_first() {
    let partner = Partner::new().await;
    let (first, second) = (removed(&partner, "viewer").await, removed(&partner, "viewer").await);
    let page = partner.owner().get("/v1/removed-users?limit=1").await.expect(200);
    assert_eq!(page.json["items"][0]["id"], second.id);
    let cursor = page.text_at("/next_cursor");
    let page = partner.owner().get(&format!("/v1/removed-users?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&page.json["items"][0]["id"], &page.json["next_cursor"]), (&json!(first.id), &Value::Null));
    partner.owner().get("/v1/removed-users?cursor=x").await.problem(400, "invalid_request");
}

#[tokio::test]
async fn a_removal_by_a_bulk_request_or_a_review_can_be_undone_too() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let users = [owner.add("Ann", "Lee").created().await, owner.add("Bob", "Ray").created().await];
    owner.change_users("remove", [&users[0]]).await.expect(200);
    owner.decide(&users[1], "remove").await.expect(200);
    let list = listed(owner).await;
    assert_eq!(list.iter().map(|user| &user["id"]).collect::<Vec<_>>(), [&json!(users[1].id), &json!(users[0].id)]);
}
