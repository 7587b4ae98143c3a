//! `POST /v1/users/bulk`.

use futures::future::{join, join_all};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

/// The id, the outcome, and the problem's code or null for each user. Checks that all other fields are as documented.
#[track_caller]
fn outcomes(answer: &Answer) -> Vec<(String, String, Value)> {
    assert_eq!(answer.status, 200, "{answer}");
    let results = answer.json["results"].as_array().unwrap();
    let outcome = |result: &Value| {
        assert_eq!(result.as_object().unwrap().len(), 4, "{result}");
        let (outcome, problem) = (result["outcome"].as_str().unwrap(), &result["problem"]);
        let is_fine = ["done", "unchanged"].contains(&outcome);
        assert_eq!(problem.is_null(), is_fine, "{result}");
        for field in ["code", "title", "detail"] {
            assert!(is_fine || problem[field].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        }
        assert!(result["user"].is_null() || is_fine, "a refusal must not return the user: {result}");
        (result["user_id"].as_str().unwrap().to_owned(), outcome.to_owned(), problem["code"].clone())
    };
    results.iter().map(outcome).collect()
}

/// Checks that the users have these outcomes, in this order.
#[track_caller]
fn ended(answer: &Answer, expected: &[(&User, &str, Value)]) {
    let expected: Vec<_> =
        expected.iter().map(|(user, outcome, code)| (user.id.clone(), (*outcome).to_owned(), code.clone())).collect();
    assert_eq!(outcomes(answer), expected, "{answer}");
}

async fn viewers(partner: &Partner, count: usize) -> Vec<Actor> {
    join_all((0..count).map(|_| partner.new_user("viewer"))).await
}

/// The id of a user who does not exist.
fn unknown_id(number: usize) -> String {
    format!("usr_01a2033bf693710181010101{number:08x}")
}

/// The events in order: the action and the id of the target.
async fn events(partner: &Partner) -> Vec<(String, String)> {
    let rows = Rows::of(&stack().ready).audit(&partner.id).await;
    let text = |value: &portal_tests::rows::Row, name: &str| value[name].as_s().unwrap().clone();
    rows.iter().map(|row| (text(row, "action"), text(row["target"].as_m().unwrap(), "id"))).collect()
}

#[tokio::test]
async fn a_bulk_removal_removes_each_user_as_a_single_removal_does() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let users = viewers(&partner, 3).await;
    let before = events(&partner).await.len();

    let answer = owner.change_users("remove", users.iter().rev().map(|user| &**user)).await;

    let expected: Vec<_> = users.iter().rev().map(|user| (&**user, "done", Value::Null)).collect();
    ended(&answer, &expected);
    for user in &users {
        user.is_signed_out().await;
        user.cannot_refresh().await;
        owner.get(&user.path()).await.problem(404, "not_found");
        assert!(rows.credentials(user).await.is_empty() && rows.cognito_users(user).await.is_empty());
        assert_eq!(rows.marks(user).await.len(), 1);
    }
    assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 1, "every removal is counted");
    let trail = events(&partner).await;
    for user in &users {
        let removals = trail.iter().skip(before).filter(|event| **event == ("user.removed".into(), user.id.clone()));
        assert_eq!(removals.count(), 1);
    }
    assert_eq!(trail.len(), before + 3);
}

#[tokio::test]
async fn a_bulk_logout_signs_the_caller_out_last() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let users = viewers(&partner, 2).await;

    let answer = owner.change_users("force_logout", [owner, &*users[0], &*users[1]]).await;

    let done = |user| (user, "done", Value::Null);
    ended(&answer, &[done(&**owner), done(&users[0]), done(&users[1])]);
    for actor in users.iter().chain([owner]) {
        actor.is_signed_out().await;
        actor.cannot_refresh().await;
        assert!(
            Rows::of(&stack().ready).cognito_users(actor).await.is_empty(),
            "the generation has also ended in Cognito"
        );
    }
    let owner = owner.elsewhere().await;
    for (result, user) in answer.json["results"].as_array().unwrap().iter().skip(1).zip(&users) {
        assert_eq!(result["user"], owner.see(user).await);
        assert_eq!(result["user"]["version"], 2);
    }
}

