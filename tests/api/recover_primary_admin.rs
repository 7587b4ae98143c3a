//! `recover-primary-admin`, through the Invoke API.

use portal_tests::{Client, Partner, User, invoke, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_recovery_ends_every_session_and_sets_a_password_to_change() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let elsewhere = owner.elsewhere().await;

    let recovered = User::recovered(&stack().ready, &partner.id, None).await;

    assert_eq!((&recovered.id, &recovered.email), (&owner.id, &owner.email));
    owner.is_signed_out().await;
    elsewhere.is_signed_out().await;
    owner.cannot_refresh().await;
    Client::new().sign_in(&owner.email, &owner.password).await.problem(401, "unauthenticated");
    let client = Client::new();
    let session = client.challenged(&recovered).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_given_password_must_also_be_changed() {
    let partner = Partner::new().await;
    let recovered = User::recovered(&stack().ready, &partner.id, Some(&secrets::password())).await;
    Client::new().challenged(&recovered).await;
}

#[tokio::test]
async fn an_unknown_partner_and_a_weak_password_are_function_errors() {
    let partner = Partner::new().await;
    let inputs = [
        json!({}),
        json!({ "partner_id": "no-such-partner" }),
        json!({ "partner_id": partner.id, "password": "short" }),
        json!({ "partner_id": partner.id, "unheard_of": 1 }),
    ];
    for input in inputs {
        invoke(&stack().ready, "recover-primary-admin", &input).await.failed();
    }
    partner.owner().is_signed_in().await;
}
