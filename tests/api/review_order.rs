//! The pages of `GET /v1/access-review`: all of them have the order of the first page, and show users as they are now.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use portal_tests::faults::{FaultyStack, Moment, Seen, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Partner, User, stack};
use serde_json::{Value, json};

use crate::csv_export;

async fn page(actor: &Actor, query: &str, cursor: &str) -> Answer {
    let cursor = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
    actor.get(&format!("/v1/access-review?{query}{cursor}")).await.expect(200)
}

fn next(page: &Answer) -> String {
    page.json["next_cursor"].as_str().unwrap_or_default().to_owned()
}

fn items(page: &Answer) -> Vec<Value> {
    page.json["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["user"]["id"].as_str().unwrap()).collect()
}

/// The users of all pages after this one.
async fn rest(actor: &Actor, query: &str, first: &Answer) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), next(first));
    while !cursor.is_empty() {
        let page = page(actor, query, &cursor).await;
        assert_eq!(page.json["summary"], first.json["summary"], "every page has the summary of the start");
        assert_eq!(page.json["total"], first.json["total"]);
        found.extend(items(&page));
        cursor = next(&page);
    }
    found
}

/// Adds viewers with these last names. All of them have the same rank, so they are sorted by name.
async fn viewers(owner: &Actor, last_names: &[&str]) -> Vec<User> {
    let mut users = Vec::new();
    for last_name in last_names {
        users.push(owner.add("Ann", last_name).role("viewer").created().await);
    }
    users
}

#[tokio::test]
async fn changes_between_pages_do_not_change_the_order_and_every_user_is_listed_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let users = viewers(owner, &["Adams", "Baker", "Clark", "Davis", "Evans", "Frank", "Green"]).await;
    let [adams, baker, clark, davis, evans, frank, green] = &users[..] else { unreachable!("seven users") };

    let first = page(owner, "limit=2", "").await;
    assert_eq!(ids(&items(&first)), [&adams.id, &baker.id]);

    // Every change would move the user in a new review, or remove the user from it.
    owner.decide(adams, "keep").await.expect(200);
    owner.remove(baker).await.expect(204);
    owner.remove(clark).await.expect(204);
    owner.edit(davis, &json!({ "last_name": "Zimmer" })).await.expect(200);
    Client::new().signed_in(evans).await;
    owner.decide(frank, "suspend").await.expect(200);
    owner.set_permissions(green, &json!({ "role": "manager", "permissions": ["audit.read"] })).await.expect(200);
    // The last one has a name between those of the order.
    let added = viewers(owner, &["Aaron", "Abbott", "Evers"]).await;

    let rest = rest(owner, "limit=2", &first).await;
    let expected = [davis, evans, frank, green].map(|user| &user.id);
    assert_eq!(&ids(&rest)[..4], expected, "removed users are skipped");
    assert_eq!(ids(&rest)[4..], [&owner.id, &added[0].id, &added[1].id, &added[2].id], "added users follow");

    let shown: Vec<_> = rest.iter().map(|item| &item["user"]).collect();
    for (user, shown) in [davis, evans, frank, green].into_iter().zip(&shown) {
        assert_eq!(**shown, owner.see(user).await, "users are shown as they are now");
    }
    assert_eq!(rest[1]["open_sessions"], 1);
    assert_eq!(rest[1]["reasons"], json!([]));
    assert_eq!(rest[2]["reviewed_by"]["id"], owner.id);
    assert_eq!(rest[3]["reasons"], json!(["never_signed_in", "exceeds_role_default"]));
}

#[tokio::test]
async fn pages_are_filled_when_users_were_removed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let users = viewers(owner, &["Adams", "Baker", "Clark", "Davis", "Evans", "Frank"]).await;
    let first = page(owner, "limit=1", "").await;
    for user in &users[1..3] {
        owner.remove(user).await.expect(204);
    }
    let second = page(owner, "limit=2", &next(&first)).await;
    assert_eq!(ids(&items(&second)), [&users[3].id, &users[4].id]);
    // The rest of the order is removed, and a user is added.
    owner.remove(&users[5]).await.expect(204);
    let added = viewers(owner, &["Aaron"]).await;
    let third = page(owner, "limit=2", &next(&second)).await;
    assert_eq!(ids(&items(&third)), [&owner.id, &added[0].id]);
    assert_eq!(next(&third), "");
    // The same cursor returns the same page again, with users who were added since.
    let again = page(owner, "limit=2", &next(&second)).await;
    assert_eq!(again.json, third.json);
    let more = viewers(owner, &["Aaron"]).await;
    let again = page(owner, "limit=2", &next(&second)).await;
    assert_eq!(ids(&items(&again)), [&owner.id, &added[0].id]);
    let last = page(owner, "limit=2", &next(&again)).await;
    assert_eq!((ids(&items(&last)), next(&last)), (vec![more[0].id.as_str()], String::new()));
}

