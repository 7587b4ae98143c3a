//! `POST /v1/primary-admin`.

use std::cell::Cell;

use futures::future::{join, join_all, join3};
use portal_tests::rows::{Row, Rows};
use portal_tests::{Actor, Answer, Client, Partner, User, invoke, secrets, stack};
use serde_json::{Value, json};

use crate::decide_access::shown;
use crate::refused_changes::{is_wrong_password, refusals};

/// The number of rounds of each race, because the order of concurrent requests varies.
const ROUNDS: usize = 4;

/// Checks that exactly one of these users is the primary admin and that the partner's own item agrees, and returns the id.
/// Both are read in one transaction.
async fn the_one(rows: &Rows, users: &[&User]) -> String {
    let (named, found) = rows.primary_admins(users).await;
    assert_eq!(found, [named.as_str()]);
    named
}

/// Runs `work` and checks all the time that there is exactly one primary admin.
async fn watched<T>(users: &[&User], work: impl Future<Output = T>) -> T {
    let (rows, is_done) = (Rows::of(&stack().ready), Cell::new(false));
    let working = async {
        let done = work.await;
        is_done.set(true);
        done
    };
    let watching = async {
        while !is_done.get() {
            the_one(&rows, users).await;
        }
        the_one(&rows, users).await;
    };
    join(working, watching).await.0
}

/// Also runs with moto.
#[tokio::test]
async fn a_hand_over_swaps_the_roles_of_the_primary_admin_and_an_admin() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let held = ["users.read", "users.edit"];
    let ann = owner.add("Ann", "Lee").role("admin").permissions(&held).signed_in().await;
    let before = (owner.see(owner).await, owner.see(&ann).await);

    let answer = owner.hand_over(&ann).await.expect(200);

    let now = (ann.see(owner).await, ann.see(&ann).await);
    assert_eq!((answer.user(), answer.header("etag")), (&now.1, "\"2\""));
    for (was, is, role) in [(before.0, now.0, "admin"), (before.1, now.1, "primary_admin")] {
        let mut expected = was;
        expected["role"] = json!(role);
        expected["version"] = json!(2);
        expected["permissions"] = is["permissions"].clone();
        expected["updated_at"] = answer.json["updated_at"].clone();
        assert_eq!(is, expected);
        assert_eq!(crate::set_permissions::of(&is), crate::set_permissions::ALL);
    }
    // No session ends.
    for actor in [owner, &ann] {
        actor.is_signed_in().await;
        actor.refreshed().await.is_signed_in().await;
    }
    let list = ann.get("/v1/users?role=primary_admin").await.expect(200);
    assert_eq!((&list.json["total"], &list.json["items"][0]["id"]), (&json!(1), &json!(ann.id)));
    assert_eq!(the_one(&Rows::of(&stack().ready), &[owner, &ann]).await, ann.id);
}

#[tokio::test]
async fn the_new_primary_admin_is_protected_and_the_former_one_is_not() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    owner.hand_over(&ann).await.expect(200);

    owner.edit(&ann, &json!({ "first_name": "Eve" })).await.problem(403, "primary_admin_protected");
    owner.suspend(&ann).await.problem(403, "primary_admin_protected");
    owner.remove(&ann).await.problem(403, "primary_admin_protected");
    owner.hand_over(&ann).await.problem(403, "primary_admin_protected");
    ann.suspend(owner).await.expect(200);
    owner.is_signed_out().await;
    ann.remove(owner).await.expect(204);
    assert_eq!(the_one(&Rows::of(&stack().ready), &[&ann]).await, ann.id);
}

#[tokio::test]
async fn the_portal_can_be_handed_back() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    for version in [2, 4] {
        assert_eq!(owner.hand_over(&ann).await.expect(200).user()["version"], version);
        assert_eq!(ann.hand_over(owner).await.expect(200).user()["version"], version + 1);
    }
}

#[tokio::test]
async fn only_an_active_admin_can_become_the_primary_admin() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let suspended = partner.new_user("admin").await;
    owner.suspend(&suspended).await.expect(200);
    let (manager, viewer) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    for wrong in [&*suspended, &*manager, &*viewer, owner] {
        owner.hand_over(wrong).await.problem(422, "validation_failed").names_field("user_id");
    }
    owner.reactivate(&suspended).await.expect(200);
    owner.hand_over(&suspended).await.expect(200);
}

