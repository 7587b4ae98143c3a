//! "Access review": the list, its numbers, decisions by button and by key, and their record.

use futures::future::join_all;
use portal_tests::browser::{Browser, Language, keys};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Partner, User, stack};
use serde_json::{Value, json};

in_both_languages![
    the_review_starts_with_the_most_urgent_users,
    one_key_decides,
    suspending_and_removing_need_confirmation,
    a_concurrent_change_prevents_the_decision,
    the_record_shows_users_decisions_and_reviewers,
];

/// The time this many days ago.
async fn days_ago(browser: &Browser, days: u32) -> String {
    let script = "return new Date(Date.now() - arguments[0] * 86400000).toISOString()";
    browser.script(script, json!([days])).await.as_str().unwrap().to_owned()
}

/// The label of a decision's button for a user.
fn of(language: Language, decision: &str, name: &str) -> String {
    let what = language.text(&format!("review.{decision}"));
    language.text_with("review.of", &[("what", &what), ("name", name)])
}

/// The numbers of a chart, from top to bottom. Its label must contain the same ones.
async fn chart(browser: &Browser, name: &str) -> Vec<u64> {
    let script = "const svg = document.querySelector(`[data-chart=\"${arguments[0]}\"] svg`);
        return [[...svg.querySelectorAll('text.value')].map((value) => Number(value.textContent)), svg.getAttribute('aria-label'), svg.getAttribute('role')]";
    let found = browser.script(script, json!([name])).await;
    assert_eq!(found[2], "img");
    let seen: Vec<u64> = found[0].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).collect();
    // Each entry ends with its number.
    let said: Vec<u64> = found[1]
        .as_str()
        .unwrap()
        .split(", ")
        .map(|entry| entry.rsplit([' ', '\u{A0}']).next().unwrap().parse().unwrap_or_else(|_| panic!("{found}")))
        .collect();
    assert_eq!(seen, said);
    seen
}

async fn the_review_starts_with_the_most_urgent_users(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let browser = Browser::new(language).await;
    let rows = Rows::of(&stack().ready);
    let ina = owner.add("Ina", "Inactive").role("manager").signed_in().await;
    rows.set_time(&ina, "created_at", &days_ago(&browser, 700).await).await;
    rows.set_last_sign_in(&ina, &days_ago(&browser, 200).await).await;
    let nev = owner.add("Nev", "Never").role("viewer").created().await;
    rows.set_time(&nev, "created_at", &days_ago(&browser, 50).await).await;
    owner.add("Max", "More").role("viewer").permissions(&["users.read", "audit.read"]).signed_in().await;
    owner.add("Zoé", "Ångström").role("viewer").signed_in().await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.lists(&["Ina Inactive", "Max More", "Nev Never", "Zoé Ångström", "Olive Owner"]).await;
    let row = browser.row("Max More").await;
    assert!(row.contains(&browser.text("reason.exceeds_role_default")), "{row}");
    let row = browser.row("Nev Never").await;
    assert!(row.contains(&browser.text("reason.never_signed_in")), "{row}");
    let row = browser.row("Ina Inactive").await;
    let reduced = language.text_with(
        "review.reduced",
        &[("role", &browser.text("role.viewer")), ("permissions", &browser.text("permission.users.read"))],
    );
    for text in [&browser.text("reason.not_reviewed"), &browser.text("users.never"), &reduced] {
        assert!(row.contains(text.as_str()), "{text}: {row}");
    }
    let row = browser.row("Zoé Ångström").await;
    assert!(row.contains(&browser.text("review.nothing")), "{row}");
    assert!(!browser.offers(&of(language, "reduce", "Zoé Ångström")).await, "this access cannot be reduced");
    let own = browser.row("Olive Owner").await;
    assert!(own.contains(&browser.text("review.own")), "{own}");
    browser.sees(&language.text_with("review.progress", &[("done", "0"), ("total", "5")])).await;
    browser.sees(&language.text_with("review.look_at.other", &[("total", "3")])).await;
    assert_eq!(
        chart(&browser, "last_active").await,
        [3, 0, 0, 1, 0, 1],
        "three users today, one 200 days ago, one never"
    );
    assert_eq!(chart(&browser, "role").await, [1, 0, 1, 3], "the same numbers as in the list");
    for (role, count) in [("primary_admin", 1), ("admin", 0), ("manager", 1), ("viewer", 3)] {
        assert_eq!(of_role(&browser, role).await, count, "{role}");
    }
    browser.is_accessible("review").await;

    browser.select_named("review.inactive_days", &language.text_with("review.days.other", &[("total", "365")])).await;
    browser.lists(&["Max More", "Nev Never", "Ina Inactive", "Zoé Ångström", "Olive Owner"]).await;
    browser.reload().await;
    browser.lists(&["Max More", "Nev Never", "Ina Inactive", "Zoé Ångström", "Olive Owner"]).await;
    browser.press("users.export").await;
    browser.announces(&browser.text("export.done")).await;
    let file = browser.downloaded("access-review-").await;
    assert_eq!(file.trim_end().split("\r\n").count(), 6, "{file}");
    browser.offline(true).await;
    browser.select_named("review.inactive_days", &language.text_with("review.days.other", &[("total", "30")])).await;
    browser.reads("review.fault").await;
    browser.is_accessible("review-fault").await;
    browser.offline(false).await;
    browser.press("try_again").await;
    browser.lists(&["Ina Inactive", "Max More", "Nev Never", "Zoé Ångström", "Olive Owner"]).await;
    browser.is_sound().await;
}

