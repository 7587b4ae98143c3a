//! "Make primary admin".

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language, keys};

in_both_languages![the_primary_admin_makes_another_admin_the_primary_admin];

async fn the_primary_admin_makes_another_admin_the_primary_admin(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    partner.owner().add("New", "Comer").created().await;
    partner.owner().add("Bob", "Baker").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Bob Baker").await;
    assert!(!browser.offers(&browser.text("users.hand_over")).await, "he is not an admin");
    browser.keys(keys::ESCAPE).await;
    browser.more("New Comer").await;
    assert!(!browser.offers(&browser.text("users.hand_over")).await, "this admin has never signed in");
    browser.keys(keys::ESCAPE).await;
    browser.more("Ann Lee").await;
    browser.press("users.hand_over").await;
    browser.sees(&language.text_with("hand_over.text", &[("name", "Ann Lee")])).await;
    browser.has_focus_on(&browser.text("password.current")).await;
    browser.is_accessible("hand-over").await;
    browser.press("users.hand_over").await;
    browser.is_marked("password.current", "field.required").await;
    browser.type_in("password.current", "not the password").await;
    browser.press("users.hand_over").await;
    browser.is_marked("password.current", "field.wrong").await;
    browser.is_accessible("hand-over-wrong").await;
    browser.type_in("password.current", &partner.owner().password).await;
    browser.press("users.hand_over").await;
    browser.announces(&language.text_with("hand_over.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("role.primary_admin")).await;
    let own = browser.row("Olive Owner").await;
    assert!(own.contains(&browser.text("role.admin")) && own.contains(&browser.text("users.you")), "{own}");
    assert!(
        !browser.offers(&language.text_with("users.edit_of", &[("name", "Ann Lee")])).await,
        "an admin cannot edit the primary admin"
    );
    browser.has_focus_on(&browser.text("nav.users")).await;
    browser.is_accessible("handed-over").await;
    assert_eq!(partner.owner().see(&ann).await["role"], "primary_admin");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_admin_suspended_in_the_meantime_cannot_become_the_primary_admin() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    browser.press("users.hand_over").await;
    browser.type_in("password.current", &partner.owner().password).await;
    partner.owner().suspend(&ann).await.expect(200);
    browser.press("users.hand_over").await;
    browser.reads("field.not_an_active_admin").await;
    browser.is_sound().await;
}
