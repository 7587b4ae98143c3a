//! `note-delivery`: reports of the mail service about bounces and complaints.

use portal_tests::mailbox::simulated_email;
use portal_tests::{Actor, Mailbox, Partner, User, invoke, secrets, stack};
use serde_json::{Value, json};

/// A report about a mail to this address that concerned this user.
fn report(kind: &str, address: &str, user: &User) -> Value {
    let recipients = json!([{ "emailAddress": address }]);
    json!({
        "source": "aws.ses",
        "detail-type": "Email Bounced",
        "detail": {
            "eventType": kind,
            "bounce": { "bounceType": "Permanent", "bouncedRecipients": recipients },
            "complaint": { "complainedRecipients": recipients },
            "mail": { "destination": [address], "tags": {
                "ses:configuration-set": ["mail"],
                "user-0": [format!("{}-{}", user.partner_id, user.id)],
            } },
        },
    })
}

async fn note(event: &Value) -> Value {
    invoke(&stack().ready, "note-delivery", event).await.worked()
}

async fn events(owner: &Actor, user: &User, action: &str) -> usize {
    let page = owner.get(&format!("/v1/audit-events?user_id={}&action={action}", user.id)).await.expect(200);
    page.json["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_bounce_and_a_complaint_change_the_mail_state_and_no_version() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    let mut expected = owner.see(&ann).await;
    assert_eq!(expected["mail_state"], "ok");
    for (kind, state, action) in [("Bounce", "bounced", "mail.bounced"), ("Complaint", "complained", "mail.complained")]
    {
        let event = report(kind, &ann.email.to_uppercase(), &ann);
        assert_eq!(note(&event).await, json!({ "changed": 1 }));
        assert_eq!(note(&event).await, json!({ "changed": 0 }), "a report can arrive twice");
        expected["mail_state"] = state.into();
        assert_eq!(owner.see(&ann).await, expected);
        assert_eq!(events(owner, &ann, action).await, 1);
    }
}

#[tokio::test]
async fn a_report_about_another_address_or_user_is_ignored() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let twin = other.owner().add("Twin", "Lee").with("email", ann.email.clone()).created().await;
    let mut temporary = report("Bounce", &ann.email, &ann);
    temporary["detail"]["bounce"]["bounceType"] = "Transient".into();
    let mut untagged = report("Bounce", &ann.email, &ann);
    untagged["detail"]["mail"]["tags"] = json!({});
    for event in [
        report("Bounce", &secrets::email("another"), &ann),
        report("Delivery", &ann.email, &ann),
        temporary,
        untagged,
        json!({ "detail": {} }),
        json!({}),
    ] {
        assert_eq!(note(&event).await, json!({ "changed": 0 }), "{event}");
    }
    assert_eq!(note(&report("Bounce", &ann.email, &ann)).await, json!({ "changed": 1 }));
    assert_eq!(other.owner().see(&twin).await["mail_state"], "ok", "it was another partner's mail");
}

#[tokio::test]
async fn another_email_has_no_bounces() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").created().await;
    note(&report("Bounce", &ann.email, &ann)).await;
    owner.edit(&ann, &json!({ "email": ann.email.to_uppercase() })).await.expect(200);
    assert_eq!(owner.see(&ann).await["mail_state"], "bounced", "it is the same address");
    let edited = owner.edit(&ann, &json!({ "email": secrets::email("new") })).await.expect(200);
    assert_eq!(edited.json["mail_state"], "ok");
    assert_eq!(owner.see(&ann).await["mail_state"], "ok");
    note(&report("Bounce", &ann.email, &ann)).await;
    assert_eq!(owner.see(&ann).await["mail_state"], "ok", "the report is about the previous address");
}

#[tokio::test]
async fn the_mail_service_reports_bounces_and_complaints() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for (kind, state) in [("bounce", "bounced"), ("complaint", "complained")] {
        let ann = owner.add("Ann", "Lee").email(&simulated_email(kind)).created().await;
        owner.force_logout(&ann).await.expect(200);
        Mailbox::new().message(&ann.email).await;
        // The report follows the mail.
        while owner.see(&ann).await["mail_state"] != state {}
    }
}
