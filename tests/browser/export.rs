//! "Export": lists as files for people, which their spreadsheets open.

use futures::future::join_all;
use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};
use serde_json::{Value, json};

in_both_languages![the_list_is_saved_with_its_filters_and_order, every_export_has_the_words_of_the_page,];

const USERS: [&str; 14] = [
    "user.first_name",
    "user.last_name",
    "user.email",
    "user.role",
    "user.permissions",
    "user.status",
    "fact.must_change_password",
    "user.last_sign_in",
    "export.added",
    "export.changed",
    "export.last_active",
    "fact.second_factor",
    "user.pending",
    "user.mail_state",
];

const HISTORY: [&str; 6] =
    ["history.when", "history.who", "history.what", "history.whom", "history.address", "export.details"];

const RECORD: [&str; 12] = [
    "history.when",
    "record.user",
    "user.email",
    "record.outcome",
    "review.note",
    "record.by",
    "export.role_before",
    "export.role_after",
    "export.permissions_before",
    "export.permissions_after",
    "export.status_before",
    "export.status_after",
];

/// The separator that spreadsheets expect.
fn separator(language: Language) -> char {
    if language == Language::French { ';' } else { ',' }
}

/// The cells of a downloaded table, which begins with a byte order mark and these headings.
#[track_caller]
fn rows(language: Language, file: &str, headings: &[&str]) -> Vec<Vec<String>> {
    let table = file.strip_prefix('\u{FEFF}').expect("a byte order mark");
    let first: Vec<_> = headings.iter().map(|key| language.text(key)).collect();
    assert_eq!(table.split("\r\n").next(), Some(first.join(&separator(language).to_string()).as_str()), "{file}");
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.delimiter(u8::try_from(separator(language)).unwrap()).from_reader(table.as_bytes());
    reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

async fn the_list_is_saved_with_its_filters_and_order(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("manager").created().await;
    let zoe = owner.add("Zoé", "=Ångström, \"Z\"").role("viewer").permissions(&[]).with("must_change", true);
    let zoe = zoe.created().await;
    owner.suspend(&zoe).await.expect(200);
    let bob =
        owner.add("Bob", "Baker; +1-1").role("viewer").permissions(&["users.read", "audit.read"]).signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.select("user.role", "role.viewer").await;
    browser.press("user.name").await;
    browser.lists(&["Bob Baker; +1-1", "Zoé =Ångström, \"Z\""]).await;
    browser.press("users.export").await;
    browser.announces(&browser.text("export.done")).await;
    let file = browser.downloaded("users-").await;
    let rows = rows(language, &file, &USERS);
    let text = |key: &str| language.text(key);
    let permissions = format!("{}, {}", text("permission.users.read"), text("permission.audit.read"));
    let expected = [
        [
            "Bob",
            "Baker; '+1-1",
            &bob.email,
            &text("role.viewer"),
            &permissions,
            &text("status.active"),
            &text("event.no"),
        ],
        [
            "Zoé",
            "'=Ångström, \"Z\"",
            &zoe.email,
            &text("role.viewer"),
            &text("event.no_permissions"),
            &text("status.suspended"),
            &text("event.yes"),
        ],
    ];
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row[..7], expected[..], "{file}");
    }
    assert_eq!((rows.len(), &rows[1][7]), (2, &text("users.never")), "{file}");
    assert_eq!((&rows[1][10], &rows[1][11]), (&text("users.never"), &text("event.no")), "{file}");
    for time in [&rows[0][7], &rows[0][8], &rows[0][9], &rows[0][10], &rows[1][8], &rows[1][9]] {
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00 00:00", "{file}");
    }

    browser.answers_503("/v1/users?").await;
    browser.press("users.export").await;
    browser.announces(&browser.text("fault.passing")).await;
    browser.is_sound().await;
}