/// The number of users with this role.
async fn of_role(browser: &Browser, role: &str) -> u64 {
    let script = "return [...document.querySelectorAll('.review tbody [data-role]')].filter((role) => role.textContent === arguments[0]).length";
    browser.script(script, json!([browser.text(&format!("role.{role}"))])).await.as_u64().unwrap()
}

/// Adds three users to review: an admin, a manager and a viewer.
async fn three(owner: &Actor) -> [User; 3] {
    let ann = owner.add("Ann", "Able").role("admin").created().await;
    let bob = owner.add("Bob", "Baker").role("manager").created().await;
    let cleo = owner.add("Cleo", "Cook").role("viewer").created().await;
    [ann, bob, cleo]
}

async fn one_key_decides(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [ann, bob, cleo] = three(owner).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.goto("/?view=review").await;
    browser.lists(&["Ann Able", "Bob Baker", "Cleo Cook", "Olive Owner"]).await;
    browser.has_focus_on(&browser.text("nav.review")).await;
    // Keys have no effect outside of a row.
    browser.keys("krx").await;
    browser.tab_to(&of(language, "keep", "Ann Able")).await;
    browser.keys(keys::DOWN).await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    browser.keys(keys::UP).await;
    browser.has_focus_on(&of(language, "keep", "Ann Able")).await;

    // Keys that are typed into a note have no other effect.
    browser.keys("n").await;
    browser.has_focus_on(&language.text_with("review.note_label", &[("name", "Ann Able")])).await;
    browser.keys("Keeps running the xmas sale").await;
    browser.is_accessible("review-note").await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&of(language, "keep", "Ann Able")).await;
    browser.keys("k").await;
    browser.announces(&language.text_with("review.done.keep", &[("name", "Ann Able")])).await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    browser.sees(&language.text_with("review.progress", &[("done", "1"), ("total", "4")])).await;
    browser.keys("r").await;
    browser.announces(&language.text_with("review.done.reduce", &[("name", "Bob Baker")])).await;
    browser.has_focus_on(&of(language, "keep", "Cleo Cook")).await;
    browser.sees(&language.text_with("review.progress", &[("done", "2"), ("total", "4")])).await;
    let row = browser.row("Bob Baker").await;
    assert!(row.contains(&browser.text("decision.reduce")) && row.contains(&browser.text("role.viewer")), "{row}");
    // There is nothing to reduce, so this key does nothing.
    browser.keys("r").await;
    browser.keys("K").await;
    browser.announces(&language.text_with("review.done.keep", &[("name", "Cleo Cook")])).await;
    browser.has_focus_on(&browser.text("decision.keep")).await;
    browser.sees(&language.text_with("review.progress", &[("done", "3"), ("total", "4")])).await;
    assert_eq!(chart(&browser, "role").await, [1, 1, 0, 2]);
    browser.is_accessible("review-decided").await;
    browser.is_sound().await;

    for (user, role) in [(&ann, "admin"), (&bob, "viewer"), (&cleo, "viewer")] {
        let user = owner.see(user).await;
        assert_eq!(
            (&user["version"], &user["role"]),
            (&json!(2), &json!(role)),
            "each decision increments the version"
        );
    }
    let answer = owner.get("/v1/audit-events?action=access.reviewed").await.expect(200);
    let notes: Vec<_> =
        answer.json["items"].as_array().unwrap().iter().map(|event| &event["after"]["reason"]).collect();
    assert_eq!(notes, [&Value::Null, &Value::Null, &json!("Keeps running the xmas sale")]);
}

