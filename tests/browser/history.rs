//! "History": of the account and of one user, filtered, page by page, and as a file.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::rows::Rows;
use portal_tests::{Partner, stack};
use serde_json::{Value, json};

in_both_languages![
    the_history_shows_actor_action_and_user,
    the_history_is_filtered_and_kept_in_the_address,
    a_users_menu_leads_to_their_history,
    a_refused_sign_in_is_in_the_history,
];

/// The list, one line for each event, without time and address.
async fn events(browser: &Browser) -> Vec<String> {
    let script = "return [...document.querySelectorAll('.events tbody tr')].map((row) =>
        ['[data-who]', '[data-what]', '[data-whom]'].map((part) => row.querySelector(part).textContent).join(' | '))";
    let lines = browser.script(script, json!([])).await;
    lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap().replace(['\u{A0}', '\u{202F}'], " ")).collect()
}

/// Waits until the list has this many events.
async fn until_events(browser: &Browser, count: usize) {
    let key = if count == 1 { "history.count.one" } else { "history.count.other" };
    browser.announces(&browser.language.text_with(key, &[("total", &count.to_string())])).await;
}

async fn the_history_shows_actor_action_and_user(language: Language) {
    let text = |key: &str| language.text(key);
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").signed_in().await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    owner.set_permissions(&ann, &json!({ "role": "viewer", "permissions": ["audit.read"] })).await.expect(200);
    owner.set_status(&ann, &json!({ "status": "suspended", "reason": "On leave" })).await.expect(200);
    let bob = owner.add("Bob", "Baker").role("viewer").signed_in().await;
    bob.remove(&ann).await.problem(403, "missing_permission");
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.press("nav.history").await;
    until_events(&browser, 11).await;
    let line = |actor: &str, action: &str, user: &str| format!("{actor} | {} | {user}", text(action));
    let expected = [
        line("Olive Owner", "event.session.started", ""),
        line("Bob Baker", "event.change.refused", "Anna Lee"),
        line("Bob Baker", "event.session.started", ""),
        line("Olive Owner", "event.user.added", "Bob Baker"),
        line("Olive Owner", "event.user.suspended", "Anna Lee"),
        line("Olive Owner", "event.permissions.set", "Anna Lee"),
        line("Olive Owner", "event.user.edited", "Ann Lee"),
        line("Ann Lee", "event.session.started", ""),
        line("Olive Owner", "event.user.added", "Ann Lee"),
        line("Olive Owner", "event.session.started", ""),
        line(&text("event.operator"), "event.partner.created", "Olive Owner"),
    ];
    assert_eq!(events(&browser).await, expected);
    let with = |key: &str, values: &[(&str, &str)]| language.text_with(key, values);
    for detail in [
        with("event.change", &[("what", &text("user.first_name")), ("was", "Ann"), ("is", "Anna")]),
        with(
            "event.change",
            &[("what", &text("user.role")), ("was", &text("role.manager")), ("is", &text("role.viewer"))],
        ),
        with("event.given", &[("list", &text("permission.audit.read"))]),
        with(
            "event.change",
            &[("what", &text("user.status")), ("was", &text("status.active")), ("is", &text("status.suspended"))],
        ),
        with("event.fact", &[("what", &text("fact.reason")), ("value", "On leave")]),
        with("event.attempted", &[("what", &text("attempt.remove_user"))]),
        with("event.refused", &[("why", &text("refusal.missing_permission"))]),
    ] {
        browser.sees(&detail).await;
    }
    browser.sees("127.").await;
    browser.is_accessible("history").await;

    // The skip link moves the focus to the view and adds no entry to the browser's history.
    browser.script("document.querySelector('.skip').focus()", json!([])).await;
    browser.keys(keys::ENTER).await;
    assert_eq!(browser.script("return document.activeElement.id + location.hash", json!([])).await, "main");

    // The history stays open after a change of language, a reload and the back button.
    browser.reload().await;
    until_events(&browser, 11).await;
    browser.press("nav.users").await;
    browser.lists(&["Bob Baker", "Anna Lee", "Olive Owner"]).await;
    browser.back().await;
    until_events(&browser, 11).await;
    browser.is_sound().await;
}

