//! `GET /v1/users`.

use futures::future::join_all;
use portal_tests::{Actor, Partner, User, secrets};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Reads all pages of a list.
async fn all(actor: &Actor, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = actor.get(&format!("/v1/users?{query}{after}")).await.expect(200);
        assert_eq!(page.json.as_object().unwrap().len(), 3, "a page has only items, next_cursor and total: {page}");
        items.extend(page.json["items"].as_array().unwrap().iter().cloned());
        assert!(items.len() as u64 <= page.json["total"].as_u64().unwrap(), "{page}");
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return items,
        }
    }
}

fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// Adds seven users in this order, besides Olive Owner.
async fn seven(partner: &Partner) -> Vec<User> {
    let people = [
        ("Zoë", "Ångström", "viewer"),
        ("adam", "Angstrom", "viewer"),
        ("Carl", "de Vries", "manager"),
        ("Bea", "De Vries", "admin"),
        ("Émile", "Zola", "viewer"),
        ("李", "小龍", "viewer"),
        ("Ann", "lee", "manager"),
    ];
    let mut users = Vec::new();
    for (first, last, role) in people {
        users.push(partner.owner().add(first, last).role(role).created().await);
    }
    users
}

#[tokio::test]
async fn a_complete_list_has_users_a_total_and_no_cursor() {
    let partner = Partner::new().await;
    let viewer = partner.new_user("viewer").await;

    let list = viewer.get("/v1/users").await.expect(200);

    assert_eq!(list.json["total"], 2);
    assert!(list.json["next_cursor"].is_null());
    assert_eq!(list.json["items"].as_array().unwrap().len(), 2);
    for user in list.json["items"].as_array().unwrap() {
        let read = viewer.get(&format!("/v1/users/{}", user["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(user, read.user(), "a user in a list is the user");
    }
}

#[tokio::test]
async fn names_are_sorted_by_folded_last_name_then_first_name() {
    let partner = Partner::new().await;
    seven(&partner).await;
    let sorted = ["adam", "Zoë", "Bea", "Carl", "Ann", "Olive", "Émile", "李"];
    for query in ["limit=100", "sort=name", "sort=name&order=asc", "limit=3"] {
        assert_eq!(texts(&all(partner.owner(), query).await, "first_name"), sorted, "{query}");
    }
    let mut reversed = sorted;
    reversed.reverse();
    for query in ["order=desc", "sort=name&order=desc&limit=2"] {
        assert_eq!(texts(&all(partner.owner(), query).await, "first_name"), reversed, "{query}");
    }
}

#[tokio::test]
async fn a_single_name_sorts_among_the_last_names_and_is_found() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for (first, last) in [("Zoe", "Sanders"), ("Suharto", ""), ("Ann", "Tan"), ("Ann", "Suharto"), ("Ann", "Suhartono")]
    {
        owner.add(first, last).created().await;
    }
    let sorted = ["Olive Owner", "Zoe Sanders", "Suharto", "Ann Suharto", "Ann Suhartono", "Ann Tan"];
    for query in ["limit=100", "limit=1", "limit=2&role=admin", "search=suharto&limit=1"] {
        let is_shown = |name: &&str| match query {
            "limit=2&role=admin" => !name.starts_with("Olive"),
            "search=suharto&limit=1" => name.contains("Suharto"),
            _ => true,
        };
        let found: Vec<String> = all(owner, query)
            .await
            .iter()
            .map(|user| {
                let names = ["first_name", "last_name"].map(|name| user[name].as_str());
                names.into_iter().flatten().collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(found, sorted.iter().copied().filter(is_shown).collect::<Vec<_>>(), "{query}");
    }
}

#[tokio::test]
async fn every_sort_has_two_orders_and_one_sequence_for_all_page_sizes() {
    let partner = Partner::new().await;
    let users = seven(&partner).await;
    let mut created = vec![partner.owner().id.clone()];
    created.extend(users.iter().map(|user| user.id.clone()));
    let mut emails: Vec<_> = users.iter().chain([&partner.owner().user]).map(|user| (&user.email, &user.id)).collect();
    emails.sort();
    let by_email: Vec<_> = emails.into_iter().map(|(_, id)| id.clone()).collect();

    for (sort, expected) in [("created_at", created), ("email", by_email)] {
        for limit in [1, 3, 100] {
            let ascending = all(partner.owner(), &format!("sort={sort}&order=asc&limit={limit}")).await;
            assert_eq!(texts(&ascending, "id"), expected, "{sort} by {limit}");
            let mut descending = all(partner.owner(), &format!("sort={sort}&order=desc&limit={limit}")).await;
            descending.reverse();
            assert_eq!(texts(&descending, "id"), expected, "{sort} by {limit}, descending");
        }
    }
}

#[tokio::test]
async fn users_who_never_signed_in_come_before_the_others() {
    let partner = Partner::new().await;
    let never = partner.owner().add("Nev", "Er").created().await;
    let early = partner.new_user("viewer").await;
    let late = partner.new_user("viewer").await;
    early.elsewhere().await;
    let expected = [&never.id, &partner.owner().id, &late.id, &early.id].map(Clone::clone);
    let ascending = all(partner.owner(), "sort=last_sign_in_at&limit=2").await;
    assert_eq!(texts(&ascending, "id"), expected);
    let mut descending = all(partner.owner(), "sort=last_sign_in_at&order=desc&limit=2").await;
    descending.reverse();
    assert_eq!(texts(&descending, "id"), expected);
}

#[tokio::test]
async fn a_search_matches_parts_of_names_and_emails_without_case_or_accents() {
    let partner = Partner::new().await;
    let users = seven(&partner).await;
    let email_part = users[4].email.split('@').next().unwrap().to_uppercase();
    // Emails contain random letters, so the words are long enough not to occur there.
    let searches = [
        ("angstrom", vec!["adam", "Zoë"]),
        ("%C3%85NGSTR%C3%96M", vec!["adam", "Zoë"]),
        ("emile", vec!["Émile"]),
        ("Emile%20Zola", vec!["Émile"]),
        ("zola%20emil", vec!["Émile"]),
        ("Zola,%20Emile", vec!["Émile"]),
        ("Zola%D8%8CEmile", vec!["Émile"]),
        ("ola+mile", vec!["Émile"]),
        ("zola%20angstrom", vec![]),
        ("zola%20%E2%98%83", vec![]),
        ("%E5%B0%8F%E9%BE%8D", vec!["李"]),
        ("%E6%9D%8E", vec!["李"]),
        ("%E5%B0%8F%E9%BE%8D%E6%9D%8E", vec!["李"]),
        ("%E6%9D%8E%E5%B0%8F%E9%BE%8D", vec!["李"]),
        (email_part.as_str(), vec!["Émile"]),
        ("no-such-person", vec![]),
    ];
    for (search, expected) in searches {
        let list = partner.owner().get(&format!("/v1/users?search={search}")).await.expect(200);
        assert_eq!(texts(list.json["items"].as_array().unwrap(), "first_name"), expected, "{search}");
        assert_eq!(list.json["total"], expected.len(), "{search}");
    }
    let all_users = all(partner.owner(), "search=tests.EXAMPLE&limit=3").await;
    assert_eq!(all_users.len(), 8);
}

#[tokio::test]
async fn a_plus_sign_in_a_search_finds_an_email_with_it() {
    let partner = Partner::new().await;
    let email = secrets::remembered(format!("ann+tag1.{}", secrets::email("lee")));
    let ann = partner.owner().add("Ann", "Lee").with("email", email.as_str()).created().await;
    for search in ["ann+tag1", "ann%2Btag1"] {
        let list = partner.owner().get(&format!("/v1/users?search={search}")).await.expect(200);
        assert_eq!(texts(list.json["items"].as_array().unwrap(), "id"), [ann.id.as_str()], "{search}");
    }
}

#[tokio::test]
async fn an_empty_parameter_counts_as_absent() {
    let partner = Partner::new().await;
    seven(&partner).await;
    let list = partner.owner().get("/v1/users?search=&role=&status=&limit=&cursor=").await.expect(200);
    assert_eq!(list.json["total"], 8);
}

#[tokio::test]
async fn filters_narrow_the_list_and_its_total() {
    let partner = Partner::new().await;
    let users = seven(&partner).await;
    partner.owner().suspend(&users[0]).await.expect(200);
    let filters = [
        ("role=manager", vec!["Carl", "Ann"]),
        ("role=primary_admin", vec!["Olive"]),
        ("status=suspended", vec!["Zoë"]),
        ("role=viewer&status=active", vec!["adam", "Émile", "李"]),
        ("role=viewer&search=angstrom", vec!["adam", "Zoë"]),
        ("role=admin&search=angstrom", vec![]),
    ];
    for (query, expected) in filters {
        let list = partner.owner().get(&format!("/v1/users?{query}&limit=1")).await.expect(200);
        assert_eq!(list.json["total"], expected.len(), "{query}");
        assert_eq!(texts(&all(partner.owner(), &format!("{query}&limit=1")).await, "first_name"), expected, "{query}");
    }
}

#[tokio::test]
async fn a_filtered_list_keeps_the_order_of_the_whole_list() {
    let partner = Partner::new().await;
    let users = seven(&partner).await;
    partner.owner().edit(&users[3], &json!({ "first_name": "Zed" })).await.expect(200);
    partner.owner().set_permissions(&users[5], &json!({ "role": "manager" })).await.expect(200);
    for sort in ["name", "email", "created_at", "last_sign_in_at"] {
        for order in ["asc", "desc"] {
            let sorted = format!("sort={sort}&order={order}");
            let whole = all(partner.owner(), &sorted).await;
            let found = all(partner.owner(), &format!("{sorted}&search=tests.example&limit=3")).await;
            assert_eq!(found, whole, "all users are found, by {sorted}");
            let viewers: Vec<_> = whole.into_iter().filter(|user| user["role"] == "viewer").collect();
            let found = all(partner.owner(), &format!("{sorted}&role=viewer&limit=1")).await;
            assert_eq!(found, viewers, "viewers, by {sorted}");
        }
    }
}

#[tokio::test]
async fn a_bad_query_names_the_parameter() {
    let partner = Partner::new().await;
    let long = format!("search={}", "x".repeat(101));
    let queries = [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=abc", "limit"),
        ("limit=-1", "limit"),
        ("sort=shoe_size", "sort"),
        ("order=sideways", "order"),
        ("role=emperor", "role"),
        ("status=asleep", "status"),
        ("search=x", "search"),
        (long.as_str(), "search"),
        ("cursor=nonsense", "cursor"),
        ("cursor=+", "cursor"),
        ("unheard_of=", "unheard_of"),
        ("limit=%2B5", "limit"),
        ("unheard_of=1", "unheard_of"),
        ("limit=5&limit=6", "limit"),
    ];
    for (query, parameter) in queries {
        let answer = partner.owner().get(&format!("/v1/users?{query}")).await;
        answer.problem(400, "invalid_request").names_field(parameter);
    }
    let answer = partner.owner().get("/v1/users?limit=0&sort=shoe_size").await;
    answer.problem(400, "invalid_request").names_fields(&["limit", "sort"]);
    partner.owner().get("/v1/users?limit=1").await.expect(200);
    partner.owner().get("/v1/users?limit=100").await.expect(200);
}

#[tokio::test]
async fn a_page_has_25_users_by_default() {
    let partner = Partner::new().await;
    join_all((0..30).map(|_| partner.owner().add("Ann", "Lee").created())).await;
    let page = partner.owner().get("/v1/users").await.expect(200);
    assert_eq!(page.json["items"].as_array().unwrap().len(), 25);
    assert_eq!(page.json["total"], 31);
    let mut ids = texts(&all(partner.owner(), "limit=7").await, "id");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 31, "every user is listed once");
}

async fn cursor(actor: &Actor, query: &str) -> String {
    let page = actor.get(&format!("/v1/users?{query}")).await.expect(200);
    page.text_at("/next_cursor").to_owned()
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_own_partner_and_query_only() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    seven(&partner).await;
    other.owner().add("Ann", "Lee").created().await;
    let own = cursor(partner.owner(), "limit=1").await;
    let foreign = cursor(other.owner(), "limit=1").await;

    partner.owner().get(&format!("/v1/users?limit=1&cursor={own}")).await.expect(200);
    let refused = [
        format!("limit=1&cursor={foreign}"),
        format!("limit=1&sort=email&cursor={own}"),
        format!("limit=1&order=desc&cursor={own}"),
        format!("limit=1&role=viewer&cursor={own}"),
        format!("limit=1&status=active&cursor={own}"),
        format!("limit=1&search=angstrom&cursor={own}"),
    ];
    for query in refused {
        let answer = partner.owner().get(&format!("/v1/users?{query}")).await;
        answer.problem(400, "invalid_request").names_field("cursor");
    }
}

/// 64 requests: about a second.
#[test]
fn a_changed_cursor_is_always_rejected() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (partner, cursor) = runtime.block_on(async {
        let partner = Partner::new().await;
        partner.owner().add("Ann", "Lee").created().await;
        let cursor = cursor(partner.owner(), "limit=1").await;
        (partner, cursor)
    });
    assert!(
        cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)),
        "a cursor needs no escaping in a URL"
    );
    let change = (0..cursor.len(), "[A-Za-z0-9_-]{0,2}");
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    runner
        .run(&change, |(position, replacement)| {
            let mut changed = cursor.clone();
            changed.replace_range(position..=position, &replacement);
            if changed != cursor {
                let answer =
                    runtime.block_on(partner.owner().get(&format!("/v1/users?limit=1&cursor={changed}")).into_future());
                answer.problem(400, "invalid_request").names_field("cursor");
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_list_includes_what_was_just_written() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for total in 2..8 {
        let ann = owner.add("Ann", "Lee").created().await;
        let list = owner.get("/v1/users?sort=created_at&order=desc&limit=1").await.expect(200);
        assert_eq!((&list.json["items"][0]["id"], &list.json["total"]), (&json!(ann.id), &json!(total)));
    }
    let ann = owner.add("Ann", "Lee").created().await;
    owner.edit(&ann, &json!({ "first_name": "Aaron", "last_name": "Aardvark" })).await.expect(200);
    assert_eq!(owner.get("/v1/users?limit=1").await.expect(200).json["items"][0]["id"], ann.id);
    let found = owner.get("/v1/users?search=aardvark").await.expect(200);
    assert_eq!(found.json["total"], 1);
}
