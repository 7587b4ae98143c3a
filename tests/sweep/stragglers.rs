//! A function stalls between two calls and continues after other requests. Repair finds everything that it leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portal_tests::faults::{Moment, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, invoke};
use serde_json::json;
use tokio::sync::watch;

use crate::{faulty, marks_alone};

/// Holds every attempt of one operation of a trace before AWS gets it.
struct Hold {
    trace: Trace,
    steps: Arc<Steps>,
}

#[derive(Default)]
struct Steps {
    is_held: watch::Sender<bool>,
    is_released: watch::Sender<bool>,
    under_way: watch::Sender<usize>,
}

impl Hold {
    fn of(operation: &'static str) -> Self {
        let (trace, steps) = (Trace::new(), Arc::new(Steps::default()));
        let hold = Self { trace, steps: Arc::clone(&steps) };
        faulty().faults.watch(&hold.trace, move |seen, moment| {
            let steps = Arc::clone(&steps);
            async move {
                if seen.operation != operation {
                    return Verdict::GoOn;
                }
                match moment {
                    Moment::Before => {
                        steps.under_way.send_modify(|count| *count += 1);
                        steps.is_held.send_replace(true);
                        steps.is_released.subscribe().wait_for(|is| *is).await.unwrap();
                    }
                    Moment::After => steps.under_way.send_modify(|count| *count -= 1),
                }
                Verdict::GoOn
            }
        });
        hold
    }

    async fn is_held(&self) {
        self.steps.is_held.subscribe().wait_for(|is| *is).await.unwrap();
    }

    fn release(&self) {
        self.steps.is_released.send_replace(true);
    }

    /// Waits until every held call has been carried out.
    async fn is_over(&self) {
        self.steps.under_way.subscribe().wait_for(|count| *count == 0).await.unwrap();
    }
}

/// Starts a sign-in in the background.
fn signing_in(user: &User, hold: &Hold) -> tokio::task::JoinHandle<portal_tests::Answer> {
    let client = Client::of(&faulty().ready);
    tokio::spawn(client.sign_in_at(&user.partner_id, &user.email, &user.password).within(&hold.trace).into_future())
}

async fn repair_everything() {
    invoke(&faulty().ready, "repair-identities", &json!({ "older_than_seconds": 0 })).await.worked();
}

async fn generations(rows: &Rows, user: &User) -> Vec<String> {
    let names = rows.cognito_users(user).await.into_iter();
    let mut generations: Vec<String> = names.map(|name| name.rsplit('.').next().unwrap().to_owned()).collect();
    generations.sort_unstable();
    generations
}

async fn session_rows(rows: &Rows, user: &User) -> usize {
    let sessions = rows.sessions(user).await.into_iter();
    sessions.filter(|row| row["sk"].as_s().unwrap().starts_with("SESSION#")).count()
}

#[tokio::test]
async fn a_cognito_user_created_after_a_force_logout_is_removed_by_repair() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let hold = Hold::of("AdminCreateUser");
    let sign_in = signing_in(&ann, &hold);
    hold.is_held().await;

    partner.owner().force_logout(&ann).await.expect(200);
    invoke(ready, "repair-identities", &json!({})).await.worked();
    assert_eq!(rows.marks(&ann).await.len(), 1, "repair keeps a new mark, because there may be stragglers");
    hold.release();
    let answer = sign_in.await.unwrap();

    // The sign-in was retried in the next generation.
    let ann = Actor::from_answer(Client::of(ready), ann, &answer.expect(200));
    assert_eq!(
        generations(&rows, &ann).await,
        ["1", "2"],
        "the first Cognito user was created after its generation ended"
    );
    repair_everything().await;
    assert_eq!(generations(&rows, &ann).await, ["2"]);
    assert!(rows.marks(&ann).await.is_empty());
    assert_eq!(session_rows(&rows, &ann).await, 1);
    ann.is_signed_in().await;
}

