//! A dialog that is closed while its request is running: the request cannot be cancelled, so its result is still shown.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Partner, secrets};

/// Closes the dialog, and only then lets the response arrive.
async fn close_during_request(browser: &Browser) {
    browser.keys(keys::ESCAPE).await;
    browser.is_back_on_the_page().await;
    browser.lets_through().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_details_of_an_added_user_are_shared() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.type_in("user.first_name", "Ann").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.type_in("user.email", &secrets::email("ann")).await;
    browser.select("user.role", "role.viewer").await;
    let password = secrets::remembered(browser.value("password.new").await);
    browser.delays_an_answer("/v1/users").await;
    browser.press("save").await;
    close_during_request(&browser).await;
    browser.reads("share.title").await;
    browser.sees(&password).await;
    browser.press("share.done").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_removal_is_reported() {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    browser.press("users.remove").await;
    browser.fill(&Language::English.text_with("remove.typed", &[("name", "Ann Lee")]), "Ann Lee").await;
    browser.delays_an_answer("/v1/users/").await;
    browser.press("users.remove").await;
    close_during_request(&browser).await;
    browser.announces(&Language::English.text_with("remove.done", &[("name", "Ann Lee")])).await;
    browser.lists(&["Olive Owner"]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_error_is_reported() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.edit("Ann Lee").await;
    browser.type_in("user.first_name", "Anna").await;
    partner.owner().edit(&ann, &serde_json::json!({ "first_name": "Annie" })).await.expect(200);
    browser.delays_an_answer("/v1/users/").await;
    browser.press("save").await;
    close_during_request(&browser).await;
    browser.announces(&browser.text("fault.version_mismatch")).await;
    assert_eq!(partner.owner().see(&ann).await["first_name"], "Annie");
    browser.is_sound().await;
}
