//! Several users at once: checkboxes, one confirmation, and the result for each user.

use futures::future::join_all;
use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Client, Partner};
use serde_json::json;

in_both_languages![
    an_admin_selects_users_and_signs_them_out,
    users_who_were_not_suspended_are_listed_with_the_reason,
    users_are_removed_after_their_number_is_typed,
];

async fn an_admin_selects_users_and_signs_them_out(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").signed_in().await;
    let bob = owner.add("Bob", "Baker").role("viewer").signed_in().await;
    let admin = owner.add("Ada", "Min").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&admin).await;
    browser.lists(&["Bob Baker", "Ann Lee", "Ada Min", "Olive Owner"]).await;
    let choose = |name: &str| language.text_with("bulk.choose", &[("name", name)]);
    for name in ["Ada Min", "Olive Owner"] {
        assert!(!browser.has_field(&choose(name)).await, "{name}: no action is allowed");
    }
    assert!(!browser.offers(&browser.text("users.suspend")).await, "no user is selected");
    browser.tick_named(&choose("Bob Baker")).await;
    browser.announces(&language.text_with("bulk.chosen.one", &[("total", "1")])).await;
    browser.is_accessible("many-chosen").await;
    browser.tick("bulk.all").await;
    browser.announces(&language.text_with("bulk.chosen.other", &[("total", "2")])).await;
    browser.press("users.force_logout").await;
    browser.sees(&language.text_with("bulk.force_logout.title.other", &[("total", "2")])).await;
    for name in ["Bob Baker", "Ann Lee"] {
        browser.sees(name).await;
    }
    browser.is_accessible("many-force-logout").await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    ann.is_signed_in().await;

    // The response is lost; a retry does no harm.
    browser.press("users.force_logout").await;
    browser.loses_an_answer("/v1/users/bulk").await;
    browser.press("users.force_logout").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.press("users.force_logout").await;
    browser.announces(&language.text_with("bulk.force_logout.done.other", &[("total", "2")])).await;
    browser.has_focus_on(&browser.text("nav.users")).await;
    assert!(!browser.offers(&browser.text("users.suspend")).await, "no user is selected any more");
    ann.is_signed_out().await;
    bob.is_signed_out().await;
    browser.is_sound().await;
}

async fn users_who_were_not_suspended_are_listed_with_the_reason(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let held = ["users.read", "users.remove", "users.force_logout"];
    let lesser = owner.add("Les", "Ser").permissions(&held).created().await;
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    let bob = owner.add("Bob", "Baker").role("viewer").created().await;
    let zoe = owner.add("Zoé", "Ångström").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&lesser).await;
    browser.tick("bulk.all").await;
    browser.press("users.suspend").await;
    browser.sees(&language.text_with("bulk.suspend.title.other", &[("total", "3")])).await;
    browser.is_accessible("many-suspend").await;
    // Meanwhile one user gets more permissions, and another is removed.
    owner.set_permissions(&ann, &json!({ "role": "admin" })).await.expect(200);
    owner.remove(&bob).await.expect(204);
    browser.press("users.suspend").await;
    let some = language.text_with("bulk.suspend.some", &[("total", "1"), ("all", "3")]);
    browser.has_focus_on(&some).await;
    browser.reads("fault.exceeds_own_permissions").await;
    browser.reads("fault.gone").await;
    browser.does_not_see("Zoé").await;
    browser.is_accessible("many-results").await;
    browser.press("close").await;
    browser.row_with("Zoé Ångström", &browser.text("status.suspended")).await;
    assert_eq!(owner.see(&zoe).await["status"], "suspended");
    assert_eq!(owner.see(&ann).await["status"], "active");

    // Users whose change failed temporarily stay selected for a retry.
    let unavailable = json!({ "results": [
        { "user_id": zoe.id, "outcome": "unavailable", "user": null,
          "problem": { "code": "unavailable", "title": "Unavailable", "detail": "Try again." } },
    ] });
    browser.tick("bulk.all").await;
    browser.press("users.force_logout").await;
    browser.answers("/v1/users/bulk", &unavailable).await;
    browser.press("users.force_logout").await;
    browser.reads("bulk.unavailable").await;
    browser.press("close").await;
    browser.is_back_on_the_page().await;
    browser.press("users.force_logout").await;
    browser.press("users.force_logout").await;
    browser.announces(&language.text_with("bulk.force_logout.done.one", &[("total", "1")])).await;
    browser.is_sound().await;
}