async fn the_history_is_filtered_and_kept_in_the_address(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("admin").signed_in().await;
    let zoe = owner.add("Zoé", "=Ångström").role("viewer").created().await;
    ann.force_logout(&zoe).await.expect(200);
    owner.force_logout(&zoe).await.expect(200);
    ann.remove(&zoe).await.expect(204);
    Rows::of(&stack().ready).put_events(&partner.id, "user.edited", 30).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.goto("/?view=history").await;
    until_events(&browser, 25).await;

    browser.press("history.older").await;
    until_events(&browser, 39).await;
    browser.choose_day("history.from", "2024-06-30").await;
    until_events(&browser, 9).await;
    browser.choose_day("history.to", "2024-06-29").await;
    browser.is_marked("history.to", "period.backwards").await;
    browser.choose_day("history.to", "").await;
    browser.does_not_see("2020").await;

    browser.type_in("history.who", "a").await;
    browser.reads("search.short").await;
    browser.type_in("history.who", "ann").await;
    browser.reads("history.choose").await;
    browser.is_accessible("history-choosing").await;
    browser.type_in("history.who", &format!("Ann Lee ({})", ann.email)).await;
    let by_ann = |what: &str| format!("Ann Lee | {} | Zoé =Ångström", language.text(what));
    until_events(&browser, 3).await;
    assert_eq!(events(&browser).await[..2], [by_ann("event.user.removed"), by_ann("event.logout.forced")]);
    // Removed users are offered by name.
    browser.type_in("history.whom", "Zoé =Ångström").await;
    until_events(&browser, 2).await;
    browser.select("history.what", "event.user.removed").await;
    until_events(&browser, 1).await;
    assert_eq!(events(&browser).await, [by_ann("event.user.removed")]);

    browser.reload().await;
    until_events(&browser, 1).await;
    browser.holds("history.whom", "Zoé =Ångström").await;
    browser.holds("history.who", &format!("Ann Lee ({})", ann.email)).await;
    browser.is_accessible("history-filtered").await;
    browser.press("users.export").await;
    browser.announces(&browser.text("export.done")).await;
    let file = browser.downloaded("history-").await;
    assert_eq!(file.trim_end().split("\r\n").count(), 2, "{file}");
    assert!(file.contains(&language.text("event.user.removed")), "{file}");

    browser.select("history.what", "event.user.added").await;
    browser.reads("history.none.title").await;
    browser.is_accessible("history-none").await;
    browser.press("users.clear").await;
    until_events(&browser, 25).await;
    assert_eq!(browser.path().await, "/?view=history");

    browser.offline(true).await;
    browser.select("history.what", "event.user.added").await;
    browser.reads("history.fault").await;
    browser.is_accessible("history-fault").await;
    browser.offline(false).await;
    browser.press("try_again").await;
    until_events(&browser, 2).await;
    browser.is_sound().await;
}

async fn a_users_menu_leads_to_their_history(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    let bob = owner.add("Bob", "Baker").role("viewer").signed_in().await;
    bob.edit(&bob, &json!({ "first_name": "Bo" })).await.expect(200);
    let browser = Browser::new(language).await;
    browser.signed_in(&ann).await;
    browser.more("Bo Baker").await;
    browser.press("nav.history").await;
    browser.sees(&language.text_with("history.of", &[("name", "Bo Baker")])).await;
    browser.reads("event.user.edited").await;
    assert_eq!(events(&browser).await.len(), 3, "added, signed in, edited");
    browser.is_accessible("user-history").await;
    browser.keys(keys::ESCAPE).await;
    browser.is_back_on_the_page().await;
    browser.has_focus_on(&language.text_with("users.more_of", &[("name", "Bo Baker")])).await;
    browser.is_sound().await;
}

