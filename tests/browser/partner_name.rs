//! Users always see at which partner they are: in the header, in the title, at the sign-in, and when they share sign-in details.

use portal_tests::browser::{Browser, Language};
use portal_tests::{Partner, secrets};
use serde_json::json;

in_both_languages![
    the_partner_is_named_on_every_screen,
    a_link_of_another_partner_offers_to_switch,
    the_email_stays_after_the_end_of_a_session,
];

const NAME: &str = "Acme Agency";

/// Waits until the document has the title of a screen at the partner, if it is known.
async fn has_title(browser: &Browser, screen: &str, name: Option<&str>) {
    let parts = [Some(browser.text(screen)), name.map(str::to_owned), Some(browser.text("portal"))];
    let title = parts.into_iter().flatten().collect::<Vec<_>>().join(" – ");
    browser.waits_for("return plain(document.title) === arguments[0]", json!([title])).await;
}

/// Whether the browser would ask the user before the page is left.
pub(crate) async fn asks_before_leaving(browser: &Browser) -> bool {
    let script = "const event = new Event('beforeunload', { cancelable: true }); return !window.dispatchEvent(event)";
    browser.script(script, json!([])).await == true
}

async fn the_partner_is_named_on_every_screen(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let mut browser = Browser::new(language).await;
    browser.goto(&format!("/?partner={}", partner.id)).await;
    browser.reads("sign_in.somewhere").await;
    has_title(&browser, "sign_in.title", None).await;
    browser.sign_in(&owner.email, &owner.password).await;
    browser.lists(&["Olive Owner"]).await;
    let header = browser.script("return document.querySelector('.top .partner').textContent", json!([])).await;
    assert_eq!(header, NAME);
    has_title(&browser, "nav.users", Some(NAME)).await;
    browser.reads("users.alone.title").await;
    browser.is_accessible("users-alone").await;
    for screen in ["nav.history", "nav.review", "nav.users"] {
        browser.press(screen).await;
        has_title(&browser, screen, Some(NAME)).await;
    }
    let other = if language == Language::French { Language::English } else { Language::French };
    browser.choose_language(other).await;
    has_title(&browser, "nav.users", Some(NAME)).await;
    browser.choose_language(language).await;
    has_title(&browser, "nav.users", Some(NAME)).await;

    // The step that shares sign-in details.
    browser.press("users.add").await;
    browser.type_in("user.first_name", "Zoé").await;
    browser.type_in("user.email", &secrets::email("zoe")).await;
    browser.select("user.role", "role.viewer").await;
    browser.tick("invite.by_hand").await;
    let password = secrets::remembered(browser.value("password.new").await);
    browser.press("save").await;
    browser.sees(&language.text_with("share.lead", &[("name", "Zoé"), ("partner", NAME)])).await;
    browser.is_accessible("share-named").await;
    assert!(asks_before_leaving(&browser).await, "the password is shown only once");
    browser.script("navigator.clipboard.writeText = async (text) => { window.copied = text; }", json!([])).await;
    browser.press("share.copy_all").await;
    browser.reads("share.copied").await;
    let copied = browser.script("return window.copied", json!([])).await.as_str().unwrap().to_owned();
    let copied = copied.replace(['\u{A0}', '\u{202F}'], " ");
    let mut lines = language.text_with("share.greeting", &[("name", "Zoé"), ("partner", NAME)]);
    for line in [
        language.text_with("event.fact", &[("what", &browser.text("user.password")), ("value", &password)]),
        browser.text("share.change"),
    ] {
        lines.push('\n');
        lines.push_str(&line);
    }
    for line in lines.lines() {
        assert!(copied.lines().any(|copied| copied == line), "{line:?} is a line of {copied:?}");
    }
    // The button shows only for a moment that it has copied.
    browser.reads("share.copy_all").await;
    browser.press("share.done").await;
    browser.is_back_on_the_page().await;
    assert!(!asks_before_leaving(&browser).await);

    // The next sign-in in this browser.
    browser.click(&language.text_with("account.menu", &[("name", "Olive Owner")])).await;
    browser.press("account.sign_out").await;
    browser.sees(&language.text_with("sign_in.at", &[("partner", NAME)])).await;
    has_title(&browser, "sign_in.title", Some(NAME)).await;
    browser.is_accessible("sign-in-named").await;
    browser.press("sign_in.forgot").await;
    browser.sees(&language.text_with("forgot.at", &[("partner", NAME)])).await;
    browser.press("sign_in.forget").await;
    browser.does_not_see(NAME).await;
    has_title(&browser, "forgot.title", None).await;
    let kept = browser.script("return JSON.stringify(localStorage)", json!([])).await;
    assert!(!kept.as_str().unwrap().contains(NAME), "the name is forgotten with the partner: {kept}");
    browser.is_sound().await;
}

async fn a_link_of_another_partner_offers_to_switch(language: Language) {
    let (here, there) = (Partner::new().await, Partner::new().await);
    here.owner().add("Ann", "Here").role("viewer").created().await;
    there.owner().add("Bob", "There").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(here.owner()).await;
    let link = format!("/?partner={}", there.id);
    browser.goto(&link).await;
    browser.reads("other_partner.title").await;
    browser.sees(&here.owner().email).await;
    browser.is_accessible("other-partner").await;
    browser.click(&language.text_with("other_partner.stay", &[("partner", NAME)])).await;
    browser.lists(&["Ann Here", "Olive Owner"]).await;
    assert_eq!(browser.path().await, "/");

    browser.goto(&link).await;
    browser.press("other_partner.go").await;
    browser.reads("sign_in.signed_out").await;
    browser.reads("sign_in.somewhere").await;
    browser.sign_in(&there.owner().email, &there.owner().password).await;
    browser.lists(&["Olive Owner", "Bob There"]).await;

    // A link of the same partner only opens the portal.
    browser.goto(&link).await;
    browser.lists(&["Olive Owner", "Bob There"]).await;
    assert_eq!(browser.path().await, "/");
    browser.is_sound().await;
}

async fn the_email_stays_after_the_end_of_a_session(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&ann).await;
    partner.owner().force_logout(&ann).await.expect(200);
    browser.press("user.email").await;
    browser.announces(&browser.text("sign_in.ended")).await;
    assert_eq!(browser.value("user.email").await, ann.email);
    browser.has_focus_on(&browser.text("user.password")).await;
    browser.type_in("user.password", &ann.password).await;
    browser.press("sign_in.do").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.is_sound().await;
}
