//! `POST /v1/access-review/decisions`.

use futures::future::join;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

/// The newest events, newest first.
async fn newest(owner: &Actor, count: usize) -> Vec<Value> {
    let page = owner.get(&format!("/v1/audit-events?limit={count}")).await.expect(200);
    page.json["items"].as_array().unwrap().clone()
}

async fn reviewed(owner: &Actor, user: &User) -> (Value, Value) {
    let list = owner.get("/v1/access-review").await.expect(200);
    let item = list.json["items"].as_array().unwrap().iter().find(|item| item["user"]["id"] == user.id).unwrap();
    (item["reviewed_at"].clone(), item["reviewed_by"].clone())
}

#[tokio::test]
async fn keeping_the_access_only_records_the_review_and_a_new_version() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("manager").await;
    let before = owner.see(&ann).await;

    let body = json!({ "user_id": ann.id, "decision": "keep", "note": " Still looks after Berlin " });
    let answer = owner.post("/v1/access-review/decisions", &body).await.expect(200);

    let at = answer.json["reviewed_at"].clone();
    let mut now = before.clone();
    now["version"] = json!(2);
    now["updated_at"] = at.clone();
    assert_eq!(answer.json, json!({ "decision": "keep", "user": now, "reviewed_at": at }));
    assert_eq!(answer.header("etag"), "\"2\"");
    ann.is_signed_in().await;
    assert_eq!(owner.see(&ann).await, now, "a decision changes only the version and its time");
    assert_eq!(reviewed(owner, &ann).await, (at.clone(), json!({ "id": owner.id, "name": "Olive Owner" })));
    let event = &newest(owner, 1).await[0];
    let access = json!({
        "email": ann.email, "role": "manager", "permissions": before["permissions"], "status": "active",
    });
    let mut after = access.clone();
    after["decision"] = json!("keep");
    after["reason"] = json!("Still looks after Berlin");
    assert_eq!((&event["action"], &event["at"]), (&json!("access.reviewed"), &at));
    assert_eq!((&event["before"], &event["after"]), (&access, &after));
    assert_eq!(
        event["summary"],
        "Olive Owner reviewed the access of Nora Newcomer and kept it: Still looks after Berlin"
    );
}

#[tokio::test]
async fn reducing_removes_extra_permissions_or_lowers_the_role_by_one_step() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let few = ["users.read", "users.edit", "users.remove"];
    let ann = owner.add("Ann", "Lee").permissions(&few).created().await;
    for (role, permissions, version) in
        [("manager", json!(["users.read", "users.edit"]), 2), ("viewer", json!(["users.read"]), 3)]
    {
        let answer = owner.decide(&ann, "reduce").await.expect(200);
        let user = &answer.json["user"];
        assert_eq!(
            (&user["role"], &user["permissions"], &user["version"]),
            (&json!(role), &permissions, &json!(version))
        );
        assert_eq!(*user, owner.see(&ann).await);
        let events = newest(owner, 2).await;
        assert_eq!(events[0]["action"], "access.reviewed");
        assert_eq!(events[1]["action"], "permissions.set");
        assert_eq!(events[0]["at"], events[1]["at"]);
        assert_eq!(reviewed(owner, &ann).await.0, answer.json["reviewed_at"]);
    }
    owner.decide(&ann, "reduce").await.problem(422, "validation_failed").names_field("decision");

    let more = owner.add("Bo", "Day").role("viewer").permissions(&["users.read", "audit.read"]).created().await;
    let answer = owner.decide(&more, "reduce").await.expect(200);
    assert_eq!(
        (&answer.json["user"]["role"], &answer.json["user"]["permissions"]),
        (&json!("viewer"), &json!(["users.read"]))
    );
}

