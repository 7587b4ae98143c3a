//! Concurrent requests for each action: one of them commits first, and the other one sees its result.

use futures::future::{join, join_all, join3};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Call, Client, Partner, secrets, stack};
use serde_json::{Value, json};

/// The number of rounds of each race, because the order of concurrent requests varies.
const ROUNDS: usize = 6;

fn statuses<const N: usize>(answers: [&Answer; N]) -> [u16; N] {
    let mut statuses = answers.map(|answer| answer.status);
    statuses.sort_unstable();
    statuses
}

/// A change of the user with this number.
type OnUser<'a> = dyn Fn(usize) -> Call + 'a;

async fn total(admin: &Actor) -> Value {
    admin.get("/v1/users").await.expect(200).json["total"].clone()
}

#[tokio::test]
async fn a_concurrent_edit_does_not_restore_a_removed_user() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let before = total(owner).await;
    for _ in 0..ROUNDS {
        let ann = partner.new_user("viewer").await;
        let new_email = secrets::email("ann");
        let changes = json!({ "first_name": "Anna", "email": new_email });
        let edit = owner.edit(&ann, &changes).into_future();
        let other_edit = ann.edit(&ann, &json!({ "last_name": "Other" })).into_future();
        let (removed, edited, other) = join3(owner.remove(&ann).into_future(), edit, other_edit).await;

        removed.expect(204);
        if edited.status != 200 {
            edited.problem(404, "not_found");
        }
        if other.status != 200 {
            other.problem(401, "session_ended");
        }
        owner.get(&ann.path()).await.problem(404, "not_found");
        ann.is_signed_out().await;
        assert_eq!(total(owner).await, before);
        // Both emails are free again.
        for email in [&ann.email, &new_email] {
            let next = owner.add("Ann", "Next").role("viewer").email(email).created().await;
            owner.remove(&next).await.expect(204);
        }
    }
}

#[tokio::test]
async fn the_second_concurrent_removal_gets_404() {
    let partner = Partner::new().await;
    let other_admin = partner.new_user("admin").await;
    let before = total(partner.owner()).await;
    for _ in 0..ROUNDS {
        let ann = partner.owner().add("Ann", "Lee").created().await;
        let removals = join(partner.owner().remove(&ann).into_future(), other_admin.remove(&ann).into_future());
        let (first, second) = removals.await;
        assert_eq!(statuses([&first, &second]), [204, 404], "{first}\n{second}");
        for answer in [&first, &second].into_iter().filter(|answer| answer.status == 404) {
            answer.problem(404, "not_found");
        }
        assert_eq!(total(partner.owner()).await, before, "the removal is counted once");
    }
}

#[tokio::test]
async fn only_one_of_several_concurrent_requests_gets_an_email() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for _ in 0..ROUNDS {
        let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
        let wanted = secrets::email("wanted");
        let take = json!({ "email": wanted });
        let take_in_capitals = json!({ "email": wanted.to_uppercase() });
        let (one, two, three) = join3(
            owner.edit(&ann, &take).into_future(),
            owner.edit(&bob, &take_in_capitals).into_future(),
            owner.add("Ben", "New").role("viewer").email(&wanted).send(),
        )
        .await;

        let answers = [&one, &two, &three];
        let granted: Vec<_> = answers.iter().filter(|answer| [200, 201].contains(&answer.status)).collect();
        assert_eq!(granted.len(), 1, "{one}\n{two}\n{three}");
        for answer in answers.iter().filter(|answer| answer.status > 201) {
            answer.problem(409, "email_taken").names_field("email");
        }
        // A user whose request failed still has the old email.
        let emails = [&owner.see(&ann).await, &owner.see(&bob).await].map(|user| user["email"].clone());
        for (answer, email, own) in [(&one, &emails[0], &ann.email), (&two, &emails[1], &bob.email)] {
            if answer.status == 409 {
                assert_eq!(email, own);
                Client::new().signed_in(if *own == ann.email { &ann } else { &bob }).await;
            }
        }
    }
}

#[tokio::test]
async fn two_users_never_share_an_email_that_moves_between_them() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for _ in 0..ROUNDS {
        let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
        let left = json!({ "email": secrets::email("ann") });
        let of_ann = json!({ "email": ann.email });
        let (leaves, takes) =
            join(owner.edit(&ann, &left).into_future(), owner.edit(&bob, &of_ann).into_future()).await;

        leaves.expect(200);
        let has_it = takes.status == 200;
        if !has_it {
            takes.problem(409, "email_taken");
        }
        assert_eq!(owner.see(&ann).await["email"], left["email"]);
        assert_eq!(owner.see(&bob).await["email"], if has_it { &ann.email } else { &bob.email }.as_str());
        // Only the user who has the email can sign in with it.
        Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
        let bobs = owner.see(&bob).await["email"].as_str().unwrap().to_owned();
        Client::new().sign_in(&bobs, &bob.password).await.expect(200);
    }
}

