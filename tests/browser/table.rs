//! The layout of tables: no broken words, no wrapped actions, whole filters, whole texts on demand, and cards only in narrow windows.

use futures::future::join_all;
use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Partner, secrets};
use serde_json::json;

in_both_languages![
    tables_have_whole_words_and_one_line_of_actions_at_every_width,
    texts_that_are_cut_off_are_shown_on_hover_and_focus,
];

/// Problems in the layout of the table, as texts. Very long words may break, since they fit into no column.
const PROBLEMS: &str = "
    const sheet = document.querySelector('.sheet');
    const problems = [];
    for (const select of document.querySelectorAll('.filters select')) {
        if (!select.checkVisibility()) continue;
        const whole = select.cloneNode(true);
        whole.value = select.value;
        whole.style = 'position: absolute; width: auto; field-sizing: content';
        select.after(whole);
        if (whole.offsetWidth > select.offsetWidth) problems.push(`cut off: ${select.selectedOptions[0].text}`);
        whole.remove();
    }
    for (const label of document.querySelectorAll('.filters label:not(.hidden)')) {
        if (label.scrollWidth > label.clientWidth) problems.push(`cut off: ${label.textContent}`);
    }
    const search = document.querySelector('.filters [type=search]');
    if (search) {
        const style = getComputedStyle(search);
        const pen = document.createElement('canvas').getContext('2d');
        pen.font = style.font;
        const room = search.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
        if (pen.measureText(search.placeholder).width > room) problems.push(`cut off: ${search.placeholder}`);
    }
    if (sheet.scrollWidth > sheet.clientWidth) problems.push(`the sheet is ${sheet.scrollWidth - sheet.clientWidth} too wide`);
    const { display, gridTemplateColumns } = getComputedStyle(sheet.querySelector('tbody tr'));
    const isTable = display === 'table-row' || gridTemplateColumns.startsWith('subgrid');
    if (isTable !== arguments[0]) problems.push(`table: ${isTable}`);
    if (!isTable) return problems;
    for (const cell of sheet.querySelectorAll('th, td')) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const node = texts.currentNode;
            if (!node.parentElement.checkVisibility() || node.parentElement.closest('.hidden, .menu') || node.parentElement.offsetWidth <= 1) continue;
            // Headings do not even wrap at a hyphen.
            for (const { 0: word, index } of node.data.matchAll(cell.closest('thead') ? /\\S+/g : /[^\\s\\u00a0\\u202f–-]+/g)) {
                if (word.length > 24) continue;
                const range = document.createRange();
                range.setStart(node, index);
                range.setEnd(node, index + word.length);
                if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) problems.push(`broken: ${word}`);
            }
        }
    }
    const rows = [...sheet.querySelectorAll('.listed .actions > div')];
    for (const row of rows) {
        const tops = [...row.querySelectorAll(':scope > button:not([hidden])')].map((button) => Math.round(button.getBoundingClientRect().top));
        if (new Set(tops).size > 1) problems.push('actions wrap');
        const edge = sheet.getBoundingClientRect().right;
        if (row.getBoundingClientRect().right > edge) problems.push('actions are outside');
    }
    return problems;";

async fn fits(browser: &Browser, state: &str, is_table: bool) {
    let problems = browser.script(PROBLEMS, json!([is_table])).await;
    browser.screenshot(&format!("table-{state}-{}", browser.language.code())).await;
    assert_eq!(problems, json!([]), "{state} in {:?}", browser.language);
}