#[tokio::test]
async fn a_suspension_ends_access_at_once_and_has_the_note_as_its_reason() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let body = json!({ "user_id": ann.id, "decision": "suspend", "note": "On leave" });

    let answer = owner.post("/v1/access-review/decisions", &body).await.expect(200);

    assert_eq!((&answer.json["user"]["status"], &answer.json["user"]["version"]), (&json!("suspended"), &json!(2)));
    ann.is_signed_out().await;
    ann.cannot_refresh().await;
    let rows = Rows::of(&stack().ready);
    assert!(rows.cognito_users(&ann).await.is_empty(), "the generation has also ended in Cognito");
    let events = newest(owner, 2).await;
    assert_eq!(
        events[0]["summary"],
        "Olive Owner reviewed the access of Nora Newcomer and decided to suspend the user: On leave"
    );
    assert_eq!(events[1]["summary"], "Olive Owner suspended Nora Newcomer: On leave");

    // A second decision records only the review.
    owner.decide(&ann, "suspend").if_match("\"1\"").await.problem(412, "version_mismatch");
    let before = rows.audit(&partner.id).await.len();
    let again = owner.decide(&ann, "suspend").await.expect(200);
    let mut now = answer.json["user"].clone();
    now["version"] = json!(3);
    now["updated_at"] = again.json["reviewed_at"].clone();
    assert_eq!(again.json["user"], now);
    assert_eq!(rows.audit(&partner.id).await.len(), before + 1);
    assert_eq!(newest(owner, 1).await[0]["action"], "access.reviewed");
    assert_eq!(reviewed(owner, &ann).await.0, again.json["reviewed_at"]);
    owner.reactivate(&ann).await.expect(200);
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
async fn a_removal_deletes_the_user_and_keeps_the_decision() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;

    let answer = owner.decide(&ann, "remove").await.expect(200);

    assert_eq!((&answer.json["decision"], &answer.json["user"]), (&json!("remove"), &Value::Null));
    ann.is_signed_out().await;
    Client::new().sign_in(&ann.email, &ann.password).await.problem(401, "unauthenticated");
    owner.get(&ann.path()).await.problem(404, "not_found");
    let events = newest(owner, 2).await;
    assert_eq!([&events[0]["action"], &events[1]["action"]], ["access.reviewed", "user.removed"]);
    assert_eq!(events[0]["after"], json!({ "decision": "remove" }));
    owner.decide(&ann, "remove").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_decision_needs_the_permissions_of_its_action_and_of_the_review() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    let all = ["users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions"];
    // This user may do each action, but may not review.
    let doer = owner.add("Do", "Er").permissions(&all).signed_in().await;
    let refusals = async || {
        let page = owner.get("/v1/audit-events?action=change.refused").await.expect(200);
        page.json["items"].as_array().unwrap().len()
    };
    for (number, decision) in ["keep", "reduce", "suspend", "remove"].into_iter().enumerate() {
        doer.decide(&ann, decision).await.problem(403, "missing_permission");
        assert_eq!(refusals().await, number + 1, "{decision} is recorded as refused");
    }
    // This user may review, but may not do any of the actions.
    let looker = owner.add("Loo", "Ker").role("viewer").permissions(&["users.read", "audit.read"]).signed_in().await;
    for decision in ["keep", "reduce", "suspend", "remove"] {
        looker.decide(&ann, decision).await.problem(403, "missing_permission");
    }
    // A caller without the permission does not learn that the access cannot be reduced.
    let least = owner.add("Lea", "St").role("viewer").created().await;
    for actor in [&doer, &looker] {
        actor.decide(&least, "reduce").await.problem(403, "missing_permission");
    }
    assert_eq!(owner.see(&ann).await["version"], 1);
    assert_eq!(reviewed(owner, &ann).await, (Value::Null, Value::Null));
}

#[tokio::test]
async fn no_user_decides_on_themselves_and_the_primary_admin_can_only_be_kept() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let admin = partner.new_user("admin").await;
    for decision in ["keep", "reduce", "suspend", "remove"] {
        admin.decide(&admin, decision).await.problem(403, "self_change_forbidden");
    }
    for decision in ["keep", "reduce"] {
        owner.decide(owner, decision).await.problem(403, "self_change_forbidden");
    }

    for decision in ["suspend", "remove", "reduce"] {
        admin.decide(owner, decision).await.problem(403, "primary_admin_protected");
    }
    admin.decide(owner, "keep").await.expect(200);
    owner.is_signed_in().await;
    assert_eq!(reviewed(&admin, owner).await.1["id"], admin.id);
}

#[tokio::test]
async fn no_user_decides_on_a_more_powerful_user() {
    let partner = Partner::new().await;
    let (owner, admin) = (partner.owner(), partner.new_user("admin").await);
    let most = ["users.read", "users.remove", "users.set_permissions", "audit.read"];
    let lesser = owner.add("Les", "Ser").permissions(&most).signed_in().await;
    for decision in ["keep", "suspend", "remove", "reduce"] {
        lesser.decide(&admin, decision).await.problem(403, "exceeds_own_permissions");
    }
    assert_eq!(owner.see(&admin).await["version"], 1);
}

#[tokio::test]
async fn a_decision_with_a_stale_if_match_is_rejected() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("manager").await;
    owner.edit(&ann, &json!({ "first_name": "Anna" })).await.expect(200);
    for decision in ["keep", "reduce", "suspend", "remove"] {
        owner.decide(&ann, decision).if_match("\"1\"").await.problem(412, "version_mismatch");
    }
    owner.decide(&ann, "keep").if_match("\"2\"").await.expect(200);
}

#[tokio::test]
async fn a_decision_that_is_sent_twice_with_if_match_is_recorded_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, bo) = (owner.add("Ann", "Lee").created().await, owner.add("Bo", "Day").created().await);
    owner.suspend(&bo).await.expect(200);
    for (user, decision, version) in [(&ann, "keep", 1), (&ann, "reduce", 2), (&ann, "suspend", 3), (&bo, "suspend", 2)]
    {
        let send = || owner.decide(user, decision).if_match(&format!("\"{version}\""));
        send().await.expect(200);
        send().await.problem(412, "version_mismatch");
    }
    // The same holds for concurrent requests.
    let send = || owner.decide(&bo, "keep").if_match("\"3\"").into_future();
    let (one, two) = join(send(), send()).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{one}\n{two}");
    let record = owner.get("/v1/access-review/record").await.expect(200);
    assert_eq!(record.json["items"].as_array().map(Vec::len), Some(5), "{record}");
}