async fn users_are_removed_after_their_number_is_typed(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("viewer").created().await;
    let bob = owner.add("Bob", "Baker").role("viewer").created().await;
    owner.add("Zoé", "Ångström").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.lists(&["Zoé Ångström", "Bob Baker", "Ann Lee", "Olive Owner"]).await;
    // Select the users with the keyboard.
    for name in ["Zoé Ångström", "Bob Baker"] {
        browser.tab_to(&language.text_with("bulk.choose", &[("name", name)])).await;
        browser.keys(keys::SPACE).await;
    }
    browser.press("users.remove").await;
    let typed = language.text_with("remove.typed", &[("name", "2")]);
    browser.has_focus_on(&typed).await;
    browser.is_accessible("many-remove").await;
    browser.keys("3").await;
    browser.keys(keys::ENTER).await;
    browser.reads("remove.mismatch").await;
    // Another admin removes one of them first: the result is the same.
    owner.remove(&bob).await.expect(204);
    browser.fill(&typed, "2").await;
    browser.press("users.remove").await;
    browser.announces(&language.text_with("bulk.remove.done.other", &[("total", "2")])).await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.has_focus_on(&browser.text("nav.users")).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_selection_extends_over_all_pages() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let mut users = Vec::new();
    for tens in 1..4 {
        let adds = (0..10).map(|ones| owner.add("Ann", &format!("Lee{tens}{ones}")).role("viewer").created());
        users.extend(join_all(adds).await);
    }
    owner.suspend(&users[29]).await.expect(200);
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.sees(&range(language, "1", "25", "31")).await;
    let choose = |name: &str| language.text_with("bulk.choose", &[("name", name)]);
    browser.tick_named(&choose("Ann Lee10")).await;
    browser.press("users.next").await;
    browser.sees(&range(language, "26", "31", "31")).await;
    browser.tick_named(&choose("Ann Lee39")).await;
    browser.announces(&language.text_with("bulk.chosen.other", &[("total", "2")])).await;
    // Only suspended users are reactivated.
    browser.press("users.reactivate").await;
    browser.press("users.reactivate").await;
    browser.announces(&language.text_with("bulk.reactivate.done.one", &[("total", "1")])).await;
    assert_eq!(owner.see(&users[29]).await["status"], "active");

    // A search clears the selection. All users that match are selected, on every page.
    browser.press("users.previous").await;
    browser.tick("bulk.all").await;
    browser.type_in("users.search", "lee").await;
    browser.sees(&range(language, "1", "25", "30")).await;
    assert!(!browser.offers(&browser.text("bulk.role")).await, "no user is selected");
    browser.tick("bulk.all").await;
    browser.click(&language.text_with("bulk.everyone", &[("total", "30")])).await;
    browser.announces(&language.text_with("bulk.chosen.other", &[("total", "30")])).await;
    browser.is_accessible("many-everyone").await;
    browser.press("bulk.role").await;
    browser.sees(&language.text_with("bulk.role.title.other", &[("total", "30")])).await;
    browser.select("user.role", "role.manager").await;
    browser.is_accessible("many-role").await;
    // One of them gets another name meanwhile, which does not matter.
    owner.edit(&users[0], &json!({ "first_name": "Anna" })).await.expect(200);
    browser.press("bulk.role").await;
    browser.announces(&language.text_with("bulk.role.done.other", &[("total", "30")])).await;
    for user in [&users[0], &users[29]] {
        assert_eq!(owner.see(user).await["role"], "manager");
    }
    // It is undone for the others only.
    browser.press("review.undo").await;
    browser.sees(&language.text_with("bulk.undo.some", &[("total", "29"), ("all", "30")])).await;
    browser.reads("fault.version_mismatch").await;
    for (user, role) in [(&users[0], "manager"), (&users[1], "viewer"), (&users[29], "viewer")] {
        assert_eq!(owner.see(user).await["role"], role);
    }
    browser.press("close").await;
    browser.type_in("users.search", "lee39").await;
    browser.lists(&["Ann Lee39"]).await;
    browser.tick("bulk.all").await;
    browser.press("users.suspend").await;
    browser.press("users.suspend").await;
    browser.announces(&language.text_with("bulk.suspend.done.one", &[("total", "1")])).await;
    assert_eq!(owner.see(&users[29]).await["status"], "suspended");
    browser.press("review.undo").await;
    browser.announces(&language.text_with("bulk.undo.done.one", &[("total", "1")])).await;
    assert_eq!(owner.see(&users[29]).await["status"], "active");
    browser.is_sound().await;
}

fn range(language: Language, first: &str, last: &str, total: &str) -> String {
    language.text_with("users.range", &[("first", first), ("last", last), ("total", total)])
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn users_without_permissions_have_no_checkboxes() {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let manager = partner.owner().add("Max", "Manager").role("manager").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&vic).await;
    browser.lists(&["Max Manager", "Olive Owner", "Vic Viewer"]).await;
    browser.does_not_see("Select all on this page").await;
    assert!(!browser.has_field("Select Max Manager").await);
    browser.is_sound().await;

    let browser = Browser::new(Language::English).await;
    browser.signed_in(&manager).await;
    browser.tick_named("Select Vic Viewer").await;
    browser.press("users.force_logout").await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    assert!(!browser.offers("Suspend").await && !browser.offers("Remove").await, "a manager cannot remove users");
    browser.is_sound().await;
    Client::new().signed_in(&vic).await;
}