async fn tables_have_whole_words_and_one_line_of_actions_at_every_width(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for (first, last, role) in [
        ("Maximilienne-Bérengère", "de la Tour du Pin-Gouvernet-Montmorency-Bouteville", "viewer"),
        ("Wolfeschlegelsteinhausenbergerdorff", "Hubert", "admin"),
        ("Adam", "André", "manager"),
    ] {
        let email = secrets::email(&format!("{}.of.acme", first.to_lowercase().split('-').next().unwrap()));
        owner.add(first, last).role(role).email(&email).created().await;
    }
    let suspended = owner.add("Gabriel", "André").role("viewer").signed_in().await;
    owner.suspend(&suspended).await.expect(200);
    owner.add("Ida", "Invited").role("manager").invited().await;
    owner.add("Fay", "First").role("admin").with("must_change", true).created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.row("Ida Invited").await;
    // 853 pixels are 1280 at a zoom of 150 %. The second number is the width of the scroll bar there.
    let windows = [(1280, 15), (1280, 0), (853, 10), (1000, 15), (1366, 15), (1440, 15), (1920, 15), (2560, 15)];
    for view in ["nav.users", "nav.review", "nav.history"] {
        browser.press(view).await;
        browser.sees("Hubert").await;
        for (width, bar) in windows {
            browser.resize(width, 860).await;
            browser.script("document.documentElement.style.paddingRight = `${arguments[0]}px`", json!([bar])).await;
            fits(&browser, &format!("{}-{width}-{bar}", view.replace('.', "-")), true).await;
        }
        browser.resize(700, 860).await;
        fits(&browser, &format!("{}-700", view.replace('.', "-")), false).await;
        browser.resize(1280, 860).await;
    }

    // On a phone, the views and the actions have one line each. A menu has the actions that are used rarely.
    browser.press("nav.users").await;
    browser.resize(320, 700).await;
    let lines =
        "return ['.side a', '.head-actions > button'].map((places) => new Set([...document.querySelectorAll(places)]
        .filter((place) => place.checkVisibility()).map((place) => place.offsetTop)).size)";
    assert_eq!(browser.script(lines, json!([])).await, json!([1, 1]));
    browser.press("users.actions").await;
    browser.has_focus_on(&browser.text("users.export")).await;
    browser.screenshot(&format!("users-phone-menu-{}", language.code())).await;
    browser.press("users.import").await;
    browser.reads("import.title").await;
    browser.is_sound().await;
}

