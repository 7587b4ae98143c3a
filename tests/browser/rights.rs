//! The page offers only what the user may do; the server decides.

use portal_tests::Partner;
use portal_tests::browser::{Browser, Language};
use serde_json::json;

in_both_languages![a_viewer_can_only_view, a_user_without_permissions_sees_an_explanation];

async fn a_viewer_can_only_view(language: Language) {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&vic).await;
    browser.lists(&["Ann Lee", "Olive Owner", "Vic Viewer"]).await;
    assert!(!browser.offers(&browser.text("users.add")).await);
    for name in ["Ann Lee", "Olive Owner"] {
        assert!(!browser.offers(&language.text_with("users.edit_of", &[("name", name)])).await, "{name}");
        assert!(!browser.offers(&language.text_with("users.more_of", &[("name", name)])).await, "{name}");
    }
    browser.is_accessible("users-viewer").await;
    browser.is_sound().await;
}

async fn a_user_without_permissions_sees_an_explanation(language: Language) {
    let partner = Partner::new().await;
    let noah = partner.owner().add("Noah", "Nothing").role("viewer").permissions(&[]).created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&noah).await;
    browser.reads("users.forbidden.title").await;
    browser.is_accessible("users-forbidden").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn users_cannot_give_permissions_that_they_do_not_have() {
    let partner = Partner::new().await;
    let lesser = partner
        .owner()
        .add("Les", "Ser")
        .permissions(&["users.read", "users.add", "users.set_permissions"])
        .created()
        .await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    partner.owner().add("Ada", "Min").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&lesser).await;
    assert!(!browser.offers("Edit Ada Min").await, "she has more permissions");
    browser.edit("Ann Lee").await;
    browser.select("user.role", "role.admin").await;
    let (offered, ticked) = browser.permissions().await;
    assert_eq!(offered, ["users.read", "users.add", "users.set_permissions"]);
    assert_eq!(ticked, offered);
    browser.is_accessible("edit-lesser").await;
    browser.press("save").await;
    browser.is_back_on_the_page().await;
    browser.row_with("Ann Lee", "Admin").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_server_rejects_a_change_without_the_permission() {
    let partner = Partner::new().await;
    let admin = partner.owner().add("Ada", "Min").created().await;
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(&admin).await;
    browser.edit("Ann Lee").await;
    browser.type_in("user.first_name", "Anna").await;
    partner.owner().set_permissions(&admin, &json!({ "role": "viewer" })).await.expect(200);
    browser.press("save").await;
    browser.reads("fault.missing_permission").await;
    assert_eq!(browser.value("user.first_name").await, "Anna");
    browser.is_sound().await;
}