/// The user in the review: the reasons, the time of the review, the number of reviewed users, and whether the record lists the
/// user as outstanding.
pub(crate) async fn shown(reviewer: &Actor, user: &User) -> (Value, Value, Value, bool) {
    let list = reviewer.get("/v1/access-review").await.expect(200);
    let item = list.json["items"].as_array().unwrap().iter().find(|item| item["user"]["id"] == user.id).unwrap();
    let record = reviewer.get("/v1/access-review/record").await.expect(200);
    let is_outstanding = record.json["outstanding"].as_array().unwrap().iter().any(|other| other["id"] == user.id);
    (item["reasons"].clone(), item["reviewed_at"].clone(), list.json["summary"]["reviewed"].clone(), is_outstanding)
}

#[tokio::test]
async fn access_that_is_raised_after_a_review_counts_as_not_reviewed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("manager").await;
    let raise: [&[Value]; 5] = [
        &[json!({ "role": "admin", "permissions": ["users.read"] })],
        &[json!({ "role": "manager", "permissions": ["users.read", "users.edit", "audit.read"] })],
        &[json!({ "role": "viewer", "permissions": ["audit.read"] })],
        // Access that was reduced after the review and restored also counts as raised.
        &[json!({ "role": "viewer" }), json!({ "role": "manager" })],
        &[json!({ "status": "suspended" }), json!({ "status": "active" })],
    ];
    for steps in raise {
        owner.set_permissions(&ann, &json!({ "role": "manager" })).await.expect(200);
        let kept = owner.decide(&ann, "keep").await.expect(200);
        assert_eq!(shown(owner, &ann).await, (json!([]), kept.json["reviewed_at"].clone(), json!(1), false));
        for body in steps {
            let is_status = body.get("status").is_some();
            let call = if is_status { owner.set_status(&ann, body) } else { owner.set_permissions(&ann, body) };
            call.await.expect(200);
        }
        let (reasons, reviewed_at, reviewed, is_outstanding) = shown(owner, &ann).await;
        assert!(reasons.as_array().unwrap().contains(&json!("not_reviewed")), "{reasons} after {steps:?}");
        assert_eq!((reviewed_at, reviewed, is_outstanding), (Value::Null, json!(0), true), "after {steps:?}");
    }
    // The record has the decision with the access at that time.
    let record = owner.get("/v1/access-review/record").await.expect(200);
    assert_eq!((record.text_at("/items/0/decision"), record.text_at("/items/0/role_after")), ("keep", "manager"));

    let kept = owner.decide(&ann, "keep").await.expect(200);
    let (_, reviewed_at, reviewed, is_outstanding) = shown(owner, &ann).await;
    assert_eq!((reviewed_at, reviewed, is_outstanding), (kept.json["reviewed_at"].clone(), json!(1), false));
}

#[tokio::test]
async fn a_review_is_not_lost_by_a_concurrent_change() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    for number in 0..5 {
        let name = format!("Ann-{}", ["a", "b", "c", "d", "e"][number]);
        let change = json!({ "first_name": name });
        let (kept, edited) =
            join(owner.decide(&ann, "keep").into_future(), owner.edit(&ann, &change).into_future()).await;
        let kept = kept.expect(200);
        edited.expect(200);
        assert_eq!(reviewed(owner, &ann).await.0, kept.json["reviewed_at"]);
        assert_eq!(owner.see(&ann).await["first_name"], json!(name));
    }
    // A later sign-in, new password or new role does not lose it either.
    let (at, by) = reviewed(owner, &ann).await;
    let session = Client::new().signed_in(&ann).await;
    owner.set_permissions(&ann, &json!({ "role": "viewer" })).await.expect(200);
    session.set_own_password(&ann.password, &secrets::password()).await.expect(204);
    assert_eq!(reviewed(owner, &ann).await, (at, by));
}

#[tokio::test]
async fn an_invalid_body_names_the_field() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    for (field, value) in [
        ("user_id", json!(7)),
        ("user_id", Value::Null),
        ("decision", json!("promote")),
        ("decision", json!(1)),
        ("decision", Value::Null),
        ("note", json!("a\nb")),
        ("note", json!("")),
        ("note", json!("x".repeat(501))),
    ] {
        let mut body = json!({ "user_id": ann.id, "decision": "keep" });
        body[field] = value;
        owner.post("/v1/access-review/decisions", &body).await.problem(422, "validation_failed").names_field(field);
    }
    let body = json!({ "user_id": "ann", "decision": "keep" });
    owner.post("/v1/access-review/decisions", &body).await.problem(404, "not_found");
    assert_eq!(reviewed(owner, &ann).await, (Value::Null, Value::Null));
}
