//! "Import": users from a file, which is checked first; their passwords are shown once.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::{Client, Partner, User, secrets};
use serde_json::json;

in_both_languages![
    an_admin_imports_users_and_gets_their_passwords_once,
    problems_in_a_file_are_listed_by_line,
    users_who_were_not_added_are_listed_with_the_reason,
    the_user_chooses_between_the_readings_of_a_file,
    the_user_chooses_a_role_for_users_without_one,
];

/// The separator of the files that the page saves.
fn separator(language: Language) -> char {
    if language == Language::French { ';' } else { ',' }
}

async fn the_user_chooses_between_the_readings_of_a_file(language: Language) {
    let partner = Partner::new().await;
    let email = secrets::email("andre");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    browser.tick("invite.by_hand").await;
    let text = format!("first_name;last_name;email;role\r\nANDR\u{e9};Lee;{email};viewer\r\n");
    let bytes: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    browser.choose_file("import.file", "team.csv", &bytes).await;
    browser.reads("import.charset").await;
    browser.sees("ANDRé Lee").await;
    browser.sees("ANDRÈ Lee").await;
    assert!(!browser.offers(&language.text_with("import.do.one", &[("total", "1")])).await, "not before the choice");
    browser.is_accessible("import-readings").await;
    browser.tick_named("ANDRé Lee").await;
    browser.announces(&language.text_with("import.good.one", &[("total", "1")])).await;
    browser.is_accessible("import-reading").await;
    browser.click(&language.text_with("import.do.one", &[("total", "1")])).await;
    browser.has_focus_on(&language.text_with("import.done.one", &[("total", "1")])).await;
    browser.press("import.download").await;
    let details = browser.downloaded("sign-in-details-").await;
    secrets::remembered(
        details.lines().nth(1).and_then(|line| line.split(separator(language)).nth(4)).unwrap().to_owned(),
    );
    assert!(details.contains("ANDRé"), "the file is read in the chosen way");
    browser.press("share.done").await;
    browser.lists(&["ANDRé Lee", "Olive Owner"]).await;
    browser.is_sound().await;
}

async fn the_user_chooses_a_role_for_users_without_one(language: Language) {
    let partner = Partner::new().await;
    let (ann, bob) = (secrets::email("ann"), secrets::email("bob"));
    let max = partner.owner().add("Max", "Manager").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&max).await;
    browser.press("users.import").await;
    browser.tick("invite.by_hand").await;
    let file = format!("Prénom;Nom;E-mail;Rôle\nAnn;Lee;{ann};\nBob;Baker;{bob};viewer\n");
    browser.choose_file("import.file", "team.csv", file).await;
    browser.announces(&browser.text("import.needs_role")).await;
    browser.has_focus_on(&browser.text("import.role")).await;
    let do_both = language.text_with("import.do.other", &[("total", "2")]);
    assert!(!browser.offers(&do_both).await, "not before a role is chosen");
    let script = "return [...document.querySelector('dialog select').options].map((option) => option.textContent)";
    let roles = browser.script(script, json!([])).await;
    assert_eq!(roles, json!(["role.choose", "role.manager", "role.viewer"].map(|key| browser.text(key))));
    browser.is_accessible("import-role").await;
    browser.select("import.role", "role.manager").await;
    browser.announces(&language.text_with("import.good.other", &[("total", "2")])).await;
    for role in ["role.manager", "role.viewer"] {
        browser.sees(&format!("{} (1)", browser.text(role))).await;
    }
    browser.delays_an_answer("/v1/users/import").await;
    browser.click(&do_both).await;
    browser.announces(&language.text_with("import.adding.other", &[("total", "2")])).await;
    browser.lets_through().await;
    browser.has_focus_on(&language.text_with("import.done.other", &[("total", "2")])).await;
    browser.press("import.download").await;
    let details = browser.downloaded("sign-in-details-").await;
    for line in details.lines().skip(1) {
        secrets::remembered(line.split(separator(language)).nth(4).unwrap().to_owned());
    }
    browser.press("share.done").await;
    browser.row_with("Ann Lee", &browser.text("role.manager")).await;
    browser.row_with("Bob Baker", &browser.text("role.viewer")).await;
    browser.is_sound().await;
}