async fn every_export_has_the_words_of_the_page(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let body = json!({ "user_id": ann.id, "decision": "suspend", "note": "Left; =1+1" });
    owner.post("/v1/access-review/decisions", &body).await.expect(200);
    let text = |key: &str| language.text(key);
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;

    browser.press("nav.review").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.press("users.export").await;
    let file = browser.downloaded("access-review-").await;
    let headings = [
        &USERS[..9],
        &[
            "export.password_set",
            "export.open_sessions",
            "review.reasons",
            "review.last",
            "record.by",
            "export.reduced_role",
            "export.reduced_permissions",
            "export.last_active",
            "fact.second_factor",
            "user.pending",
        ],
    ];
    let review = rows(language, &file, &headings.concat());
    let of_ann = review.iter().find(|row| row[0] == "Ann").unwrap();
    assert_eq!((&of_ann[3], &of_ann[5], of_ann[10].as_str()), (&text("role.manager"), &text("status.suspended"), "0"));
    assert_eq!((of_ann[13].as_str(), &of_ann[14]), ("Olive Owner", &text("role.viewer")), "{file}");
    assert_eq!(of_ann[15], text("permission.users.read"), "{file}");

    browser.press("review.record").await;
    browser.reads("record.decisions").await;
    browser.sees("Left; =1+1").await;
    browser.press("users.export").await;
    let file = browser.downloaded("access-review-record-").await;
    let record = rows(language, &file, &RECORD);
    assert_eq!(record.len(), 1, "{file}");
    let expected =
        ["Ann Lee", &ann.email, &text("decision.suspend"), "Left; '=1+1", "Olive Owner", &text("role.manager")];
    assert_eq!(record[0][1..7], expected, "{file}");
    assert_eq!(record[0][10..], [text("status.active"), text("status.suspended")], "{file}");

    browser.press("nav.history").await;
    browser.sees("Left; =1+1").await;
    browser.press("users.export").await;
    let file = browser.downloaded("history-").await;
    let history = rows(language, &file, &HISTORY);
    let reviewed = history.iter().find(|row| row[2] == text("event.access.reviewed")).unwrap();
    assert_eq!((reviewed[1].as_str(), reviewed[3].as_str()), ("Olive Owner", "Ann Lee"), "{file}");
    let decision = language.text_with("event.decision", &[("what", &text("decision.suspend"))]);
    assert!(reviewed[5].replace(['\u{A0}', '\u{202F}'], " ").contains(&decision), "{file}");
    assert!(reviewed[5].ends_with("Left; '=1+1"), "{file}");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_list_of_several_pages_is_one_file() {
    let partner = Partner::new().await;
    join_all((0..3).map(|number| partner.owner().add("Ann", &format!("Lee{number}")).role("viewer").created())).await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    // Pages of two lines instead of a thousand.
    browser.shortens_tables(2).await;
    browser.press("users.export").await;
    let file = browser.downloaded("users-").await;
    let names: Vec<_> = rows(Language::English, &file, &USERS).into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(names, ["Lee0", "Lee1", "Lee2", "Owner"], "{file}");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn times_and_the_day_in_the_name_are_the_readers() {
    let browser = Browser::new(Language::French).await;
    browser.goto("/").await;
    browser.reads("sign_in.do").await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "America/Montreal" })).await;
    let moment = browser
        .evaluate("language.js", "module.sortableMoment(arguments[0])", json!(["2026-11-25T02:30:00.123Z"]))
        .await;
    assert_eq!(moment, "2026-11-24 21:30");
    // The evening of the 24th, and already the 25th in UTC.
    let saved = "(() => {
        const [Real, click] = [Date, HTMLAnchorElement.prototype.click];
        let name;
        window.Date = class extends Real { constructor() { super('2026-11-25T02:30:00Z'); } };
        HTMLAnchorElement.prototype.click = function () { name = this.download; };
        module.save('users', '');
        [window.Date, HTMLAnchorElement.prototype.click] = [Real, click];
        return name;
    })()";
    assert_eq!(browser.evaluate("download.js", saved, json!([])).await, "users-2026-11-24.csv");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn no_cell_starts_a_formula_with_any_separator() {
    const LETTERS: [char; 12] = ['=', '+', '-', '＠', ',', ';', '\t', '|', '\n', '"', ' ', '1'];
    let letters = || LETTERS.iter();
    let texts: Vec<String> = letters()
        .flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [*a, *b, *c].iter().collect())))
        .collect();
    let rows: Vec<_> = texts.chunks(3).collect();
    for language in [Language::English, Language::French] {
        let browser = Browser::new(language).await;
        browser.goto("/").await;
        browser.reads("sign_in.do").await;
        let table = browser.evaluate("download.js", "module.toTable(arguments[0])", json!([rows])).await;
        let table = table.as_str().unwrap();
        for separator in [b',', b';', b'\t', b'|'] {
            let mut reader = csv::ReaderBuilder::new();
            let reader = reader.has_headers(false).flexible(true).delimiter(separator).from_reader(table.as_bytes());
            for cell in reader.into_records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
            {
                let start = cell.trim_start_matches([' ', '"', '\n']);
                assert!(!start.starts_with(['=', '+', '-', '＠']), "{cell:?} for {separator}");
            }
        }
        if language == Language::English {
            let read = browser.evaluate("download.js", "module.fromTable(arguments[0])", json!([table])).await;
            let read: Vec<Value> =
                read.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap().clone()).collect();
            assert_eq!(read, texts, "the page reads what the API writes by the same rule");
        }
    }
}
