//! "Suspend" and "Reactivate".

use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner};

in_both_languages![an_admin_suspends_and_reactivates_a_user];

async fn an_admin_suspends_and_reactivates_a_user(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    assert!(!browser.offers(&browser.text("users.reactivate")).await, "she is active");
    browser.press("users.suspend").await;
    browser.sees(&language.text_with("suspend.title", &[("name", "Ann Lee")])).await;
    browser.has_focus_on(&browser.text("cancel")).await;
    browser.is_accessible("suspend").await;
    browser.type_in("confirm.reason", "On leave\u{202E}").await;
    browser.press("users.suspend").await;
    browser.is_marked("confirm.reason", "field.control_character").await;
    browser.is_accessible("suspend-fault").await;
    ann.is_signed_in().await;
    browser.type_in("confirm.reason", "On leave").await;
    browser.press("users.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("status.suspended")).await;
    browser.has_focus_on(&language.text_with("users.more_of", &[("name", "Ann Lee")])).await;
    browser.is_accessible("suspended").await;
    ann.is_signed_out().await;
    let answer = partner.owner().get("/v1/audit-events?action=user.suspended").await.expect(200);
    assert_eq!(answer.json["items"][0]["after"]["reason"], "On leave", "{answer}");

    browser.more("Ann Lee").await;
    assert!(!browser.offers(&browser.text("users.suspend")).await, "she is suspended");
    browser.press("users.reactivate").await;
    browser.sees(&language.text_with("reactivate.title", &[("name", "Ann Lee")])).await;
    browser.is_accessible("reactivate").await;
    browser.press("users.reactivate").await;
    browser.announces(&language.text_with("reactivate.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("status.active")).await;
    Client::new().signed_in(&ann).await;
    browser.is_sound().await;
}