async fn a_refused_sign_in_is_in_the_history(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.goto("/").await;
    browser.sign_in(&ann.email, "not the password").await;
    browser.announces(&language.text("sign_in.wrong")).await;
    browser.signed_in(partner.owner()).await;
    browser.press("nav.history").await;
    browser.select("history.what", "event.sign_in.refused").await;
    until_events(&browser, 1).await;
    let [who, what] = ["event.anonymous", "event.sign_in.refused"].map(|key| language.text(key));
    assert_eq!(events(&browser).await, [format!("{who} | {what} | Ann Lee")]);
    browser.sees("127.").await;
    browser.select("history.what", "event.sign_in.blocked").await;
    browser.reads("history.none.title").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_history_is_not_offered_without_permission() {
    let partner = Partner::new().await;
    let manager = partner.owner().add("Bob", "Baker").role("manager").created().await;
    let auditor = partner.owner().add("Au", "Ditor").role("viewer").permissions(&["audit.read"]).created().await;
    partner.owner().add("Vi", "Ewer").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.goto("/?view=history").await;
    browser.signed_in(&manager).await;
    browser.row("Olive Owner").await;
    for entry in ["History", "Access review"] {
        assert!(!browser.offers(entry).await, "{entry}");
    }
    browser.more("Vi Ewer").await;
    assert!(!browser.offers("History").await);
    browser.goto("/?view=review").await;
    browser.row("Olive Owner").await;
    browser.is_sound().await;

    // A user who may see no other view starts with the history, and finds people by the names in it.
    let theirs = Browser::new(Language::English).await;
    theirs.signed_in(&auditor).await;
    theirs.reads("event.partner.created").await;
    assert!(!theirs.offers("Users").await);
    theirs.type_in("history.who", "Olive Owner").await;
    until_events(&theirs, 4).await;
    theirs.is_accessible("history-auditor").await;
    theirs.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_unknown_event_is_shown_unchanged() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    let event = json!({ "id": "evt_1", "at": "2026-11-22T12:00:00Z", "action": "user.flown", "actor": { "kind": "user", "id": "usr_1", "name": "<b>Ann</b>" },
        "target": Value::Null, "address": Value::Null, "before": { "wings": 1 }, "after": { "wings": 2, "role": "pilot" }, "summary": "" });
    browser.answers("/v1/audit-events", &json!({ "items": [event], "next_cursor": Value::Null })).await;
    browser.press("nav.history").await;
    for text in ["user.flown", "<b>Ann</b>", "wings: 1 → 2", "Role: pilot"] {
        browser.sees(text).await;
    }
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_event_of_the_portal_itself_is_in_words() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    let event = |number: u32, action: &str, after: Value| {
        json!({ "id": format!("evt_{number}"), "at": "2026-11-22T12:00:00Z", "action": action,
            "actor": { "kind": "system", "id": null, "name": null }, "target": { "id": "usr_1", "name": "Ann Lee" },
            "address": null, "before": {}, "after": after, "summary": "" })
    };
    let items = [
        event(1, "mail.failed", json!({ "code": "rejected" })),
        event(2, "mail.failed", json!({ "code": "expired" })),
        event(3, "mail.bounced", json!({})),
        event(4, "mail.complained", json!({})),
    ];
    browser.answers("/v1/audit-events", &json!({ "items": items, "next_cursor": null })).await;
    browser.press("nav.history").await;
    let line = |what: &str| format!("The portal | {what} | Ann Lee");
    browser.sees("Mail marked as unwanted").await;
    let expected = ["Mail not sent", "Mail not sent", "Mail rejected", "Mail marked as unwanted"].map(line);
    assert_eq!(events(&browser).await, expected);
    browser.sees("Reason: the mail service rejected the mail").await;
    browser.sees("Reason: the mail service was unavailable for a day").await;
    browser.is_sound().await;
}
