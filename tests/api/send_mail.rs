//! `send-mail`: the notifications of changes, each in the transaction of its change.

use std::time::Duration;

use portal_tests::mailbox::send_due_mail;
use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Message, NO_MAIL, NO_STREAMS, Partner, Stack, User, secrets, stack};
use serde_json::json;

/// The time of the stacks with a clock: 2027-01-15T08:00:00Z.
const START: u64 = 1_800_000_000_000;

#[track_caller]
fn says(message: &Message, parts: &[&str]) {
    for part in parts {
        assert!(message.text().contains(part), "no {part:?} in {message:?}");
    }
}

#[tokio::test]
async fn a_notification_is_sent_once_and_its_item_is_deleted() {
    let (partner, rows) = (Partner::new().await, Rows::of(&stack().ready));
    let ann = partner.new_user("viewer").await;

    partner.owner().force_logout(&ann).await.expect(200);

    let message = Mailbox::new().message(&ann.email).await;
    assert_eq!(message.subject, "You were signed out of the partner portal");
    says(&message, &["Hello Nora Newcomer,", "Olive Owner ended all sessions", "the portal of Acme Agency", "UTC"]);
    assert_eq!(message.headers["Auto-Submitted"], "auto-generated");
    assert!(message.html().contains("Olive Owner") && !message.html().contains("<img"));
    send_due_mail(&stack().ready).await;
    assert!(rows.outbox(&ann).await.is_empty());
    assert_eq!(Mailbox::new().messages(&ann.email).await.len(), 1);
}

#[tokio::test]
async fn each_change_by_another_user_notifies_its_user() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo, cy) =
        (owner.add("Ann", "Lee").created().await, partner.new_user("viewer").await, partner.new_user("viewer").await);
    let next = owner.add("Bea", "Next").role("admin").signed_in().await;

    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    owner.set_permissions(&bo, &json!({ "role": "manager" })).await.expect(200);
    owner.suspend(&cy).await.expect(200);
    owner.hand_over(&next).await.expect(200);

    let mailbox = Mailbox::new();
    says(&mailbox.message(&ann.email).await, &["Olive Owner set a new password", "All your sessions have ended"]);
    says(&mailbox.message(&bo.email).await, &["changed your role", "Your role is now: manager"]);
    says(&mailbox.message(&cy.email).await, &["Olive Owner suspended your account"]);
    says(&mailbox.message(&next.email).await, &["Olive Owner handed over", "You are now its primary admin"]);
    says(&mailbox.message(&owner.email).await, &["You handed over", "Network address"]);
}

#[tokio::test]
async fn a_decision_of_a_review_and_a_change_of_many_notify_too() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo, cy) =
        (partner.new_user("manager").await, partner.new_user("viewer").await, partner.new_user("viewer").await);

    owner.decide(&ann, "reduce").await.expect(200);
    owner.decide(&bo, "suspend").await.expect(200);
    owner.change_users("force_logout", [&*cy]).await.expect(200);

    let mailbox = Mailbox::new();
    says(&mailbox.message(&ann.email).await, &["Your role is now: viewer"]);
    says(&mailbox.message(&bo.email).await, &["suspended your account"]);
    says(&mailbox.message(&cy.email).await, &["ended all sessions"]);
}

#[tokio::test]
async fn a_changed_email_notifies_both_addresses() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let new = secrets::email("new");

    partner.owner().edit(&ann, &json!({ "email": new })).await.expect(200);
    partner.owner().edit(&ann, &json!({ "email": new.to_uppercase() })).await.expect(200);
    partner.owner().edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);

    let mailbox = Mailbox::new();
    says(&mailbox.message(&ann.email).await, &["You can no longer sign in with this address."]);
    says(&mailbox.message(&new).await, &["You now sign in with this address."]);
}

#[tokio::test]
async fn a_change_of_ones_own_password_names_the_client() {
    const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let change = ann.set_own_password(&ann.password, &secrets::password());

    change.header("user-agent", FIREFOX).await.expect(204);

    let message = Mailbox::new().message(&ann.email).await;
    let address = format!("Network address: {}", ann.client.address);
    says(&message, &["was changed", "Browser or program: Firefox on Windows", &address]);
}

