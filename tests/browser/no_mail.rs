//! A portal that sends no mail has the same page without the parts that need mail.

use portal_tests::browser::{Browser, Language};
use portal_tests::{NO_MAIL, Partner, Stack, secrets};

#[tokio::test]
#[ignore = "needs Chromium"]
async fn without_mail_passwords_are_handed_over_and_no_link_is_offered() {
    let stack = Stack::start("no-mail", &["--ephemeral", NO_MAIL]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("viewer").with("must_change", true).created().await;
    let browser = Browser::of(&stack.ready, Language::English).await;
    browser.goto("/").await;
    browser.type_in("user.email", &owner.email).await;
    browser.press("sign_in.forgot").await;
    browser.press("forgot.do").await;
    browser.announces(&browser.text("fault.mail_off")).await;
    browser.is_accessible("forgot-without-mail").await;
    browser.press("choose.back").await;

    browser.signed_in(owner).await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.does_not_see("First password").await;
    assert!(!browser.has_field("Invitation").await, "no filter");
    browser.more("Ann Lee").await;
    assert!(!browser.offers("Send an invitation").await);
    browser.keys(portal_tests::browser::keys::ESCAPE).await;
    browser.tick("bulk.all").await;
    assert!(browser.offers("Force logout").await && !browser.offers("Send an invitation").await);
    browser.tick("bulk.all").await;
    browser.press("users.import").await;
    browser.reads("import.title").await;
    assert!(!browser.has_field("Send an invitation by mail").await);
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;

    browser.press("users.add").await;
    browser.type_in("user.first_name", "Bob").await;
    browser.type_in("user.email", &secrets::email("bob")).await;
    browser.select("user.role", "role.viewer").await;
    for name in ["Send an invitation by mail", "Language of mail"] {
        assert!(!browser.has_field(name).await, "{name}");
    }
    let password = secrets::remembered(browser.value("password.new").await);
    browser.is_accessible("add-without-mail").await;
    browser.press("save").await;
    browser.reads("share.title").await;
    browser.sees(&password).await;
    browser.press("share.done").await;

    // One's own email changes at once.
    browser.edit_own("Olive Owner").await;
    let email = secrets::email("olive");
    browser.type_in("user.email", &email).await;
    browser.press("save").await;
    browser.announces(&browser.text("edit.own_done")).await;
    browser.sees(&email).await;
    browser.is_sound().await;
}
