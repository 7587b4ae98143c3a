//! What a user has typed is not lost by accident.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Partner, secrets};
use serde_json::{Value, json};

in_both_languages![typed_text_is_discarded_only_on_purpose, typed_text_survives_the_end_of_the_session,];

async fn typed_text_is_discarded_only_on_purpose(language: Language) {
    let partner = Partner::new().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("nav.history").await;
    browser.reads("history.when").await;
    browser.press("nav.users").await;
    browser.press("users.add").await;
    browser.reads("section.person").await;
    browser.keys(keys::ESCAPE).await;
    browser.is_back_on_the_page().await;

    browser.press("users.add").await;
    browser.type_in("user.first_name", "Zoé").await;
    browser.keys(keys::ESCAPE).await;
    browser.announces(&browser.text("form.unsaved")).await;
    browser.holds("user.first_name", "Zoé").await;
    browser.is_accessible("add-unsaved").await;
    browser.back().await;
    browser.holds("user.first_name", "Zoé").await;
    browser.press("form.discard").await;
    browser.is_back_on_the_page().await;
    browser.is_sound().await;
}

async fn typed_text_survives_the_end_of_the_session(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ada = owner.add("Ada", "Admin").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&ada).await;
    browser.press("users.add").await;
    browser.type_in("user.first_name", "Zoé").await;
    browser.type_in("user.email", &secrets::email("zoe")).await;
    browser.select("user.role", "role.viewer").await;
    owner.force_logout(&ada).await.expect(200);
    browser.press("save").await;
    browser.reads("sign_in.ended").await;
    let stored = browser.script("return JSON.stringify({ ...sessionStorage, ...localStorage })", json!([])).await;
    assert!(!stored.as_str().unwrap().contains("password\\\":"), "no password is stored: {stored}");

    browser.type_in("user.password", &ada.password).await;
    browser.press("sign_in.do").await;
    browser.announces(&browser.text("form.restored")).await;
    browser.holds("user.first_name", "Zoé").await;
    browser.holds("user.role", "viewer").await;
    browser.is_accessible("add-restored").await;
    browser.keys(keys::ESCAPE).await;
    browser.announces(&browser.text("form.unsaved")).await;
    browser.press("form.discard").await;
    browser.is_back_on_the_page().await;
    assert_eq!(browser.script("return sessionStorage.getItem('draft')", json!([])).await, Value::Null);

    // Another user does not get it, and it is gone then.
    browser.press("users.add").await;
    browser.type_in("user.first_name", "Zoé").await;
    owner.force_logout(&ada).await.expect(200);
    browser.type_in("user.email", &secrets::email("zoe")).await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.reads("sign_in.ended").await;
    browser.sign_in(&owner.email, &owner.password).await;
    browser.lists(&["Ada Admin", "Olive Owner"]).await;
    browser.is_back_on_the_page().await;
    assert_eq!(browser.script("return sessionStorage.getItem('draft')", json!([])).await, Value::Null);
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn changes_of_a_user_survive_a_reload() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    let edit = language.text_with("users.edit_of", &[("name", "Ann Lee")]);
    browser.click(&edit).await;
    browser.type_in("user.last_name", "Lee-Smith").await;
    browser.select("user.role", "role.viewer").await;
    browser.reload().await;
    browser.announces(&browser.text("form.restored")).await;
    browser.holds("user.last_name", "Lee-Smith").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Ann Lee-Smith")])).await;
    assert_eq!(owner.see(&ann).await["role"], "viewer");

    // The user was removed in the meantime.
    browser.click(&language.text_with("users.edit_of", &[("name", "Ann Lee-Smith")])).await;
    browser.type_in("user.last_name", "Lee").await;
    owner.remove(&ann).await.expect(204);
    browser.reload().await;
    browser.announces(&browser.text("fault.gone")).await;
    browser.is_back_on_the_page().await;
    browser.is_sound().await;
}
