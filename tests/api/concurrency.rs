//! Many concurrent requests: unique values stay unique, and no change is lost.

use futures::future::{join, join_all};
use portal_tests::{Client, Partner, secrets};
use serde_json::{Value, json};

/// Starts up to 50 processes of `add-user`, which hash a password each: about 2 s.
#[tokio::test]
async fn of_fifty_parallel_adds_with_one_email_one_succeeds() {
    let partner = Partner::new().await;
    let email = secrets::email("popular");
    let adds = (0..50).map(|index| {
        let email = if index % 2 == 0 { email.clone() } else { email.to_uppercase() };
        partner.owner().add("Ann", "Lee").email(&email).send()
    });

    let answers = join_all(adds).await;

    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "email_taken");
    }
    assert_eq!(partner.owner().get("/v1/users").await.expect(200).json["total"], 2);
}

/// Hashes 200 passwords, 8 at a time: about 5 s. This is the slowest test.
#[tokio::test]
async fn two_hundred_concurrently_added_users_are_listed_sorted_and_counted() {
    let partner = Partner::new().await;
    let clients = join_all((0..8).map(|_| partner.owner().elsewhere())).await;
    let added = join_all(clients.iter().enumerate().map(async |(index, client)| {
        let mut ids = Vec::new();
        for number in 0..25 {
            let name = secrets::random(6);
            ids.push(
                client.add(&name, &format!("Name{}", (index * 7 + number * 3) % 40)).role("viewer").created().await.id,
            );
        }
        ids
    }))
    .await;
    let mut expected: Vec<String> = added.into_iter().flatten().chain([partner.owner().id.clone()]).collect();

    let (mut items, mut cursor) = (Vec::<Value>::new(), String::new());
    loop {
        let page = partner.owner().get(&format!("/v1/users?limit=30{cursor}")).await.expect(200);
        assert_eq!(page.json["total"], 201);
        items.extend(page.json["items"].as_array().unwrap().iter().cloned());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }

    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let names: Vec<_> =
        items.iter().map(|item| (text(item, "last_name").to_lowercase(), text(item, "first_name"))).collect();
    assert!(names.is_sorted(), "{names:?}");
    let mut found: Vec<_> = items.iter().map(|item| text(item, "id")).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_parallel_edit_succeeds_or_gets_409() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let edits =
        (0..10).map(|index| partner.owner().edit(&ann, &json!({ "first_name": format!("Ann{index}") })).into_future());
    let answers = join_all(edits).await;
    let changed = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(409, "conflict");
    }
    assert!(changed > 0);
    assert_eq!(partner.owner().see(&ann).await["version"], 1 + changed);
}

#[tokio::test]
async fn of_parallel_edits_with_the_same_if_match_one_succeeds() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let edits = (0..10).map(|index| {
        let edit = partner.owner().edit(&ann, &json!({ "first_name": format!("Ann{index}") }));
        edit.if_match("\"1\"").into_future()
    });
    let answers = join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(412, "version_mismatch");
    }
}

#[tokio::test]
async fn a_challenge_can_be_answered_once_even_in_parallel() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").without("must_change").created().await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    let answers = join_all((0..5).map(|_| client.answer_challenge(&session, &secrets::password()).into_future())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(partner.owner().see(&ann).await["version"], 2);
}

#[tokio::test]
async fn a_sign_in_with_the_old_password_does_not_outlive_its_change() {
    let partner = Partner::new().await;
    for _ in 0..5 {
        let ann = partner.new_user("viewer").await;
        let client = Client::new();
        let sign_in = client.sign_in(&ann.email, &ann.password).into_future();
        let change = partner.owner().set_password(&ann, &secrets::password(), &json!({})).into_future();
        let (signed_in, changed) = join(sign_in, change).await;
        changed.expect(204);
        if signed_in.status == 200 {
            let token = secrets::remembered(signed_in.text_at("/access_token"));
            secrets::remembered(signed_in.text_at("/refresh_token"));
            client.get("/v1/me").bearer(&token).await.problem(401, "session_ended");
        } else {
            signed_in.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_remains() {
    let partner = Partner::new().await;
    let (one, two) = (partner.new_user("admin").await, partner.new_user("admin").await);
    let (first, second) = join(one.remove(&two).into_future(), two.remove(&one).into_future()).await;
    let removed = [&first, &second].iter().filter(|answer| answer.status == 204).count();
    assert_eq!(removed, 1, "{first}\n{second}");
    assert_eq!(partner.owner().get("/v1/users").await.expect(200).json["total"], 2);
}
