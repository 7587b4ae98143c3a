//! `POST /v1/password-resets/lookup`.

use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, secrets, stack};
use serde_json::json;

#[tokio::test]
async fn a_link_shows_whom_it_is_for_as_often_as_asked() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let suharto = partner.owner().add("Suharto", "").invited().await;
    for (user, kind, first, last) in
        [(&ann, LinkKind::PasswordReset, "Ann", json!("Lee")), (&suharto, LinkKind::Invitation, "Suharto", json!(null))]
    {
        let token = rows.put_link(user, kind).await;
        for _ in 0..3 {
            let answer = Client::new().look_up(&token).await.expect(200);
            let expected = json!({
                "kind": kind.as_str(),
                "partner": { "id": partner.id, "name": "Acme Agency" },
                "first_name": first,
                "last_name": last,
                "email": user.email,
                "expires_at": "2100-01-01T00:00:00.000Z",
            });
            assert_eq!(answer.json, expected);
        }
        Client::new().confirm_reset(&token, &secrets::password()).await.expect(204);
        Client::new().look_up(&token).await.problem(422, "invalid_link");
    }
}

#[tokio::test]
async fn the_token_must_be_a_text() {
    let client = Client::new();
    for body in [json!({}), json!({ "token": null }), json!({ "token": 1 })] {
        let answer = client.post("/v1/password-resets/lookup", &body).await;
        answer.problem(422, "validation_failed").names_field("token");
    }
    for token in ["", "no-token", &"A".repeat(68), &"x".repeat(10_000)] {
        client.look_up(token).await.problem(422, "invalid_link");
    }
}
