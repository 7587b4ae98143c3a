//! Every kind of mail in both languages, as a user causes it.
//!
//! `.ci/independent-engines` runs this module with an independent SES, and parses what arrives there.

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Message, Partner, User, secrets, stack};
use serde_json::json;

/// The subjects in English and in French.
const SUBJECTS: [[&str; 2]; 17] = [
    ["Reset your password for the partner portal", "Réinitialisez votre mot de passe du portail partenaires"],
    ["Confirm your address for the partner portal", "Confirmez votre adresse pour le portail partenaires"],
    [
        "A new password was set for your account in the partner portal",
        "Un nouveau mot de passe a été défini pour votre compte du portail partenaires",
    ],
    ["Your password for the partner portal was changed", "Votre mot de passe du portail partenaires a été modifié"],
    ["Your password for the partner portal was reset", "Votre mot de passe du portail partenaires a été réinitialisé"],
    [
        "The email of your account in the partner portal was changed",
        "L’adresse e-mail de votre compte du portail partenaires a été modifiée",
    ],
    ["New sign-in to your account in the partner portal", "Nouvelle connexion à votre compte du portail partenaires"],
    ["You were signed out of the partner portal", "Vos sessions du portail partenaires ont pris fin"],
    ["Your account in the partner portal was suspended", "Votre compte du portail partenaires a été suspendu"],
    ["Your access to the partner portal was changed", "Votre accès au portail partenaires a été modifié"],
    ["The partner portal was handed over", "Le portail partenaires a été transmis"],
    [
        "Sign-ins to your account in the partner portal are blocked",
        "Les connexions à votre compte du portail partenaires sont bloquées",
    ],
    ["Your invitation to the partner portal", "Votre invitation au portail partenaires"],
    [
        "A second factor was added to your account in the partner portal",
        "Un second facteur a été ajouté à votre compte du portail partenaires",
    ],
    [
        "The second factor of your account in the partner portal was removed",
        "Le second facteur de votre compte du portail partenaires a été supprimé",
    ],
    [
        "The second factors of your account in the partner portal were reset",
        "Les seconds facteurs de votre compte du portail partenaires ont été réinitialisés",
    ],
    [
        "A recovery code of your account in the partner portal was used",
        "Un code de récupération de votre compte du portail partenaires a été utilisé",
    ],
];

/// Causes every kind of mail to users with this language. All of them have a name with a link and with markup.
async fn all(language: &str) -> Vec<Message> {
    let (partner, mailbox, rows) = (Partner::new().await, Mailbox::new(), Rows::of(&stack().ready));
    let owner = partner.owner();
    let named =
        json!({ "language": language, "first_name": "Zoé https://evil.example/now", "last_name": "<b>Lee</b>" });
    owner.edit(owner, &named).await.expect(200);
    // New users have the language of the user who adds them.
    let add = || owner.add("Zoé www.evil.example", "<b>Lee</b> evil.example/x").role("admin");
    let mut messages = Vec::new();

    let invited = add().invited().await;
    messages.push(mailbox.message(&invited.email).await);

    let ann = add().created().await;
    Client::new().request_reset(&ann.email).await.expect(202);
    let reset = mailbox.message(&ann.email).await;
    Client::new().confirm_reset(&reset.token(), &secrets::password()).await.expect(204);
    messages.extend(mailbox.wait_for(&ann.email, 2).await);

    let (bob, new) = (add().signed_in().await, secrets::email("new"));
    bob.edit(&bob, &json!({ "email": new })).await.expect(200);
    let confirmation = mailbox.message(&new).await;
    bob.confirm_email(&confirmation.token()).await.expect(200);
    messages.extend(mailbox.wait_for(&new, 2).await);
    messages.extend(mailbox.wait_for(&bob.email, 1).await);

    let cat = add().signed_in().await;
    cat.set_own_password(&cat.password, &secrets::password()).await.expect(204);
    messages.push(mailbox.message(&cat.email).await);

    let dan = add().created().await;
    rows.set_time(&dan, "created_at", "2026-01-01T00:00:00.000Z").await;
    Client::new().sign_in(&dan.email, &dan.password).await.expect(200);
    messages.push(mailbox.message(&dan.email).await);

    let (set, ended) = (add().created().await, add().created().await);
    let (suspended, changed) = (add().created().await, add().created().await);
    owner.set_password(&set, &secrets::password(), &json!({})).await.expect(204);
    owner.force_logout(&ended).await.expect(200);
    owner.suspend(&suspended).await.expect(200);
    owner.set_permissions(&changed, &json!({ "role": "viewer" })).await.expect(200);
    for user in [&set, &ended, &suspended, &changed] {
        messages.push(mailbox.message(&user.email).await);
    }

    let (eve, fay) = (add().signed_in().await, add().signed_in().await);
    let (_, codes) = eve.enrolled().await;
    eve.reauthenticate(&json!({ "code": codes[0] })).await.expect(204);
    eve.remove_totp().await.expect(204);
    messages.extend(mailbox.wait_for(&eve.email, 3).await);
    fay.enrolled().await;
    owner.reset_factors(&fay).await.expect(204);
    messages.extend(mailbox.wait_for(&fay.email, 2).await);

    messages.push(blocked(&add().created().await).await);
    let next = add().signed_in().await;
    owner.hand_over(&next).await.expect(200);
    messages.push(mailbox.message(&next.email).await);
    messages.push(mailbox.message(&owner.email).await);
    messages
}

/// Blocks the sign-ins of a user from unknown sources.
async fn blocked(user: &User) -> Message {
    join_all((0..11).map(async |_| {
        let guesser = Client::new();
        for _ in 0..5 {
            guesser.sign_in_at(&user.partner_id, &user.email, &secrets::password()).await.expect(401);
        }
    }))
    .await;
    Client::new().sign_in_at(&user.partner_id, &user.email, &user.password).await.expect(401);
    Mailbox::new().message(&user.email).await
}

#[track_caller]
fn is_whole(message: &Message, language: &str) {
    let Message { to, subject, headers, .. } = message;
    assert_eq!(to.len(), 1, "{message:?}");
    assert_eq!(headers["Auto-Submitted"], "auto-generated", "{message:?}");
    assert!(headers.keys().all(|name| !["bcc", "cc"].contains(&name.to_lowercase().as_str())), "{message:?}");
    let (text, html) = (message.text(), message.html());
    assert!(html.contains(&format!("<html lang=\"{language}\">")), "{message:?}");
    assert!(!["<img", "<script", "<b>Lee"].iter().any(|part| html.contains(part)), "{message:?}");
    assert!(text.contains("Zoé") && html.contains("Zoé"), "{message:?}");
    assert!(![subject, text, html].iter().any(|part| part.contains("evil")), "{message:?}");
    assert!(message.links().iter().all(|link| link.starts_with(&stack().ready.url)), "{message:?}");
}

/// Hashes about 150 passwords.
#[tokio::test]
async fn every_mail_has_its_subject_and_no_text_of_a_user_but_a_name() {
    let languages = ["en", "fr"];
    let found = join_all(languages.map(all)).await;
    for (number, (language, messages)) in languages.iter().zip(found).enumerate() {
        for message in &messages {
            is_whole(message, language);
        }
        for subjects in SUBJECTS {
            let subject = subjects[number];
            assert!(messages.iter().any(|message| message.subject == subject), "no mail with {subject:?}");
        }
        let subjects = SUBJECTS.map(|subjects| subjects[number]);
        assert!(messages.iter().all(|message| subjects.contains(&message.subject.as_str())), "{messages:?}");
    }
}
