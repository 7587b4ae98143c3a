//! "Force logout": two browsers at once.

use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner};

in_both_languages![an_admin_forces_the_logout_of_a_user_at_work];

async fn an_admin_forces_the_logout_of_a_user_at_work(language: Language) {
    let partner = Partner::new().await;
    let bob = partner.owner().add("Bob", "Baker").role("manager").created().await;
    partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let (alices, bobs) = (Browser::new(language).await, Browser::new(language).await);
    alices.signed_in(partner.owner()).await;
    bobs.signed_in(&bob).await;
    bobs.select("user.role", "role.viewer").await;
    bobs.lists(&["Vic Viewer"]).await;

    alices.more("Bob Baker").await;
    alices.press("users.force_logout").await;
    alices.sees(&language.text_with("force_logout.title", &[("name", "Bob Baker")])).await;
    alices.is_accessible("force-logout").await;
    alices.press("cancel").await;
    alices.is_back_on_the_page().await;
    bobs.press("user.email").await;
    bobs.lists(&["Vic Viewer"]).await;

    alices.more("Bob Baker").await;
    alices.press("users.force_logout").await;
    alices.press("users.force_logout").await;
    alices.announces(&language.text_with("force_logout.done", &[("name", "Bob Baker")])).await;

    // Bob's next click ends at the sign-in page.
    bobs.press("user.name").await;
    bobs.announces(&bobs.text("sign_in.ended")).await;
    bobs.is_accessible("sign-in-ended").await;
    // After signing in, he is back where he was.
    bobs.sign_in(&bob.email, &bob.password).await;
    bobs.lists(&["Vic Viewer"]).await;

    // The session ends while the page is not open.
    bobs.goto("about:blank").await;
    partner.owner().force_logout(&bob).await.expect(200);
    bobs.goto("/").await;
    bobs.until_signed_out().await;
    bobs.is_sound().await;
    alices.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn users_can_sign_out_everywhere() {
    let partner = Partner::new().await;
    let elsewhere = partner.owner().elsewhere().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Olive Owner").await;
    for key in ["users.remove", "users.force_logout", "users.sessions"] {
        assert!(!browser.offers(&browser.text(key)).await, "users do this in their account, or not at all: {key}");
    }
    browser.keys(portal_tests::browser::keys::ESCAPE).await;
    browser.opens_account("Olive Owner").await;
    browser.press("account.everywhere").await;
    browser.reads("force_logout.own_title").await;
    browser.press("account.everywhere").await;
    browser.reads("sign_in.everywhere").await;
    elsewhere.is_signed_out().await;
    Client::new().signed_in(partner.owner()).await;
    browser.is_sound().await;
}
