//! "Remove".

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};

in_both_languages![an_admin_removes_a_user_after_typing_the_name];

async fn an_admin_removes_a_user_after_typing_the_name(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    browser.press("users.remove").await;
    browser.sees(&language.text_with("remove.text", &[("name", "Ann Lee"), ("email", &ann.email)])).await;
    browser.is_accessible("remove").await;
    let label = language.text_with("remove.typed", &[("name", "Ann Lee")]);
    browser.fill(&label, "Ann").await;
    browser.press("users.remove").await;
    browser.reads("remove.mismatch").await;
    browser.is_accessible("remove-mismatch").await;
    ann.is_signed_in().await;

    browser.offline(true).await;
    browser.fill(&label, "ann lee").await;
    browser.press("users.remove").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.offline(false).await;
    browser.press("users.remove").await;
    browser.announces(&language.text_with("remove.done", &[("name", "Ann Lee")])).await;
    browser.lists(&["Olive Owner"]).await;
    ann.is_signed_out().await;
    browser.is_sound().await;
}