#[tokio::test]
async fn a_user_who_is_added_while_the_first_page_is_read_is_listed_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rows = Rows::of(&stack().ready);
    viewers(owner, &["Adams", "Baker"]).await;
    // The id of a user who is added slowly is older than those of users who are in the order.
    let slow = owner.add("Ann", "Slow").role("viewer").created().await;
    let row = rows.user(&slow).await;
    let newer = viewers(owner, &["Clark", "Davis"]).await;
    rows.delete_user(&slow).await;
    let first = page(owner, "limit=2", "").await;
    rows.put_user(row).await;

    let rest = rest(owner, "limit=2", &first).await;
    assert_eq!(ids(&rest), [&newer[0].id, &newer[1].id, &owner.id, &slow.id]);
}

#[tokio::test]
async fn a_review_that_fits_on_one_page_stores_nothing() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rows = Rows::of(&stack().ready);
    viewers(owner, &["Adams", "Baker"]).await;
    page(owner, "limit=3", "").await;
    assert_eq!(rows.review_orders(&owner.partner_id).await, []);
    page(owner, "limit=2", "").await;
    assert_eq!(rows.review_orders(&owner.partner_id).await.len(), 1);
}

#[tokio::test]
async fn a_summary_has_the_current_numbers_without_users_and_stores_nothing() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let rows = Rows::of(&stack().ready);
    let users = viewers(owner, &["Adams", "Baker"]).await;
    owner.decide(&users[0], "keep").await.expect(200);
    let whole = page(owner, "inactive_days=30", "").await;
    for query in ["summary_only=true", "summary_only=true&limit=1"] {
        let summary = page(owner, &format!("inactive_days=30&{query}"), "").await;
        assert_eq!(summary.json["items"], json!([]));
        for field in ["inactive_days", "next_cursor", "total", "summary"] {
            assert_eq!(summary.json[field], whole.json[field], "{field}");
        }
    }
    assert_eq!(rows.review_orders(&owner.partner_id).await, []);

    let first = page(owner, "limit=1&summary_only=false", "").await;
    assert_eq!(items(&first).len(), 1);
    let cursor = next(&first);
    for query in [format!("summary_only=true&cursor={cursor}"), "summary_only=1".to_owned()] {
        let answer = owner.get(&format!("/v1/access-review?{query}")).await;
        answer.problem(400, "invalid_request").names_field("summary_only");
    }
    let table = owner.get("/v1/access-review?summary_only=true").header("accept", "text/csv").await;
    table.problem(400, "invalid_request").names_field("summary_only");
}

/// Reads 452 users in pages.
#[tokio::test]
async fn a_large_review_lists_every_user_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    Rows::of(&stack().ready).put_copies_of_user(&ann, 450).await;
    let whole: Vec<String> = csv_export::all(owner, "/v1/access-review", "access-review.csv")
        .await
        .iter()
        .map(|line| line["user_id"].clone())
        .collect();
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 452);

    for limit in [70, 100] {
        let query = format!("limit={limit}");
        let first = page(owner, &query, "").await;
        assert_eq!(first.json["total"], 452);
        let mut paged = items(&first);
        paged.extend(rest(owner, &query, &first).await);
        assert_eq!(ids(&paged), whole, "by {limit}");
    }
}

#[tokio::test]
async fn a_cursor_is_rejected_when_its_order_has_expired_or_belongs_to_others() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    viewers(owner, &["Adams", "Baker"]).await;
    let cursor = next(&page(owner, "limit=1", "").await);
    let rejected = async |actor: &Actor, query: &str| {
        let answer = actor.get(&format!("/v1/access-review?{query}&cursor={cursor}")).await;
        answer.problem(400, "invalid_request").names_field("cursor");
    };

    let colleague = partner.new_user("admin").await;
    page(&colleague, "limit=1", &cursor).await;
    rejected(other.owner(), "limit=1").await;
    rejected(owner, "limit=1&inactive_days=30").await;
    Rows::of(&stack().ready).expire_review_orders(&owner.partner_id).await;
    rejected(owner, "limit=1").await;
}

/// Records the names of the calls of a request. `fate` decides what happens to each of them before it is forwarded.
async fn calls(stack: &FaultyStack, actor: &Actor, path: &str, fate: fn(&Seen) -> Verdict) -> (Answer, Vec<String>) {
    let (trace, calls) = (Trace::new(), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&calls);
    stack.faults.watch(&trace, move |call, moment| {
        let verdict = if moment == Moment::Before {
            seen.lock().unwrap().push(call.name());
            fate(&call)
        } else {
            Verdict::GoOn
        };
        async move { verdict }
    });
    let answer = actor.get(path).within(&trace).await;
    let calls = calls.lock().unwrap().clone();
    (answer, calls)
}