#[tokio::test]
async fn a_manager_cannot_end_the_session_of_a_user_who_becomes_an_admin() {
    let partner = Partner::of(&faulty().ready).await;
    let owner = partner.owner();
    let (manager, ann) = (partner.new_user("manager").await, partner.new_user("viewer").await);
    let (hold, id) = (Hold::of("TransactWriteItems"), ann.session_id().await);
    let end = tokio::spawn(manager.end_session(&ann, &id).within(&hold.trace).into_future());
    hold.is_held().await;
    owner.set_permissions(&ann, &json!({ "role": "admin" })).await.expect(200);
    hold.release();
    end.await.unwrap().problem(403, "exceeds_own_permissions");
    ann.is_signed_in().await;
}

/// Takes about 11 s: the time that a function has to change users and then to end their sessions.
#[tokio::test]
async fn a_bulk_change_that_runs_out_of_time_reports_each_user() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(partner.new_user("viewer").await);
    }
    let (trace, begun) = (Trace::new(), Arc::new(AtomicUsize::new(0)));
    let release = watch::Sender::new(false);
    let released = release.subscribe();
    faulty().faults.watch(&trace, move |seen, moment| {
        let is_change = seen.operation == "TransactWriteItems" && moment == Moment::Before;
        // The second change succeeds at its third attempt, when most of the time has passed. The third change never succeeds.
        let is_held =
            seen.service == Service::Cognito || is_change && ![0, 3].contains(&begun.fetch_add(1, Ordering::SeqCst));
        let mut released = released.clone();
        async move {
            if is_held {
                let _ = released.wait_for(|is| *is).await;
            }
            Verdict::GoOn
        }
    });
    let call = partner.owner().change_users("suspend", users.iter().map(|user| &**user)).within(&trace);
    // The function responds before its timeout, although Cognito does not respond.
    let answer = call.await.expect(200);

    let outcomes: Vec<_> = (0..4).map(|number| answer.text_at(&format!("/results/{number}/outcome"))).collect();
    assert_eq!(outcomes, ["done", "done", "unavailable", "unavailable"]);
    for user in &users[..2] {
        user.is_signed_out().await;
    }
    users[3].is_signed_in().await;
    release.send_replace(true);
    faulty().faults.quiet().await;
    repair_everything().await;
    for user in &users[..2] {
        assert!(rows.cognito_users(user).await.is_empty(), "repair ends the generations that there was no time for");
    }
    // The same request can be repeated.
    partner.owner().change_users("suspend", users.iter().map(|user| &**user)).await.expect(200);
    for user in &users {
        user.is_signed_out().await;
    }
}

/// Takes 8 s, the timeout of a call to AWS.
#[tokio::test]
async fn a_cognito_user_created_after_its_request_ended_is_removed_by_repair() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let hold = Hold::of("AdminCreateUser");
    let sign_in = signing_in(&ann, &hold);
    hold.is_held().await;
    partner.owner().force_logout(&ann).await.expect(200);
    sign_in.await.unwrap().problem(503, "unavailable");
    assert!(generations(&rows, &ann).await.is_empty());

    hold.release();
    hold.is_over().await;

    assert_eq!(generations(&rows, &ann).await, ["1"], "the Cognito user was created after its generation ended");
    repair_everything().await;
    assert!(generations(&rows, &ann).await.is_empty());
    assert!(rows.marks(&ann).await.is_empty());
    Client::of(ready).signed_in(&ann).await.is_signed_in().await;
}

#[tokio::test]
async fn the_late_end_of_a_generation_does_not_touch_the_next() {
    for operation in ["AdminUserGlobalSignOut", "AdminDeleteUser"] {
        let _alone = marks_alone().await;
        let ready = &faulty().ready;
        let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
        let ann = partner.new_user("viewer").await;
        let hold = Hold::of(operation);
        let force_logout = tokio::spawn(partner.owner().force_logout(&ann).within(&hold.trace).into_future());
        hold.is_held().await;
        ann.is_signed_out().await;
        let again = ann.elsewhere().await;

        hold.release();
        force_logout.await.unwrap().expect(200);
        hold.is_over().await;

        again.is_signed_in().await;
        again.refreshed().await.is_signed_in().await;
        repair_everything().await;
        again.refreshed().await.is_signed_in().await;
        assert_eq!(generations(&rows, &ann).await, ["2"]);
    }
}

