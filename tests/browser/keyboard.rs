//! The main tasks with only the keyboard. The focus is always visible.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Partner, secrets};

in_both_languages![the_keyboard_is_enough];

async fn the_keyboard_is_enough(language: Language) {
    let partner = Partner::new().await;
    partner.owner().add("Bob", "Baker").role("viewer").created().await;
    let text = |key: &str| language.text(key);
    let browser = Browser::new(language).await;
    browser.goto("/").await;
    browser.has_focus_on(&text("user.email")).await;
    browser.keys(&partner.owner().email).await;
    browser.tab_to_text("user.password").await;
    browser.keys(&partner.owner().password).await;
    browser.keys(keys::ENTER).await;
    browser.lists(&["Bob Baker", "Olive Owner"]).await;
    browser.has_focus_on(&text("nav.users")).await;

    browser.tab_to_text("users.add").await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&text("user.first_name")).await;
    browser.keys("Ann").await;
    browser.tab_to_text("user.last_name").await;
    browser.keys("Lee").await;
    browser.tab_to_text("user.email").await;
    browser.keys(&secrets::email("ann")).await;
    browser.tab_to_text("user.role").await;
    browser.keys(keys::DOWN).await;
    browser.keys(keys::DOWN).await;
    browser.tab_to_text("permission.audit.read").await;
    browser.keys(keys::SPACE).await;
    browser.tab_to_text("invite.by_mail").await;
    browser.keys(keys::DOWN).await;
    browser.has_focus_on(&text("invite.by_hand")).await;
    browser.tab_to_text("save").await;
    browser.keys(keys::ENTER).await;
    browser.reads("share.title").await;
    browser.keys(keys::ESCAPE).await;
    browser.reads("share.once").await;
    browser.tab_to_text("share.done").await;
    browser.keys(keys::ENTER).await;
    browser.lists(&["Bob Baker", "Ann Lee", "Olive Owner"]).await;
    browser.has_focus_on(&text("users.add")).await;
    let row = browser.row("Ann Lee").await;
    assert!(row.contains(&text("role.manager")), "{row}");

    let more = language.text_with("users.more_of", &[("name", "Ann Lee")]);
    browser.tab_to(&more).await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&text("users.sessions")).await;
    browser.keys(keys::ESCAPE).await;
    browser.has_focus_on(&more).await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&text("users.sessions")).await;
    browser.keys(keys::DOWN).await;
    browser.has_focus_on(&text("nav.history")).await;
    browser.keys(keys::UP).await;
    browser.keys(keys::UP).await;
    browser.has_focus_on(&text("users.remove")).await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&language.text_with("remove.typed", &[("name", "Ann Lee")])).await;
    browser.keys("Ann Lee").await;
    browser.keys(keys::ENTER).await;
    browser.lists(&["Bob Baker", "Olive Owner"]).await;
    browser.has_focus_on(&text("nav.users")).await;

    let edit = language.text_with("users.edit_of", &[("name", "Bob Baker")]);
    browser.tab_to(&edit).await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&text("user.first_name")).await;
    browser.keys(keys::ESCAPE).await;
    browser.has_focus_on(&edit).await;
    browser.is_sound().await;
}
