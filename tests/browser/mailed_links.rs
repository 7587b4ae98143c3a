//! The links in mail: a forgotten password, an invitation, and one's own new email.

use portal_tests::browser::{Browser, Language};
use portal_tests::mailbox::Message;
use portal_tests::{Client, Mailbox, Partner, secrets};
use serde_json::json;

in_both_languages![
    a_forgotten_password_is_reset_with_a_mailed_link,
    an_invited_user_checks_the_name_and_chooses_a_password,
    a_link_that_is_not_valid_says_what_to_do,
    a_link_for_another_user_leaves_the_open_session,
    a_user_confirms_a_new_email,
];

/// The path of the link in a message.
fn path(message: &Message) -> String {
    let token = message.token();
    let link = message.links().into_iter().find(|link| link.ends_with(&token)).unwrap();
    let (_, fragment) = link.split_once('#').unwrap();
    format!("/#{fragment}")
}

/// Waits until the address has no token.
async fn has_no_token(browser: &Browser) {
    assert_eq!(
        browser.script("return location.href.split('#').length", json!([])).await,
        1,
        "the token left the address"
    );
}

/// The time of a message of the page, without the end that depends on the time.
fn beginning(language: Language, key: &str, values: &[(&str, &str)]) -> String {
    let text = language.text_with(key, values);
    text.split_once("{until}").unwrap().0.to_owned()
}

async fn a_forgotten_password_is_reset_with_a_mailed_link(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").with("language", language.code()).signed_in().await;
    let browser = Browser::new(language).await;
    browser.goto(&format!("/?partner={}", partner.id)).await;
    browser.type_in("user.email", &ann.email).await;
    browser.press("sign_in.forgot").await;
    browser.reads("forgot.title").await;
    browser.holds("user.email", &ann.email).await;
    browser.reads("forgot.somewhere").await;
    browser.is_accessible("forgot").await;
    // The way back keeps the email.
    browser.press("choose.back").await;
    browser.reads("sign_in.do").await;
    browser.holds("user.email", &ann.email).await;
    browser.press("sign_in.forgot").await;
    browser.type_in("user.email", "ann").await;
    browser.press("forgot.do").await;
    browser.is_marked("user.email", "field.malformed").await;
    browser.type_in("user.email", &ann.email).await;
    browser.offline(true).await;
    browser.press("forgot.do").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.offline(false).await;
    browser.press("forgot.do").await;
    browser.announces(&language.text_with("forgot.sent_text", &[("email", &ann.email)])).await;
    browser.has_focus_on(&browser.text("forgot.sent")).await;
    browser.reads("forgot.hint").await;
    browser.is_accessible("forgot-sent").await;
    let message = Mailbox::new().message(&ann.email).await;

    // Nothing is redeemed before the password is submitted, and a reload keeps the link.
    browser.blocks("/lookup").await;
    browser.goto(&path(&message)).await;
    browser.announces(&browser.text("fault.passing")).await;
    has_no_token(&browser).await;
    browser.is_accessible("redeem-fault").await;
    browser.blocks("").await;
    browser.press("try_again").await;
    browser.reads("redeem.reset_lead").await;
    browser.reload().await;
    browser.reads("choose.title").await;
    browser.sees(&format!("Ann Lee · {}", ann.email)).await;
    browser.sees("Acme Agency").await;
    assert!(!browser.has_field(&browser.text("user.first_name")).await);
    has_no_token(&browser).await;
    browser.is_accessible("redeem-reset").await;
    browser.type_in("password.new", "passwordpassword").await;
    browser.has_met_the_length(true).await;
    browser.press("redeem.do").await;
    browser.is_marked("password.new", "field.password.guessable").await;
    let password = secrets::password();
    browser.type_in("password.new", &password).await;
    browser.offline(true).await;
    browser.press("redeem.do").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.offline(false).await;
    browser.press("redeem.do").await;
    browser.announces(&browser.text("sign_in.password_set")).await;
    browser.sees(&language.text_with("sign_in.at", &[("partner", "Acme Agency")])).await;
    browser.holds("user.email", &ann.email).await;
    browser.has_focus_on(&browser.text("user.password")).await;
    browser.is_accessible("sign-in-password-set").await;
    ann.is_signed_out().await;
    browser.type_in("user.password", &password).await;
    browser.press("sign_in.do").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    assert_eq!(browser.path().await, "/");
    browser.is_sound().await;
    Client::new().signed_in(&ann.with_password(&password)).await;
}