#[tokio::test]
async fn the_case_of_an_email_changes_without_releasing_it() {
    let partner = Partner::new().await;
    let (admin, owner) = (partner.new_user("admin").await, partner.owner());
    let capitals = admin.email.to_uppercase();
    let (own, taken) = join(
        admin.edit(&admin, &json!({ "email": capitals })).into_future(),
        owner.add("Eve", "New").email(&admin.email).send(),
    )
    .await;

    assert_eq!(own.expect(200).user()["email"], capitals.as_str());
    taken.problem(409, "email_taken");
    owner.add("Eve", "New").email(&capitals).send().await.problem(409, "email_taken");
    for email in [&admin.email, &capitals] {
        Client::new().sign_in(email, &admin.password).await.expect(200);
    }
    owner.remove(&admin).await.expect(204);
    owner.add("Eve", "New").email(&admin.email).created().await;
}

#[tokio::test]
async fn concurrent_permission_changes_end_with_the_later_version() {
    let partner = Partner::new().await;
    let other_admin = partner.new_user("admin").await;
    let target = partner.owner().add("Bob", "Ray").role("viewer").created().await;
    for _ in 0..ROUNDS {
        let actor = partner.new_user("admin").await;
        let (one, two, acted) = join3(
            partner.owner().set_permissions(&actor, &json!({ "role": "manager" })).into_future(),
            other_admin.set_permissions(&actor, &json!({ "role": "viewer" })).into_future(),
            actor.edit(&target, &json!({ "first_name": "Bobby" })).into_future(),
        )
        .await;

        let (one, two) = (one.expect(200), two.expect(200));
        let mut versions = [&one, &two].map(|answer| answer.json["version"].as_u64().unwrap());
        let last = if versions[0] > versions[1] { &one } else { &two };
        versions.sort_unstable();
        assert_eq!(versions, [2, 3]);
        let now = partner.owner().see(&actor).await;
        assert_eq!((&now["role"], &now["permissions"]), (&last.json["role"], &last.json["permissions"]));
        if acted.status != 200 {
            acted.problem(403, "missing_permission");
        }
        let now_may = last.json["role"] == "manager";
        let next = actor.edit(&target, &json!({ "first_name": "Bob" })).await;
        assert_eq!(next.status, if now_may { 200 } else { 403 }, "{next}");
    }
}

#[tokio::test]
async fn of_two_admins_who_demote_each_other_one_stays_admin() {
    let partner = Partner::new().await;
    for _ in 0..ROUNDS {
        let (one, two) = (partner.new_user("admin").await, partner.new_user("admin").await);
        let viewer = json!({ "role": "viewer" });
        let demotions =
            join(one.set_permissions(&two, &viewer).into_future(), two.set_permissions(&one, &viewer).into_future());
        let (first, second) = demotions.await;
        assert_eq!(statuses([&first, &second]), [200, 403], "{first}\n{second}");
    }
}

#[tokio::test]
async fn a_sign_in_that_races_with_a_force_logout_succeeds() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    for _ in 0..ROUNDS {
        let clients = [Client::new(), Client::new(), Client::new()];
        let sign_ins = clients.iter().map(|client| client.sign_in(&ann.email, &ann.password).into_future());
        let logout = partner.owner().force_logout(&ann).into_future();
        let (signed_in, logged_out) = join(join_all(sign_ins), logout).await;

        logged_out.expect(200);
        for (client, answer) in clients.into_iter().zip(signed_in) {
            // The session has ended if the sign-in came first, and is valid if the logout came first.
            let actor = Actor::from_answer(client, ann.user.clone(), &answer.expect(200));
            let next = actor.get("/v1/me").await;
            if next.status != 200 {
                next.problem(401, "session_ended");
            }
        }
        ann.elsewhere().await.is_signed_in().await;
    }
}