#[tokio::test]
async fn a_repeated_bulk_change_changes_nothing() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let users = viewers(&partner, 2).await;
    let both = || users.iter().map(|user| &**user);
    let suspended = owner.change_users("suspend", both()).await;
    ended(&suspended, &[(&users[0], "done", Value::Null), (&users[1], "done", Value::Null)]);
    assert_eq!(suspended.json["results"][0]["user"], owner.see(&users[0]).await);
    let count = events(&partner).await.len();

    let again = owner.change_users("suspend", both()).await;
    ended(&again, &[(&users[0], "unchanged", Value::Null), (&users[1], "unchanged", Value::Null)]);
    assert_eq!(again.json["results"][1]["user"]["version"], 2);
    assert_eq!(events(&partner).await.len(), count, "the repeated request records nothing");

    owner.change_users("remove", both()).await.expect(200);
    let again = owner.change_users("remove", both()).await;
    let gone = |user| (user, "not_found", json!("not_found"));
    ended(&again, &[gone(&*users[0]), gone(&users[1])]);
}

#[tokio::test]
async fn a_refused_user_does_not_stop_a_bulk_change_and_is_recorded_once() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    let admin = owner.add("Ada", "Min").role("admin").signed_in().await;
    let few = ["users.read", "users.remove"];
    let weak = owner.add("Wea", "Kly").role("admin").permissions(&few).signed_in().await;
    let ann = partner.new_user("viewer").await;
    let foreign = other.new_user("viewer").await;

    let malformed = User { id: "ann".to_owned(), ..owner.user.clone() };

    let users: [&User; 6] = [owner, &weak, &admin, &foreign, &malformed, &ann];
    let answer = weak.change_users("remove", users).await;

    let refused = |user, code: &str| (user, "refused", json!(code));
    ended(
        &answer,
        &[
            refused(users[0], "primary_admin_protected"),
            refused(users[1], "self_change_forbidden"),
            refused(users[2], "exceeds_own_permissions"),
            (users[3], "not_found", json!("not_found")),
            (users[4], "not_found", json!("not_found")),
            (users[5], "done", Value::Null),
        ],
    );
    for actor in [owner, &weak, &admin, &foreign] {
        actor.is_signed_in().await;
    }
    let refusals = owner.get("/v1/audit-events?action=change.refused").await.expect(200);
    let refusals = refusals.json["items"].as_array().unwrap();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0]["after"]["attempted"], "remove_user");

    let ann = partner.new_user("viewer").await;
    let reader = partner.new_user("viewer").await;
    ended(&reader.change_users("suspend", [&*ann]).await, &[refused(&ann, "missing_permission")]);
    ann.is_signed_in().await;
}

