//! "Suspend" and "Reactivate".

use portal_tests::browser::{Browser, Language};
use portal_tests::{Client, Partner};
use serde_json::json;

in_both_languages![an_admin_suspends_and_reactivates_a_user];

async fn an_admin_suspends_and_reactivates_a_user(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").signed_in().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.more("Ann Lee").await;
    assert!(!browser.offers(&browser.text("users.reactivate")).await, "she is active");
    browser.press("users.suspend").await;
    browser.sees(&language.text_with("suspend.title", &[("name", "Ann Lee")])).await;
    browser.has_focus_on(&browser.text("cancel")).await;
    browser.is_accessible("suspend").await;
    browser.type_in("confirm.reason", "On leave\u{202E}").await;
    browser.press("users.suspend").await;
    browser.is_marked("confirm.reason", "field.control_character").await;
    browser.is_accessible("suspend-fault").await;
    ann.is_signed_in().await;
    browser.type_in("confirm.reason", "On leave").await;
    browser.press("users.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("status.suspended")).await;
    browser.has_focus_on(&language.text_with("users.more_of", &[("name", "Ann Lee")])).await;
    browser.is_accessible("suspended").await;
    ann.is_signed_out().await;
    let answer = partner.owner().get("/v1/audit-events?action=user.suspended").await.expect(200);
    assert_eq!(answer.json["items"][0]["after"]["reason"], "On leave", "{answer}");

    browser.more("Ann Lee").await;
    assert!(!browser.offers(&browser.text("users.suspend")).await, "she is suspended");
    browser.press("users.reactivate").await;
    browser.sees(&language.text_with("reactivate.title", &[("name", "Ann Lee")])).await;
    browser.is_accessible("reactivate").await;
    browser.press("users.reactivate").await;
    browser.announces(&language.text_with("reactivate.done", &[("name", "Ann Lee")])).await;
    browser.row_with("Ann Lee", &browser.text("status.active")).await;
    Client::new().signed_in(&ann).await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_change_is_undone_unless_another_admin_changed_the_user_meanwhile() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").permissions(&["users.read", "audit.read"]).created().await;
    let before = owner.see(&ann).await;
    let access = |user: &serde_json::Value| json!([user["role"], user["permissions"], user["status"]]);
    let name = [("name", "Ann Lee")];
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    let suspend = async || {
        browser.more("Ann Lee").await;
        browser.press("users.suspend").await;
        browser.press("users.suspend").await;
        browser.announces(&language.text_with("suspend.done", &name)).await;
    };
    suspend().await;
    assert_eq!(owner.see(&ann).await["status"], "suspended");
    browser.is_accessible("suspended-undo").await;
    browser.press("review.undo").await;
    browser.announces(&language.text_with("review.undone", &name)).await;
    browser.row_with("Ann Lee", &browser.text("status.active")).await;
    assert_eq!(access(&owner.see(&ann).await), access(&before));

    browser.edit("Ann Lee").await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &name)).await;
    assert_eq!(owner.see(&ann).await["role"], "viewer");
    browser.is_back_on_the_page().await;
    browser.keys("u").await;
    browser.announces(&language.text_with("review.undone", &name)).await;
    browser.row_with("Ann Lee", &browser.text("role.manager")).await;
    assert_eq!(access(&owner.see(&ann).await), access(&before));
    // A new name is not undone with the role, so no undo is offered.
    browser.edit("Ann Lee").await;
    browser.type_in("user.first_name", "Anne").await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Anne Lee")])).await;
    assert!(!browser.offers(&browser.text("review.undo")).await);
    owner.edit(&ann, &json!({ "first_name": "Ann" })).await.expect(200);
    browser.reload().await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;

    suspend().await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    browser.press("review.undo").await;
    browser.announces(&language.text_with("undo.stale", &name)).await;
    browser.row_with("Anna Lee", &browser.text("status.suspended")).await;
    let now = owner.see(&ann).await;
    assert_eq!((&now["status"], &now["first_name"]), (&json!("suspended"), &json!("Anna")));

    // Another user of this browser is offered nothing.
    browser.more("Anna Lee").await;
    browser.press("users.reactivate").await;
    browser.press("users.reactivate").await;
    browser.row_with("Anna Lee", &browser.text("status.active")).await;
    browser.sees(&browser.text("review.undo")).await;
    browser.click(&language.text_with("account.menu", &[("name", "Olive Owner")])).await;
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
    assert!(!browser.offers(&browser.text("review.undo")).await);
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_suspension_that_another_admin_made_first_is_not_undone() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.more("Ann Lee").await;
    owner.suspend(&ann).await.expect(200);
    browser.press("users.suspend").await;
    browser.press("users.suspend").await;
    browser.announces(&language.text_with("suspend.done", &[("name", "Ann Lee")])).await;
    assert!(!browser.offers(&browser.text("review.undo")).await);
    browser.is_sound().await;
}