async fn suspending_and_removing_need_confirmation(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [ann, _, _] = three(owner).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.tab_to(&of(language, "keep", "Ann Able")).await;
    browser.keys("s").await;
    browser.sees(&language.text_with("suspend.title", &[("name", "Ann Able")])).await;
    browser.is_accessible("review-suspend").await;
    browser.keys(keys::ESCAPE).await;
    browser.has_focus_on(&of(language, "keep", "Ann Able")).await;
    browser.keys("s").await;
    browser.sees(&language.text_with("suspend.title", &[("name", "Ann Able")])).await;
    // This also works if the user types quickly.
    browser.keys(&format!("{}s", keys::ESCAPE)).await;
    browser.sees(&language.text_with("suspend.title", &[("name", "Ann Able")])).await;
    browser.offline(true).await;
    browser.press("review.suspend").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.offline(false).await;
    browser.press("review.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Ann Able")])).await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    browser.keys("x").await;
    browser.sees(&language.text_with("remove.title", &[("name", "Bob Baker")])).await;
    browser.is_accessible("review-remove").await;
    browser.press("review.remove").await;
    browser.announces(&language.text_with("remove.done", &[("name", "Bob Baker")])).await;
    browser.has_focus_on(&of(language, "keep", "Cleo Cook")).await;
    let row = browser.row("Bob Baker").await;
    assert!(row.contains(&browser.text("decision.remove")), "{row}");
    browser.keys(keys::DELETE).await;
    browser.sees(&language.text_with("remove.title", &[("name", "Cleo Cook")])).await;
    browser.press("cancel").await;
    browser.press("nav.users").await;
    browser.lists(&["Ann Able", "Cleo Cook", "Olive Owner"]).await;
    assert_eq!(owner.see(&ann).await["status"], "suspended");
    browser.is_sound().await;
}

