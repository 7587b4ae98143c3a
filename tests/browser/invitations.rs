//! Users who have not chosen a password: their state, another invitation for one or many, and returned mail.

use portal_tests::browser::{Browser, Language, keys};
use portal_tests::mailbox::simulated_email;
use portal_tests::rows::Rows;
use portal_tests::{Client, Mailbox, Partner, secrets, stack};
use serde_json::json;

in_both_languages![
    the_list_shows_and_finds_users_who_have_not_chosen_a_password,
    an_import_sends_invitations,
    returned_mail_is_shown_at_the_user,
    invitations_that_cannot_be_sent_are_explained,
    users_get_first_passwords_once,
];

/// The part of a text before its first value.
fn beginning(language: Language, key: &str) -> String {
    language.text(key).split_once('{').unwrap().0.to_owned()
}

/// Checks that the table is not wider than its place.
async fn fits(browser: &Browser) {
    let script = "const sheet = document.querySelector('.sheet'); return sheet.scrollWidth - sheet.clientWidth";
    assert_eq!(browser.script(script, json!([])).await, 0, "the table is too wide");
}

async fn the_list_shows_and_finds_users_who_have_not_chosen_a_password(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Able").role("viewer").invited().await;
    let bob = owner.add("Bob", "Baker").role("viewer").invited().await;
    let cleo = owner.add("Cleo", "Cook").role("viewer").with("must_change", true).created().await;
    owner.add("Dan", "Drew").role("viewer").created().await;
    let rows = Rows::of(&stack().ready);
    rows.expire_invitation(&bob).await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.row_with("Ann Able", &beginning(language, "pending.invitation")).await;
    browser.row_with("Bob Baker", &language.text("pending.invitation_expired")).await;
    browser.row_with("Cleo Cook", &beginning(language, "pending.initial_password")).await;
    let row = browser.row("Dan Drew").await;
    assert!(!row.contains(&beginning(language, "pending.invitation")), "{row}");
    browser.is_accessible("users-pending").await;
    fits(&browser).await;

    browser.select("user.pending", "pending.expired").await;
    browser.lists(&["Bob Baker"]).await;
    assert_eq!(browser.path().await, "/?pending=expired");
    browser.reload().await;
    browser.lists(&["Bob Baker"]).await;
    browser.edit("Bob Baker").await;
    browser.reads("pending.invitation_expired").await;
    browser.is_accessible("edit-pending").await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    browser.press("users.clear").await;
    browser.select("user.pending", "pending.waiting").await;
    browser.lists(&["Ann Able", "Cleo Cook"]).await;
    browser.press("users.clear").await;

    // One user.
    browser.more("Bob Baker").await;
    browser.press("users.invite_again").await;
    browser.sees(&language.text_with("invite.title", &[("name", "Bob Baker")])).await;
    browser.is_accessible("invite-again").await;
    browser.press("users.invite_again").await;
    let done = language.text_with("invite.done", &[("email", &bob.email)]);
    browser.announces(done.split_once("{until}").unwrap().0).await;
    browser.row_with("Bob Baker", &beginning(language, "pending.invitation")).await;

    // All users who need one.
    browser.tick("bulk.all").await;
    browser.press("users.invite").await;
    browser.sees(&language.text_with("bulk.invite.title.other", &[("total", "3")])).await;
    browser.is_accessible("many-invite").await;
    browser.press("users.invite").await;
    browser.announces(&language.text_with("bulk.invite.done.other", &[("total", "3")])).await;
    browser.row_with("Cleo Cook", &beginning(language, "pending.invitation")).await;
    Mailbox::new().message(&cleo.email).await;
    assert_eq!(owner.see(&ann).await["version"], 2, "one more invitation");

    browser.press("nav.review").await;
    let row = browser.row("Ann Able").await;
    assert!(row.contains(&beginning(language, "pending.invitation")), "{row}");
    browser.press("users.export").await;
    let file = browser.downloaded("access-review-").await.replace(['\u{A0}', '\u{202F}'], " ");
    assert!(file.contains(&beginning(language, "pending.invitation")), "{file}");
    browser.press("nav.history").await;
    browser.reads("event.invitation.sent").await;
    browser.is_sound().await;
}

