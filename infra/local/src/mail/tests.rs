//! Tests SES and the mailbox over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::lambda::tests::Receiver;
use crate::pattern::Pattern;
use crate::plan::{ConfigurationSet, Identity, Mail, MailEvent, Rule};
use crate::servers;

struct Office {
    ses: String,
    mailbox: String,
    events: mpsc::UnboundedReceiver<Value>,
    http: reqwest::Client,
    _tasks: JoinSet<()>,
}

impl Office {
    async fn open() -> Self {
        let mut tasks = JoinSet::new();
        let all = [MailEvent::Send, MailEvent::Delivery, MailEvent::Bounce, MailEvent::Complaint];
        let set = |name: &str, events: BTreeSet<MailEvent>| ConfigurationSet { name: name.to_owned(), events };
        let mail = Mail {
            identities: vec![Identity { name: "portal@example.com".to_owned(), configuration_set: None }],
            configuration_sets: vec![
                set("everything", all.into()),
                set("failures", [MailEvent::Bounce, MailEvent::Complaint].into()),
            ],
        };
        let messages = Arc::new(Mailbox::new());
        let (sender, events) = mpsc::unbounded_channel();
        let ses = servers::serve("ses", ses_router(mail, Arc::clone(&messages), sender), &mut tasks).await.unwrap();
        let serve = |address| mailbox_router(messages, address);
        let mailbox = servers::serve_at_its_address("mailbox", serve, &mut tasks).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { ses, mailbox, events, http, _tasks: tasks }
    }

    async fn send(&self, request: &Value) -> (StatusCode, Value) {
        let url = format!("{}/v2/email/outbound-emails", self.ses);
        let answer = self.http.post(url).json(request).send().await.unwrap();
        let code = answer.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
        let status = answer.status();
        let mut body: Value = answer.json().await.unwrap();
        if let Some(code) = code {
            body["code"] = code.into();
        }
        (status, body)
    }

