//! "My account", and the dialog that authenticates a user again.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, secrets, stack};
use serde_json::json;

use crate::second_factor::{keeps_codes, scanned};

in_both_languages![
    users_manage_their_second_factor,
    the_account_shows_what_a_user_may_do,
    a_change_in_an_old_session_continues_after_the_password,
    a_change_in_an_old_session_continues_after_a_code,
];

async fn users_manage_their_second_factor(language: Language) {
    let partner = Partner::new().await;
    let vic = partner.owner().add("Vic", "Viewer").role("viewer").created().await;
    let elsewhere = Client::new().signed_in(&vic).await;
    let browser = Browser::new(language).await;
    browser.signed_in(&vic).await;
    browser.opens_account("Vic Viewer").await;
    browser.reads("factors.none").await;
    browser.is_accessible("account").await;
    browser.press("app.add").await;
    let app = scanned(&browser).await;
    browser.reads("app.add_title").await;
    browser.is_accessible("account-add-app").await;
    browser.type_in("app.code", &app.wrong_code()).await;
    browser.press("app.add").await;
    browser.is_marked("app.code", "field.wrong_code").await;
    browser.type_in("app.code", &app.code()).await;
    browser.press("app.add").await;
    let codes = keeps_codes(&browser).await;
    browser.announces(&browser.text("app.is_added")).await;
    browser.sees(&language.text_with("recovery.left.other", &[("total", "10")])).await;
    browser.is_accessible("account-factor").await;
    elsewhere.is_signed_in().await;

    browser.press("recovery.renew").await;
    browser.reads("recovery.renew_text").await;
    browser.press("recovery.renew").await;
    let renewed = keeps_codes(&browser).await;
    assert_ne!(codes, renewed);
    browser.announces(&browser.text("recovery.renewed")).await;

    browser.press("app.replace").await;
    browser.reads("app.replace_title").await;
    browser.reads("app.replaces").await;
    let replaced = scanned(&browser).await;
    browser.type_in("app.code", &replaced.code()).await;
    browser.press("app.replace").await;
    browser.announces(&browser.text("app.replaced")).await;
    elsewhere.is_signed_out().await;

    browser.press("app.remove").await;
    browser.reads("app.remove_text").await;
    browser.is_accessible("account-remove-app").await;
    browser.press("app.remove").await;
    browser.announces(&browser.text("app.removed")).await;
    browser.reads("factors.none").await;
    Client::new().signed_in(&vic).await;

    // The copy of the user is the latest one.
    browser.press("users.edit").await;
    browser.type_in("user.first_name", "Vicky").await;
    browser.press("save").await;
    browser.announces(&browser.text("edit.own_done")).await;
    browser.sees("Vicky Viewer").await;
    browser.is_sound().await;
}

async fn the_account_shows_what_a_user_may_do(language: Language) {
    let partner = Partner::new().await;
    let noah = partner.owner().add("Noah", "Nothing").role("viewer").permissions(&[]).created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&noah).await;
    browser.reads("users.forbidden.title").await;
    browser.opens_account("Noah Nothing").await;
    assert_eq!(browser.path().await, "/?view=account");
    browser.reload().await;
    for text in ["Noah Nothing", &noah.email, &browser.text("role.viewer"), &browser.text("event.no_permissions")] {
        browser.sees(text).await;
    }
    browser.reads("sessions.current").await;
    browser.is_accessible("account-nothing").await;

    // A fault is shown with a retry.
    browser.goto("/").await;
    browser.reads("users.forbidden.title").await;
    browser.answers_503("/v1/me/factors").await;
    browser.opens_account("Noah Nothing").await;
    browser.announces(&browser.text("fault.passing")).await;
    browser.press("try_again").await;
    browser.reads("factors.none").await;
    browser.press("account.sign_out").await;
    browser.reads("sign_in.signed_out").await;
    browser.is_sound().await;
}