async fn a_concurrent_change_prevents_the_decision(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [ann, bob, _] = three(owner).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.lists(&["Ann Able", "Bob Baker", "Cleo Cook", "Olive Owner"]).await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    browser.click(&of(language, "note", "Ann Able")).await;
    browser.fill(&language.text_with("review.note_label", &[("name", "Ann Able")]), "Needed").await;
    browser.click(&of(language, "keep", "Ann Able")).await;
    browser.announces(&language.text_with("review.stale", &[("name", "Ann Able")])).await;
    browser.lists(&["Anna Able", "Bob Baker", "Cleo Cook", "Olive Owner"]).await;
    browser.holds_in(&language.text_with("review.note_label", &[("name", "Anna Able")]), "Needed").await;
    browser.has_focus_on(&of(language, "keep", "Anna Able")).await;
    owner.remove(&bob).await.expect(204);
    browser.keys(keys::DOWN).await;
    browser.keys("x").await;
    browser.press("review.remove").await;
    browser.announces(&browser.text("fault.gone")).await;
    browser.lists(&["Anna Able", "Cleo Cook", "Olive Owner"]).await;
    browser.click(&of(language, "keep", "Anna Able")).await;
    browser.announces(&language.text_with("review.done.keep", &[("name", "Anna Able")])).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_decision_can_be_taken_back() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [ann, bob, cleo] = three(owner).await;
    let before = owner.see(&bob).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.tab_to(&of(language, "keep", "Ann Able")).await;
    browser.keys("k").await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    browser.keys("r").await;
    browser.has_focus_on(&of(language, "keep", "Cleo Cook")).await;
    assert_eq!(owner.see(&bob).await["role"], "viewer");

    // The key takes back the last decision, wherever the focus is.
    browser.keys("u").await;
    browser.announces(&language.text_with("review.undone", &[("name", "Bob Baker")])).await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    let restored = owner.see(&bob).await;
    assert_eq!((&restored["role"], &restored["permissions"]), (&before["role"], &before["permissions"]));
    browser.keys("us").await;
    browser.press("review.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Bob Baker")])).await;
    browser.is_accessible("review-undo").await;

    // The buttons take back earlier ones.
    browser.click(&of(language, "undo", "Bob Baker")).await;
    browser.has_focus_on(&of(language, "keep", "Bob Baker")).await;
    assert_eq!(owner.see(&bob).await["status"], "active");
    browser.click(&of(language, "again", "Ann Able")).await;
    browser.has_focus_on(&of(language, "keep", "Ann Able")).await;
    browser.keys("r").await;
    browser.announces(&language.text_with("review.done.reduce", &[("name", "Ann Able")])).await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    browser.keys("u").await;
    browser.announces(&language.text_with("review.stale", &[("name", "Ann Able")])).await;
    assert_ne!(owner.see(&ann).await["role"], "admin", "a later change is kept");
    assert_eq!(owner.see(&cleo).await["version"], 1, "no other user is changed");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn all_users_with_nothing_unusual_are_kept_at_once() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    // More than a page.
    let mut usual = Vec::new();
    for tens in [1, 2] {
        let adds = (0..13).map(|ones| owner.add("Ann", &format!("Lee{}", 20 * tens + ones)).role("viewer").created());
        usual.extend(join_all(adds).await);
    }
    let browser = Browser::new(language).await;
    let (rows, yesterday) = (Rows::of(&stack().ready), days_ago(&browser, 1).await);
    join_all(usual.iter().map(|user| rows.set_last_sign_in(user, &yesterday))).await;
    let max = owner.add("Max", "More").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.sees(&language.text_with("review.count", &[("shown", "25"), ("total", "28")])).await;
    browser.type_in("users.search", "lee52").await;
    browser.lists(&["Ann Lee52"]).await;
    browser.is_accessible("review-found").await;
    browser.type_in("users.search", "nobody").await;
    browser.reads("users.none.title").await;
    browser.press("users.none.do").await;
    browser.sees(&language.text_with("review.count", &[("shown", "28"), ("total", "28")])).await;
    browser.select("review.filter", "review.filter.unusual").await;
    browser.lists(&["Max More"]).await;
    browser.select("review.filter", "review.nothing").await;
    browser.does_not_see("Max More").await;

    browser.press("review.keep_usual").await;
    browser.sees(&language.text_with("review.keep_usual.title.other", &[("total", "26")])).await;
    browser.is_accessible("review-keep-usual").await;
    owner.remove(&usual[0]).await.expect(204);
    browser.press("review.keep").await;
    browser.sees(&language.text_with("review.keep_usual.some", &[("total", "25"), ("all", "26")])).await;
    browser.sees("Ann Lee20").await;
    browser.is_accessible("review-keep-usual-some").await;
    browser.press("close").await;
    browser.sees(&language.text_with("review.progress", &[("done", "25"), ("total", "27")])).await;
    let answer = owner.get("/v1/audit-events?action=access.reviewed&limit=100").await.expect(200);
    let events = answer.json["items"].as_array().unwrap();
    assert_eq!(events.len(), 25);
    assert!(events.iter().all(|event| event["target"]["id"] != max.id.as_str()), "unusual users are not kept");

    browser.press("review.keep_usual").await;
    browser.announces(&browser.text("review.keep_usual.none")).await;
    browser.is_sound().await;
}

