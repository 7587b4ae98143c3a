//! The way of a user through all mailed links, and what it leaves in logs and tables.

use portal_tests::mailbox::send_due_mail;
use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Message, NO_STREAMS, Partner, Stack, User, secrets};
use serde_json::json;

const TABLES: [&str; 5] = ["UsersTable", "CredentialsTable", "SessionsTable", "AuditTable", "OutboxTable"];

/// Every item of a table, as text.
async fn written(rows: &Rows, table: &str) -> String {
    format!("{:?}", rows.whole(table).await)
}

/// The lines of a text that only a mail has. A line without a space is an address of the portal.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.contains(' ') && line.len() > 20)
}

/// Starts its own stack, whose mail is sent when the test asks for it.
#[tokio::test]
async fn a_user_is_invited_forgets_the_password_and_leaves_no_token_and_no_text_of_a_mail() {
    let stack = Stack::start("mail-walk", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let (ready, rows, mailbox) = (&stack.ready, Rows::of(&stack.ready), Mailbox::of(&stack.ready));
    let partner = Partner::of(ready).await;
    let owner = partner.owner();
    let mut outbox = String::new();
    let mut messages: Vec<Message> = Vec::new();

    let invited = owner.add("Ann", "Lee").role("admin").invited().await;
    outbox += &written(&rows, "OutboxTable").await;
    send_due_mail(ready).await;
    let invitation = mailbox.message(&invited.email).await;
    let (client, password) = (Client::of(ready), secrets::password());
    let found = client.look_up(&invitation.token()).await.expect(200);
    assert_eq!((&found.json["kind"], &found.json["email"]), (&json!("invitation"), &json!(invited.email)));
    client.confirm_reset(&invitation.token(), &password).await.expect(204);
    let first = client.signed_in(&invited.with_password(&password)).await;
    let elsewhere = first.elsewhere().await;

    Client::of(ready).request_reset(&first.email).await.expect(202);
    outbox += &written(&rows, "OutboxTable").await;
    send_due_mail(ready).await;
    let reset = mailbox.wait_for(&first.email, 2).await.remove(0);
    first.is_signed_in().await;
    let (client, password) = (Client::of(ready), secrets::password());
    client.confirm_reset(&reset.token(), &password).await.expect(204);
    for session in [&first, &elsewhere] {
        session.is_signed_out().await;
        session.cannot_refresh().await;
    }
    client.sign_in(&first.email, &first.password).await.problem(401, "unauthenticated");
    let ann = client.signed_in(&first.with_password(&password)).await;

    let email = secrets::email("new");
    ann.edit(&ann, &json!({ "email": email })).await.expect(200);
    outbox += &written(&rows, "OutboxTable").await;
    send_due_mail(ready).await;
    let confirmation = mailbox.message(&email).await;
    ann.confirm_email(&confirmation.token()).await.expect(200);
    outbox += &written(&rows, "OutboxTable").await;
    send_due_mail(ready).await;
    let renamed = User { email: email.clone(), ..ann.user.clone() };
    let ann = Client::of(ready).signed_in(&renamed).await;
    let last = ann.get("/v1/users/no-user").await;
    last.problem(404, "not_found");

    messages.extend(mailbox.wait_for(&first.email, 4).await);
    messages.extend(mailbox.wait_for(&email, 2).await);
    assert_eq!(messages.len(), 6, "{messages:?}");
    assert_eq!(rows.outbox_keys().await, [""; 0]);
    let mut texts = vec![("the log", stack.logged_until(last.text_at("/request_id")).await), ("the outbox", outbox)];
    for table in TABLES {
        texts.push((table, written(&rows, table).await));
    }
    let tokens = [&invitation, &reset, &confirmation].map(Message::token);
    for (place, text) in &texts {
        for token in &tokens {
            assert!(!text.contains(token), "{place} has a token");
        }
        for message in &messages {
            assert!(!text.contains(&message.subject), "{place} has the subject {:?}", message.subject);
            for line in sentences(message.text()).chain(sentences(message.html())) {
                assert!(!text.contains(line), "{place} has a line of a mail: {line:?}");
            }
        }
        // A history has the emails of its users. The outbox has an address until its mail is sent.
        let may_have_emails = ["UsersTable", "AuditTable", "the outbox"].contains(place);
        assert_eq!(text.contains(secrets::EMAIL_DOMAIN), may_have_emails, "an email in {place}");
    }
    stack.end("TERM");
}