#[tokio::test]
async fn the_next_primary_admin_must_have_signed_in_with_their_own_password() {
    let partner = Partner::new().await;
    let (owner, other) = (partner.owner(), partner.new_user("admin").await);
    let never = owner.add("Ann", "Lee").created().await;
    let pending = owner.add("Bo", "Day").without("must_change").without("password").created().await;
    let reset = partner.new_user("admin").await;
    let first = secrets::password();
    other.set_password(&reset, &first, &json!({})).await.expect(204);
    for wrong in [&never, &pending, &*reset] {
        let answer = owner.hand_over(wrong).await;
        answer.problem(422, "validation_failed").names_field("user_id");
        assert_eq!(answer.text_at("/errors/0/code"), "not_signed_in_yet", "{answer}");
    }
    assert_eq!(owner.see(&never).await["role"], "admin");

    // Each becomes eligible after a sign-in with a password that they have chosen.
    for user in [pending, reset.with_password(&first)] {
        let session = Client::new().challenged(&user).await;
        let own = user.with_password(&secrets::password());
        Client::new().answer_challenge(&session, &own.password).await.expect(200);
        let user = Client::new().signed_in(&own).await;
        owner.hand_over(&user).await.expect(200);
        user.hand_over(owner).await.expect(200);
    }
}

#[tokio::test]
async fn an_unknown_user_gets_404() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let owner = partner.owner();
    let removed = partner.new_user("admin").await;
    owner.remove(&removed).await.expect(204);
    let foreign = other.new_user("admin").await;
    for unknown in [&removed, &foreign, other.owner()] {
        owner.hand_over(unknown).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn an_invalid_body_names_the_field() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let hand_over = |body: Value| owner.post("/v1/primary-admin", &body);
    hand_over(json!({})).await.problem(422, "validation_failed").names_fields(&["user_id", "current_password"]);
    let body = json!({ "user_id": "ann", "current_password": owner.password });
    hand_over(body).await.problem(404, "not_found");
    let body = json!({ "user_id": 7, "current_password": owner.password });
    hand_over(body).await.problem(422, "validation_failed").names_field("user_id");
    owner.hand_over(&ann).if_match("\"2\"").await.problem(412, "version_mismatch");
    let body = json!({ "user_id": ann.id, "current_password": 7 });
    hand_over(body).await.problem(422, "validation_failed").names_field("current_password");
    let body = json!({ "user_id": ann.id, "current_password": owner.password, "role": "viewer" });
    hand_over(body).await.problem(400, "invalid_request").names_field("role");
}

#[tokio::test]
async fn a_hand_over_needs_the_current_password_and_guesses_are_limited() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let guess = json!({ "user_id": ann.id, "current_password": secrets::password() });
    for _ in 0..5 {
        let answer = owner.post("/v1/primary-admin", &guess).await;
        answer.problem(422, "validation_failed").names_field("current_password");
    }
    for call in [owner.post("/v1/primary-admin", &guess), owner.hand_over(&ann)] {
        let answer = call.await;
        answer.problem(429, "too_many_requests");
        assert!((1..=900).contains(&answer.retry_after()));
    }
    // The same counter limits changes of the user's own password.
    owner.set_own_password(&owner.password, &secrets::password()).await.problem(429, "too_many_requests");
    assert_eq!(owner.see(&ann).await["version"], 1);
}

#[tokio::test]
async fn a_correct_password_resets_the_count_of_wrong_ones() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let guess = json!({ "user_id": ann.id, "current_password": secrets::password() });
    for _ in 0..2 {
        for _ in 0..4 {
            owner.post("/v1/primary-admin", &guess).await.problem(422, "validation_failed");
        }
        owner.hand_over(&ann).await.expect(200);
        ann.hand_over(owner).await.expect(200);
    }
}

#[tokio::test]
async fn only_the_primary_admin_hands_the_portal_over() {
    let partner = Partner::new().await;
    let (admin, other) = (partner.new_user("admin").await, partner.new_user("admin").await);
    for to in [&*other, &*admin, partner.owner()] {
        admin.hand_over(to).await.problem(403, "primary_admin_protected");
    }
    assert_eq!(partner.owner().see(&other).await["version"], 1);
}

