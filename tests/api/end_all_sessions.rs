//! `end-all-sessions`, through the Invoke API. It has its own stack, because it ends the sessions of every user.

use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, Stack, invoke, secrets};
use serde_json::json;

/// Starts a stack: about 2 s.
#[tokio::test]
async fn after_a_restore_all_sessions_end_and_no_generation_is_reused() {
    let stack = Stack::start("everyone", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let ready = &stack.ready;
    let rows = Rows::of(ready);
    let partners = [Partner::of(ready).await, Partner::of(ready).await];
    let ann = partners[0].new_user("viewer").await;

    // Ann's item is replaced by a copy from before the forced logout.
    let copy = rows.user(&ann).await;
    let in_the_old_generation = ann.clone();
    partners[0].owner().force_logout(&ann).await.expect(200);
    let in_the_second = ann.elsewhere().await;
    rows.put_user(copy).await;
    in_the_second.is_signed_out().await;
    assert!(!rows.sessions(&in_the_old_generation).await.is_empty());

    // Keys that a client has chosen and unreadable items do not stop the run.
    let body = json!({
        "first_name": "Bob", "last_name": "Ray", "email": secrets::email("bob"), "password": secrets::password(),
    });
    partners[0].owner().post("/v1/users", &body).idempotency_key("USER#").await.expect(201);
    rows.put_bare_key("IDEMPOTENCY#of-an-earlier-version", "USER#").await;
    rows.put_bare_key("PARTNER#prt_1", "USER#usr_1").await;

    let answer = invoke(ready, "end-all-sessions", &json!({ "operator": "Priya Raman" })).await.worked();

    // The fifth user is the demo partner's primary admin.
    let unreadable = json!({ "count": 1, "keys": ["PARTNER#prt_1/USER#usr_1"] });
    let failed = json!({ "count": 0, "keys": [] });
    let expected = json!({ "ended": 5, "unreadable": unreadable, "failed": failed, "stopped": null, "next": null });
    assert_eq!(answer, expected);
    for person in [&in_the_old_generation, &in_the_second, partners[0].owner(), partners[1].owner()] {
        person.is_signed_out().await;
        person.cannot_refresh().await;
        assert!(rows.sessions(person).await.is_empty(), "no session item is left");
    }
    let owner = partners[0].owner().elsewhere().await;
    let events = owner.get("/v1/audit-events?action=logout.forced&limit=1").await.expect(200);
    assert_eq!(events.json["items"][0]["actor"], json!({ "kind": "operator", "id": null, "name": "Priya Raman" }));
    owner.force_logout(&ann).await.expect(200);
    in_the_second.is_signed_out().await;
    ann.elsewhere().await.is_signed_in().await;
    stack.end("TERM");
}

/// Starts a stack: about 2 s.
#[tokio::test]
async fn second_factors_are_removed_on_request_only() {
    let stack = Stack::start("everyone-factors", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.new_user("viewer").await;
    ann.enrolled().await;
    for (input, is_removed) in [(json!({}), false), (json!({ "reset_factors": true }), true)] {
        let answer = invoke(&stack.ready, "end-all-sessions", &input).await.worked();
        assert_eq!((&answer["failed"]["count"], &answer["next"]), (&json!(0), &json!(null)), "{answer}");
        let client = Client::of(&stack.ready);
        let answer = client.sign_in_at(&ann.partner_id, &ann.email, &ann.password).await.expect(200);
        assert_eq!(answer.json["challenge"] == "second_factor", !is_removed, "{answer}");
    }
    let owner = partner.owner().elsewhere().await;
    let events = owner.get("/v1/audit-events?action=second_factor.reset").await.expect(200);
    assert_eq!(events.json["items"][0]["target"]["id"], ann.id);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 1);
    stack.end("TERM");
}

#[tokio::test]
async fn invalid_inputs_are_rejected() {
    let ready = &portal_tests::stack().ready;
    for input in [
        json!({ "from": "somewhere" }),
        json!({ "from": 1 }),
        json!({ "partner_id": "all" }),
        json!({ "operator": "" }),
        json!({ "reset_factors": "all" }),
    ] {
        invoke(ready, "end-all-sessions", &input).await.failed();
    }
}