/// Signs in 21 times, and then ten times at once: about 3 s.
#[tokio::test]
async fn the_oldest_session_ends_when_there_are_more_than_twenty() {
    let partner = Partner::new().await;
    let first = partner.new_user("viewer").await;
    let mut sessions = vec![first.clone()];
    for _ in 1..20 {
        sessions.push(first.elsewhere().await);
    }
    join_all(sessions.iter().map(Actor::is_signed_in)).await;

    let newest = first.elsewhere().await;
    first.is_signed_out().await;
    first.cannot_refresh().await;
    newest.is_signed_in().await;
    join_all(sessions[1..].iter().map(Actor::is_signed_in)).await;

    // Concurrent sign-ins may all replace the same session and exceed the limit. The next sign-in restores it.
    let at_once = join_all((0..10).map(|_| first.elsewhere())).await;
    let last = first.elsewhere().await;
    let rows = Rows::of(&stack().ready).sessions(&first).await;
    assert_eq!(rows.len(), 20);
    join_all(at_once.iter().chain([&last]).map(Actor::is_signed_in)).await;
}

#[tokio::test]
async fn only_one_of_two_answers_to_a_challenge_signs_in() {
    let partner = Partner::new().await;
    for _ in 0..ROUNDS {
        let ann = partner.owner().add("Ann", "Lee").role("viewer").without("must_change").created().await;
        let client = Client::new();
        let session = client.challenged(&ann).await;
        let passwords = [secrets::password(), secrets::password()];
        let [one, two] = [0, 1].map(|index| client.answer_challenge(&session, &passwords[index]).into_future());
        let (one, two) = join(one, two).await;

        assert_eq!(statuses([&one, &two]), [200, 401], "{one}\n{two}");
        let (signed_in, refused) = if one.status == 200 { (0, &two) } else { (1, &one) };
        refused.problem(401, "unauthenticated");
        Client::new().signed_in(&ann.with_password(&passwords[signed_in])).await;
        let other = Client::new().sign_in(&ann.email, &passwords[1 - signed_in]).await;
        other.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn concurrent_requests_by_others_do_not_change_the_primary_admin() {
    let partner = Partner::new().await;
    let (owner, rows) = (partner.owner(), Rows::of(&stack().ready));
    let admins = join_all((0..3).map(|_| partner.new_user("admin"))).await;
    let of_owner = async || {
        let (user, credentials, sessions) =
            tokio::join!(rows.user(owner), rows.credentials(owner), rows.sessions(owner));
        (user, credentials, sessions)
    };
    let before = of_owner().await;

    let session = owner.session_id().await;
    let attempts = admins.iter().flat_map(|admin| {
        [
            admin.edit(owner, &json!({ "first_name": "Eve" })),
            admin.edit(owner, &json!({ "email": secrets::email("eve") })),
            admin.set_password(owner, &secrets::password(), &json!({})),
            admin.set_permissions(owner, &json!({ "role": "viewer" })),
            admin.force_logout(owner),
            admin.end_session(owner, &session),
            admin.suspend(owner),
            admin.remove(owner),
        ]
    });
    for answer in join_all(attempts.map(IntoFuture::into_future)).await {
        answer.problem(403, "primary_admin_protected");
    }
    let among_themselves = [
        admins[0].force_logout(&admins[1]),
        admins[1].set_permissions(&admins[2], &json!({ "role": "viewer" })),
        admins[2].remove(&admins[0]),
    ];
    for answer in join_all(among_themselves.map(IntoFuture::into_future)).await {
        assert!(answer.status < 500 && answer.status != 409, "{answer}");
    }

    assert_eq!(of_owner().await, before);
}

/// Hashes 40 passwords: about 3 s.
#[tokio::test]
async fn twenty_concurrent_changes_of_different_users_all_succeed() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let users = join_all((0..20).map(|_| admin.add("Ann", "Lee").role("viewer").created())).await;
    let (first_name, manager) = (json!({ "first_name": "Anna" }), json!({ "role": "manager" }));
    let rounds: [(&str, &OnUser<'_>, u16); 6] = [
        ("edit", &|index| admin.edit(&users[index], &first_name), 200),
        ("permissions", &|index| admin.set_permissions(&users[index], &manager), 200),
        ("password", &|index| admin.set_password(&users[index], &secrets::password(), &json!({})), 204),
        ("force logout", &|index| admin.force_logout(&users[index]), 200),
        ("suspension", &|index| admin.suspend(&users[index]), 200),
        ("removal", &|index| admin.remove(&users[index]), 204),
    ];
    for (change, call, expected) in rounds {
        for answer in join_all((0..users.len()).map(|index| call(index).into_future())).await {
            assert_eq!(answer.status, expected, "{change}: {answer}");
        }
    }
    assert_eq!(total(partner.owner()).await, 2);
}
