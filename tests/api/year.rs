//! A year of a partner with thirty users. The test moves the clock and makes a review every quarter, which must find exactly
//! the expected users. Signs in about 150 times: about 10 s.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portal_tests::{Actor, Answer, Client, Clock, Partner, Stack, User, secrets};
use serde_json::{Value, json};

use crate::csv_export;

/// 2027-01-01T09:00:00Z.
const BEGINNING: u64 = 1_798_794_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;
/// The time from the start of a day to its review at noon. All other events of the day are before it.
const NOON: u64 = 3 * 60 * 60 * 1_000;
const NOTE: &str = "Quarterly review, as agreed";

/// A decision as it should be in the record.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    at: String,
    name: String,
    email: String,
    decision: String,
    by: String,
    before: Value,
    after: Value,
}

/// A user, and what the test knows about them from its own requests.
struct Person {
    user: User,
    last_sign_in: Option<u64>,
}

struct Year {
    stack: Stack,
    clock: Clock,
    partner: Partner,
    people: BTreeMap<String, Person>,
    decided: Vec<Entry>,
}

/// `Steady A`, `Steady B` …
fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind} {}", letter(number))).collect()
}

fn letter(number: usize) -> char {
    char::from(b'A' + u8::try_from(number).unwrap())
}

impl Year {
    async fn begin() -> Self {
        let (stack, clock) =
            Stack::start_at(BEGINNING, "year", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
        let partner = Partner::of(&stack.ready).await;
        let owner = Person { user: partner.owner().user.clone(), last_sign_in: Some(BEGINNING) };
        let people = BTreeMap::from([("Olive Owner".to_owned(), owner)]);
        Self { stack, clock, partner, people, decided: Vec::new() }
    }

    /// Advances the clock, so that no two events have the same time.
    fn tick(&self) -> u64 {
        self.clock.advance(Duration::from_secs(1));
        self.clock.now()
    }

    fn turn_to(&self, day: u64) {
        self.clock.set(BEGINNING + day * DAY);
    }

    fn user(&self, name: &str) -> &User {
        &self.people.get(name).unwrap_or_else(|| panic!("there is no user {name}")).user
    }

    fn client(&self) -> Client {
        Client::of(&self.stack.ready)
    }

    /// Adds a user with `more` fields. A null removes a field.
    async fn add(&mut self, by: &Actor, name: &str, role: &str, more: &Value) {
        self.tick();
        let (first, last) = name.split_once(' ').unwrap();
        let mut add = by.add(first, last).role(role);
        for (field, value) in more.as_object().unwrap() {
            add = if value.is_null() { add.without(field) } else { add.with(field, value.clone()) };
        }
        let user = add.created().await;
        self.people.insert(name.to_owned(), Person { user, last_sign_in: None });
    }

    async fn sign_in(&mut self, name: &str) -> Actor {
        let at = self.tick();
        let actor = self.client().signed_in(self.user(name)).await;
        self.people.get_mut(name).unwrap().last_sign_in = Some(at);
        actor
    }

    async fn all_sign_in(&mut self, kinds: &[&str]) {
        let names: Vec<String> =
            self.people.keys().filter(|name| kinds.iter().any(|kind| name.starts_with(kind))).cloned().collect();
        for name in names {
            self.sign_in(&name).await;
        }
    }

    /// Compares the review with the planted users: these have exactly these reasons, and all other users have none.
    /// Returns the items of the review by name.
    async fn finds(&self, reviewer: &Actor, planted: &[(&[&str], &[&str])]) -> BTreeMap<String, Value> {
        let answer = reviewer.get("/v1/access-review?limit=100").await.expect(200);
        let items: Vec<(String, Value)> = named(&answer);
        let found: BTreeSet<(String, Vec<&str>)> =
            items.iter().map(|(name, item)| (name.clone(), texts(&item["reasons"]))).collect();
        let expected: BTreeSet<(String, Vec<&str>)> = self
            .people
            .keys()
            .map(|name| {
                let of = planted.iter().find(|(kinds, _)| kinds.iter().any(|kind| name.starts_with(kind)));
                (name.clone(), of.map(|(_, reasons)| reasons.to_vec()).unwrap_or_default())
            })
            .collect();
        assert_eq!(found, expected, "day {}", (self.clock.now() - BEGINNING) / DAY);
        for (name, item) in &items {
            assert_eq!(item["user"]["id"], self.user(name).id);
        }
        self.agrees(&answer, &items);
        items.into_iter().collect()
    }

    /// Checks that the order and the summary of the review agree with its list and with the test's own requests.
    fn agrees(&self, answer: &Answer, items: &[(String, Value)]) {
        let now = self.clock.now();
        let rank = |item: &Value| match texts(&item["reasons"])[..] {
            [] => 2,
            ["not_reviewed"] => 1,
            // A new user has a week for the first sign-in.
            ["never_signed_in"] if now - millis(item["user"]["created_at"].as_str().unwrap()) < 7 * DAY => 1,
            _ => 0,
        };
        assert!(items.is_sorted_by_key(|(_, item)| rank(item)), "the most urgent users come first: {answer}");
        let count = |accepts: &dyn Fn(&str, &Value) -> bool| {
            items.iter().filter(|(name, item)| accepts(name, item)).count() as u64
        };
        let of_role = |role: &str| count(&|_, item| item["user"]["role"] == role);
        let days_ago = |name: &str| self.people[name].last_sign_in.map(|at| (self.clock.now() - at) / DAY);
        let mut by_last_sign_in = Vec::new();
        for (least, within_days) in [(0, Some(7)), (7, Some(30)), (30, Some(90)), (90, Some(365)), (365, None)] {
            let days = least..within_days.unwrap_or(u64::MAX);
            let users = count(&|name, _| days_ago(name).is_some_and(|ago| days.contains(&ago)));
            by_last_sign_in.push(json!({ "within_days": within_days, "users": users }));
        }
        let reviewed = |name: &str| {
            let last = self.decided.iter().rfind(|entry| entry.name == name);
            last.is_some_and(|entry| now - millis(&entry.at) < 90 * DAY)
        };
        let summary = json!({
            "users": self.people.len(),
            "to_look_at": count(&|_, item| rank(item) == 0),
            "reviewed": count(&|name, _| reviewed(name)),
            "by_role": {
                "primary_admin": of_role("primary_admin"),
                "admin": of_role("admin"),
                "manager": of_role("manager"),
                "viewer": of_role("viewer"),
            },
            // No session is refreshed in this test.
            "by_last_active": by_last_sign_in.clone(),
            "by_last_sign_in": by_last_sign_in,
            "never_signed_in": count(&|name, _| days_ago(name).is_none()),
        });
        assert_eq!(answer.json["summary"], summary);
        assert_eq!(answer.json["total"], self.people.len());
    }

    async fn decide(&mut self, by: &Actor, name: &str, decision: &str, list: &BTreeMap<String, Value>) {
        self.tick();
        let body = json!({ "user_id": self.user(name).id, "decision": decision, "note": NOTE });
        let answer = by.post("/v1/access-review/decisions", &body).await.expect(200);
        let at = answer.text_at("/reviewed_at").to_owned();
        assert_eq!(millis(&at), self.clock.now(), "the portal uses the clock of the test");
        let reviewer = self.people.iter().find(|(_, person)| person.user.id == by.id).unwrap().0.clone();
        let before = access(&list[name]["user"]);
        let after = access(&answer.json["user"]);
        match decision {
            "keep" => assert_eq!(after, before),
            "reduce" => assert_eq!(after, {
                let reduced = &list[name]["reduced"];
                json!({ "role": reduced["role"], "permissions": reduced["permissions"], "status": before["status"] })
            }),
            "suspend" => assert_eq!(after["status"], "suspended"),
            _ => assert_eq!(after["role"], Value::Null),
        }
        let person = &self.people[name];
        self.decided.push(Entry {
            at,
            name: name.to_owned(),
            email: person.user.email.clone(),
            decision: decision.to_owned(),
            by: reviewer,
            before,
            after,
        });
        if decision == "remove" {
            self.people.remove(name);
        }
    }

    /// Decides on all users except the reviewer: as listed in `decisions`, and otherwise to keep the access. Skips the users
    /// whose names start with `later`.
    async fn decide_all(&mut self, by: &str, decisions: &[(&str, &str)], later: &str, list: &BTreeMap<String, Value>) {
        let reviewer = self.sign_in(by).await;
        let names: Vec<String> = self.people.keys().cloned().collect();
        for name in names.iter().filter(|name| *name != by && !name.starts_with(later)) {
            let decision = decisions.iter().find(|(of, _)| of == name).map_or("keep", |(_, decision)| decision);
            self.decide(&reviewer, name, decision, list).await;
        }
    }

    /// Checks that the record of a period has exactly these decisions, newest first, and exactly these outstanding users.
    async fn is_recorded(&self, by: &Actor, query: &str, decided: &[Entry], outstanding: &[&str]) {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = by.get(&format!("/v1/access-review/record?limit=20{query}{cursor}")).await.expect(200);
            items.extend(page.json["items"].as_array().unwrap().clone());
            if cursor.is_empty() {
                let named: Vec<&str> = page.json["outstanding"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|of| of["name"].as_str().unwrap())
                    .collect();
                assert_eq!(named, outstanding, "{query}");
                assert_eq!(page.json["users"], self.people.len());
                assert_eq!(page.json["partner"], json!({ "id": self.partner.id, "name": "Acme Agency" }));
                assert_eq!(page.json["made_by"]["id"], by.id);
                assert_eq!(millis(page.text_at("/made_at")), self.clock.now());
            }
            let Some(next) = page.json["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let recorded: Vec<Entry> = items.iter().map(entry).collect();
        let expected: Vec<Entry> = decided.iter().rev().cloned().collect();
        assert_eq!(recorded, expected, "{query}");
        assert!(items.iter().all(|item| item["note"] == NOTE));

        let path = format!("/v1/access-review/record?limit=30{query}");
        let table = csv_export::all(by, &path, "access-review-record.csv").await;
        let lines: Vec<[&str; 9]> = table
            .iter()
            .map(|line| {
                ["at", "user_name", "email", "decision", "reviewed_by_name", "role_before", "role_after"]
                    .into_iter()
                    .chain(["status_after", "note"])
                    .map(|column| line[column].as_str())
                    .collect::<Vec<_>>()
                    .try_into()
                    .unwrap()
            })
            .collect();
        let expected: Vec<[&str; 9]> = expected
            .iter()
            .map(|entry| {
                let after = |fact: &str| entry.after[fact].as_str().unwrap_or_default();
                let role = entry.before["role"].as_str().unwrap();
                let (at, decision) = (entry.at.as_str(), entry.decision.as_str());
                [at, &entry.name, &entry.email, decision, &entry.by, role, after("role"), after("status"), NOTE]
            })
            .collect();
        assert_eq!(lines, expected, "{query}");
    }
}

fn named(answer: &Answer) -> Vec<(String, Value)> {
    let name = |item: &Value| {
        let [first, last] = ["first_name", "last_name"].map(|part| item["user"][part].as_str().unwrap());
        format!("{first} {last}")
    };
    answer.json["items"].as_array().unwrap().iter().map(|item| (name(item), item.clone())).collect()
}

fn texts(values: &Value) -> Vec<&'static str> {
    let known = [
        "never_signed_in",
        "inactive",
        "initial_password_unused",
        "exceeds_role_default",
        "no_second_factor",
        "not_reviewed",
    ];
    let texts = values.as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    texts.map(|text| *known.iter().find(|word| **word == text).unwrap_or_else(|| panic!("{text}"))).collect()
}

fn access(user: &Value) -> Value {
    json!({ "role": user["role"], "permissions": user["permissions"], "status": user["status"] })
}

fn entry(item: &Value) -> Entry {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let facts = |when: &str| {
        let of = |fact: &str| item[format!("{fact}_{when}")].clone();
        json!({ "role": of("role"), "permissions": of("permissions"), "status": of("status") })
    };
    Entry {
        at: text("/at"),
        name: text("/user/name"),
        email: text("/email"),
        decision: text("/decision"),
        by: text("/reviewed_by/name"),
        before: facts("before"),
        after: facts("after"),
    }
}

/// The milliseconds since 1970 of a time in 2027, in the portal's format.
fn millis(text: &str) -> u64 {
    const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap_or_else(|_| panic!("{text}"));
    let month = usize::try_from(number(5..7)).unwrap();
    assert!(text.starts_with("2027-") && text.ends_with('Z'), "{text}");
    let days = MONTHS[..month - 1].iter().sum::<u64>() + number(8..10) - 1;
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    BEGINNING - 9 * 60 * 60 * 1_000 + seconds * 1_000 + number(20..23)
}

#[tokio::test]
async fn a_year_of_reviews_has_exactly_the_expected_findings_and_decisions() {
    let mut year = Year::begin().await;
    let owner = year.partner.owner().clone();
    settle(&mut year, &owner).await;
    let first = first_quarter(&mut year).await;
    let second = second_quarter(&mut year).await;
    third_quarter(&mut year).await;
    last_quarter(&mut year, first, second).await;
}

/// Adds an admin and 28 other users, most of them on the first day of the year.
async fn settle(year: &mut Year, owner: &Actor) {
    year.add(owner, "Ada Min", "admin", &json!({})).await;
    for (number, name) in names("Steady", 8).iter().enumerate() {
        year.add(owner, name, if number < 4 { "manager" } else { "viewer" }, &json!({})).await;
    }
    for name in names("Never", 3) {
        year.add(owner, &name, "viewer", &json!({})).await;
    }
    for name in names("Unused", 3) {
        year.add(owner, &name, "manager", &json!({ "password": null, "must_change": null })).await;
    }
    for name in names("Stopped", 4) {
        year.add(owner, &name, "manager", &json!({})).await;
    }
    for name in names("More", 3) {
        let more = json!({ "permissions": ["users.read", "audit.read"] });
        year.add(owner, &name, "viewer", &more).await;
    }
    for name in ["Reset A", "Reset B", "Edge A"] {
        year.add(owner, name, "viewer", &json!({})).await;
    }
    year.turn_to(5);
    year.all_sign_in(&["Stopped"]).await;
    year.turn_to(10);
    year.all_sign_in(&["Steady", "More", "Reset", "Edge", "Ada"]).await;
    year.turn_to(80);
    year.all_sign_in(&["Steady", "More", "Reset"]).await;
    year.turn_to(86);
    let owner = year.sign_in("Olive Owner").await;
    for name in names("Late", 4) {
        year.add(&owner, &name, "viewer", &json!({})).await;
    }
    assert_eq!(year.people.len(), 30);
    year.turn_to(88);
    year.all_sign_in(&["Late A", "Late B"]).await;
}

/// The users of the first day are due, and the users of the last week are not. Returns the start and the end of the review.
async fn first_quarter(year: &mut Year) -> (u64, u64) {
    year.turn_to(90);
    year.clock.advance(Duration::from_millis(NOON));
    let ada = year.sign_in("Ada Min").await;
    year.sign_in("Edge A").await;
    let planted: &[(&[&str], &[&str])] = &[
        (&["Never"], &["never_signed_in", "not_reviewed"]),
        (&["Unused"], &["never_signed_in", "initial_password_unused", "not_reviewed"]),
        (&["More"], &["exceeds_role_default", "not_reviewed"]),
        (&["Late C", "Late D"], &["never_signed_in"]),
        (&["Late"], &[]),
        (&[""], &["not_reviewed"]),
    ];
    let list = year.finds(&ada, planted).await;
    // With a stricter limit, more users are inactive.
    let strict = ada.get("/v1/access-review?limit=100&inactive_days=60").await.expect(200);
    let inactive: Vec<String> = named(&strict)
        .into_iter()
        .filter(|(_, item)| texts(&item["reasons"]).contains(&"inactive"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(inactive, names("Stopped", 4));

    let began = year.clock.now();
    year.decide(&ada, "Olive Owner", "keep", &list).await;
    let decisions = [
        ("Never A", "remove"),
        ("Never B", "suspend"),
        ("Unused A", "remove"),
        ("Unused B", "suspend"),
        ("More A", "reduce"),
        ("More B", "reduce"),
    ];
    year.decide_all("Olive Owner", &decisions, "Late", &list).await;
    let owner = year.sign_in("Olive Owner").await;
    let decided = year.decided.clone();
    assert_eq!(decided.len(), 26);
    year.is_recorded(&owner, "", &decided, &["Late A", "Late B", "Late C", "Late D"]).await;
    let ended = year.tick();
    (began, ended)
}

/// The review finds the inactive users, and the reduced ones are in order. Returns the start and the end of the review.
async fn second_quarter(year: &mut Year) -> (u64, u64) {
    year.turn_to(100);
    year.all_sign_in(&["Late C"]).await;
    year.turn_to(170);
    year.all_sign_in(&["Steady", "More", "Late A", "Late B", "Ada"]).await;
    year.turn_to(173);
    let owner = year.sign_in("Olive Owner").await;
    for name in ["Reset A", "Reset B"] {
        year.tick();
        owner.set_password(year.user(name), &secrets::password(), &json!({})).await.expect(204);
    }
    // Edge A becomes inactive exactly 90 days after the last sign-in, and not a millisecond earlier.
    year.turn_to(180);
    let edge = year.people["Edge A"].last_sign_in.unwrap() + 90 * DAY;
    year.clock.set(edge - 1);
    let owner = year.client().signed_in(year.user("Olive Owner")).await;
    year.people.get_mut("Olive Owner").unwrap().last_sign_in = Some(edge - 1);
    let mut planted: Vec<(&[&str], &[&str])> = vec![
        (&["Never B", "Unused B"], &[]),
        (&["Never C"], &["never_signed_in"]),
        (&["Unused C"], &["never_signed_in", "initial_password_unused"]),
        (&["Stopped"], &["inactive"]),
        (&["More C"], &["exceeds_role_default"]),
        (&["Late D"], &["never_signed_in", "not_reviewed"]),
        (&["Late"], &["not_reviewed"]),
        (&["Reset"], &["inactive", "initial_password_unused"]),
    ];
    year.finds(&owner, &planted).await;
    year.clock.set(edge);
    planted.push((&["Edge A"], &["inactive"]));
    let list = year.finds(&owner, &planted).await;
    assert_eq!((&list["Steady A"]["open_sessions"], &list["Stopped A"]["open_sessions"]), (&json!(1), &json!(0)));
    assert_eq!(list["Steady A"]["reviewed_by"]["name"], "Olive Owner");
    assert_eq!(millis(list["Reset A"]["password_changed_at"].as_str().unwrap()) / DAY, BEGINNING / DAY + 173);

    let began = year.clock.now();
    let decisions = [
        ("Stopped A", "suspend"),
        ("Stopped B", "remove"),
        ("Stopped C", "reduce"),
        ("Reset B", "remove"),
        ("Never B", "remove"),
        ("Never C", "suspend"),
        ("Late D", "suspend"),
        ("More C", "reduce"),
        ("Unused C", "remove"),
    ];
    year.decide_all("Ada Min", &decisions, "none", &list).await;
    (began, year.tick())
}

/// Without a review in this quarter, all users are due a hundred days later.
async fn third_quarter(year: &mut Year) {
    year.turn_to(200);
    let owner = year.sign_in("Olive Owner").await;
    // A suspended user can be reactivated.
    owner.reactivate(year.user("Stopped A")).await.expect(200);
    year.sign_in("Stopped A").await;
    year.turn_to(265);
    year.all_sign_in(&["Steady", "More", "Late A", "Late B", "Late C", "Edge"]).await;
    year.turn_to(281);
    let owner = year.sign_in("Olive Owner").await;
    let planted: &[(&[&str], &[&str])] = &[
        // Suspended users cannot sign in, so they do not count as inactive.
        (&["Never C", "Unused B", "Late D"], &["not_reviewed"]),
        (&["Stopped A"], &["not_reviewed"]),
        (&["Stopped"], &["inactive", "not_reviewed"]),
        (&["Reset A"], &["inactive", "initial_password_unused", "not_reviewed"]),
        (&["Ada"], &["inactive", "not_reviewed"]),
        // All others are due, because their last review is more than 90 days ago.
        (&[""], &["not_reviewed"]),
    ];
    year.finds(&owner, planted).await;
}

/// At the end of the year all users are in order, and the record has every decision.
async fn last_quarter(year: &mut Year, first: (u64, u64), second: (u64, u64)) {
    year.turn_to(360);
    year.all_sign_in(&["Steady", "More", "Late A", "Late B", "Late C", "Edge", "Stopped A"]).await;
    let owner = year.sign_in("Olive Owner").await;
    let ada = year.sign_in("Ada Min").await;
    let planted: &[(&[&str], &[&str])] = &[
        (&["Stopped A"], &["not_reviewed"]),
        (&["Stopped"], &["inactive", "not_reviewed"]),
        (&["Reset A"], &["inactive", "initial_password_unused", "not_reviewed"]),
        (&[""], &["not_reviewed"]),
    ];
    let list = year.finds(&owner, planted).await;
    let decisions = [
        ("Stopped C", "remove"),
        ("Stopped D", "suspend"),
        ("Reset A", "remove"),
        ("Never C", "remove"),
        ("Unused B", "remove"),
        ("Late D", "remove"),
    ];
    year.decide(&ada, "Olive Owner", "keep", &list).await;
    year.decide_all("Olive Owner", &decisions, "none", &list).await;

    let owner = year.sign_in("Olive Owner").await;
    let list = year.finds(&owner, &[]).await;
    assert!(list.values().all(|item| item["reasons"] == json!([])), "no user has a reason for a review");
    let whole = year.decided.clone();
    let kinds: BTreeSet<&str> = whole.iter().map(|entry| entry.decision.as_str()).collect();
    assert_eq!(kinds, ["keep", "reduce", "remove", "suspend"].into());
    year.is_recorded(&owner, "&from=2027-01-01T00:00:00Z", &whole, &[]).await;
    // In the record of a past quarter, the outstanding users are those who still exist, existed then and had no decision.
    for ((began, ended), outstanding) in [(first, &["Late A", "Late B", "Late C"][..]), (second, &["Ada Min"])] {
        let of: Vec<Entry> =
            whole.iter().filter(|entry| (began..ended).contains(&millis(&entry.at))).cloned().collect();
        let query = format!("&from={}&to={}", written(began), written(ended));
        year.is_recorded(&owner, &query, &of, outstanding).await;
    }
}

/// A time in 2027 in the format of the API.
fn written(at: u64) -> String {
    let since = at - (BEGINNING - 9 * 60 * 60 * 1_000);
    let (mut days, of_day) = (since / DAY, since % DAY);
    let mut month = 1;
    for length in [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let [hours, minutes, seconds] = [of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60];
    format!("2027-{month:02}-{:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", days + 1, of_day % 1_000)
}
