//! "Edit": name and email, a new password, permissions, and a concurrent edit.

use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner, secrets};
use serde_json::json;

in_both_languages![
    an_admin_edits_name_email_and_permissions,
    an_admin_sets_a_password_and_shares_it,
    a_concurrent_edit_is_not_overwritten,
    users_edit_their_own_name_and_password,
];

async fn an_admin_edits_name_email_and_permissions(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.edit("Ann Lee").await;
    browser.is_accessible("edit").await;
    browser.type_in("user.last_name", "Lee-Park").await;
    browser.delays_an_answer("/v1/users?").await;
    browser.press("save").await;
    browser.is_back_on_the_page().await;
    browser.is_busy().await;
    let notice = browser.script("return document.querySelector('#notice').textContent", json!([])).await;
    assert_eq!(notice, "", "the notice comes when the list has the change, for the next action needs the changed user");
    browser.lets_through().await;
    browser.announces(&language.text_with("edit.done", &[("name", "Ann Lee-Park")])).await;
    assert_eq!(browser.names().await, ["Ann Lee-Park", "Olive Owner"]);

    let email = secrets::email("ann");
    browser.edit("Ann Lee-Park").await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    browser.tick("permission.audit.read").await;
    browser.press("save").await;
    // A changed email is shared; the unchanged password is unknown.
    browser.reads("share.title").await;
    browser.sees(&email).await;
    browser.does_not_see(&browser.text("share.once")).await;
    browser.is_accessible("share-email").await;
    browser.press("share.done").await;
    let row = browser.row_with("Ann Lee-Park", &email).await;
    assert!(row.contains(&browser.text("role.viewer")), "{row}");
    let now = partner.owner().see(&ann).await;
    assert_eq!(now["permissions"], json!(["users.read", "audit.read"]));
    assert_eq!(now["version"], 4, "three changes: name, email, permissions");

    // Nothing changed, so nothing is sent.
    browser.edit("Ann Lee-Park").await;
    browser.press("save").await;
    browser.is_back_on_the_page().await;
    assert_eq!(partner.owner().see(&ann).await["version"], 4);
    browser.is_sound().await;
}

async fn an_admin_sets_a_password_and_shares_it(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.edit("Ann Lee").await;
    browser.tick("password.set").await;
    assert_eq!(browser.value("password.new").await.len(), 23, "a password is generated");
    browser.is_accessible("edit-password").await;
    browser.type_in("password.new", "short").await;
    browser.type_in("user.first_name", "Anna").await;
    browser.press("save").await;
    browser.is_marked("password.new", "field.password.too_short").await;
    browser.reads("edit.part").await;
    let password = secrets::password();
    browser.type_in("password.new", &password).await;
    browser.tick("password.must_change").await;
    browser.press("save").await;
    browser.reads("share.once").await;
    browser.sees(&password).await;
    browser.press("share.done").await;
    browser.lists(&["Anna Lee", "Olive Owner"]).await;
    browser.is_sound().await;
    ann.is_signed_out().await;
    Client::new().signed_in(&ann.with_password(&password)).await;
}

async fn a_concurrent_edit_is_not_overwritten(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.edit("Ann Lee").await;
    browser.type_in("user.first_name", "Annabel").await;
    partner.owner().edit(&ann, &json!({ "first_name": "Anna", "last_name": "Park" })).await.expect(200);
    browser.press("save").await;
    browser.announces(&browser.text("edit.stale")).await;
    browser.is_accessible("edit-stale").await;
    browser.press("edit.load").await;
    browser.reads("edit.loaded").await;
    assert_eq!(browser.value("user.first_name").await, "Annabel", "the edited field keeps its value");
    assert_eq!(browser.value("user.last_name").await, "Park", "the other field is updated");
    browser.sees(&language.text_with("edit.now", &[("value", "Anna")])).await;
    browser.is_accessible("edit-loaded").await;
    browser.press("save").await;
    browser.lists(&["Olive Owner", "Annabel Park"]).await;
    browser.is_sound().await;
}

async fn users_edit_their_own_name_and_password(language: Language) {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&vic).await;
    browser.edit_own("Vic Viewer").await;
    browser.does_not_see(&browser.text("section.access")).await;
    browser.does_not_see(&browser.text("password.current")).await;
    browser.type_in("user.first_name", "Vicky").await;
    browser.press("save").await;
    browser.announces(&browser.text("edit.own_done")).await;
    browser.sees("Vicky Viewer").await;

    browser.press("account.change_password").await;
    browser.has_focus_on(&browser.text("password.current")).await;
    browser.does_not_see(&browser.text("user.first_name")).await;
    browser.type_in("password.current", "not the password").await;
    let password = secrets::password();
    browser.type_in("password.new", &password).await;
    browser.press("save").await;
    browser.is_marked("password.current", "field.wrong").await;
    browser.is_accessible("own-password").await;
    browser.type_in("password.current", &vic.password).await;
    browser.press("save").await;
    browser.is_back_on_the_page().await;
    browser.press("nav.users").await;
    browser.lists(&["Olive Owner", "Vicky Viewer"]).await;
    browser.is_sound().await;
    Client::new().signed_in(&vic.with_password(&password)).await;
}
