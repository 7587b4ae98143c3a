//! "Add new user", and sharing the sign-in details.

use portal_tests::browser::{Browser, Language, markup};
use portal_tests::{Client, Partner, User, secrets};
use serde_json::json;

in_both_languages![
    an_admin_adds_a_user_who_then_signs_in,
    an_error_is_shown_at_its_field,
    a_network_error_keeps_the_form_and_adds_the_user_once,
    markup_in_a_name_stays_text,
    a_user_may_have_a_single_name,
    no_role_or_permission_above_ones_own_is_offered,
];

async fn a_user_may_have_a_single_name(language: Language) {
    let partner = Partner::new().await;
    let email = secrets::email("suharto");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.reads("user.last_name_help").await;
    browser.type_in("user.first_name", "Suharto").await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    secrets::remembered(browser.value("password.new").await);
    browser.press("save").await;
    browser.reads("share.title").await;
    browser.press("share.done").await;
    browser.announces(&language.text_with("add.done", &[("name", "Suharto")])).await;
    browser.lists(&["Olive Owner", "Suharto"]).await;
    browser.is_accessible("users-single-name").await;

    browser.edit("Suharto").await;
    assert_eq!(browser.value("user.last_name").await, "");
    browser.press("save").await;
    browser.is_back_on_the_page().await;
    browser.edit("Suharto").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Suharto Lee")])).await;
    browser.edit("Suharto Lee").await;
    browser.type_in("user.last_name", "").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Suharto")])).await;
    let answer = partner.owner().get(&format!("/v1/users?search={email}")).await.expect(200);
    let user = &answer.json["items"][0];
    assert_eq!((&user["last_name"], &user["version"]), (&json!(null), &json!(3)), "the first save sent nothing");

    browser.press("nav.history").await;
    let what = browser.text("user.last_name");
    let none = browser.text("event.none");
    browser.sees(&language.text_with("event.change", &[("what", &what), ("was", "Lee"), ("is", &none)])).await;
    browser.does_not_see("null").await;
    browser.is_sound().await;
}

async fn no_role_or_permission_above_ones_own_is_offered(language: Language) {
    let partner = Partner::new().await;
    let max = partner.owner().add("Max", "Manager").role("manager").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(&max).await;
    browser.press("users.add").await;
    browser.reads("section.person").await;
    let script =
        "return [...document.querySelector('dialog select[name=role]').options].map((option) => option.textContent)";
    let roles = browser.script(script, json!([])).await;
    assert_eq!(roles, json!(["role.choose", "role.manager", "role.viewer"].map(|key| browser.text(key))));
    browser.select("user.role", "role.manager").await;
    let (offered, ticked) = browser.permissions().await;
    assert_eq!(offered, ["users.read", "users.add", "users.edit", "users.force_logout"]);
    assert_eq!(ticked, offered);
    browser.is_sound().await;
}

async fn an_admin_adds_a_user_who_then_signs_in(language: Language) {
    let partner = Partner::new().await;
    let email = secrets::email("ann");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("nav.history").await;
    browser.reads("nav.history").await;
    browser.press("nav.users").await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.reads("section.person").await;
    browser.type_in("user.first_name", "Ann").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.type_in("user.email", &email).await;
    assert_eq!(browser.value("user.role").await, "", "no role is chosen yet");
    assert!(browser.permissions().await.0.is_empty(), "the permissions depend on the role");
    browser.is_accessible("add-without-role").await;
    browser.select("user.role", "role.admin").await;
    assert_eq!(browser.permissions().await.1.len(), 8, "an admin has all permissions");
    browser.select("user.role", "role.manager").await;
    let (offered, ticked) = browser.permissions().await;
    assert_eq!(
        offered,
        ["users.read", "users.add", "users.edit", "users.force_logout", "audit.read"],
        "the permissions up to the role's ceiling"
    );
    assert_eq!(ticked, ["users.read", "users.add", "users.edit", "users.force_logout"], "the role's defaults");
    browser.tick("permission.audit.read").await;
    browser.tick("permission.users.add").await;
    let password = secrets::remembered(browser.value("password.new").await);
    browser.has_met_the_length(true).await;
    browser.is_accessible("add").await;
    browser.press("save").await;

    browser.reads("share.title").await;
    browser.reads("share.once").await;
    browser.sees(&email).await;
    browser.sees(&password).await;
    browser.is_accessible("share").await;
    browser.press("share.copy_all").await;
    browser.reads("share.copied").await;
    let address = browser.script("return document.querySelector('.share dd span').textContent", json!([])).await;
    // The browser's back button does not close one-time data.
    browser.back().await;
    assert_eq!(browser.path().await, "/?view=history");
    browser.sees(&password).await;
    browser.press("share.done").await;
    browser.announces(&language.text_with("add.done", &[("name", "Ann Lee")])).await;
    browser.press("nav.users").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.does_not_see(&password).await;
    browser.is_sound().await;

    let answer = partner.owner().get(&format!("/v1/users?search={email}")).await.expect(200);
    let ann = &answer.json["items"][0];
    assert_eq!(ann["role"], "manager");
    assert_eq!(ann["permissions"], json!(["users.read", "users.edit", "users.force_logout", "audit.read"]));
    assert_eq!(ann["must_change_password"], true);

    // Ann gets the details and signs in with them.
    let hers = Browser::new(language).await;
    let path = address.as_str().unwrap();
    hers.goto(&path[path.find("/?").unwrap()..]).await;
    hers.sign_in(&email, &password).await;
    hers.reads("choose.title").await;
    hers.type_in("password.new", &secrets::password()).await;
    hers.press("choose.do").await;
    hers.lists(&["Ann Lee", "Olive Owner"]).await;
    hers.is_sound().await;
}