#[tokio::test]
async fn both_users_get_an_event_that_holds_no_secret() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let rows = Rows::of(&stack().ready);
    let count = rows.audit(&partner.id).await.len();
    owner.hand_over(&ann).await.expect(200);
    let events = rows.audit(&partner.id).await.split_off(count);
    let summary = |event: &Row| {
        let of = |part: &str, name: &str| event[part].as_m().unwrap()[name].as_s().unwrap().clone();
        let (from, to) = (of("before", "role"), of("after", "role"));
        (event["action"].as_s().unwrap().clone(), [of("actor", "id"), of("target", "id"), from, to].join(" "))
    };
    let expected = [
        ("permissions.set".to_owned(), format!("{0} {0} primary_admin admin", owner.id)),
        ("primary_admin.handed_over".to_owned(), format!("{} {} admin primary_admin", owner.id, ann.id)),
    ];
    assert_eq!(events.iter().map(summary).collect::<Vec<_>>(), expected);
    assert!(!format!("{events:?}").contains(&owner.password));

    let listed = ann.get("/v1/audit-events?limit=2").await.expect(200);
    let sentences = [listed.text_at("/items/1/summary"), listed.text_at("/items/0/summary")];
    let expected = [
        "Olive Owner changed their own role from primary_admin to admin",
        "Olive Owner handed the portal over to Nora Newcomer",
    ];
    assert_eq!(sentences, expected);
}

#[tokio::test]
async fn a_wrong_current_password_is_recorded_as_a_refusal() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let guess = json!({ "user_id": ann.id, "current_password": secrets::password() });
    owner.post("/v1/primary-admin", &guess).await.problem(422, "validation_failed");
    is_wrong_password(&refusals(owner).await, owner, &ann, "hand_over");
}

#[tokio::test]
async fn a_new_primary_admin_must_be_reviewed_again_and_the_former_one_not() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let of_ann = owner.decide(&ann, "keep").await.expect(200);
    let of_owner = ann.decide(owner, "keep").await.expect(200);
    owner.hand_over(&ann).await.expect(200);
    assert_eq!(shown(owner, &ann).await, (json!(["not_reviewed"]), Value::Null, json!(1), true));
    assert_eq!(shown(owner, owner).await, (json!([]), of_owner.json["reviewed_at"].clone(), json!(1), false));

    // The record of the period before the hand-over has the decision.
    let to = owner.see(&ann).await["updated_at"].as_str().unwrap().to_owned();
    let path = format!("/v1/access-review/record?from={}&to={to}", of_ann.text_at("/reviewed_at"));
    assert_eq!(owner.get(&path).await.expect(200).json["outstanding"], json!([]));
}

#[tokio::test]
async fn a_recovery_applies_to_the_current_primary_admin() {
    let partner = Partner::new().await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    owner.hand_over(&ann).await.expect(200);
    let recovered = User::recovered(&stack().ready, &partner.id, None).await;
    assert_eq!(recovered.id, ann.id);
    ann.is_signed_out().await;
    owner.is_signed_in().await;
}

/// Hashes about 40 passwords: about 3 s.
#[tokio::test]
async fn of_several_concurrent_hand_overs_one_succeeds() {
    for _ in 0..ROUNDS {
        // Each round has a new partner, because a late request with the correct password still counts as an attempt.
        let partner = Partner::new().await;
        let owner = partner.owner();
        let admins = join_all((0..4).map(|_| partner.new_user("admin"))).await;
        let users: Vec<&User> = admins.iter().map(|admin| &**admin).chain([&**owner]).collect();
        let at_once = join_all(admins.iter().map(|admin| owner.hand_over(admin).into_future()));
        let answers: Vec<Answer> = watched(&users, at_once).await;

        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(made.len(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.problem(403, "primary_admin_protected");
        }
        let next = admins.iter().find(|admin| admin.id == made[0].text_at("/id")).unwrap();
        next.hand_over(owner).await.expect(200);
    }
}

/// Hashes about 60 passwords: about 4 s.
#[tokio::test]
async fn there_is_always_exactly_one_primary_admin() {
    let partner = Partner::new().await;
    let mut actors: Vec<Actor> = join_all((0..3).map(|_| partner.new_user("admin"))).await;
    actors.push(partner.owner().clone());
    let users: Vec<&User> = actors.iter().map(|actor| &**actor).collect();
    let rows = Rows::of(&stack().ready);
    for _ in 0..ROUNDS {
        let before = the_one(&rows, &users).await;
        let hand_ons =
            (0..actors.len()).map(|from| actors[from].hand_over(users[(from + 1) % users.len()]).into_future());
        let answers: Vec<Answer> = watched(&users, join_all(hand_ons)).await;

        let mut holder = users.iter().position(|user| user.id == before).unwrap();
        let handed_on = answers.iter().filter(|answer| answer.status == 200).count();
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.problem(403, "primary_admin_protected");
        }
        assert!(handed_on >= 1);
        // Each hand-over moves the role to the next user, so the number of hand-overs gives the new primary admin.
        holder = (holder + handed_on) % users.len();
        assert_eq!(the_one(&rows, &users).await, users[holder].id);
    }
}

