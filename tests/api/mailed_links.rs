//! The links in mail, from the request to the end: as users get and redeem them.

use portal_tests::mailbox::send_due_mail;
use portal_tests::rows::Rows;
use portal_tests::{Call, Client, Mailbox, Message, NO_STREAMS, Partner, Stack, User, secrets, stack};
use serde_json::json;

/// Requests a reset, waits for its mail, and returns the tokens in the links, in their order.
async fn reset_links(email: &str) -> Vec<String> {
    Client::new().request_reset(email).await.expect(202);
    let message = Mailbox::new().wait_for(email, 1).await.remove(0);
    let tokens = message.links().into_iter().filter_map(|link| link.split_once('#').map(|(_, token)| token.to_owned()));
    tokens.map(|token| secrets::remembered(token.rsplit('=').next().unwrap())).collect()
}

#[tokio::test]
async fn a_forgotten_password_is_reset_with_the_link_in_the_mail() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let password = secrets::password();
    Client::new().request_reset(&ann.email.to_uppercase()).await.expect(202);
    let message = Mailbox::new().message(&ann.email).await;
    assert!(message.links().iter().all(|link| link.starts_with(&stack().ready.url)), "{message:?}");
    let token = message.token();

    let found = Client::new().look_up(&token).await.expect(200);
    assert_eq!((&found.json["kind"], &found.json["email"]), (&json!("password_reset"), &json!(ann.email)));
    Client::new().confirm_reset(&token, &password).await.expect(204);

    Client::new().signed_in(&ann.with_password(&password)).await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    let notice = Mailbox::new().wait_for(&ann.email, 2).await.remove(0);
    assert!(notice.links().iter().all(|link| !link.contains('#')), "{notice:?}");
    Client::new().look_up(&token).await.problem(422, "invalid_link");
}

#[tokio::test]
async fn one_mail_has_a_link_for_each_partner() {
    let partners = [Partner::new().await, Partner::new().await];
    let email = secrets::email("both");
    let mut users: Vec<User> = Vec::new();
    for partner in &partners {
        users.push(partner.owner().add("Ann", "Lee").email(&email).created().await);
    }
    let tokens = reset_links(&email).await;
    assert_eq!(tokens.len(), 2);
    for token in &tokens {
        let found = Client::new().look_up(token).await.expect(200);
        let user = users.iter().find(|user| found.json["partner"]["id"] == user.partner_id.as_str()).unwrap();
        let password = secrets::password();
        Client::new().confirm_reset(token, &password).await.expect(204);
        Client::new().signed_in(&user.with_password(&password)).await;
    }

    Client::new()
        .post("/v1/password-resets", &json!({ "email": email, "partner_id": partners[0].id }))
        .await
        .expect(202);
    let has_one = |message: &Message| message.links().iter().filter(|link| link.contains('#')).count() == 1;
    let only = Mailbox::new().wait_for(&email, 4).await.into_iter().find(has_one);
    let found = Client::new().look_up(&only.unwrap().token()).await.expect(200);
    assert_eq!(found.json["partner"]["id"], partners[0].id);
}

#[tokio::test]
async fn an_invited_user_follows_the_link_and_signs_in() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").invited().await;
    let first = Mailbox::new().message(&ann.email).await.token();
    assert_eq!(Client::new().look_up(&first).await.expect(200).json["kind"], "invitation");

    partner.owner().invite(&ann).await.expect(202);
    let second = Mailbox::new().wait_for(&ann.email, 2).await.remove(0).token();
    Client::new().confirm_reset(&first, &secrets::password()).await.problem(422, "invalid_link");
    let found = Client::new().look_up(&second).await.expect(200);
    assert_eq!(found.json["expires_at"].as_str().unwrap()[..19], pending_until(&partner, &ann).await[..19]);
    let password = secrets::password();
    Client::new().confirm_reset(&second, &password).await.expect(204);
    Client::new().signed_in(&ann.with_password(&password)).await;
}

