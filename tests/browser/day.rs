//! The ordinary work of an admin with 300 other users, and the clicks and keys that it needs.

use futures::future::join_all;
use portal_tests::browser::{Browser, Effort, Language, keys};
use portal_tests::rows::Rows;
use portal_tests::{Partner, secrets, stack};

/// The copies of a user whose access is not unusual.
const COPIES: usize = 288;

/// The number of users with more permissions than their role has by default. The admin reviews them one by one.
const UNUSUAL: usize = 8;

/// The steps of a day, and what they need.
#[derive(Default)]
struct Day {
    lines: Vec<String>,
    total: Effort,
}

impl Day {
    /// Ends a step, which must not need more clicks and keys than these.
    fn step(&mut self, browser: &Browser, name: &str, max_clicks: usize, max_keys: usize) {
        let effort = browser.effort();
        self.add(name, effort);
        let Effort { clicks, keys, typed } = effort;
        self.total = Effort {
            clicks: self.total.clicks + clicks,
            keys: self.total.keys + keys,
            typed: self.total.typed + typed,
        };
        assert!(clicks <= max_clicks && keys <= max_keys, "{name} needs more than before: {effort:?}");
    }

    fn add(&mut self, name: &str, Effort { clicks, keys, typed }: Effort) {
        self.lines.push(format!("{name:<18}{clicks:>8}{keys:>8}{typed:>8}"));
    }

    /// A table of the steps.
    fn table(mut self) -> String {
        self.add("together", self.total);
        self.lines.insert(0, format!("{:<18}{:>8}{:>8}{:>8}", "step", "clicks", "keys", "typed"));
        self.lines.join("\n")
    }
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_day_of_an_admin_needs_few_clicks_and_keys() {
    let language = Language::English;
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ada = owner.add("Ada", "Min").created().await;
    let paul = owner.add("Paul", "Petit").role("manager").signed_in().await;
    let zoe = owner.add("Zoé", "Ångström").role("viewer").signed_in().await;
    let unusual = (0..UNUSUAL).map(|number| {
        let add = owner.add("Max", &format!("More{number}")).role("viewer");
        add.permissions(&["users.read", "audit.read"]).created()
    });
    let unusual = join_all(unusual).await;
    let usual = owner.add("Ann", "Lee").role("viewer").signed_in().await;
    let rows = Rows::of(&stack().ready);
    rows.put_copies_of_user(&usual, COPIES).await;
    rows.set_user_count(&partner.id, 301).await;
    let browser = Browser::new(language).await;
    let mut day = Day::default();

    browser.goto(&format!("/?partner={}", ada.partner_id)).await;
    browser.has_focus_on(&browser.text("user.email")).await;
    browser.types(&ada.email).await;
    browser.keys(keys::TAB).await;
    browser.types(&ada.password).await;
    browser.keys(keys::ENTER).await;
    browser.sees("of 301").await;
    day.step(&browser, "sign in", 0, 2);

    let find = async |typed: &str, name: &str| {
        browser.keys("/").await;
        browser.has_focus_on(&browser.text("users.search")).await;
        browser.types(typed).await;
        browser.lists(&[name]).await;
    };
    find("zoe", "Zoé Ångström").await;
    day.step(&browser, "find a user", 0, 1);

    for name in ["Bea", "Cleo", "Dan"] {
        browser.press("users.add").await;
        browser.has_focus_on(&browser.text("user.first_name")).await;
        browser.types(name).await;
        browser.keys(keys::TAB).await;
        browser.types("New").await;
        browser.keys(keys::TAB).await;
        browser.types(&secrets::email(name)).await;
        browser.select("user.role", "role.viewer").await;
        browser.press("save").await;
        browser.announces(&format!("{name} New")).await;
    }
    day.step(&browser, "invite three users", 12, 6);

    find("petit", "Paul Petit").await;
    browser.edit("Paul Petit").await;
    browser.select("user.role", "role.viewer").await;
    browser.press("save").await;
    browser.announces(&language.text_with("edit.done", &[("name", "Paul Petit")])).await;
    day.step(&browser, "change a role", 4, 1);
    assert_eq!(owner.see(&paul).await["role"], "viewer");

    find("zoe", "Zoé Ångström").await;
    browser.more("Zoé Ångström").await;
    browser.press("users.force_logout").await;
    browser.press("users.force_logout").await;
    browser.announces(&language.text_with("force_logout.done", &[("name", "Zoé Ångström")])).await;
    day.step(&browser, "force a logout", 3, 1);
    zoe.is_signed_out().await;

    // All but the admin: 292 users at once, and the others with one key for each.
    browser.press("nav.review").await;
    browser.press("review.keep_usual").await;
    browser.sees(&language.text_with("review.keep_usual.title.other", &[("total", "292")])).await;
    browser.press("review.keep").await;
    let pressing = (0..UNUSUAL).map(|number| format!("Max More{number}")).zip(["k", "r"].into_iter().cycle());
    let added = ["Bea New", "Cleo New", "Dan New"].map(|name| (name.to_owned(), "k"));
    for (name, key) in pressing.chain(added) {
        let keep = language.text_with("review.of", &[("what", &browser.text("review.keep")), ("name", &name)]);
        browser.has_focus_on(&keep).await;
        browser.keys(key).await;
    }
    browser.sees(&language.text_with("review.progress", &[("done", "303"), ("total", "304")])).await;
    day.step(&browser, "review 303 users", 3, 11);
    for (user, permissions) in unusual.iter().zip([2, 1].into_iter().cycle()) {
        assert_eq!(owner.see(user).await["permissions"].as_array().unwrap().len(), permissions);
    }
    browser.is_sound().await;
    println!("{}", day.table());
}
