//! Keyboard shortcuts of the whole page, and the keys of menus.

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language, keys};
use serde_json::json;

in_both_languages![keys_lead_to_the_search_and_to_the_list_of_keys];

async fn keys_lead_to_the_search_and_to_the_list_of_keys(language: Language) {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    let search = browser.text("users.search");
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.keys("/").await;
    browser.has_focus_on(&search).await;
    browser.keys("a/?").await;
    browser.holds("users.search", "a/?").await;

    browser.goto("/").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.keys("?").await;
    browser.has_focus_on(&browser.text("shortcuts.title")).await;
    browser.is_accessible("shortcuts").await;
    browser.tick("shortcuts.use").await;
    browser.press("close").await;
    browser.is_back_on_the_page().await;
    browser.reload().await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.keys("/?").await;
    browser.has_focus_on(&browser.text("nav.users")).await;
    browser.is_back_on_the_page().await;

    // The menu of the account has the list too.
    browser.script("document.querySelector('.account').focus()", json!([])).await;
    browser.keys(keys::DOWN).await;
    browser.has_focus_on(&browser.text("nav.account")).await;
    let first = browser.text("account.sign_out").chars().next().unwrap();
    browser.keys(&first.to_string()).await;
    browser.has_focus_on(&browser.text("account.sign_out")).await;
    browser.keys(keys::UP).await;
    browser.has_focus_on(&browser.text("shortcuts.title")).await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&browser.text("shortcuts.title")).await;
    browser.tick("shortcuts.use").await;
    browser.press("close").await;
    browser.is_back_on_the_page().await;
    browser.keys("/").await;
    browser.has_focus_on(&search).await;
    browser.is_sound().await;
}
