//! The page of one user, with its own address.

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language, keys};
use serde_json::json;

in_both_languages![a_user_has_a_page];

async fn a_user_has_a_page(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.click("Ann Lee").await;
    browser.has_focus_on("Ann Lee").await;
    assert_eq!(browser.path().await, format!("/?view=user&id={}", ann.id));
    for text in [ann.email.as_str(), &browser.text("role.manager"), &browser.text("second_factor.none")] {
        browser.sees(text).await;
    }
    browser.reads("sessions.end").await;
    browser.sees(&browser.text("event.user.added")).await;
    browser.is_accessible("user").await;

    browser.press("sessions.end").await;
    browser.reads("sessions.none").await;
    ann.is_signed_out().await;
    browser.press("users.edit").await;
    browser.type_in("user.last_name", "Smith").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Ann Smith")])).await;
    browser.has_focus_on(&browser.text("users.edit")).await;
    browser.sees("Ann Smith").await;
    let pick = async |action: &str| {
        browser.press("users.actions").await;
        browser.press(action).await;
    };
    pick("users.suspend").await;
    browser.press("users.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Ann Smith")])).await;
    browser.reads("status.suspended").await;
    browser.reload().await;
    browser.has_focus_on("Ann Smith").await;
    browser.reads("status.suspended").await;
    browser.back().await;
    browser.lists(&["Olive Owner", "Ann Smith"]).await;

    browser.goto(&format!("/?view=user&id={}", ann.id)).await;
    browser.reads("status.suspended").await;
    pick("users.remove").await;
    browser.fill(&language.text_with("remove.typed", &[("name", "Ann Smith")]), "Ann Smith").await;
    browser.press("users.remove").await;
    browser.lists(&["Olive Owner"]).await;
    assert_eq!(browser.path().await, "/");
    browser.goto(&format!("/?view=user&id={}", ann.id)).await;
    browser.announces(&browser.text("fault.gone")).await;
    browser.lists(&["Olive Owner"]).await;
    // The button of the account has the same text as the link.
    browser.tab_to("Olive Owner").await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&browser.text("nav.account")).await;
    assert_eq!(browser.path().await, "/?view=account");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_of_a_user_shows_only_what_is_allowed() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let vic = owner.add("Vic", "Viewer").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&vic).await;
    browser.click("Olive Owner").await;
    browser.has_focus_on("Olive Owner").await;
    browser.sees(&owner.email).await;
    for key in ["users.edit", "users.actions", "sessions.end"] {
        assert!(!browser.offers(&browser.text(key)).await, "{key}");
    }
    browser.does_not_see(&browser.text("event.user.added")).await;
    browser.is_accessible("user-read-only").await;
    browser.press("nav.users").await;
    browser.lists(&["Olive Owner", "Vic Viewer"]).await;
    browser.answers_503("/v1/users/").await;
    browser.click("Olive Owner").await;
    browser.announces(&browser.text("fault.passing")).await;
    browser.press("try_again").await;
    browser.sees(&owner.email).await;
    assert_eq!(browser.script("return document.querySelectorAll('[data-messages] > *').length", json!([])).await, 0);
    browser.is_sound().await;
}
