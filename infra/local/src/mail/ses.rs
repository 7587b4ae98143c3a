//! SES's operation `SendEmail` (API version 2019-09-27), with the checks that SES makes. Of the contents, only simple
//! ones are supported.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::events::Sent;
use super::mailbox::{Mailbox, Message};
use super::{address, time};
use crate::lambda::random;
use crate::plan::Mail;
use crate::template::REGION;

/// SES's limits.
const MAX_RECIPIENTS: usize = 50;
const MAX_HEADERS: usize = 15;
const MAX_HEADER_NAME: usize = 126;
const MAX_HEADER_VALUE: usize = 870;
/// For the name of a tag, and for its value.
const MAX_TAG: usize = 256;
/// Headers that other fields of a request set, or that SES adds.
const OWN_HEADERS: &[&str] = &[
    "bcc",
    "cc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

struct Ses {
    mail: Mail,
    mailbox: Arc<Mailbox>,
    events: UnboundedSender<Value>,
}

/// The API. Accepted messages go to the mailbox, and their events to `events`.
pub(crate) fn router(mail: Mail, mailbox: Arc<Mailbox>, events: UnboundedSender<Value>) -> Router {
    Router::new()
        .route("/v2/email/outbound-emails", post(send_email))
        .fallback(async || {
            Refused::new(StatusCode::NOT_FOUND, "UnknownOperationException", "There is only SendEmail.").answer()
        })
        .with_state(Arc::new(Ses { mail, mailbox, events }))
}

/// A request. A field that is missing here is not supported.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    from_email_address: Option<String>,
    destination: Option<Destination>,
    #[serde(default)]
    reply_to_addresses: Vec<String>,
    content: Content,
    #[serde(default)]
    email_tags: Vec<Pair>,
    configuration_set_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    #[serde(default, rename = "ToAddresses")]
    to: Vec<String>,
    #[serde(default, rename = "CcAddresses")]
    cc: Vec<String>,
    #[serde(default, rename = "BccAddresses")]
    bcc: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Content {
    simple: Simple,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Simple {
    subject: Text,
    body: Body,
    #[serde(default)]
    headers: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Body {
    text: Option<Text>,
    html: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Text {
    data: String,
    /// The text is UTF-8 in any case: the charset is the one in which SES encodes it.
    charset: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pair {
    name: String,
    value: String,
}

/// An error response.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestException", message)
    }

    fn answer(self) -> Response {
        let code = [(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(self.code))];
        (self.status, code, Json(json!({ "message": self.message }))).into_response()
    }
}

async fn send_email(State(ses): State<Arc<Ses>>, body: Bytes) -> Response {
    match ses.send(&body) {
        Ok(id) => Json(json!({ "MessageId": id })).into_response(),
        Err(refused) => refused.answer(),
    }
}

impl Ses {
    /// Returns the id of the message.
    fn send(&self, body: &[u8]) -> Result<String, Refused> {
        let request: Request = serde_json::from_slice(body)
            .map_err(|problem| Refused::bad(format!("The local stack does not support this request: {problem}")))?;
        let from = request.from_email_address.as_deref().unwrap_or_default();
        check_address(from)?;
        let identity = self.mail.identity(address(from)).ok_or_else(|| {
            let message = format!(
                "Email address is not verified. The following identities failed the check in region {}: {from}",
                REGION.to_ascii_uppercase()
            );
            Refused::new(StatusCode::BAD_REQUEST, "MessageRejected", message)
        })?;
        let set = request.configuration_set_name.as_ref().or(identity.configuration_set.as_ref());
        let set = match set {
            None => None,
            Some(name) => {
                let found = self.mail.configuration_sets.iter().find(|set| set.name == *name);
                let missing = || {
                    let message = format!("Configuration set <{name}> does not exist.");
                    Refused::new(StatusCode::NOT_FOUND, "NotFoundException", message)
                };
                Some(found.ok_or_else(missing)?)
            }
        };
        let destination = request.destination.unwrap_or_default();
        let recipients = recipients(&destination)?;
        request.reply_to_addresses.iter().try_for_each(|reply_to| check_address(reply_to))?;
        let Simple { subject, body, headers } = request.content.simple;
        let [subject, text, html] = [Some(subject), body.text, body.html].map(|text| text.map(read).transpose());
        let (subject, text, html) = (subject?.unwrap_or_default(), text?, html?);
        if subject.contains(['\r', '\n']) {
            return Err(Refused::bad("The subject has more than one line."));
        }
        if text.is_none() && html.is_none() {
            return Err(Refused::bad("The body has neither a text nor HTML."));
        }
        check_headers(&headers)?;
        check_tags(&request.email_tags)?;

        let now = time::now();
        let id = message_id();
        let mut all: BTreeMap<String, String> = [
            ("Date", now.header.clone()),
            ("From", from.to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Message-ID", format!("<{id}@email.amazonses.com>")),
            ("Subject", subject.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let lists = [("To", &destination.to), ("Cc", &destination.cc), ("Reply-To", &request.reply_to_addresses)];
        for (name, list) in lists {
            if !list.is_empty() {
                all.insert(name.to_owned(), list.join(", "));
            }
        }
        all.extend(headers.into_iter().map(|header| (header.name, header.value)));
        let message = Message {
            id: id.clone(),
            to: recipients,
            from: from.to_owned(),
            subject,
            text,
            html,
            headers: all,
            at: now.millis.clone(),
        };
        let tags = request.email_tags.into_iter().map(|tag| (tag.name, tag.value)).collect();
        let events = Sent { message: &message, identity, set, tags, at: now }.events();
        self.mailbox.add(message);
        for event in events {
            // Nothing receives events any more while the stack stops.
            let _ = self.events.send(event);
        }
        Ok(id)
    }
}

fn read(text: Text) -> Result<String, Refused> {
    match text.charset.as_deref() {
        None => Ok(text.data),
        Some(charset) if charset.eq_ignore_ascii_case("utf-8") => Ok(text.data),
        Some(charset) => Err(Refused::bad(format!("The local stack does not support the charset {charset}."))),
    }
}

/// The addresses of all recipients, without names.
fn recipients(destination: &Destination) -> Result<Vec<String>, Refused> {
    let all = [&destination.to, &destination.cc, &destination.bcc];
    let mut recipients = Vec::new();
    for recipient in all.into_iter().flatten() {
        check_address(recipient)?;
        recipients.push(address(recipient).to_owned());
    }
    match recipients.len() {
        0 => Err(Refused::bad("The message has no recipient.")),
        1..=MAX_RECIPIENTS => Ok(recipients),
        _ => Err(Refused::bad(format!("Recipient count exceeds {MAX_RECIPIENTS}."))),
    }
}

/// SES accepts the characters of ASCII only: names must be encoded, and international domains written in Punycode.
fn check_address(text: &str) -> Result<(), Refused> {
    if !text.chars().all(|character| matches!(character, ' '..='~')) {
        return Err(Refused::bad("An address contains control or non-ASCII characters."));
    }
    match address(text).rsplit_once('@') {
        None | Some((_, "")) => Err(Refused::bad("Missing final '@domain'")),
        Some(("", _)) => Err(Refused::bad("Missing local part")),
        Some((local, domain)) if local.contains([' ', '<', '>', ',']) || domain.contains([' ', '<', '>', ',']) => {
            Err(Refused::bad("An address contains whitespace or separators."))
        }
        Some(_) => Ok(()),
    }
}

fn check_headers(headers: &[Pair]) -> Result<(), Refused> {
    if headers.len() > MAX_HEADERS {
        return Err(Refused::bad(format!("A message has at most {MAX_HEADERS} headers.")));
    }
    for Pair { name, value } in headers {
        let is_name = (1..=MAX_HEADER_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        let is_value =
            (1..=MAX_HEADER_VALUE).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_name || !is_value {
            return Err(Refused::bad("A header has an invalid name or value."));
        }
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(Refused::bad(format!("The header {name} cannot be set.")));
        }
    }
    Ok(())
}

fn check_tags(tags: &[Pair]) -> Result<(), Refused> {
    let is_valid = |text: &str, others: &[u8]| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(is_letter)
    };
    if tags.iter().all(|tag| is_valid(&tag.name, b"_-") && is_valid(&tag.value, b"_-.@")) {
        Ok(())
    } else {
        Err(Refused::bad("A tag has an invalid name or value."))
    }
}

/// An id of SES's form.
fn message_id() -> String {
    format!("{}-{}-000000", random::hex::<8>(), random::request_id())
}