    async fn sent(&self, request: &Value) -> String {
        let (status, body) = self.send(request).await;
        assert_eq!(status, 200, "{body}");
        body["MessageId"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.mailbox)).send().await.unwrap()
    }

    async fn messages(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/messages{query}")).await.json().await.unwrap()
    }

    fn received(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

fn request(to: &str) -> Value {
    json!({
        "FromEmailAddress": "Partner Portal <portal@example.com>",
        "Destination": { "ToAddresses": [to] },
        "Content": { "Simple": {
            "Subject": { "Data": "Hello <there>", "Charset": "UTF-8" },
            "Body": { "Text": { "Data": "A text" }, "Html": { "Data": "<p>Some <b>HTML</b></p>" } },
            "Headers": [{ "Name": "Auto-Submitted", "Value": "auto-generated" }],
        } },
        "ConfigurationSetName": "everything",
    })
}

#[tokio::test]
async fn an_accepted_message_is_in_the_mailbox() {
    let office = Office::open().await;
    let first = office.sent(&request("ann@example.com")).await;
    let second = office.sent(&request("Bob <bob@example.com>")).await;
    let all = office.messages("").await;
    assert_eq!(all.iter().map(|message| &message["id"]).collect::<Vec<_>>(), [&json!(second), &json!(first)]);

    let to_ann = office.messages("?to=ANN@example.com").await;
    let [message] = to_ann.as_slice() else { panic!("one message: {to_ann:?}") };
    let fields: BTreeSet<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["at", "from", "headers", "html", "id", "subject", "text", "to"]));
    assert_eq!(message["to"], json!(["ann@example.com"]));
    assert_eq!(message["from"], "Partner Portal <portal@example.com>");
    assert_eq!((&message["subject"], &message["text"]), (&json!("Hello <there>"), &json!("A text")));
    assert_eq!(message["headers"]["Auto-Submitted"], "auto-generated");
    assert_eq!(message["headers"]["To"], "ann@example.com");
    assert!(message["at"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')));
    assert_eq!(office.messages("?to=bob@example.com").await[0]["to"], json!(["bob@example.com"]));
    assert!(office.messages("?to=eve@example.com").await.is_empty());

    let deleted = office.http.delete(format!("{}/messages", office.mailbox)).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert!(office.messages("").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_wait_for_messages() {
    let office = Office::open().await;
    office.sent(&request("bob+x@example.com")).await;
    let url = format!("{}/messages?to=bob%2Bx@example.com&at_least=2", office.mailbox);
    let waiting = tokio::spawn(office.http.get(url).send());
    office.sent(&request("eve@example.com")).await;
    office.sent(&request("bob+x@example.com")).await;
    let messages: Vec<Value> = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(office.messages("?to=bob+x@example.com&at_least=1").await.len(), 2);
    assert_eq!(office.get("/messages?too=x").await.status(), 400);
}

#[tokio::test]
async fn a_message_that_ses_would_not_accept_is_rejected() {
    let office = Office::open().await;
    let with = |pointer: &str, value: Value| {
        let mut request = request("ann@example.com");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        request.pointer_mut(parent).unwrap()[key] = value;
        request
    };
    let header = |name: &str, value: &str| with("/Content/Simple/Headers", json!([{ "Name": name, "Value": value }]));
    let many = |count: usize| vec!["ann@example.com"; count];
    for (request, status, code) in [
        (with("/FromEmailAddress", json!("other@example.com")), 400, "MessageRejected"),
        (with("/FromEmailAddress", json!("nonsense")), 400, "BadRequestException"),
        (with("/FromEmailAddress", json!(null)), 400, "BadRequestException"),
        (with("/ConfigurationSetName", json!("other")), 404, "NotFoundException"),
        (with("/Destination/ToAddresses", json!([])), 400, "BadRequestException"),
        (with("/Destination/ToAddresses", json!(many(51))), 400, "BadRequestException"),
        (with("/Destination/CcAddresses", json!(many(50))), 400, "BadRequestException"),
        (with("/Destination/ToAddresses", json!(["ann"])), 400, "BadRequestException"),
        (with("/Destination/ToAddresses", json!(["änn@example.com"])), 400, "BadRequestException"),
        (
            with("/Destination/ToAddresses", json!(["ann@example.com\r\nBcc: eve@example.com"])),
            400,
            "BadRequestException",
        ),
        (with("/Destination/ToAddresses", json!(["ann@example.com, eve@example.com"])), 400, "BadRequestException"),
        (with("/ReplyToAddresses", json!(["ann"])), 400, "BadRequestException"),
        (with("/Content/Simple/Subject/Data", json!("a\nb")), 400, "BadRequestException"),
        (with("/Content/Simple/Subject/Charset", json!("ISO-8859-1")), 400, "BadRequestException"),
        (with("/Content/Simple/Body", json!({})), 400, "BadRequestException"),
        (header("Subject", "x"), 400, "BadRequestException"),
        (header("X-A: b", "x"), 400, "BadRequestException"),
        (header("X-A", "a\r\nBcc: eve@example.com"), 400, "BadRequestException"),
        (header("X-A", ""), 400, "BadRequestException"),
        (with("/EmailTags", json!([{ "Name": "a b", "Value": "c" }])), 400, "BadRequestException"),
        (with("/Content", json!({ "Raw": { "Data": "" } })), 400, "BadRequestException"),
        (with("/Content", json!({ "Template": { "TemplateName": "t" } })), 400, "BadRequestException"),
        (with("/ListManagementOptions", json!({ "ContactListName": "l" })), 400, "BadRequestException"),
    ] {
        let (found, body) = office.send(&request).await;
        assert_eq!((found.as_u16(), &body["code"]), (status, &json!(code)), "{request}: {body}");
        assert!(body["message"].is_string());
    }
    assert!(office.messages("").await.is_empty());
    let (status, _) = office.send(&with("/Destination/ToAddresses", json!(many(50)))).await;
    assert_eq!(status, 200);
    let other = office.http.get(format!("{}/v2/email/identities", office.ses)).send().await.unwrap();
    assert_eq!(other.status(), 404);
}

#[tokio::test]
async fn requests_of_other_pages_are_rejected() {
    let office = Office::open().await;
    let own = office.mailbox.strip_prefix("http://").unwrap();
    let port = own.rsplit(':').next().unwrap();
    for (method, path) in [(Method::GET, "/"), (Method::GET, "/messages"), (Method::DELETE, "/messages")] {
        for (name, value, admitted) in [
            ("host", own.to_owned(), true),
            ("origin", office.mailbox.clone(), true),
            ("host", "evil.example".to_owned(), false),
            ("host", format!("localhost:{port}"), false),
            ("host", format!("evil.example:{port}"), false),
            ("host", "127.0.0.1".to_owned(), false),
            ("origin", "http://evil.example".to_owned(), false),
            ("origin", format!("http://localhost:{port}"), false),
            ("origin", "http://127.0.0.1:1".to_owned(), false),
            ("origin", "null".to_owned(), false),
        ] {
            let call = office.http.request(method.clone(), format!("{}{path}", office.mailbox));
            let answer = call.header(name, &value).send().await.unwrap();
            let expected = if admitted { answer.status() != 403 } else { answer.status() == 403 };
            assert!(expected, "{method} {path} {name}: {value}: {}", answer.status());
        }
    }
}

#[tokio::test]
async fn the_page_escapes_messages_and_frames_their_html_without_scripts() {
    let office = Office::open().await;
    let empty = office.get("/").await;
    let policy = empty.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script") && !policy.contains("unsafe"));
    assert!(empty.text().await.unwrap().contains("There is no message."));

    let id = office.sent(&request("ann@example.com")).await;
    let list = office.get("/").await.text().await.unwrap();
    assert!(list.contains("Hello &lt;there&gt;") && list.contains("ann@example.com") && !list.contains("<there>"));

    // The list shows the newest message, too.
    for page in [list, office.get(&format!("/message/{id}")).await.text().await.unwrap()] {
        assert!(page.contains("Hello &lt;there&gt;") && page.contains("<pre>A text</pre>") && !page.contains("<b>"));
        let (sandbox, source) =
            ("sandbox=\"allow-popups allow-popups-to-escape-sandbox\"", format!("src=\"/message/{id}/html\""));
        assert!(page.contains(sandbox) && page.contains(&source) && !page.contains("<script"));
    }

    let html = office.get(&format!("/message/{id}/html")).await;
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox") && !policy.contains("allow-scripts"));
    assert_eq!(html.headers()["x-content-type-options"], "nosniff");
    assert!(html.text().await.unwrap().ends_with("<p>Some <b>HTML</b></p>"));
    for missing in ["/message/x", "/message/x/html", "/other"] {
        assert_eq!(office.get(missing).await.status(), 404);
    }
}

#[tokio::test]
async fn the_addresses_of_the_simulator_cause_events() {
    let mut office = Office::open().await;
    for (to, expected) in [
        ("ann@example.com", vec!["Email Sent", "Email Delivered"]),
        ("success@simulator.amazonses.com", vec!["Email Sent", "Email Delivered"]),
        ("ooto@simulator.amazonses.com", vec!["Email Sent", "Email Delivered"]),
        ("bounce@simulator.amazonses.com", vec!["Email Sent", "Email Bounced"]),
        ("Bounce+ann@Simulator.amazonses.com", vec!["Email Sent", "Email Bounced"]),
        ("suppressionlist@simulator.amazonses.com", vec!["Email Sent", "Email Bounced"]),
        ("complaint+x@simulator.amazonses.com", vec!["Email Sent", "Email Delivered", "Email Complaint Received"]),
        ("bounce@example.com", vec!["Email Sent", "Email Delivered"]),
    ] {
        let id = office.sent(&request(to)).await;
        let events = office.received();
        assert_eq!(events.iter().map(|event| &event["detail-type"]).collect::<Vec<_>>(), expected, "{to}");
        for event in events {
            assert_eq!(event["detail"]["mail"]["messageId"], id);
            assert_eq!(event["detail"]["mail"]["destination"], json!([to]));
        }
    }
    let mut quiet = request("bounce@simulator.amazonses.com");
    quiet["ConfigurationSetName"] = "failures".into();
    office.sent(&quiet).await;
    assert_eq!(office.received().len(), 1);
    quiet.as_object_mut().unwrap().remove("ConfigurationSetName");
    office.sent(&quiet).await;
    assert!(office.received().is_empty(), "without a configuration set there are no events");
}

#[tokio::test]
async fn an_event_has_the_form_that_ses_documents() {
    let mut office = Office::open().await;
    let mut request = request("bounce@simulator.amazonses.com");
    request["Destination"]["CcAddresses"] = json!(["complaint@simulator.amazonses.com", "ann@example.com"]);
    request["EmailTags"] = json!([{ "Name": "kind", "Value": "reset" }]);
    let id = office.sent(&request).await;
    let events = office.received();
    let [_, delivery, bounce, complaint] = events.as_slice() else { panic!("four events: {events:?}") };

    assert_eq!(bounce["version"], "0");
    assert_eq!(bounce["source"], "aws.ses");
    assert_eq!(bounce["resources"], json!(["arn:aws:ses:us-east-1:000000000000:configuration-set/everything"]));
    assert!(bounce["time"].as_str().is_some_and(|time| time.len() == 20));
    assert_ne!(bounce["id"], complaint["id"]);
    let detail = &bounce["detail"];
    assert_eq!(detail["eventType"], "Bounce");
    assert_eq!(
        (&detail["bounce"]["bounceType"], &detail["bounce"]["bounceSubType"]),
        (&json!("Permanent"), &json!("General"))
    );
    let bounced = detail["bounce"]["bouncedRecipients"].as_array().unwrap();
    assert_eq!(bounced.len(), 1);
    assert_eq!(bounced[0]["emailAddress"], "bounce@simulator.amazonses.com");
    assert_eq!(bounced[0]["status"], "5.1.1");
    let mail = &detail["mail"];
    assert_eq!(mail["messageId"], id);
    assert_eq!(mail["source"], "Partner Portal <portal@example.com>");
    assert_eq!(mail["sourceArn"], "arn:aws:ses:us-east-1:000000000000:identity/portal@example.com");
    assert_eq!(mail["destination"].as_array().unwrap().len(), 3);
    assert_eq!(mail["commonHeaders"]["subject"], "Hello <there>");
    assert_eq!(mail["tags"]["ses:configuration-set"], json!(["everything"]));
    assert_eq!(mail["tags"]["kind"], json!(["reset"]));
    assert!(
        mail["headers"].as_array().unwrap().contains(&json!({ "name": "Auto-Submitted", "value": "auto-generated" }))
    );

    let complained = &complaint["detail"]["complaint"];
    assert_eq!(complained["complainedRecipients"], json!([{ "emailAddress": "complaint@simulator.amazonses.com" }]));
    assert_eq!(complained["complaintFeedbackType"], "abuse");
    let delivered = json!(["complaint@simulator.amazonses.com", "ann@example.com"]);
    assert_eq!(delivery["detail"]["delivery"]["recipients"], delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_invokes_the_functions_whose_rules_match() {
    let receiver = Receiver::start().await;
    let rule = |kind: &str| Rule {
        function: Receiver::NAME.to_owned(),
        pattern: Pattern::read(&json!({ "source": ["aws.ses"], "detail-type": [kind] })).unwrap(),
    };
    let (sender, events) = mpsc::unbounded_channel();
    let rules = vec![rule("Email Bounced"), rule("Email Sent")];
    let delivering = tokio::spawn(deliver(events, rules, receiver.lambda.clone()));
    let event =
        |kind: &str, fails: u32| json!({ "source": "aws.ses", "detail-type": kind, "detail": { "fails": fails } });
    sender.send(event("Email Complaint Received", 0)).unwrap();
    // The first two attempts fail.
    sender.send(event("Email Bounced", 2)).unwrap();
    drop(sender);
    delivering.await.unwrap();
    while receiver.events().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(receiver.events().iter().all(|received| *received == event("Email Bounced", 2)));
    receiver.lambda.stop().await;
}

#[test]
fn an_address_may_have_a_name() {
    for (text, expected) in [
        ("ann@example.com", "ann@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("Ann Lee <ann@example.com>", "ann@example.com"),
        ("\"Ann <3\" <ann@example.com> ", "ann@example.com"),
        ("<ann@example.com", "<ann@example.com"),
    ] {
        assert_eq!(address(text), expected, "{text}");
    }
}