async fn texts_that_are_cut_off_are_shown_on_hover_and_focus(language: Language) {
    let partner = Partner::new().await;
    let name = "Maximilienne-Bérengère de la Tour du Pin-Gouvernet-Montmorency-Bouteville-Wolfeschlegelstein";
    let (first, last) = name.split_once(' ').unwrap();
    partner.owner().add(first, last).role("viewer").created().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.row(name).await;
    let title = "
        const [long, short] = [arguments[0], 'Ann Lee'].map((name) =>
            [...document.querySelectorAll('.name')].find((element) => element.textContent === name));
        for (const element of [long, short]) element.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        return [long.title, short.title]";
    assert_eq!(browser.script(title, json!([name])).await, json!([name, ""]));
    let height = "return [...document.querySelectorAll('.name')].find((element) => element.textContent === arguments[0]).offsetHeight";
    let before = browser.script(height, json!([name])).await.as_u64().unwrap();
    browser.tab_to(&language.text_with("users.edit_of", &[("name", name)])).await;
    let after = browser.script(height, json!([name])).await.as_u64().unwrap();
    assert!(after > before, "the whole name is shown in the row that has the focus: {before} and {after} pixels");
    browser.keys(keys::TAB).await;
    browser.is_accessible("table-long-name").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_rows_per_page_and_the_page_are_kept() {
    let partner = Partner::new().await;
    for tens in 0..3 {
        let adds = (0..10).map(|ones| partner.owner().add("Ann", &format!("Lee{tens}{ones}")).role("viewer").created());
        join_all(adds).await;
    }
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.sees("1–25 of 31").await;
    browser.press("users.next").await;
    browser.sees("26–31 of 31").await;
    let at =
        browser.script("return document.querySelector('.sheet').getBoundingClientRect().top >= 0", json!([])).await;
    assert_eq!(at, true, "the beginning of the page is shown");
    browser.reload().await;
    browser.sees("26–31 of 31").await;
    browser.press("nav.history").await;
    browser.reads("history.when").await;
    browser.back().await;
    browser.sees("26–31 of 31").await;
    // The portal does not accept a page of another list.
    browser.script("history.replaceState({ cursors: [null, 'unknown'] }, '')", json!([])).await;
    browser.reload().await;
    browser.sees("1–25 of 31").await;

    browser.select_named("users.rows", "50").await;
    browser.sees("31 users").await;
    assert_eq!(browser.names().await.len(), 31);
    browser.is_accessible("users-rows").await;
    browser.reload().await;
    browser.sees("31 users").await;
    browser.holds("users.rows", "50").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_chosen_columns_are_kept_in_both_languages() {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let mut browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    let script =
        "return [[...document.querySelectorAll('.menu:popover-open > *')].map((item) => [item.role, item.ariaChecked]),
        ['th[data-column]', 'tbody tr:first-child [data-column]'].map((cells) => [...document.querySelectorAll(cells)]
            .filter((cell) => cell.checkVisibility()).map((cell) => cell.dataset.column))]";
    let shows = async |browser: &Browser, checked: [bool; 4]| {
        let seen = browser.script(script, json!([])).await;
        let columns = ["email", "role", "status", "last_sign_in"];
        let shown: Vec<_> = columns.iter().zip(checked).filter(|(_, checked)| *checked).map(|(name, _)| name).collect();
        assert_eq!(seen[1], json!([shown, shown]));
        seen[0].clone()
    };
    let boxes = |checked: [bool; 4]| json!(checked.map(|checked| json!(["menuitemcheckbox", checked.to_string()])));

    browser.tab_to_text("users.columns").await;
    browser.keys(keys::ENTER).await;
    browser.has_focus_on(&browser.text("user.email")).await;
    assert_eq!(shows(&browser, [true; 4]).await, boxes([true; 4]));
    browser.keys(keys::SPACE).await;
    browser.keys(&format!("{}{}{}", keys::DOWN, keys::DOWN, keys::ENTER)).await;
    browser.has_focus_on(&browser.text("user.status")).await;
    let some = [false, true, false, true];
    assert_eq!(shows(&browser, some).await, boxes(some));
    browser.is_accessible("users-columns").await;
    browser.keys(keys::ESCAPE).await;
    browser.has_focus_on(&browser.text("users.columns")).await;
    browser.reload().await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.choose_language(Language::French).await;
    browser.reads("users.columns").await;
    shows(&browser, some).await;

    // Names and actions are always shown.
    browser.press("users.columns").await;
    for key in ["user.role", "user.last_sign_in"] {
        browser.press(key).await;
    }
    shows(&browser, [false; 4]).await;
    browser.keys(keys::ESCAPE).await;
    let row = browser.row("Ann Lee").await;
    assert!(row.contains(&browser.text("users.edit")), "{row}");
    for width in [1920, 1280, 1000] {
        browser.resize(width, 860).await;
        fits(&browser, &format!("no-columns-{width}"), true).await;
    }
    browser.press("users.columns").await;
    browser.press("user.email").await;
    shows(&browser, [true, false, false, false]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_list_that_cannot_be_reloaded_stays() {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.offline(true).await;
    browser.press("user.name").await;
    browser.reads("users.fault.title").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.is_accessible("users-fault-list").await;
    browser.offline(false).await;
    browser.press("try_again").await;
    browser.does_not_see(&browser.text("users.fault.title")).await;
    browser.lists(&["Olive Owner", "Ann Lee"]).await;

    // Another admin adds a user while the tab is hidden.
    partner.owner().add("Bob", "Baker").role("viewer").created().await;
    browser.script("document.dispatchEvent(new Event('visibilitychange'))", json!([])).await;
    browser.lists(&["Olive Owner", "Ann Lee", "Bob Baker"]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn rows_keep_their_place_while_the_list_is_loaded() {
    let partner = Partner::new().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    let place = "const row = document.querySelector('tbody tr').getBoundingClientRect();
        const head = document.querySelector('thead').getBoundingClientRect();
        return [row.left, row.width, row.top - head.top, head.top].map(Math.round)";
    let loaded = browser.script(place, json!([])).await;
    browser.press("nav.history").await;
    browser.reads("history.when").await;
    browser.holds_back("/v1/users?").await;
    browser.press("nav.users").await;
    browser.is_busy().await;
    let cells = browser.script("return document.querySelectorAll('.placeholder').length", json!([])).await;
    assert_eq!(cells, 6);
    assert_eq!(browser.script(place, json!([])).await, loaded);
    browser.is_sound().await;
}
