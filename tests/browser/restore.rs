//! The list of removed users, and "Restore…".

use portal_tests::browser::{Browser, Language};
use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Partner, secrets, stack};
use serde_json::json;

in_both_languages![a_removed_user_is_restored_with_a_password];

/// Removes the user with this name in the list.
async fn removes(browser: &Browser, name: &str) {
    browser.more(name).await;
    browser.press("users.remove").await;
    browser.fill(&browser.language.text_with("remove.typed", &[("name", name)]), name).await;
    browser.press("users.remove").await;
    browser.announces(&browser.language.text_with("remove.done", &[("name", name)])).await;
}

async fn a_removed_user_is_restored_with_a_password(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    removes(&browser, "Ann Lee").await;
    browser.lists(&["Olive Owner"]).await;
    browser.press("users.removed").await;
    browser.has_focus_on(&browser.text("users.removed")).await;
    assert_eq!(browser.path().await, "/?view=removed");
    let by = language.text_with("removed.by", &[("name", "Olive Owner")]);
    let row = browser.row_with("Ann Lee", &by).await;
    assert!(row.contains(&ann.email) && row.contains(&browser.text("role.manager")), "{row}");
    browser.is_accessible("removed").await;

    let namesake = owner.add("Ann", "Other").email(&ann.email).created().await;
    browser.click(&language.text_with("removed.restore_of", &[("name", "Ann Lee")])).await;
    browser.tick("invite.by_hand").await;
    let password = secrets::remembered(browser.value("password.new").await);
    browser.is_accessible("restore").await;
    browser.press("restore.do").await;
    browser.is_marked("user.email", "field.taken").await;
    owner.remove(&namesake).await.expect(204);
    browser.press("restore.do").await;
    browser.reads("share.title").await;
    browser.sees(&password).await;
    browser.press("share.done").await;
    browser.announces(&language.text_with("restore.done", &[("name", "Ann Lee")])).await;
    browser.lists(&["Ann Other"]).await;
    browser.press("restore.show").await;
    browser.has_focus_on("Ann Lee").await;
    assert_eq!(browser.path().await, format!("/?view=user&id={}", ann.id));
    browser.is_sound().await;
    let kept = Rows::of(&stack().ready).kept_answers(Some(owner)).await;
    assert_eq!(kept.len(), 1, "the page sends a key, so that it can retry: {kept:?}");
    let answer = Client::new().sign_in(&ann.email, &password).await.expect(200);
    assert_eq!(answer.json["challenge"], "new_password_required");
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_notice_of_a_removal_offers_to_restore_the_user() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    removes(&browser, "Ann Lee").await;
    browser.press("users.restore").await;
    browser.press("restore.do").await;
    browser.announces("Ann Lee was restored. An invitation is on its way").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    Mailbox::new().message(&ann.email).await;

    // A suspended user, whom another admin restores at the same time.
    owner.suspend(&ann).await.expect(200);
    owner.remove(&ann).await.expect(204);
    browser.press("users.removed").await;
    browser.row_with("Ann Lee", &browser.text("status.suspended")).await;
    browser.click("Restore Ann Lee").await;
    browser.reads("restore.suspended").await;
    assert!(!browser.has_field(&browser.text("invite.by_mail")).await, "a suspended user cannot be invited");
    browser.is_accessible("restore-suspended").await;
    secrets::remembered(browser.value("password.new").await);
    owner.restore(&ann, &json!({ "password": secrets::password() })).await.expect(200);
    browser.press("restore.do").await;
    browser.announces(&language.text_with("restore.gone", &[("name", "Ann Lee")])).await;
    browser.reads("removed.none.title").await;
    browser.is_accessible("removed-none").await;
    browser.is_sound().await;
}