async fn the_record_shows_users_decisions_and_reviewers(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let [ann, bob, cleo] = three(owner).await;
    for (user, decision, note) in [(&ann, "keep", "Runs the shop"), (&bob, "reduce", "No edits for a year")] {
        owner
            .post("/v1/access-review/decisions", &json!({ "user_id": user.id, "decision": decision, "note": note }))
            .await
            .expect(200);
    }
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.press("nav.review").await;
    browser.press("review.record").await;
    browser.lists(&["Bob Baker", "Ann Able"]).await;
    let row = browser.row("Bob Baker").await;
    let change = language.text_with(
        "event.change",
        &[
            ("what", &browser.text("user.role")),
            ("was", &browser.text("role.manager")),
            ("is", &browser.text("role.viewer")),
        ],
    );
    for text in [&browser.text("decision.reduce"), "No edits for a year", "Olive Owner", &bob.email, &change] {
        assert!(row.contains(text), "{text}: {row}");
    }
    for text in ["Acme Agency", &format!("Cleo Cook · {} · {}", cleo.email, browser.text("role.viewer"))] {
        browser.sees(text).await;
    }
    browser.is_accessible("record").await;

    // The printed page has only the record, with one table.
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    browser.resize(720, 1000).await;
    for key in ["record.print", "users.export", "nav.history", "record.show"] {
        browser.does_not_see(&browser.text(key)).await;
    }
    let display = "return ['table', 'thead', 'tbody tr', 'tbody td'].map((part) => getComputedStyle(document.querySelector(part)).display)";
    let displayed = browser.script(display, json!([])).await;
    assert_eq!(displayed, json!(["table", "table-header-group", "table-row", "table-cell"]));
    browser.screenshot(&format!("record-{}-paper", language.code())).await;
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" })).await;
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;

    browser.press("users.export").await;
    browser.announces(&browser.text("export.done")).await;
    let file = browser.downloaded("access-review-record-").await;
    assert_eq!(file.trim_end().split("\r\n").count(), 3, "{file}");
    assert!(file.contains("Runs the shop"), "{file}");

    browser.choose_day("history.from", "2026-01-31").await;
    browser.choose_day("history.to", "2026-01-01").await;
    browser.press("record.show").await;
    browser.is_marked("history.to", "period.backwards").await;
    browser.is_accessible("record-backwards").await;
    browser.choose_day("history.from", "2025-12-01").await;
    browser.press("record.show").await;
    browser.reads("record.none").await;
    browser.reload().await;
    browser.reads("record.none").await;
    assert_eq!(browser.path().await, "/?view=record&from=2025-12-01&to=2026-01-01");
    browser.is_accessible("record-none").await;
    browser.press("record.back").await;
    browser.lists(&["Ann Able", "Bob Baker", "Cleo Cook", "Olive Owner"]).await;

    // The history shows the same, and only what changed.
    browser.press("nav.history").await;
    browser.select("history.what", "event.access.reviewed").await;
    browser.announces(&language.text_with("history.count.other", &[("total", "2")])).await;
    for text in [
        &language.text_with("event.decision", &[("what", &browser.text("decision.keep"))]),
        &language.text_with("event.fact", &[("what", &browser.text("fact.note")), ("value", "Runs the shop")]),
        &change,
    ] {
        browser.sees(text).await;
    }
    let roles = "return [...document.querySelectorAll('.details li')].filter((line) => line.textContent.startsWith(arguments[0])).length";
    assert_eq!(browser.script(roles, json!([browser.text("user.role")])).await, 1, "one user was reduced");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn users_who_may_only_view_cannot_decide() {
    let partner = Partner::new().await;
    let auditor =
        partner.owner().add("Au", "Ditor").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    partner.owner().add("Ann", "Able").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&auditor).await;
    browser.press("nav.review").await;
    browser.lists(&["Au Ditor", "Ann Able", "Olive Owner"]).await;
    for decision in ["keep", "reduce", "suspend", "remove", "note"] {
        assert!(!browser.offers(&of(Language::English, decision, "Ann Able")).await, "{decision}");
    }
    browser.is_accessible("review-looking").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn more_users_are_loaded_on_request() {
    let partner = Partner::new().await;
    for tens in 0..3 {
        let adds = (0..9).map(|ones| partner.owner().add("Ann", &format!("Lee{tens}{ones}")).role("viewer").created());
        futures::future::join_all(adds).await;
    }
    let browser = Browser::new(Language::French).await;
    browser.signed_in(partner.owner()).await;
    browser.press("nav.review").await;
    browser.sees("25 sur 28").await;
    browser.press("review.more").await;
    browser.sees("28 sur 28").await;
    assert_eq!(browser.names().await.len(), 28);
    browser.has_focus_on(&of(Language::French, "keep", "Ann Lee27")).await;
    browser.is_sound().await;
}