#[tokio::test]
async fn a_bulk_change_accepts_at_most_a_hundred_users() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let unknown_ids = |count: usize| -> Vec<String> { (0..count).map(unknown_id).collect() };
    let mut ids = unknown_ids(99);
    ids.push(ann.id.clone());
    let send = |ids: Vec<String>| owner.post("/v1/users/bulk", &json!({ "action": "suspend", "user_ids": ids }));
    let answer = send(ids.clone()).await.expect(200);
    let results = outcomes(&answer);
    assert_eq!(results.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>(), ids);
    assert!(results[..99].iter().all(|(_, outcome, _)| outcome == "not_found"));
    assert_eq!(results[99].1, "done");
    for bad in [unknown_ids(101), vec![], vec![ann.id.clone(), ann.id.clone()]] {
        send(bad).await.problem(422, "validation_failed").names_field("user_ids");
    }
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let id = unknown_id(1);
    for (body, fields) in [
        (json!({}), vec!["action", "user_ids"]),
        (json!({ "action": "promote", "user_ids": [id] }), vec!["action"]),
        (json!({ "action": 5, "user_ids": "all" }), vec!["action", "user_ids"]),
        (json!({ "action": "remove", "user_ids": [id, null] }), vec!["user_ids.1"]),
    ] {
        owner.post("/v1/users/bulk", &body).await.problem(422, "validation_failed").names_fields(&fields);
    }
    let body = json!({ "action": "remove", "user_ids": [id], "reason": "none" });
    owner.post("/v1/users/bulk", &body).await.problem(400, "invalid_request").names_field("reason");
    let body = json!({ "action": "remove", "user_ids": [id] });
    owner.post("/v1/users/bulk?dry_run=true", &body).await.problem(400, "invalid_request").names_field("dry_run");
    owner.call("POST", "/v1/users/bulk").body("text/csv", "id").await.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_bulk_removal_that_races_with_a_single_one_counts_each_user_once() {
    let partner = Partner::new().await;
    let (owner, other) = (partner.owner(), partner.new_user("admin").await);
    for _ in 0..4 {
        let users = viewers(&partner, 3).await;
        let all: Vec<&User> = users.iter().map(|user| &**user).collect();
        let (many, single) =
            join(owner.change_users("remove", all).into_future(), other.remove(&users[2]).into_future()).await;
        let reported = outcomes(&many);
        assert!(reported[..2].iter().all(|(_, outcome, _)| outcome == "done"), "{many}");
        if single.status == 204 {
            assert_eq!(reported[2].1, "not_found", "{many}");
        } else {
            single.problem(404, "not_found");
            assert_eq!(reported[2].1, "done", "{many}");
        }
        assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 2);
    }
}

#[tokio::test]
async fn bulk_changes_of_the_same_users_in_opposite_order_both_succeed() {
    let partner = Partner::new().await;
    let (owner, other) = (partner.owner(), partner.new_user("admin").await);
    let users = viewers(&partner, 4).await;
    let all: Vec<&User> = users.iter().map(|user| &**user).collect();
    let back: Vec<&User> = all.iter().rev().copied().collect();
    let (one, two) = join(
        owner.change_users("force_logout", all).into_future(),
        other.change_users("force_logout", back).into_future(),
    )
    .await;
    for answer in [&one, &two] {
        assert!(outcomes(answer).iter().all(|(_, outcome, _)| outcome == "done"), "{answer}");
    }
    for user in &users {
        assert_eq!(owner.see(user).await["version"], 3, "both changes count");
    }
}

#[tokio::test]
async fn a_caller_who_is_removed_during_a_bulk_change_cannot_continue_it() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let mut ended_early = 0;
    for _ in 0..6 {
        let admin = owner.add("Ada", "Min").role("admin").signed_in().await;
        let users = viewers(&partner, 6).await;
        let all: Vec<&User> = users.iter().map(|user| &**user).collect();
        let (answer, removed) =
            join(admin.change_users("suspend", all).into_future(), owner.remove(&admin).into_future()).await;
        removed.expect(204);
        if answer.status == 401 {
            answer.problem(401, "session_ended");
            for user in &users {
                user.is_signed_in().await;
            }
            continue;
        }
        let reported = outcomes(&answer);
        let done = reported.iter().take_while(|(_, outcome, _)| outcome == "done").count();
        assert_ne!(done, 0, "without any completed change, the response is 401");
        for (_, outcome, code) in &reported[done..] {
            assert_eq!((outcome.as_str(), code), ("refused", &json!("session_ended")), "{answer}");
        }
        ended_early += usize::from(done < users.len());
        for (number, user) in users.iter().enumerate() {
            let status = if number < done { "suspended" } else { "active" };
            assert_eq!(owner.see(user).await["status"], status);
        }
    }
    // The order of the two requests varies, so this number is only printed.
    println!("ended midway: {ended_early}");
}

#[tokio::test]
async fn a_user_suspended_in_bulk_cannot_sign_in() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    partner.owner().change_users("suspend", [&*ann]).await.expect(200);
    ann.is_signed_out().await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    Client::new().sign_in(&ann.email, &secrets::password()).await.problem(401, "unauthenticated");
}
