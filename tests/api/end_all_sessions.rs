//! `end-all-sessions`, through the Invoke API; on stacks of its own, since it spares nobody.

use portal_tests::rows::Rows;
use portal_tests::{Partner, Stack, invoke};
use serde_json::json;

/// Starts a stack: about 2 s.
#[tokio::test]
async fn after_a_restore_every_session_is_over_and_no_generation_comes_again() {
    let stack = Stack::start("everyone", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let ready = &stack.ready;
    let rows = Rows::of(ready);
    let partners = [Partner::of(ready).await, Partner::of(ready).await];
    let ann = partners[0].new_user("viewer").await;

    // A copy of Ann's row from before two forced logouts takes the place of the row.
    let copy = rows.user(&ann).await;
    let in_the_old_generation = ann.clone();
    partners[0].owner().force_logout(&ann).await.expect(200);
    let in_the_second = ann.elsewhere().await;
    rows.put_user(copy).await;
    in_the_second.is_signed_out().await;
    assert!(!rows.sessions(&in_the_old_generation).await.is_empty());

    let answer = invoke(ready, "end-all-sessions", &json!({})).await.worked();

    // The demo partner's primary admin is one of them.
    assert_eq!(answer, json!({ "ended": 4, "next": null }));
    for person in [&in_the_old_generation, &in_the_second, partners[0].owner(), partners[1].owner()] {
        person.is_signed_out().await;
        person.cannot_refresh().await;
        assert!(rows.sessions(person).await.is_empty(), "no row of a session is left");
    }
    let owner = partners[0].owner().elsewhere().await;
    owner.force_logout(&ann).await.expect(200);
    in_the_second.is_signed_out().await;
    ann.elsewhere().await.is_signed_in().await;
    stack.end("TERM");
}

#[tokio::test]
async fn what_is_no_cursor_of_an_earlier_run_is_refused() {
    let ready = &portal_tests::stack().ready;
    for input in [json!({ "from": "somewhere" }), json!({ "from": 1 }), json!({ "partner_id": "all" })] {
        invoke(ready, "end-all-sessions", &input).await.failed();
    }
}