async fn a_change_in_an_old_session_continues_after_the_password(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    Rows::of(&stack().ready).age_sessions(owner).await;
    browser.edit("Ann Lee").await;
    browser.select("user.role", "role.manager").await;
    browser.press("save").await;
    browser.reads("authenticate.title").await;
    browser.has_focus_on(&browser.text("password.current")).await;
    browser.is_accessible("authenticate").await;
    browser.press("authenticate.do").await;
    browser.is_marked("password.current", "field.required").await;
    browser.type_in("password.current", "not the password").await;
    browser.press("authenticate.do").await;
    browser.is_marked("password.current", "field.wrong").await;

    // Without it, the change is not done, and the dialog below keeps what was typed.
    browser.keys(keys::ESCAPE).await;
    browser.announces(&browser.text("fault.reauthentication_required")).await;
    browser.is_accessible("authenticate-cancelled").await;
    assert_eq!(owner.see(&ann).await["role"], "viewer");
    browser.press("save").await;
    browser.type_in("password.current", &owner.password).await;
    browser.press("authenticate.do").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Ann Lee")])).await;
    assert_eq!(owner.see(&ann).await["role"], "manager");

    // Two requests at once share one dialog, and neither caller knows.
    Rows::of(&stack().ready).age_sessions(owner).await;
    let script = "window.both = Promise.all(['one', 'two'].map((name) =>
        module.call('PATCH', '/v1/users/' + arguments[0], { body: { email: name + arguments[1] } }).then(({ email }) => email, (problem) => problem.code)))
        .then((both) => { window.done = both; }), 0";
    let domain = secrets::email("own");
    browser.evaluate("api.js", script, json!([owner.id, domain])).await;
    browser.type_in("password.current", &owner.password).await;
    let dialogs = browser.script("return document.querySelectorAll('dialog[open]').length", json!([])).await;
    assert_eq!(dialogs, 1);
    browser.press("authenticate.do").await;
    browser.is_back_on_the_page().await;
    browser.waits_for("return window.done", json!([])).await;
    let both = browser.script("return window.done", json!([])).await;
    assert!(!both.to_string().contains("reauthentication_required"), "{both}");
    browser.is_sound().await;
}

async fn a_change_in_an_old_session_continues_after_a_code(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let mut anns = Vec::new();
    for (first, last) in [("Ann", "Lee"), ("Bob", "Baker")] {
        anns.push(owner.add(first, last).role("viewer").without("must_change").created().await);
    }
    let (app, codes) = owner.enrolled().await;
    let browser = Browser::new(language).await;
    browser.goto(&format!("/?partner={}", partner.id)).await;
    browser.sign_in(&owner.email, &owner.password).await;
    browser.press("factor.use_recovery").await;
    browser.type_in("factor.recovery_code", &codes[0]).await;
    browser.press("sign_in.do").await;
    browser.lists(&["Bob Baker", "Ann Lee", "Olive Owner"]).await;

    // First passwords for several users: one dialog for all of them, above the one that confirms.
    Rows::of(&stack().ready).age_sessions(owner).await;
    browser.tick("bulk.all").await;
    browser.press("users.first_password").await;
    browser.reads("bulk.password.text").await;
    browser.press("users.first_password").await;
    browser.reads("authenticate.lead_code").await;
    browser.press("cancel").await;
    browser.announces(&browser.text("fault.reauthentication_required")).await;
    browser.press("users.first_password").await;
    browser.type_in("factor.code", &app.wrong_code()).await;
    browser.press("authenticate.do").await;
    browser.is_marked("factor.code", "field.wrong_code").await;
    browser.is_accessible("authenticate-code").await;
    browser.type_in("factor.code", &app.code_after(1)).await;
    browser.press("authenticate.do").await;
    browser.reads("import.once").await;
    browser.press("import.download").await;
    let file = browser.downloaded("sign-in-details").await;
    for ann in &anns {
        assert!(file.contains(&ann.email), "{file}");
    }
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn too_many_wrong_passwords_show_the_wait() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    partner.owner().add("Ann", "Lee").role("viewer").created().await;
    let browser = Browser::new(Language::English).await;
    browser.signed_in(owner).await;
    Rows::of(&stack().ready).age_sessions(owner).await;
    browser.edit("Ann Lee").await;
    browser.select("user.role", "role.manager").await;
    browser.press("save").await;
    browser.reads("authenticate.title").await;
    for _ in 0..5 {
        browser.type_in("password.current", "not the password").await;
        browser.press("authenticate.do").await;
        browser.is_marked("password.current", "field.wrong").await;
    }
    browser.type_in("password.current", &owner.password).await;
    browser.press("authenticate.do").await;
    browser.sees("Too many attempts. Try again in 15 minutes.").await;
    browser.is_sound().await;
}