async fn pending_until(partner: &Partner, user: &User) -> String {
    partner.owner().see(user).await["pending"]["expires_at"].as_str().unwrap().to_owned()
}

/// Mail scanners and previews follow links.
#[tokio::test]
async fn a_hundred_requests_for_the_address_of_a_link_do_not_redeem_it() {
    let partner = Partner::new().await;
    let (ann, password) = (partner.owner().add("Ann", "Lee").created().await, secrets::password());
    Client::new().request_reset(&ann.email).await.expect(202);
    let message = Mailbox::new().message(&ann.email).await;
    let (scanner, token) = (Client::new(), message.token());
    let link = message.links().into_iter().find(|link| link.contains('#')).unwrap();
    // A client does not send the fragment. Some scanners send it as if it were a part of the address.
    let (address, fragment) = link.strip_prefix(&stack().ready.url).unwrap().split_once('#').unwrap();
    let addresses = [address.to_owned(), format!("{address}?{fragment}"), format!("{address}%23{fragment}")];
    for number in 0..100 {
        let address = &addresses[number % addresses.len()];
        for method in ["GET", "HEAD"] {
            let answer = scanner.call(method, address).await;
            assert!(answer.status == 200 || !address.ends_with('/'), "{answer}");
            assert!(!answer.text.contains(&token), "{answer}");
        }
    }
    scanner.look_up(&token).await.expect(200);
    Client::new().confirm_reset(&token, &password).await.expect(204);
    Client::new().signed_in(&ann.with_password(&password)).await;
}

#[tokio::test]
async fn links_do_not_depend_on_the_headers_of_the_request() {
    const FORGED: [(&str, &str); 5] = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "ftp"),
        ("forwarded", "host=evil.example;proto=ftp"),
        ("x-original-host", "evil.example"),
    ];
    let partner = Partner::new().await;
    let (owner, admin) = (partner.owner(), partner.new_user("admin").await);
    let forged = |call: Call| FORGED.iter().fold(call, |call, (name, value)| call.header(name, value));
    let (ann, new) = (owner.add("Ann", "Lee").created().await, secrets::email("new"));
    let invited = owner.add("Bob", "Ray").invited().await;
    Mailbox::new().message(&invited.email).await;
    forged(Client::new().request_reset(&ann.email)).await.expect(202);
    forged(owner.invite(&invited)).await.expect(202);
    forged(admin.edit(&admin, &json!({ "email": new }))).await.expect(200);
    forged(owner.force_logout(&ann)).await.expect(200);
    let mailbox = Mailbox::new();
    let mut messages = mailbox.wait_for(&ann.email, 2).await;
    messages.push(mailbox.wait_for(&invited.email, 2).await.remove(0));
    messages.push(mailbox.message(&new).await);
    for message in &messages {
        assert!(!format!("{message:?}").contains("evil"), "{message:?}");
    }
    let links: Vec<String> = messages.iter().flat_map(Message::links).collect();
    assert_eq!(links.iter().filter(|link| link.contains('#')).count(), 3, "{links:?}");
    assert!(links.iter().all(|link| link.starts_with(&stack().ready.url)), "{links:?}");
}