async fn an_invited_user_checks_the_name_and_chooses_a_password(language: Language) {
    let partner = Partner::new().await;
    let email = secrets::email("ann");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.type_in("user.first_name", "An").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    assert!(!browser.has_field(&browser.text("password.new")).await, "the user chooses the password");
    browser.is_accessible("add-invitation").await;
    // The response is lost; a retry invites no second user.
    browser.loses_an_answer("/v1/users").await;
    browser.press("save").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.press("save").await;
    browser.announces(&beginning(language, "add.invited", &[("name", "An Lee"), ("email", &email)])).await;
    browser.row_with("An Lee", language.text("pending.invitation").split_once('{').unwrap().0).await;
    browser.is_accessible("users-invited").await;
    browser.is_sound().await;

    let message = Mailbox::new().message(&email).await;
    let hers = Browser::new(language).await;
    hers.goto(&path(&message)).await;
    hers.reads("redeem.invitation_lead").await;
    hers.sees("Acme Agency").await;
    hers.sees(&email).await;
    has_no_token(&hers).await;
    hers.holds("user.first_name", "An").await;
    hers.is_accessible("redeem-invitation").await;
    hers.type_in("user.first_name", "").await;
    hers.press("redeem.do").await;
    hers.is_marked("user.first_name", "field.required").await;
    hers.type_in("user.first_name", "Ann").await;
    let password = secrets::password();
    hers.type_in("password.new", &password).await;
    // The response is lost: the link was used, and the password is set.
    hers.loses_an_answer("/v1/password-resets/confirm").await;
    hers.press("redeem.do").await;
    hers.announces(&hers.text("fault.offline")).await;
    hers.press("redeem.do").await;
    hers.announces(&hers.text("link.invalid_invitation")).await;
    hers.press("link.leave").await;
    hers.sign_in(&email, &password).await;
    hers.lists(&["Ann Lee", "Olive Owner"]).await;
    hers.is_sound().await;
}

async fn a_link_that_is_not_valid_says_what_to_do(language: Language) {
    let browser = Browser::new(language).await;
    browser.goto("/#invitation=no-token").await;
    browser.announces(&browser.text("link.invalid_invitation")).await;
    browser.has_focus_on(&browser.text("link.invalid")).await;
    assert!(!browser.offers(&browser.text("link.request")).await);
    browser.is_accessible("link-invalid-invitation").await;
    // A link that is opened in a tab with the page.
    browser.goto("/#reset=no-token").await;
    browser.announces(&browser.text("link.invalid_reset")).await;
    has_no_token(&browser).await;
    browser.is_accessible("link-invalid-reset").await;
    browser.press("link.request").await;
    browser.reads("forgot.lead").await;
    browser.press("choose.back").await;
    browser.reads("sign_in.do").await;
    browser.reload().await;
    browser.reads("sign_in.do").await;
    browser.is_sound().await;
}