#[tokio::test]
async fn a_recovered_primary_admin_is_notified() {
    let partner = Partner::new().await;
    User::recovered(&stack().ready, &partner.id, None).await;
    says(&Mailbox::new().message(&partner.owner().email).await, &["An operator set a new password"]);
}

#[tokio::test]
async fn names_in_mail_are_neither_links_nor_markup() {
    let partner = Partner::new().await;
    let add = partner.owner().add("Win at https://evil.example/now", "<b>Lee</b> & \"Co\"");
    let ann = add.created().await;
    partner.owner().force_logout(&ann).await.expect(200);

    let message = Mailbox::new().message(&ann.email).await;
    assert!(!message.text().contains("evil") && !message.html().contains("evil"), "{message:?}");
    assert!(
        message.text().contains("Hello Win at &,") && message.html().contains("Hello Win at &amp;,"),
        "{message:?}"
    );
    assert!(!message.subject.contains("Win"));
}

/// Starts a stack.
#[tokio::test]
async fn a_sign_in_from_an_unknown_source_notifies_after_ten_minutes() {
    let (stack, clock) =
        Stack::start_at(START, "new-sign-in", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let (partner, mailbox) = (Partner::of(&stack.ready).await, Mailbox::of(&stack.ready));
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let early = Client::of(&stack.ready);
    early.sign_in(&ann.email, &ann.password).await.expect(200);
    clock.advance(Duration::from_mins(10));

    early.sign_in(&ann.email, &ann.password).await.expect(200);
    send_due_mail(&stack.ready).await;
    assert_eq!(mailbox.messages(&ann.email).await, [], "the first minutes, and a known network");

    let late = Client::of(&stack.ready);
    late.sign_in(&ann.email, &ann.password).await.expect(200);
    send_due_mail(&stack.ready).await;
    let address = format!("Network address: {}", late.address);
    says(&mailbox.message(&ann.email).await, &["used to sign in", "15 January 2027, 08:10 UTC", &address]);
    stack.end("TERM");
}

/// Starts a stack. Hashes about 60 passwords.
#[tokio::test]
async fn blocked_sign_ins_are_reported_once_a_day() {
    let (stack, clock) =
        Stack::start_at(START, "blocked-mail", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let (partner, mailbox) = (Partner::of(&stack.ready).await, Mailbox::of(&stack.ready));
    let ann = partner.owner().add("Ann", "Lee").created().await;
    for _ in 0..11 {
        let guesser = Client::of(&stack.ready);
        for _ in 0..5 {
            guesser.sign_in_at(&partner.id, &ann.email, &secrets::password()).await.expect(401);
        }
    }
    let blocked = async || {
        clock.advance(Duration::from_mins(20));
        Client::of(&stack.ready).sign_in_at(&partner.id, &ann.email, &ann.password).await.expect(401);
        send_due_mail(&stack.ready).await;
        mailbox.messages(&ann.email).await.len()
    };
    assert_eq!([blocked().await, blocked().await], [1, 1]);
    says(&mailbox.message(&ann.email).await, &["too many sign-ins with a wrong password"]);
    clock.advance(Duration::from_hours(24));
    assert_eq!(blocked().await, 2);
    stack.end("TERM");
}

/// Starts a stack.
#[tokio::test]
async fn nothing_is_added_to_the_outbox_while_mail_is_off() {
    let stack = Stack::start("no-mail", &["--ephemeral", NO_MAIL]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack.ready));
    let (ann, next) = (partner.new_user("viewer").await, owner.add("Bea", "Next").role("admin").signed_in().await);
    owner.set_permissions(&ann, &json!({ "role": "manager" })).await.expect(200);
    owner.edit(&ann, &json!({ "email": secrets::email("new") })).await.expect(200);
    owner.force_logout(&ann).await.expect(200);
    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    owner.suspend(&ann).await.expect(200);
    owner.hand_over(&next).await.expect(200);
    assert_eq!(rows.whole("OutboxTable").await, []);
    assert_eq!(stack.ready.mail_url, None);
    stack.end("TERM");
}