async fn invitations_that_cannot_be_sent_are_explained(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Able").role("viewer").invited().await;
    let bob = owner.add("Bob", "Baker").role("viewer").with("must_change", true).created().await;
    owner.add("Cleo", "Cook").role("viewer").invited().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.lists(&["Ann Able", "Bob Baker", "Cleo Cook", "Olive Owner"]).await;
    // Meanwhile one user gets all invitations of a day, and another one a password of their own.
    for _ in 0..2 {
        owner.invite(&ann).await.expect(202);
    }
    owner.set_password(&bob, &secrets::password(), &json!({ "must_change": false })).await.expect(204);
    let limit = language.text_with("fault.too_many_mails.other", &[("total", "24")]);
    browser.more("Ann Able").await;
    browser.press("users.invite_again").await;
    browser.press("users.invite_again").await;
    browser.announces(&limit).await;
    browser.press("cancel").await;
    browser.is_back_on_the_page().await;
    browser.tick("bulk.all").await;
    browser.press("users.invite").await;
    browser.press("users.invite").await;
    browser.has_focus_on(&language.text_with("bulk.invite.some", &[("total", "1"), ("all", "3")])).await;
    browser.sees(&limit).await;
    browser.reads("fault.cannot_be_invited").await;
    browser.is_accessible("many-invite-results").await;
    browser.press("close").await;
    browser.is_back_on_the_page().await;

    browser.press("users.add").await;
    browser.type_in("user.first_name", "Ann").await;
    browser.type_in("user.email", &ann.email).await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.announces(&limit).await;
    browser.tick("invite.by_hand").await;
    secrets::remembered(browser.value("password.new").await);
    browser.press("save").await;
    browser.is_marked("user.email", "field.taken").await;
    browser.press("cancel").await;
    browser.is_sound().await;
}

async fn an_import_sends_invitations(language: Language) {
    let partner = Partner::new().await;
    let (ann, bob) = (secrets::email("ann"), secrets::email("bob"));
    let browser = Browser::new(language).await;
    browser.signed_in(partner.owner()).await;
    browser.press("users.import").await;
    let file = format!("first_name,last_name,email,role\nAnn,Lee,{ann},viewer\nBob,Baker,{bob},viewer\n");
    browser.choose_file("import.file", "team.csv", file).await;
    browser.announces(&language.text_with("import.good.other", &[("total", "2")])).await;
    browser.is_accessible("import-invitations").await;
    browser.click(&language.text_with("import.do.other", &[("total", "2")])).await;
    browser.has_focus_on(&language.text_with("import.done.other", &[("total", "2")])).await;
    let invited = language.text_with("import.invited.other", &[("total", "2")]);
    browser.sees(invited.split_once("{until}").unwrap().0).await;
    assert!(!browser.offers(&browser.text("import.download")).await, "there are no passwords");
    browser.is_accessible("imported-invitations").await;
    browser.press("share.done").await;
    browser.row_with("Ann Lee", &beginning(language, "pending.invitation")).await;
    for email in [&ann, &bob] {
        Mailbox::new().message(email).await;
    }
    browser.is_sound().await;
}

