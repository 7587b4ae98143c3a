//! The reference of the API, a page without scripts. It is in English only.

use portal_tests::browser::{Browser, Language};

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_reference_is_accessible() {
    let browser = Browser::new(Language::English).await;
    browser.goto("/reference#addUser").await;
    browser.sees("Add a user").await;
    browser.is_accessible("reference").await;
    browser.is_sound().await;
}