/// Starts its own stack, to know that no mail is sent.
#[tokio::test]
async fn pending_and_suspended_users_get_what_they_need() {
    let stack =
        Stack::start("resets-of-pending", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let (partner, rows) = (Partner::of(&stack.ready).await, Rows::of(&stack.ready));
    let (owner, mailbox) = (partner.owner(), Mailbox::of(&stack.ready));
    let invited = owner.add("Ann", "Lee").invited().await;
    let initial = owner.add("Bob", "Ray").without("must_change").created().await;
    let expired = owner.add("Cat", "Fox").invited().await;
    let suspended = owner.add("Dan", "Gray").created().await;
    owner.suspend(&suspended).await.expect(200);
    // The mail with the first invitation is late, and is dropped.
    let twice = owner.add("Eve", "Moss").invited().await;
    owner.invite(&twice).await.expect(202);
    assert_eq!(rows.outbox(&twice).await.len(), 2);
    send_due_mail(&stack.ready).await;
    let token = mailbox.message(&twice.email).await.token();
    assert_eq!(Client::of(&stack.ready).look_up(&token).await.expect(200).json["email"], twice.email);
    rows.expire_invitation(&expired).await;
    mailbox.clear().await;
    let unused = secrets::email("unused");
    for email in [&invited.email, &initial.email, &expired.email, &suspended.email, &unused] {
        Client::of(&stack.ready).request_reset(email).await.expect(202);
    }
    send_due_mail(&stack.ready).await;

    let client = Client::of(&stack.ready);
    for (user, kind) in [(&invited, "invitation"), (&initial, "password_reset")] {
        let token = mailbox.message(&user.email).await.token();
        assert_eq!(client.look_up(&token).await.expect(200).json["kind"], kind);
        let password = secrets::password();
        client.confirm_reset(&token, &password).await.expect(204);
        Client::of(&stack.ready).signed_in(&user.with_password(&password)).await;
    }
    let message = mailbox.message(&expired.email).await;
    assert!(message.links().iter().all(|link| !link.contains('#')), "{message:?}");
    assert_eq!(mailbox.messages(&suspended.email).await, []);
    assert_eq!(mailbox.messages(&unused).await, []);
    stack.end("TERM");
}

/// Starts its own stack, to know that no mail is sent.
#[tokio::test]
async fn a_request_above_the_limit_sends_no_mail_and_earlier_links_stay_valid() {
    let stack =
        Stack::start("resets-above-limit", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    for _ in 0..5 {
        Client::of(&stack.ready).request_reset(&ann.email).await.expect(202);
    }
    send_due_mail(&stack.ready).await;
    let messages = Mailbox::of(&stack.ready).messages(&ann.email).await;
    assert_eq!(messages.len(), 3);
    let tokens: Vec<String> = messages.iter().map(Message::token).collect();
    for token in &tokens {
        Client::of(&stack.ready).look_up(token).await.expect(200);
    }
    Client::of(&stack.ready).confirm_reset(&tokens[2], &secrets::password()).await.expect(204);
    for token in &tokens {
        Client::of(&stack.ready).look_up(token).await.problem(422, "invalid_link");
    }
    stack.end("TERM");
}

#[tokio::test]
async fn a_new_email_of_ones_own_is_confirmed_from_the_new_mailbox() {
    let partner = Partner::new().await;
    let (ann, email) = (partner.new_user("admin").await, secrets::email("new"));
    ann.edit(&ann, &json!({ "email": email })).await.expect(200);
    let token = Mailbox::new().message(&email).await.token();
    ann.confirm_email(&token).await.expect(200);
    Client::new().sign_in(&email, &ann.password).await.expect(200);
    assert_eq!(Mailbox::new().wait_for(&email, 2).await.len(), 2);
    assert_eq!(Mailbox::new().wait_for(&ann.email, 1).await.len(), 1);
}

#[tokio::test]
async fn an_import_mails_every_user_a_link() {
    let partner = Partner::new().await;
    let emails: Vec<String> = (0..21).map(|_| secrets::email("ann")).collect();
    let rows = emails.iter().map(|email| format!("Ann,Lee,{email},viewer\n")).collect::<Vec<_>>().concat();
    let table = format!("first_name,last_name,email,role\n{rows}");
    let import = partner.owner().call("POST", "/v1/users/import?dry_run=false&invite=true").body("text/csv", table);
    import.await.expect(200);
    for email in &emails {
        let token = Mailbox::new().message(email).await.token();
        assert_eq!(Client::new().look_up(&token).await.expect(200).json["email"], email.as_str());
    }
}
