//! The table: what it shows, search, filters, sorting, pages, and the empty list.

use futures::future::join_all;
use portal_tests::browser::{Browser, Language, keys};
use portal_tests::rows::Rows;
use portal_tests::{Partner, stack};
use serde_json::json;

in_both_languages![
    the_table_shows_the_users,
    searching_filtering_and_sorting_find_people,
    a_list_that_cannot_be_loaded_offers_a_retry,
    activity_after_the_day_of_the_last_sign_in_is_shown,
];

async fn the_table_shows_the_users(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("manager").created().await;
    owner.add("Zoé", "Ångström").role("viewer").created().await;
    let admin = owner.add("Ada", "Min").created().await;
    owner.add("Jean-Baptiste", "de la Fontaine-Montmorency").role("viewer").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&admin).await;

    browser
        .lists(&["Zoé Ångström", "Jean-Baptiste de la Fontaine-Montmorency", "Ann Lee", "Ada Min", "Olive Owner"])
        .await;
    let primary_admin = browser.row("Olive Owner").await;
    assert!(primary_admin.contains(&browser.text("role.primary_admin")), "{primary_admin}");
    assert!(
        !primary_admin.contains(&browser.text("users.edit")),
        "other users cannot edit the primary admin: {primary_admin}"
    );
    browser.more("Olive Owner").await;
    for key in ["users.force_logout", "users.suspend", "users.remove"] {
        assert!(!browser.offers(&browser.text(key)).await, "other users cannot do this to the primary admin: {key}");
    }
    browser.keys(keys::ESCAPE).await;
    let ann = browser.row("Ann Lee").await;
    for key in ["role.manager", "status.active", "users.never", "users.edit"] {
        assert!(ann.contains(&browser.text(key)), "{key}: {ann}");
    }
    let own = browser.row("Ada Min").await;
    assert!(own.contains(&browser.text("users.you")) && !own.contains(&browser.text("users.never")), "{own}");
    browser.sees(&language.text_with("users.count.other", &[("total", "5")])).await;
    browser.is_accessible("users").await;

    browser.more("Ann Lee").await;
    browser.is_accessible("users-menu").await;
    browser.is_sound().await;
}

async fn searching_filtering_and_sorting_find_people(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for (first, last, role) in [("Ann", "Lee", "manager"), ("Zoé", "Ångström", "viewer"), ("Bob", "Leary", "viewer")]
    {
        owner.add(first, last).role(role).created().await;
    }
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.type_in("users.search", "l").await;
    browser.announces(&browser.text("search.short")).await;
    browser.lists(&["Zoé Ångström", "Bob Leary", "Ann Lee", "Olive Owner"]).await;
    browser.is_accessible("users-search-short").await;
    browser.type_in("users.search", "lea").await;
    browser.lists(&["Bob Leary"]).await;
    browser.does_not_see(&browser.text("search.short")).await;
    browser.sees(&language.text_with("users.found.one", &[("total", "1")])).await;
    browser.type_in("users.search", "ZOE ANG").await;
    browser.lists(&["Zoé Ångström"]).await;
    browser.press("users.clear").await;
    browser.select("user.role", "role.viewer").await;
    browser.lists(&["Zoé Ångström", "Bob Leary"]).await;
    browser.press("user.name").await;
    browser.lists(&["Bob Leary", "Zoé Ångström"]).await;
    browser.press("user.email").await;
    browser.lists(&["Bob Leary", "Zoé Ångström"]).await;

    // A reload keeps all of it, and so does a new sign-in.
    browser.reload().await;
    browser.lists(&["Bob Leary", "Zoé Ångström"]).await;
    browser.is_accessible("users-filtered").await;

    browser.select("user.status", "status.suspended").await;
    browser.reads("users.none.title").await;
    browser.is_accessible("users-none").await;
    browser.press("users.none.do").await;
    browser.press("user.name").await;
    browser.lists(&["Zoé Ångström", "Bob Leary", "Ann Lee", "Olive Owner"]).await;
    browser.press("user.last_sign_in").await;
    browser.until_first("Olive Owner").await;
    browser.is_sound().await;
}

async fn activity_after_the_day_of_the_last_sign_in_is_shown(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rows = Rows::of(&stack().ready);
    let [ann, bo] = [owner.add("Ann", "Lee").signed_in().await, owner.add("Bo", "Day").signed_in().await];
    for user in [&ann, &bo] {
        rows.set_last_sign_in(user, "2020-01-01T00:00:00.000Z").await;
    }
    ann.refreshed().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;

    let today = if language == Language::French { "aujourd’hui" } else { "today" };
    let active = language.text_with("user.last_active", &[("ago", today)]);
    let row = browser.row_with("Ann Lee", &active).await;
    assert!(row.contains("2020") || row.contains("2019"), "the last sign-in is still shown: {row}");
    let label = active.trim_end_matches(today);
    for name in ["Bo Day", "Olive Owner"] {
        let row = browser.row(name).await;
        assert!(!row.contains(label), "{row}");
    }
    browser.is_accessible("users-active").await;

    browser.press("nav.review").await;
    browser.row_with("Ann Lee", &active).await;
    let row = browser.row("Bo Day").await;
    assert!(!row.contains(label), "{row}");
    browser.is_sound().await;
}

async fn a_list_that_cannot_be_loaded_offers_a_retry(language: Language) {
    let partner = Partner::new().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.offline(true).await;
    browser.press("user.name").await;
    browser.reads("users.fault.title").await;
    browser.reads("fault.passing").await;
    browser.is_accessible("users-fault").await;
    browser.offline(false).await;
    browser.press("try_again").await;
    browser.lists(&["Olive Owner"]).await;

    browser.answers_503("/v1/users?").await;
    browser.press("user.email").await;
    browser.reads("fault.passing").await;
    browser.reload().await;
    browser.lists(&["Olive Owner"]).await;

    browser.network(false, 3_000).await;
    browser.press("user.name").await;
    browser.is_busy().await;
    browser.network(false, 0).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_loading_page_shows_that_it_loads() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.holds_back("/v1/users?").await;
    browser.press("user.name").await;
    browser.is_busy().await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn pages_lead_through_many_users() {
    let partner = Partner::new().await;
    // Password hashes are slow, so the users are not added all at once.
    for tens in 0..3 {
        let adds = (0..10).map(|ones| partner.owner().add("Ann", &format!("Lee{tens}{ones}")).role("viewer").created());
        join_all(adds).await;
    }
    let browser = Browser::new(Language::French).await;
    browser.signed_in(partner.owner()).await;
    browser.sees("1–25 sur 31").await;
    assert_eq!(browser.names().await.len(), 25);
    browser.is_accessible("users-pages").await;
    assert!(!browser.offers("Précédent").await);
    browser.press("users.next").await;
    browser.sees("26–31 sur 31").await;
    assert_eq!(browser.names().await, ["Ann Lee25", "Ann Lee26", "Ann Lee27", "Ann Lee28", "Ann Lee29", "Olive Owner"]);
    browser.press("users.previous").await;
    browser.sees("1–25 sur 31").await;
    let first = browser.names().await;
    assert_eq!(first[0], "Ann Lee00");
    browser.is_sound().await;
    let code = browser.script("return document.documentElement.lang", json!([])).await;
    assert_eq!(code, "fr");
}