async fn a_link_for_another_user_leaves_the_open_session(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").invited().await;
    let message = Mailbox::new().message(&ann.email).await;
    let owner = partner.owner();
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.goto(&path(&message)).await;
    let values = [("name", "Olive Owner"), ("email", owner.email.as_str())];
    browser.announces(&language.text_with("link.other_session", &values)).await;
    browser.is_accessible("redeem-other-session").await;
    let password = secrets::password();
    browser.type_in("password.new", &password).await;
    browser.press("redeem.do").await;
    browser.announces(&language.text_with("redeem.still_signed_in", &values)).await;
    browser.is_accessible("redeem-still-signed-in").await;
    browser.click(&language.text_with("link.continue_as", &[("name", "Olive Owner")])).await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.reload().await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;

    // The session of the same user ends.
    browser.goto(&format!("/?partner={}", partner.id)).await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    owner.client.request_reset(&owner.email).await.expect(202);
    let message = Mailbox::new().message(&owner.email).await;
    browser.goto(&path(&message)).await;
    browser.reads("redeem.reset_lead").await;
    let new = secrets::password();
    browser.type_in("password.new", &new).await;
    browser.press("redeem.do").await;
    browser.announces(&browser.text("sign_in.password_set")).await;
    browser.reload().await;
    browser.reads("sign_in.do").await;
    browser.sign_in(&ann.email, &password).await;
    browser.sees("Ann Lee").await;
    browser.is_sound().await;
}

async fn a_user_confirms_a_new_email(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [first, second] = [secrets::email("new"), secrets::email("other")];
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    let change = async |email: &str| {
        browser.edit_own("Olive Owner").await;
        browser.type_in("user.email", email).await;
        browser.press("save").await;
        browser.announces(&language.text_with("email_change.sent", &[("email", email)])).await;
    };
    change(&first).await;
    browser.sees(&language.text_with("email_change.waiting", &[("email", &first)])).await;
    browser.press("users.edit").await;
    browser.reads("section.person").await;
    browser.sees(&language.text_with("email_change.waiting", &[("email", &first)])).await;
    browser.holds("user.email", &owner.email).await;
    browser.is_accessible("own-email-waiting").await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    let message = Mailbox::new().message(&first).await;
    browser.goto(&path(&message)).await;
    browser.announces(&language.text_with("email_change.done", &[("email", &first)])).await;
    browser.row_with("Olive Owner", &first).await;
    has_no_token(&browser).await;

    // The link was used.
    browser.goto(&path(&message)).await;
    browser.announces(&language.text_with("email_change.invalid", &[("name", "Olive Owner"), ("email", &first)])).await;
    browser.is_accessible("email-invalid").await;
    browser.click(&language.text_with("link.continue_as", &[("name", "Olive Owner")])).await;
    browser.lists(&["Olive Owner"]).await;

    // Without a session, the user signs in first.
    change(&second).await;
    let message = Mailbox::new().message(&second).await;
    let other = Browser::new(language).await;
    other.goto(&path(&message)).await;
    other.announces(&other.text("sign_in.for_email")).await;
    has_no_token(&other).await;
    other.is_accessible("sign-in-for-email").await;
    other.reload().await;
    other.announces(&other.text("sign_in.for_email")).await;
    let ann = owner.add("Ann", "Lee").created().await;
    other.sign_in(&ann.email, &ann.password).await;
    other.announces(&language.text_with("email_change.invalid", &[("name", "Ann Lee"), ("email", &ann.email)])).await;
    other.press("link.other_account").await;
    // Another user has the email by now.
    let bob = owner.add("Bob", "Baker").email(&second).created().await;
    other.sign_in(&first, &owner.password).await;
    other.announces(&other.text("fault.email_taken")).await;
    owner.remove(&bob).await.expect(204);
    other.press("link.other_account").await;
    other.sign_in(&first, &owner.password).await;
    other.announces(&language.text_with("email_change.done", &[("email", &second)])).await;
    browser.is_sound().await;
    other.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn too_many_requests_for_a_link_show_the_wait() {
    let browser = Browser::new(Language::English).await;
    browser.goto("/").await;
    for _ in 0..20 {
        browser.script("return fetch('/v1/password-resets', { method: 'POST', headers: { 'content-type': 'application/json' }, \
            body: JSON.stringify({ email: 'nobody@example.com' }) }).then(() => 0)", json!([])).await;
    }
    browser.type_in("user.email", &secrets::email("ann")).await;
    browser.press("sign_in.forgot").await;
    browser.press("forgot.do").await;
    browser.announces("Too many attempts. Try again in 15 minutes.").await;
    browser.is_accessible("forgot-limited").await;
    browser.is_sound().await;
}
