//! "Export": the list as a file.

use futures::future::join_all;
use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};

in_both_languages![the_list_is_saved_with_its_filters_and_order];

async fn the_list_is_saved_with_its_filters_and_order(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Ann", "Lee").role("manager").created().await;
    owner.add("Zoé", "=Ångström, \"Z\"").role("viewer").created().await;
    owner.add("Bob", "Baker").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.select("user.role", "role.viewer").await;
    browser.press("user.name").await;
    browser.lists(&["Bob Baker", "Zoé =Ångström, \"Z\""]).await;
    browser.press("users.export").await;
    browser.announces(&browser.text("export.done")).await;
    let file = browser.downloaded("users-").await;
    let table = file.strip_prefix('\u{FEFF}').expect("a byte order mark");
    let lines: Vec<_> = table.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("id,partner_id,first_name,last_name,email,"), "{table}");
    assert!(lines[1].contains(",Bob,Baker,"), "{table}");
    assert!(lines[2].contains(",Zoé,\"'=Ångström, \"\"Z\"\"\","), "{table}");

    browser.answers_503("/v1/users?").await;
    browser.press("users.export").await;
    browser.announces(&browser.text("fault.passing")).await;
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
    let lines: Vec<_> = file.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 5, "one line of headings, and all users: {file}");
    for (line, name) in lines[1..].iter().zip(["Lee0", "Lee1", "Lee2", "Owner"]) {
        assert!(line.contains(&format!(",{name},")), "{file}");
    }
    browser.is_sound().await;
}
