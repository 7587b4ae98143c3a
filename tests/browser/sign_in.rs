//! Signing in, choosing a password, staying signed in, signing out.

use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner, secrets};
use serde_json::json;

in_both_languages![
    somebody_signs_in_and_out,
    a_wrong_password_is_told_and_the_email_stays,
    somebody_new_has_to_choose_a_password,
    a_network_fault_keeps_what_was_typed,
];

async fn somebody_signs_in_and_out(language: Language) {
    let partner = Partner::new().await;
    let browser = Browser::new(language).await;
    browser.goto(&format!("/?partner={}", partner.id)).await;
    browser.reads("sign_in.title").await;
    browser.reads("sign_in.remembered").await;
    assert_eq!(browser.path().await, "/", "the partner is remembered, not shown");
    browser.is_accessible("sign-in").await;

    browser.sign_in(&partner.owner().email, &partner.owner().password).await;
    browser.lists(&["Olive Owner"]).await;
    let kept = "return JSON.stringify([localStorage, sessionStorage, document.cookie])";
    let kept = browser.script(kept, json!([])).await.as_str().unwrap().to_owned();
    assert!(!kept.contains("eyJ") && !kept.contains("refresh"), "no token is where a script can find it: {kept}");

    browser.reload().await;
    browser.lists(&["Olive Owner"]).await;

    browser.click(&language.text_with("account.menu", &[("name", "Olive Owner")])).await;
    browser.is_accessible("account-menu").await;
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
    browser.reload().await;
    browser.reads("sign_in.do").await;
    browser.is_sound().await;
}

async fn a_wrong_password_is_told_and_the_email_stays(language: Language) {
    let partner = Partner::new().await;
    let browser = Browser::new(language).await;
    browser.goto("/").await;
    browser.press("sign_in.do").await;
    browser.is_marked("user.email", "field.required").await;
    browser.is_marked("user.password", "field.required").await;
    browser.sign_in("not an email", "something").await;
    browser.is_marked("user.email", "field.malformed").await;
    browser.is_accessible("sign-in-fields").await;

    browser.sign_in(&partner.owner().email, "not the password").await;
    browser.is_told(&browser.text("sign_in.wrong")).await;
    browser.is_accessible("sign-in-wrong").await;
    assert_eq!(browser.value("user.email").await, partner.owner().email);
    assert_eq!(browser.value("user.password").await, "");
    browser.type_in("user.password", &partner.owner().password).await;
    browser.press("sign_in.do").await;
    browser.lists(&["Olive Owner"]).await;
    browser.is_sound().await;
}

async fn somebody_new_has_to_choose_a_password(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Annabel", "Lee").with("must_change", true).created().await;
    let browser = Browser::new(language).await;
    browser.goto("/").await;
    browser.sign_in(&ann.email, &ann.password).await;
    browser.reads("choose.title").await;
    browser.type_in("password.new", "annabel").await;
    browser.reads("password.strength.1").await;
    browser.is_accessible("choose-password").await;
    browser.type_in("password.new", "passwordpassword").await;
    browser.press("choose.do").await;
    browser.is_marked("password.new", "field.password.guessable").await;
    // Long enough to look strong, whatever is in it.
    let password = secrets::remembered(format!("{}-{}", secrets::password(), secrets::password()));
    browser.type_in("password.new", &password).await;
    browser.reads("password.strength.4").await;
    browser.is_accessible("choose-password-strong").await;
    browser.press("choose.do").await;
    browser.sees("Annabel Lee").await;
    Client::new().signed_in(&ann.with_password(&password)).await;
    browser.is_sound().await;
}

async fn a_network_fault_keeps_what_was_typed(language: Language) {
    let partner = Partner::new().await;
    let browser = Browser::new(language).await;
    browser.goto("/").await;
    browser.reads("sign_in.title").await;
    browser.offline(true).await;
    browser.sign_in(&partner.owner().email, &partner.owner().password).await;
    browser.is_told(&browser.text("fault.offline")).await;
    browser.is_accessible("sign-in-offline").await;
    browser.offline(false).await;
    browser.press("sign_in.do").await;
    browser.lists(&["Olive Owner"]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_email_of_several_partners_signs_in_where_the_link_says() {
    let (one, other) = (Partner::new().await, Partner::new().await);
    let email = secrets::email("both");
    let password = secrets::password();
    for (partner, last_name) in [(&one, "Ofone"), (&other, "Ofother")] {
        partner.owner().add("Bo", last_name).email(&email).with("password", password.clone()).created().await;
    }
    let browser = Browser::new(Language::English).await;
    browser.goto("/").await;
    browser.sign_in(&email, &password).await;
    browser.reads("sign_in.wrong").await;
    browser.goto(&format!("/?partner={}", other.id)).await;
    browser.sign_in(&email, &password).await;
    browser.sees("Bo Ofother").await;
    browser.click("Your account: Bo Ofother").await;
    browser.press("account.sign_out").await;
    browser.goto("/").await;
    browser.reads("sign_in.remembered").await;
    browser.press("sign_in.forget").await;
    browser.sign_in(&email, &password).await;
    browser.reads("sign_in.wrong").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_tabs_of_a_browser_sign_out_together() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    let [first, second] = browser.two_tabs("/").await;
    browser.lists(&["Olive Owner"]).await;
    browser.click("Your account: Olive Owner").await;
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
    browser.to_tab(&first).await;
    browser.reads("sign_in.elsewhere").await;
    browser.to_tab(&second).await;
    browser.is_sound().await;
}
