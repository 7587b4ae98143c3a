//! Takes the README's screenshots: `target/<profile>/browser/readme-*.png`. Copy them to `infra/screenshots/` when the
//! page changes.

use portal_tests::browser::{Browser, Language};
use portal_tests::rows::Rows;
use portal_tests::{Client, new_partner, secrets, stack};
use serde_json::json;

const DOMAIN: &str = "agence-lumiere.example";

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_screenshots_of_the_readme_are_taken() {
    let ready = &stack().ready;
    let olive = new_partner(ready, &format!("olive@{DOMAIN}"), Some(&secrets::password())).await;
    let owner = Client::of(ready).signed_in(&olive).await;
    let mut colleagues = Vec::new();
    for (first, last, email, role) in [
        ("Ann", "Lee", "ann.lee", "admin"),
        ("Mateo", "Álvarez", "mateo", "manager"),
        ("Yuki", "Tanaka", "yuki.tanaka", "manager"),
    ] {
        colleagues.push(owner.add(first, last).email(&format!("{email}@{DOMAIN}")).role(role).signed_in().await);
    }
    owner.add("Zoé", "Dubois").email(&format!("zoe@{DOMAIN}")).role("viewer").created().await;

    let english = Browser::new(Language::English).await;
    english.signed_in(&olive).await;
    english.resize(1280, 640).await;
    english.more("Yuki Tanaka").await;
    english.screenshot("readme-users").await;
    english.keys(portal_tests::browser::keys::ESCAPE).await;

    english.press("users.add").await;
    english.tick("invite.by_hand").await;
    english.type_in("user.first_name", "Nora").await;
    english.type_in("user.last_name", "Petit").await;
    english.type_in("user.email", &format!("nora@{DOMAIN}")).await;
    english.select("user.role", "role.manager").await;
    english.press("save").await;
    english.reads("share.title").await;
    english.scheme("dark").await;
    english.screenshot("readme-share").await;
    english.press("share.done").await;

    let french = Browser::new(Language::French).await;
    french.signed_in(&olive).await;
    french.resize(390, 780).await;
    french.screenshot("readme-phone").await;

    // One user has been inactive for a long time and has many permissions.
    let mateo = &colleagues[1];
    let long_ago = french.script("return new Date(Date.now() - 200 * 86400000).toISOString()", json!([])).await;
    let rows = Rows::of(ready);
    rows.set_time(mateo, "created_at", long_ago.as_str().unwrap()).await;
    rows.set_last_sign_in(mateo, long_ago.as_str().unwrap()).await;
    let picture = async |browser: &Browser, name: &str, top: &str| {
        browser.press("nav.review").await;
        browser.sees("Mateo Álvarez").await;
        browser.script("document.querySelector(arguments[0]).scrollIntoView()", json!([top])).await;
        browser.screenshot(name).await;
    };
    picture(&french, "readme-review-phone", ".sheet").await;
    english.scheme("light").await;
    english.resize(1280, 900).await;
    picture(&english, "readme-review", "body").await;
    english.press("nav.history").await;
    english.reads("event.user.added").await;
    english.screenshot("readme-history").await;
    french.is_sound().await;
    english.is_sound().await;
}