async fn returned_mail_is_shown_at_the_user(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for (kind, state, name) in [("bounce", "bounced", "Ann"), ("complaint", "complained", "Bob")] {
        let user = owner.add(name, "Lee").role("viewer").email(&simulated_email(kind)).invited().await;
        // The report follows the mail.
        while owner.see(&user).await["mail_state"] != state {}
    }
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.row_with("Ann Lee", &language.text("mail_state.bounced")).await;
    browser.row_with("Bob Lee", &language.text("mail_state.complained")).await;
    browser.is_accessible("users-returned").await;
    fits(&browser).await;
    browser.edit("Ann Lee").await;
    browser.reads("mail_state.bounced").await;
    browser.reads("mail_state.bounced_hint").await;
    browser.is_accessible("edit-returned").await;
    browser.type_in("user.email", &secrets::email("ann")).await;
    browser.press("save").await;
    browser.press("share.done").await;
    browser.does_not_see(&language.text("mail_state.bounced")).await;
    browser.edit("Bob Lee").await;
    browser.reads("mail_state.complained_hint").await;
    browser.press("cancel").await;
    browser.press("nav.history").await;
    for key in ["event.mail.bounced", "event.mail.complained", "event.system"] {
        browser.reads(key).await;
    }
    browser.does_not_see("mail.bounced").await;
    browser.is_accessible("history-mail").await;
    browser.is_sound().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn mail_is_in_the_language_of_its_user() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let email = secrets::email("zoe");
    let mut browser = Browser::new(Language::English).await;
    browser.signed_in(owner).await;
    browser.press("users.add").await;
    browser.type_in("user.first_name", "Zoé").await;
    browser.type_in("user.email", &email).await;
    browser.select("user.role", "role.viewer").await;
    browser.holds("user.language", "en").await;
    browser.select_named("user.language", "Français").await;
    browser.press("save").await;
    browser.sees("Zoé was added.").await;
    let answer = owner.get(&format!("/v1/users?search={email}")).await.expect(200);
    assert_eq!(answer.json["items"][0]["language"], "fr");

    // A fault while the language is saved does not disturb the user.
    browser.answers_503("/v1/users/").await;
    browser.choose_language(Language::French).await;
    browser.reads("users.add").await;
    browser.choose_language(Language::English).await;
    browser.choose_language(Language::French).await;
    while owner.see(owner).await["language"] != "fr" {}
    // The user's own copy is the latest one.
    browser.edit_own("Olive Owner").await;
    browser.holds("user.language", "fr").await;
    browser.type_in("user.first_name", "Olivia").await;
    browser.press("save").await;
    browser.announces(&browser.text("edit.own_done")).await;
    browser.press("nav.history").await;
    browser.sees("Langue des e-mails : English → Français").await;
    browser.is_sound().await;
}

async fn users_get_first_passwords_once(language: Language) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Able").role("viewer").invited().await;
    let bob = owner.add("Bob", "Baker").role("viewer").with("must_change", true).created().await;
    let cleo = owner.add("Cleo", "Cook").role("viewer").invited().await;
    owner.add("Dan", "Drew").role("viewer").created().await;
    let browser = Browser::new(language).await;
    browser.signed_in(owner).await;
    browser.lists(&["Ann Able", "Bob Baker", "Cleo Cook", "Dan Drew", "Olive Owner"]).await;
    owner.remove(&cleo).await.expect(204);
    browser.tick("bulk.all").await;
    browser.press("users.first_password").await;
    browser.sees(&language.text_with("bulk.password.title.other", &[("total", "3")])).await;
    browser.is_accessible("many-passwords").await;
    browser.press("users.first_password").await;
    browser.has_focus_on(&language.text_with("bulk.password.some", &[("total", "2"), ("all", "3")])).await;
    browser.sees("Cleo Cook").await;
    browser.reads("import.once").await;
    browser.is_accessible("many-passwords-results").await;
    browser.keys(keys::ESCAPE).await;
    browser.press("share.done").await;
    browser.announces(&browser.text("import.not_saved")).await;
    browser.press("import.download").await;
    let details = browser.downloaded("sign-in-details-").await;
    browser.press("share.done").await;
    browser.is_back_on_the_page().await;
    browser.row_with("Ann Able", &beginning(language, "pending.initial_password")).await;
    browser.is_sound().await;

    let lines: Vec<_> = details.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 3, "the headings, and a line for each password");
    for (user, line) in [ann, bob].iter().zip(&lines[1..]) {
        let cells: Vec<_> = line.split([';', ',']).collect();
        let password = secrets::remembered(cells[4].to_owned());
        assert!(line.contains(&user.email), "{line}");
        let answer = Client::new().sign_in(&user.email, &password).await.expect(200);
        assert_eq!(answer.json["challenge"], "new_password_required");
    }
}
