//! Many requests to reset the password of one user.

use futures::{StreamExt as _, stream};
use portal_tests::{Client, Mailbox, Partner, secrets};

/// Sends a thousand requests: about 5 s.
#[tokio::test]
async fn a_thousand_requests_for_one_user_send_three_mails_and_harm_no_user() {
    let partner = Partner::new().await;
    let (ann, bob) =
        (partner.owner().add("Ann", "Lee").created().await, partner.owner().add("Bob", "Ray").created().await);
    let mailbox = Mailbox::new();
    let mut tokens = Vec::new();
    for count in 1..=3 {
        Client::new().request_reset(&ann.email).await.expect(202);
        tokens.push(mailbox.wait_for(&ann.email, count).await.remove(0).token());
    }
    // A network may send 20 requests.
    let requests = (0..50).map(async |_| {
        let client = Client::new();
        for _ in 0..20 {
            client.request_reset(&ann.email).await.expect(202);
        }
    });
    stream::iter(requests).buffer_unordered(8).collect::<Vec<()>>().await;

    Client::new().request_reset(&bob.email).await.expect(202);
    let token = mailbox.message(&bob.email).await.token();
    for token in &tokens {
        Client::new().look_up(token).await.expect(200);
    }
    // The mail to Bob was asked for after all others.
    assert_eq!(mailbox.messages(&ann.email).await.len(), 3);
    Client::new().signed_in(&ann).await;
    let password = secrets::password();
    Client::new().confirm_reset(&tokens[0], &password).await.expect(204);
    Client::new().signed_in(&ann.with_password(&password)).await;
    Client::new().confirm_reset(&token, &secrets::password()).await.expect(204);
}
