//! `repair-identities`, through the Invoke API.

use portal_tests::rows::Rows;
use portal_tests::{Partner, invoke, stack};
use serde_json::json;

#[tokio::test]
async fn repair_completes_a_force_logout() {
    let ready = &stack().ready;
    let rows = Rows::of(ready);
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().force_logout(&ann).await.expect(200);
    let version = partner.owner().see(&ann).await["version"].clone();

    let answer = invoke(ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();

    assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    for count in ["examined", "repaired", "failed"] {
        assert!(answer[count].is_u64(), "{count} in {answer}");
    }
    assert_eq!(answer["failed"], 0);
    assert!(rows.marks(&ann).await.is_empty());
    assert!(rows.cognito_users(&ann).await.is_empty());
    assert_eq!(partner.owner().see(&ann).await["version"], version, "repair does not change the user");
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn repair_accepts_an_empty_input_and_rejects_invalid_ones() {
    let ready = &stack().ready;
    invoke(ready, "repair-identities", &json!({})).await.worked();
    invoke(ready, "repair-identities", &json!({ "older_than_seconds": "soon" })).await.failed();
    invoke(ready, "repair-identities", &json!({ "unheard_of": 1 })).await.failed();
}

#[tokio::test]
async fn repair_deletes_the_cognito_users_of_a_removed_user() {
    let ready = &stack().ready;
    let rows = Rows::of(ready);
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    assert_eq!(rows.cognito_users(&ann).await.len(), 1);
    partner.owner().remove(&ann).await.expect(204);
    invoke(ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();
    assert!(rows.cognito_users(&ann).await.is_empty());
}