async fn an_error_is_shown_at_its_field(language: Language) {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.press("save").await;
    browser.is_marked("user.first_name", "field.required").await;
    browser.is_marked("user.email", "field.required").await;
    browser.is_marked("user.role", "field.required").await;
    browser.is_accessible("add-required").await;
    browser.select("user.role", "role.viewer").await;
    browser.type_in("user.first_name", "Ann\u{202E}").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.type_in("user.email", "ann@localhost").await;
    browser.type_in("password.new", "annannannannann").await;
    browser.press("save").await;
    browser.announces(&browser.text("fault.fields")).await;
    browser.is_marked("user.first_name", "field.control_character").await;
    browser.is_marked("user.email", "field.malformed").await;
    browser.type_in("user.first_name", "Annabel").await;
    browser.type_in("user.email", &secrets::email("annabel")).await;
    browser.type_in("password.new", "annabel-and-something").await;
    browser.press("save").await;
    browser.is_marked("password.new", "field.password.contains_name").await;
    browser.is_accessible("add-faults").await;
    browser.press("password.generate").await;
    browser.type_in("user.email", &ann.email).await;
    browser.press("save").await;
    browser.is_marked("user.email", "field.taken").await;
    assert_eq!(browser.value("user.first_name").await, "Annabel", "the typed value stays");
    browser.press("cancel").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.is_sound().await;
}

async fn a_network_error_keeps_the_form_and_adds_the_user_once(language: Language) {
    let partner = Partner::new().await;
    let email = secrets::email("ann");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.type_in("user.first_name", "Ann").await;
    browser.type_in("user.last_name", "Lee").await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    let password = secrets::remembered(browser.value("password.new").await);
    browser.offline(true).await;
    browser.press("save").await;
    browser.announces(&browser.text("fault.offline")).await;
    browser.is_accessible("add-offline").await;
    browser.offline(false).await;

    // The response is lost, but the user was added. A retry adds no second user and shows the same password.
    browser.loses_an_answer("/v1/users").await;
    browser.press("save").await;
    browser.announces(&browser.text("fault.offline")).await;
    assert_eq!(browser.value("user.first_name").await, "Ann");
    browser.press("save").await;
    browser.reads("share.title").await;
    browser.sees(&password).await;
    browser.press("share.done").await;
    browser.lists(&["Ann Lee", "Olive Owner"]).await;
    browser.is_sound().await;
    let answer = partner.owner().get("/v1/users").await.expect(200);
    assert_eq!(answer.json["total"], 2, "{answer}");
}

async fn markup_in_a_name_stays_text(language: Language) {
    let partner = Partner::new().await;
    let (first, last) = (markup(), format!("\"'><script>window.pwned=1</script>{}", secrets::random(4)));
    let name = format!("{first} {last}");
    let email = format!("{}'`{{}}&x=<@{}", secrets::random(8), secrets::EMAIL_DOMAIN).replace('<', "|");
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.add").await;
    browser.tick("invite.by_hand").await;
    browser.type_in("user.first_name", &first).await;
    browser.type_in("user.last_name", &last).await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.reads("share.title").await;
    browser.sees(&name).await;
    browser.sees(&email).await;
    browser.is_accessible("share-markup").await;
    browser.press("share.done").await;
    browser.announces(&name).await;
    browser.sees(&email).await;
    browser.edit(&name).await;
    assert_eq!(browser.value("user.first_name").await, first);
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    browser.more(&name).await;
    browser.press("users.remove").await;
    browser.sees(&language.text_with("remove.title", &[("name", &name)])).await;
    browser.is_accessible("remove-markup").await;
    browser.press("cancel").await;
    assert_eq!(
        browser.script("return document.querySelectorAll('img, main script, dialog script').length", json!([])).await,
        0
    );
    browser.goto("/?search=%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E").await;
    browser.lists(&[&name]).await;
    browser.is_sound().await;

    // The user with this name sees it as text too.
    let answer = partner.owner().get("/v1/users").await.expect(200);
    let items = answer.json["items"].as_array().unwrap();
    let id =
        items.iter().find(|item| item["first_name"].as_str() == Some(first.as_str())).unwrap()["id"].as_str().unwrap();
    let user = User { id: id.to_owned(), partner_id: partner.id.clone(), email, password: secrets::password() };
    partner.owner().set_password(&user, &user.password, &json!({ "must_change": false })).await.expect(204);
    Client::new().signed_in(&user).await;
    let theirs = Browser::new(language).await;
    theirs.signed_in(&user).await;
    theirs.sees(&name).await;
    theirs.is_sound().await;
}
