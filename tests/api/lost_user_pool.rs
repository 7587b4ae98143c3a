//! Cognito holds no personal data. A lost Cognito user is created again at the next sign-in.

use portal_tests::rows::Rows;
use portal_tests::{Partner, stack};

#[tokio::test]
async fn a_user_who_deletes_their_cognito_user_can_sign_in_again() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let ann = partner.new_user("viewer").await;

    rows.delete_own_cognito_user(&ann.token).await;

    assert!(rows.cognito_users(&ann).await.is_empty());
    ann.cannot_refresh().await;
    let again = ann.elsewhere().await;
    again.refreshed().await.is_signed_in().await;
    assert_eq!(partner.owner().see(&ann).await["version"], 1);
}

#[tokio::test]
async fn every_user_can_sign_in_after_every_cognito_user_is_lost() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let mut people = vec![partner.owner().clone()];
    for role in ["admin", "manager", "viewer"] {
        people.push(partner.new_user(role).await);
    }

    let lost = rows.lose_cognito_users(&partner.id).await;

    assert_eq!(lost, people.len());
    for person in &people {
        // A valid token needs only Cognito's public key.
        person.is_signed_in().await;
        let again = person.elsewhere().await;
        again.is_signed_in().await;
        again.refreshed().await.is_signed_in().await;
    }
    partner.owner().force_logout(&people[1]).await.expect(200);
    people[1].elsewhere().await.is_signed_in().await;
}
