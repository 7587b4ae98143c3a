//! Passkeys, with the virtual authenticator of Chromium. These browsers use the portal's own address: a passkey is bound to it.

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};
use portal_tests::rows::Rows;
use portal_tests::stack;
use serde_json::json;

use crate::second_factor::keeps_codes;

in_both_languages![a_user_adds_a_passkey_and_signs_in_with_it, a_passkey_continues_a_change_in_an_old_session,];

/// Adds a passkey in the view of the account, which comes with recovery codes.
async fn adds_passkey(browser: &Browser, name: &str) {
    browser.press("passkey.add").await;
    browser.type_in("passkey.name", name).await;
    browser.press("passkey.continue").await;
    keeps_codes(browser).await;
    browser.announces(&browser.text("passkey.is_added")).await;
}

async fn signs_out(browser: &Browser) {
    // The virtual device would answer at once where a user chooses among the suggestions for the email.
    browser.script("localStorage.removeItem('passkey')", json!([])).await;
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
}

async fn a_user_adds_a_passkey_and_signs_in_with_it(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::at_own_address(language).await;
    browser.adds_authenticator().await;
    browser.signed_in(&ann).await;
    browser.opens_account("Ann Lee").await;
    browser.reads("factors.none").await;
    browser.press("passkey.add").await;
    browser.is_accessible("passkey-add").await;
    browser.press("cancel").await;
    adds_passkey(&browser, "My laptop").await;
    browser.sees(&language.text_with("passkey.of", &[("name", "My laptop")])).await;
    browser.is_accessible("account-passkey").await;

    // The device has a passkey for this account already.
    browser.press("passkey.add").await;
    browser.type_in("passkey.name", "Again").await;
    browser.press("passkey.continue").await;
    browser.announces(&browser.text("passkey.known")).await;
    browser.press("cancel").await;

    // After the password.
    signs_out(&browser).await;
    browser.is_accessible("sign-in-passkey").await;
    browser.sign_in(&ann.email, &ann.password).await;
    browser.reads("factor.passkey_title").await;
    browser.has_focus_on(&browser.text("factor.use_passkey")).await;
    browser.is_accessible("factor-passkey").await;
    browser.press("factor.use_passkey").await;

    // In place of the email and the password.
    browser.sees(browser.text("passkey.used").split('{').next().unwrap().trim_end()).await;
    signs_out(&browser).await;
    browser.press("sign_in.passkey").await;
    browser.click(&language.text_with("passkey.rename_of", &[("name", "My laptop")])).await;
    browser.type_in("passkey.name", "<i>Old</i> laptop").await;
    browser.press("save").await;
    browser.announces(&browser.text("passkey.renamed")).await;
    browser.sees(&language.text_with("passkey.of", &[("name", "<i>Old</i> laptop")])).await;
    browser.click(&language.text_with("passkey.remove_of", &[("name", "<i>Old</i> laptop")])).await;
    browser.reads("passkey.remove_text").await;
    browser.is_accessible("passkey-remove").await;
    browser.press("app.remove").await;
    browser.announces(&browser.text("passkey.removed")).await;
    browser.reads("factors.none").await;

    // The device still has the passkey, which the portal no longer accepts.
    signs_out(&browser).await;
    browser.press("sign_in.passkey").await;
    browser.announces(&browser.text("sign_in.wrong_passkey")).await;
    browser.is_accessible("sign-in-wrong-passkey").await;
    browser.is_sound().await;
}

async fn a_passkey_continues_a_change_in_an_old_session(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::at_own_address(language).await;
    browser.adds_authenticator().await;
    browser.signed_in(owner).await;
    browser.opens_account("Olive Owner").await;
    adds_passkey(&browser, "My phone").await;
    // A session with a second factor may require it of the others.
    browser.tick("settings.everyone").await;
    browser.press("save").await;
    browser.announces(&browser.text("settings.done")).await;
    browser.does_not_see(&language.text_with("passkey.remove_of", &[("name", "My phone")])).await;
    browser.reads("factors.required").await;

    browser.press("nav.users").await;
    Rows::of(&stack().ready).age_sessions(owner).await;
    browser.edit("Ann Lee").await;
    browser.select("user.role", "role.manager").await;
    browser.press("save").await;
    browser.reads("authenticate.lead_passkey").await;
    browser.has_focus_on(&browser.text("factor.use_passkey")).await;
    browser.is_accessible("authenticate-passkey").await;
    browser.press("factor.use_passkey").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("role.manager")).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_device_that_does_not_verify_its_user_signs_nobody_in() {
    let language = Language::English;
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::at_own_address(language).await;
    let device = browser.adds_authenticator().await;
    browser.signed_in(&ann).await;
    browser.opens_account("Ann Lee").await;
    adds_passkey(&browser, "My key").await;
    signs_out(&browser).await;
    browser.verifies_users(&device, false).await;
    browser.press("sign_in.passkey").await;
    browser.waits_for("return !document.querySelector('[data-do=passkey]').ariaDisabled", json!([])).await;
    browser.reads("sign_in.title").await;

    // A recovery code helps without the device.
    browser.sign_in(&ann.email, &ann.password).await;
    browser.press("factor.use_passkey").await;
    browser.press("factor.use_recovery").await;
    browser.has_focus_on(&browser.text("factor.recovery_code")).await;
    browser.is_accessible("factor-passkey-recovery").await;
    browser.verifies_users(&device, true).await;
    browser.press("factor.use_passkey").await;
    browser.reads("passkey.add").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn passkeys_are_offered_at_the_email_only_where_one_was_used() {
    let browser = Browser::at_own_address(Language::English).await;
    browser.adds_authenticator().await;
    browser.goto("/").await;
    browser.reads("sign_in.passkey").await;
    let field = "const { autocomplete } = document.querySelector('#email'); return autocomplete";
    assert_eq!(browser.script(field, json!([])).await, "username webauthn");
    let requests = "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/passkey/options')).length";
    assert_eq!(browser.script(requests, json!([])).await, 0, "a first visit starts no passkey");
    browser.script("localStorage.setItem('passkey', '')", json!([])).await;
    browser.reload().await;
    browser.waits_for(&requests.replace("length", "length === 1"), json!([])).await;
    browser.is_sound().await;
}