/// Takes 8 s, the timeout of a call to AWS.
#[tokio::test]
async fn a_session_written_after_a_force_logout_is_rejected() {
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let hold = Hold::of("TransactWriteItems");
    let sign_in = signing_in(&ann, &hold);
    hold.is_held().await;
    partner.owner().force_logout(&ann).await.expect(200);
    sign_in.await.unwrap().problem(503, "unavailable");

    hold.release();
    hold.is_over().await;

    assert_eq!(session_rows(&rows, &ann).await, 0);
    assert_eq!(partner.owner().see(&ann).await["last_sign_in_at"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_refresh_that_is_recorded_after_a_removal_or_a_force_logout_changes_nothing() {
    const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    for is_removed in [true, false] {
        let ann = partner.new_user("viewer").await;
        rows.set_last_sign_in(&ann, LONG_AGO).await;
        let hold = Hold::of("UpdateItem");
        let refresh = ann.client.refresh(&ann.refresh_token).within(&hold.trace).into_future();
        let refresh = tokio::spawn(refresh);
        hold.is_held().await;
        if is_removed {
            partner.owner().remove(&ann).await.expect(204);
        } else {
            partner.owner().force_logout(&ann).await.expect(200);
        }

        hold.release();
        refresh.await.unwrap().expect(200);
        hold.is_over().await;

        if is_removed {
            partner.owner().get(&ann.path()).await.problem(404, "not_found");
        } else {
            assert_eq!(partner.owner().see(&ann).await["last_active_at"], LONG_AGO);
        }
        ann.cannot_refresh().await;
    }
}

/// While the first of two removals is on its way, the second user loses permissions, and then the caller loses them too.
#[tokio::test]
async fn a_bulk_change_compares_the_present_permissions_of_caller_and_user() {
    let partner = Partner::of(&faulty().ready).await;
    let owner = partner.owner();
    let caller = partner.new_user("admin").await;
    let first = owner.add("Ann", "First").role("viewer").created().await;
    let second = owner.add("Bea", "Second").role("admin").created().await;
    let hold = Hold::of("TransactWriteItems");
    let call = caller.change_users("remove", [&first, &second]).within(&hold.trace).into_future();
    let removal = tokio::spawn(call);
    hold.is_held().await;
    owner.set_permissions(&second, &json!({ "role": "viewer" })).await.expect(200);
    let few = json!({ "role": "admin", "permissions": ["users.read", "users.remove"] });
    owner.set_permissions(&caller, &few).await.expect(200);

    hold.release();
    let answer = removal.await.unwrap().expect(200);

    let outcomes: Vec<_> = answer.json["results"].as_array().unwrap().iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["done", "done"], "{answer}");
}

#[tokio::test]
async fn a_sign_in_that_commits_after_a_removal_does_not_restore_the_user() {
    let _alone = marks_alone().await;
    let ready = &faulty().ready;
    let (rows, partner) = (Rows::of(ready), Partner::of(ready).await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let hold = Hold::of("TransactWriteItems");
    let sign_in = signing_in(&ann, &hold);
    hold.is_held().await;
    partner.owner().remove(&ann).await.expect(204);

    hold.release();
    sign_in.await.unwrap().problem(401, "unauthenticated");
    hold.is_over().await;

    partner.owner().get(&ann.path()).await.problem(404, "not_found");
    assert_eq!(session_rows(&rows, &ann).await, 0);
    assert!(rows.credentials(&ann).await.is_empty());
    repair_everything().await;
    assert!(generations(&rows, &ann).await.is_empty());
}

#[tokio::test]
async fn an_admin_who_is_signed_out_meanwhile_sets_no_password() {
    let ready = &faulty().ready;
    let partner = Partner::of(ready).await;
    let (admin, ann) = (partner.new_user("admin").await, partner.new_user("viewer").await);
    let hold = Hold::of("TransactWriteItems");
    let new = portal_tests::secrets::password();
    let call = admin.set_password(&ann, &new, &json!({})).within(&hold.trace);
    let set_password = tokio::spawn(call.into_future());
    hold.is_held().await;
    partner.owner().force_logout(&admin).await.expect(200);

    hold.release();
    set_password.await.unwrap().problem(401, "session_ended");

    ann.is_signed_in().await;
    ann.elsewhere().await.is_signed_in().await;
}