async fn an_admin_imports_users_and_gets_their_passwords_once(language: Language) {
    let partner = Partner::new().await;
    let there = partner.owner().add("Ann", "Lee").created().await;
    let (zoe, bob) = (secrets::email("zoe"), secrets::email("bob"));
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    browser.has_focus_on(&browser.text("import.file")).await;
    browser.is_accessible("import").await;
    browser.tick("invite.by_hand").await;
    browser.press("import.example").await;
    let example = browser.downloaded("users-").await;
    let headings = ["first_name", "last_name", "email", "role", "permissions"];
    let headings = headings.map(|field| browser.text(&format!("user.{field}")));
    let separator = separator(language);
    assert!(example.contains(&(headings.join(&separator.to_string()) + "\r\n")), "{example}");
    browser.choose_file("import.file", "users.csv", &example).await;
    browser.announces(&language.text_with("import.good.other", &[("total", "2")])).await;

    // A file as a French spreadsheet on Windows writes it.
    let file = format!(
        "first_name;last_name;email;role\r\nZoé;Ångström;{zoe};viewer\r\nAnn;Lee;{};admin\r\nBob;Baker;{bob};manager\r\n",
        there.email
    );
    let bytes: Vec<u8> = file.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    browser.choose_file("import.file", "equipe.csv", bytes).await;
    browser.announces(&language.text_with("import.good.other", &[("total", "2")])).await;
    browser.sees("Zoé Ångström").await;
    browser.reads("import.email_taken").await;
    browser.is_accessible("import-checked").await;
    let answer = partner.owner().get("/v1/users").await.expect(200);
    assert_eq!(answer.json["total"], 2, "no users are added yet");

    browser.click(&language.text_with("import.do.other", &[("total", "2")])).await;
    browser.has_focus_on(&language.text_with("import.done.other", &[("total", "2")])).await;
    browser.reads("import.once").await;
    browser.sees(&there.email).await;
    browser.is_accessible("imported").await;
    browser.keys(keys::ESCAPE).await;
    browser.press("share.done").await;
    browser.announces(&browser.text("import.not_saved")).await;
    browser.is_accessible("imported-not-saved").await;
    browser.press("import.download").await;
    let details = browser.downloaded("sign-in-details-").await;
    browser.press("share.done").await;
    browser.lists(&["Zoé Ångström", "Bob Baker", "Ann Lee", "Olive Owner"]).await;
    browser.is_sound().await;

    let lines: Vec<_> = details.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 3, "the headings, and the added users");
    let cells: Vec<_> = lines[1].split(separator).collect();
    assert_eq!(cells[..3], ["Zoé", "Ångström", &zoe]);
    assert_eq!(cells[3], browser.text("role.viewer"));
    assert!(cells[5].ends_with(&format!("/?partner={}", partner.id)), "{}", cells[5]);
    let answer = partner.owner().get(&format!("/v1/users?search={zoe}")).await.expect(200);
    let id = answer.json["items"][0]["id"].as_str().unwrap().to_owned();
    let password = secrets::remembered(cells[4].to_owned());
    let user = User { id, partner_id: partner.id.clone(), email: zoe, password };
    Client::new().challenged(&user).await;
}

