//! Every change records its event in the same transaction, and no event contains a secret.

use portal_tests::rows::Rows;
use portal_tests::{Call, Client, Partner, User, secrets, stack};
use serde_json::json;

/// The number of events of this partner.
async fn count(rows: &Rows, partner: &Partner) -> usize {
    rows.audit(&partner.id).await.len()
}

#[tokio::test]
async fn every_change_records_exactly_one_event() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let owner = partner.owner();
    let before = count(&rows, &partner).await;
    let ann = owner.add("Ann", "Lee").signed_in().await;
    // One event is the addition, the other one is the sign-in.
    assert_eq!(count(&rows, &partner).await, before + 2);
    let changes: [(&str, Call); 10] = [
        ("edit", owner.edit(&ann, &json!({ "first_name": "Anna" }))),
        ("edit of the email", owner.edit(&ann, &json!({ "email": secrets::email("anna") }))),
        ("permissions", owner.set_permissions(&ann, &json!({ "role": "viewer" }))),
        ("own password", owner.set_own_password(&owner.password, &secrets::password())),
        ("force logout", owner.force_logout(&ann)),
        ("suspension", owner.suspend(&ann)),
        ("reactivation", owner.reactivate(&ann)),
        ("password", owner.set_password(&ann, &secrets::password(), &json!({}))),
        ("removal", owner.remove(&ann)),
        ("sign-out", owner.sign_out()),
    ];
    for (change, call) in changes {
        let before = count(&rows, &partner).await;
        let answer = call.await;
        assert!((200..300).contains(&answer.status), "{answer}");
        assert_eq!(count(&rows, &partner).await, before + 1, "{change}");
    }
}

#[tokio::test]
async fn a_failed_change_records_no_event() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let (admin, viewer) = (partner.new_user("admin").await, partner.new_user("viewer").await);
    let before = count(&rows, &partner).await;
    let name = json!({ "first_name": "Eve" });
    let impossible = [
        admin.edit(&viewer, &name).if_match("\"7\""),
        admin.edit(&viewer, &json!({ "email": admin.email })),
        admin.set_password(&viewer, "short", &json!({})),
    ];
    for call in impossible {
        let answer = call.await;
        assert!((400..500).contains(&answer.status), "{answer}");
    }
    assert_eq!(count(&rows, &partner).await, before);
}

#[tokio::test]
async fn changes_by_operators_are_recorded() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let before = count(&rows, &partner).await;
    assert_eq!(before, 2, "the events are the partner's creation and a sign-in");
    User::recovered(&stack().ready, &partner.id, None).await;
    assert_eq!(count(&rows, &partner).await, before + 1);
}

#[tokio::test]
async fn no_event_contains_a_secret() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").without("must_change").created().await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    let password = secrets::password();
    client.answer_challenge(&session, &password).await.expect(200);
    let ann = Client::new().signed_in(&ann.with_password(&password)).await;
    let next = secrets::password();
    ann.set_own_password(&ann.password, &next).await.expect(204);
    let mut hidden =
        vec![session, password, next, ann.token.clone(), ann.refresh_token.clone(), owner.password.clone()];
    hidden.extend(rows.hidden(&ann).await);
    owner.remove(&ann).await.expect(204);

    let events = format!("{:?}", rows.audit(&partner.id).await);

    assert!(events.contains(&ann.id), "the events are of this user");
    for secret in hidden {
        assert!(!events.contains(&secret), "{secret} in {events}");
    }
}
