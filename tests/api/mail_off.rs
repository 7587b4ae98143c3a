//! A portal without `MailFrom` works without mail.

use portal_core::mail::LinkKind;
use portal_tests::rows::Rows;
use portal_tests::{Client, Partner, Stack, secrets};
use serde_json::{Value, json};

/// Starts its own stack.
#[tokio::test]
async fn without_mail_nothing_is_mailed_and_the_rest_works() {
    let options = ["--ephemeral", "--parameter", "MailFrom="];
    let stack = Stack::start("mail-off", &options).unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let owner = partner.owner();
    assert_eq!(owner.get("/v1/me").await.expect(200).json["mail"], false);

    owner.add("Ann", "Lee").invite().send().await.problem(422, "validation_failed").names_field("invite");
    let table = format!("first_name,last_name,email,role\nAnn,Lee,{},viewer\n", secrets::email("ann"));
    for dry_run in [true, false] {
        let path = format!("/v1/users/import?dry_run={dry_run}&invite=true");
        let answer = owner.call("POST", &path).body("text/csv", table.clone()).await;
        answer.problem(422, "validation_failed").names_field("invite");
    }
    let ann = owner.add("Ann", "Lee").without("must_change").created().await;
    owner.invite(&ann).await.problem(422, "mail_off");
    Client::of(&stack.ready).request_reset(&ann.email).await.problem(422, "mail_off");

    let email = secrets::email("owner");
    let answer = owner.edit(owner, &json!({ "email": email })).await.expect(200);
    assert_eq!((&answer.json["email"], &answer.json["pending_email"]), (&json!(email), &Value::Null));

    // A link from before mail was switched off is still valid.
    let bob = owner.add("Bob", "Ray").created().await;
    let token = Rows::of(&stack.ready).put_link(&bob, LinkKind::PasswordReset).await;
    Client::of(&stack.ready).confirm_reset(&token, &secrets::password()).await.expect(204);
    stack.end("TERM");
}
