//! "Sessions": the list of a user's sessions. Each can be ended.

use portal_tests::browser::{Browser, Language};
use portal_tests::{Actor, Client, Partner, User};

in_both_languages![an_admin_ends_a_session_of_another_user, users_end_their_own_sessions];

async fn in_firefox(user: &User) -> Actor {
    const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let client = Client::new();
    let sign_in = client.sign_in_at(&user.partner_id, &user.email, &user.password);
    let answer = sign_in.header("user-agent", FIREFOX).await.expect(200);
    Actor::from_answer(client, user.clone(), &answer)
}

async fn an_admin_ends_a_session_of_another_user(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let elsewhere = in_firefox(&ann).await;
    let firefox = language.text_with("sessions.browser", &[("client", "Firefox"), ("system", "Windows")]);
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    browser.press("users.sessions").await;
    browser.has_focus_on(&language.text_with("sessions.title", &[("name", "Ann Lee")])).await;
    browser.sees(&firefox).await;
    browser.reads("sessions.unknown").await;
    browser.sees(&elsewhere.client.address).await;
    browser.does_not_see(&browser.text("sessions.current")).await;
    browser.is_accessible("sessions").await;

    // The newest session is on top. The request to end it arrives, but the response is lost; a retry reports success.
    browser.loses_an_answer("/v1/users/").await;
    browser.press("sessions.end").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.press("sessions.end").await;
    browser.announces(&language.text_with("sessions.ended", &[("browser", &firefox)])).await;
    browser.has_focus_on(&language.text_with("sessions.title", &[("name", "Ann Lee")])).await;
    browser.is_accessible("sessions-ended").await;
    elsewhere.is_signed_out().await;
    ann.is_signed_in().await;
    browser.press("sessions.end").await;
    browser.reads("sessions.none").await;
    browser.is_accessible("sessions-none").await;
    ann.is_signed_out().await;
    browser.press("close").await;
    browser.has_focus_on(&language.text_with("users.more_of", &[("name", "Ann Lee")])).await;

    browser.offline(true).await;
    browser.more("Ann Lee").await;
    browser.press("users.sessions").await;
    browser.announces(&browser.text("fault.passing")).await;
    browser.offline(false).await;
    browser.press("try_again").await;
    browser.reads("sessions.none").await;
    browser.is_sound().await;
}

async fn users_end_their_own_sessions(language: Language) {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let elsewhere = in_firefox(&vic).await;
    let browser = Browser::new(language).await;
    browser.signed_in(&vic).await;
    browser.opens_account("Vic Viewer").await;
    browser.reads("account.sessions").await;
    browser.reads("sessions.current").await;
    browser.is_accessible("sessions-own").await;
    browser.press("sessions.end").await;
    let firefox = language.text_with("sessions.browser", &[("client", "Firefox"), ("system", "Windows")]);
    browser.announces(&language.text_with("sessions.ended", &[("browser", &firefox)])).await;
    elsewhere.is_signed_out().await;
    // Only the current session is left.
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn other_admins_cannot_open_the_sessions_of_the_primary_admin() {
    let partner = Partner::new().await;
    let admin = partner.owner().add("Ada", "Min").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&admin).await;
    browser.more("Olive Owner").await;
    for key in ["users.sessions", "users.force_logout", "users.suspend"] {
        assert!(!browser.offers(&browser.text(key)).await, "{key}");
    }
    browser.is_sound().await;
}
