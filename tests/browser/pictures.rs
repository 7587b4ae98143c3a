//! Takes the README's pictures of the agency of `--demo`. `PORTAL_PICTURES=infra/screenshots` replaces them; otherwise they
//! are in `target/<profile>/browser`.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Stack, User, secrets};

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_pictures_of_the_readme_are_taken() {
    let stack = Stack::start("pictures", &["--demo"]).unwrap_or_else(|error| panic!("{error}"));
    let ready = &stack.ready;
    let camille = User {
        // The page needs none.
        id: String::new(),
        partner_id: ready.partner_id.clone(),
        email: ready.primary_admin.email.clone(),
        password: secrets::remembered(&ready.primary_admin.password),
    };

    let english = Browser::of(ready, Language::English).await;
    english.scheme("light").await;
    english.signed_in(&camille).await;
    english.resize(1280, 860).await;
    english.more("Inès Benali").await;
    english.picture("users").await;
    english.keys(keys::ESCAPE).await;

    english.click("Mateo Álvarez").await;
    english.has_focus_on("Mateo Álvarez").await;
    english.reads("sessions.end").await;
    english.reads("event.logout.forced").await;
    english.picture("user").await;

    english.press("nav.review").await;
    english.sees("Daniel Schmidt").await;
    english.picture("review").await;

    english.opens_account("Camille Laurent").await;
    english.reads("sessions.end").await;
    english.reads("factors.none").await;
    english.does_not_see(&english.text("loading")).await;
    english.picture("account").await;

    english.press("nav.history").await;
    english.sees("Hannah O’Connor").await;
    english.scheme("dark").await;
    english.picture("history").await;
    english.is_sound().await;

    let french = Browser::of(ready, Language::French).await;
    french.scheme("light").await;
    french.signed_in(&camille).await;
    french.resize(390, 780).await;
    french.picture("phone").await;
    french.is_sound().await;
}