/// Starts two stacks: about 3 s.
#[tokio::test]
async fn later_pages_read_only_their_users_and_a_fault_hides_no_user() {
    let stack = FaultyStack::start("review-order").unwrap();
    let (partner, rows) = (Partner::of(&stack.ready).await, Rows::of(&stack.ready));
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("viewer").created().await;
    rows.put_copies_of_user(&ann, 210).await;

    // The order is stored before the response, or there is none.
    let fails = |call: &Seen| {
        let is_order = call.body["Key"]["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("REVIEW#"));
        if is_order { Verdict::throttled(Service::DynamoDb) } else { Verdict::GoOn }
    };
    let (answer, _) = calls(&stack, owner, "/v1/access-review", fails).await;
    answer.problem(503, "unavailable");
    assert!(answer.retry_after() > 0);

    let (first, made) = calls(&stack, owner, "/v1/access-review", |_| Verdict::GoOn).await;
    let first = first.expect(200);
    assert_eq!(items(&first).len(), 25);
    let of = |name: &str| made.iter().filter(|made| *made == name).count();
    // The users are read once from the index. One update counts the read, and each part of the order is one more.
    assert_eq!((of("Query Users"), of("UpdateItem Sessions"), of("BatchGetItem Users")), (1, 3, 1), "{made:?}");

    let cursor = next(&first);
    let path = format!("/v1/access-review?cursor={cursor}");
    let (second, made) = calls(&stack, owner, &path, |_| Verdict::GoOn).await;
    let second = second.expect(200);
    assert_eq!(items(&second).len(), 25);
    assert_eq!(made, ["BatchGetItem Sessions Users", "GetItem Sessions", "Query Users"]);

    // A large page is counted.
    let (_, made) = calls(&stack, owner, &format!("{path}&limit=26"), |_| Verdict::GoOn).await;
    assert!(made.contains(&"UpdateItem Sessions".to_owned()), "{made:?}");

    let (answer, _) = calls(&stack, owner, &path, |call| match call.operation.as_str() {
        "GetItem" => Verdict::fault(Service::DynamoDb),
        _ => Verdict::GoOn,
    })
    .await;
    answer.problem(503, "unavailable");
    let (answer, _) = calls(&stack, owner, &path, |call| match call.operation.as_str() {
        "Query" => Verdict::fault(Service::DynamoDb),
        _ => Verdict::GoOn,
    })
    .await;
    answer.problem(503, "unavailable");

    // A user that the query does not find is read alone.
    let moved = items(&second)[3]["user"].clone();
    let path_of_moved = format!("/v1/users/{}", moved["id"].as_str().unwrap());
    owner.patch(&path_of_moved, &json!({ "last_name": "Zimmer" })).await.expect(200);
    let (again, made) = calls(&stack, owner, &path, |_| Verdict::GoOn).await;
    assert_eq!(ids(&items(&again.expect(200))), ids(&items(&second)));
    assert_eq!(made, ["BatchGetItem Sessions Users", "GetItem Sessions", "Query Users", "BatchGetItem Users"]);
    let (answer, _) = calls(&stack, owner, &path, |call| match call.name().as_str() {
        "BatchGetItem Users" => Verdict::unprocessed(call),
        _ => Verdict::GoOn,
    })
    .await;
    answer.problem(503, "unavailable");
}

/// Starts two stacks.
///
/// A review of 10,000 users has 400 pages of 25. Its first page reads 525 units if no user has signed in and 725 if all
/// have, and 25 for its users. So it reads at most 550 + 399 × 8 = 3,742 units or 750 + 399 × 20.5 = 8,930.
#[tokio::test]
async fn a_later_page_reads_8_units_and_half_a_unit_for_each_user_with_sessions() {
    let stack = FaultyStack::start("review-units").unwrap();
    let rows = Rows::of(&stack.ready);
    for (has_signed_in, most) in [(false, 8.0), (true, 20.5)] {
        let partner = Partner::of(&stack.ready).await;
        let owner = partner.owner();
        let ann = owner.add("Ann", "Lee").role("viewer").created().await;
        if has_signed_in {
            Client::of(&stack.ready).signed_in(&ann).await;
        }
        rows.put_copies_of_user(&ann, 450).await;
        let (mut cursor, mut found) = (String::new(), 0);
        loop {
            let trace = Trace::new();
            let ledger = stack.faults.meter(&trace);
            let path = if cursor.is_empty() { String::new() } else { format!("?cursor={cursor}") };
            let page = owner.get(&format!("/v1/access-review{path}")).within(&trace).await.expect(200);
            stack.faults.quiet().await;
            let (reads, writes) = (ledger.total_reads(), ledger.total());
            if cursor.is_empty() {
                // The count of the read, and three parts of the order, of which the last has 52 users.
                assert!(reads <= 70.0 && writes <= 1.0 + 4.0 + 4.0 + 2.0, "{ledger:?}");
            } else {
                assert!(reads <= most && writes == 0.0, "{has_signed_in} {found}: {ledger:?}");
            }
            found += items(&page).len();
            cursor = next(&page);
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(found, 452);
    }
}