async fn problems_in_a_file_are_listed_by_line(language: Language) {
    let partner = Partner::new().await;
    let good = secrets::email("zoe");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    browser.tick("invite.by_hand").await;
    let file = format!("Given name,Surname,Mail,role,shoe_size\nZoé,Ångström,{good},viewer,38\n,Lee,ann,owner,\n");
    browser.choose_file("import.file", "team.csv", &file).await;
    browser.announces(&language.text_with("import.bad.other", &[("total", "3")])).await;
    for text in ["3", "Given name", "Mail", &language.text_with("import.ignored", &[("columns", "shoe_size")])] {
        browser.sees(text).await;
    }
    for key in ["field.required", "field.malformed", "field.unknown_role"] {
        browser.reads(key).await;
    }
    assert!(
        !browser.offers(&language.text_with("import.do.one", &[("total", "1")])).await,
        "not before the file is corrected"
    );
    browser.does_not_see(&good).await;
    browser.is_accessible("import-problems").await;

    browser.choose_file("import.file", "large.csv", "x".repeat(1_100_000)).await;
    browser.announces(&browser.text("import.too_large")).await;
    browser.is_accessible("import-too-large").await;
    browser.choose_file("import.file", "empty.csv", "").await;
    browser.reads("import.file.empty").await;
    browser.choose_file("import.file", "team.xlsx", b"PK\x03\x04\x14\0\x06\0[Content_Types].xml").await;
    browser.reads("import.workbook").await;
    browser.choose_file("import.file", "mixed.csv", b"first_name,last_name\nZo\xc3\xa9,Lee\nBo\x92s,Day\n").await;
    browser.reads("import.not_utf8").await;
    browser.choose_file("import.file", "names.csv", "Name\nAnn Lee\n").await;
    browser.reads("import.missing_column").await;
    browser.sees(&browser.text("user.last_name")).await;

    browser.offline(true).await;
    let corrected = format!("first_name,last_name,email,role\nZoé,Ångström,{good},viewer\n");
    browser.choose_file("import.file", "team.csv", &corrected).await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.offline(false).await;
    browser.choose_file("import.file", "team.csv", &corrected).await;
    browser.announces(&language.text_with("import.good.one", &[("total", "1")])).await;

    // The first response is lost. The page sends the file again under its key and shows a password that works.
    browser.loses_an_answer("/v1/users/import").await;
    browser.click(&language.text_with("import.do.one", &[("total", "1")])).await;
    browser.reads("import.once").await;
    browser.does_not_see(&browser.text("import.email_taken")).await;
    browser.press("import.download").await;
    let details = browser.downloaded("sign-in-details-").await;
    browser.press("share.done").await;
    browser.lists(&["Zoé Ångström", "Olive Owner"]).await;
    browser.is_sound().await;
    let password = details.lines().nth(1).and_then(|line| line.split(separator(language)).nth(4)).unwrap();
    let answer = Client::new().sign_in(&good, &secrets::remembered(password.to_owned())).await.expect(200);
    assert_eq!(answer.json["challenge"], "new_password_required");
}

async fn users_who_were_not_added_are_listed_with_the_reason(language: Language) {
    let partner = Partner::new().await;
    let (ann, bob) = (secrets::email("ann"), secrets::email("bob"));
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    let file = format!("first_name,last_name,email,role\nAnn,Lee,{ann},viewer\nBob,Baker,{bob},viewer\n");
    browser.choose_file("import.file", "team.csv", &file).await;
    browser.announces(&language.text_with("import.good.other", &[("total", "2")])).await;
    let result = |line: u32, email: &str, outcome: &str, code: &str| {
        json!({ "line": line, "email": email, "outcome": outcome, "user": null, "generated_password": null,
                "problem": { "code": code, "title": "", "detail": "" } })
    };
    let results =
        [result(2, &ann, "unavailable", "unavailable"), result(3, &bob, "refused", "exceeds_own_permissions")];
    browser
        .answers("/v1/users/import", &json!({ "dry_run": false, "rows": 2, "ignored_columns": [], "results": results }))
        .await;
    browser.click(&language.text_with("import.do.other", &[("total", "2")])).await;
    browser.reads("import.unavailable").await;
    browser.reads("fault.exceeds_own_permissions").await;
    browser.is_accessible("imported-none").await;
    browser.press("share.done").await;
    browser.lists(&["Olive Owner"]).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_import_needs_the_permission_to_add_users() {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&vic).await;
    browser.lists(&["Olive Owner", "Vic Viewer"]).await;
    assert!(!browser.offers("Import").await);
    assert!(browser.offers("Export").await, "users who see the list may export it");
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_dialog_stays_open_until_the_passwords_are_shown() {
    let partner = Partner::new().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    let file = format!("first_name,last_name,email,role\nAnn,Lee,{},viewer\n", secrets::email("ann"));
    browser.choose_file("import.file", "team.csv", file).await;
    browser.sees("Add 1 user").await;
    browser.holds_back("/v1/users/import").await;
    browser.click("Add 1 user").await;
    browser.press("cancel").await;
    browser.keys(keys::ESCAPE).await;
    browser.keys(keys::ESCAPE).await;
    browser.sees("Import users").await;
    browser.is_sound().await;
}