#[tokio::test]
async fn a_concurrent_hand_over_and_recovery_are_serialized() {
    for _ in 0..ROUNDS {
        let partner = Partner::new().await;
        let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
        let input = json!({ "partner_id": partner.id });
        let both = join(owner.hand_over(&ann).into_future(), invoke(&stack().ready, "recover-primary-admin", &input));
        let (handed, recovered) = watched(&[owner, &ann], both).await;

        let recovered = recovered.worked();
        secrets::remembered(recovered["generated_password"].as_str().unwrap());
        let who = recovered["primary_admin"]["id"].as_str().unwrap();
        assert_eq!(recovered["primary_admin"]["role"], "primary_admin");
        assert_eq!(the_one(&Rows::of(&stack().ready), &[owner, &ann]).await, who);
        if handed.status == 200 {
            assert_eq!(who, ann.id);
            owner.is_signed_in().await;
            Client::new().signed_in(owner).await;
            ann.is_signed_out().await;
        } else {
            handed.problem(401, "session_ended");
            assert_eq!(who, owner.id);
            ann.is_signed_in().await;
            Client::new().signed_in(&ann).await;
        }
    }
}

#[tokio::test]
async fn a_hand_over_and_a_concurrent_change_of_the_target_exclude_each_other() {
    for round in 0..4 * ROUNDS {
        let partner = Partner::new().await;
        let (owner, admin, ann) = (partner.owner(), partner.new_user("admin").await, partner.new_user("admin").await);
        let (against, expected) = match round % 4 {
            0 => (admin.remove(&ann), (404, "not_found")),
            1 => (admin.suspend(&ann), (422, "validation_failed")),
            2 => (admin.set_password(&ann, &secrets::password(), &json!({})), (422, "validation_failed")),
            _ => (admin.set_permissions(&ann, &json!({ "role": "viewer" })), (422, "validation_failed")),
        };
        let (handed, done) = join(owner.hand_over(&ann).into_future(), against.into_future()).await;

        let rows = Rows::of(&stack().ready);
        if handed.status == 200 {
            done.problem(403, "primary_admin_protected");
            assert_eq!(the_one(&rows, &[owner, &admin, &ann]).await, ann.id);
            ann.is_signed_in().await;
        } else {
            handed.problem(expected.0, expected.1);
            assert!([200, 204].contains(&done.status), "{done}");
            assert_eq!(the_one(&rows, &[owner, &admin]).await, owner.id);
        }
    }
}

#[tokio::test]
async fn an_old_password_cannot_hand_the_portal_over_after_a_change() {
    for _ in 0..ROUNDS {
        let partner = Partner::new().await;
        let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
        let new = secrets::password();
        let (handed, changed, edited) = join3(
            owner.hand_over(&ann).into_future(),
            owner.set_own_password(&owner.password, &new).into_future(),
            ann.edit(&ann, &json!({ "first_name": "Anna" })).into_future(),
        )
        .await;
        edited.expect(200);
        changed.expect(204);
        if handed.status != 200 {
            handed.problem(422, "validation_failed").names_field("current_password");
        }
        let (holder, again) = match handed.status {
            200 => (&ann.id, (403, "primary_admin_protected")),
            _ => (&owner.id, (422, "validation_failed")),
        };
        assert_eq!(the_one(&Rows::of(&stack().ready), &[owner, &ann]).await, *holder);
        owner.hand_over(&ann).await.problem(again.0, again.1);
    }
}
