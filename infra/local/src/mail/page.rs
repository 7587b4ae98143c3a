//! The mailbox over HTTP: a page for people, and `/messages` for programs.
//!
//! Messages contain links that give access to accounts. So only programs of this machine and the mailbox's own page may
//! read them: a request of another page has another `Origin`, and one that reaches the mailbox through another name
//! (DNS rebinding) has another `Host`. The HTML of a message is shown in a frame without scripts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use super::mailbox::{Mailbox, Message};

/// The maximum time for which a request waits for messages.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
/// The page has no script at all.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";
/// A message may have styles and embedded images. Its links open in another tab.
const MESSAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                              frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";
const STYLE: &str = "body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem } \
                     table { border-collapse: collapse; width: 100% } \
                     td, th { border-bottom: 1px solid #ccc; padding: .4rem; text-align: left; vertical-align: top } \
                     iframe { background: #fff; border: 1px solid #ccc; height: 32rem; width: 100% } \
                     pre { background: #f4f4f4; overflow-x: auto; padding: 1rem; white-space: pre-wrap } \
                     dt { font-weight: bold }";

/// Serves the mailbox at this address.
pub(crate) fn router(mailbox: Arc<Mailbox>, address: SocketAddr) -> Router {
    let guard = Guard { host: address.to_string(), origin: format!("http://{address}") };
    Router::new()
        .route("/", get(list))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route("/message/{id}", get(message))
        .route("/message/{id}/html", get(html))
        .route("/messages", get(messages).delete(delete))
        .with_state(mailbox)
        .layer(middleware::from_fn_with_state(Arc::new(guard), admit))
}

struct Guard {
    host: String,
    origin: String,
}

/// Rejects foreign requests, and adds the headers that all responses have.
async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut response = if guard.accepts(headers) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "The mailbox accepts only requests of this machine, to its own address.\n")
            .into_response()
    };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let policy = response.headers_mut().entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static(PAGE_POLICY));
    response
}

impl Guard {
    fn accepts(&self, headers: &HeaderMap) -> bool {
        let all = |name: HeaderName, own: &str| headers.get_all(name).iter().all(|value| value == own);
        headers.contains_key(header::HOST) && all(header::HOST, &self.host) && all(header::ORIGIN, &self.origin)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Selects the messages to this address.
    to: Option<String>,
    /// Waits until there are so many of them.
    at_least: Option<usize>,
}

async fn messages(State(mailbox): State<Arc<Mailbox>>, Query(asked): Query<Asked>) -> Json<Vec<Message>> {
    // No address has a space, but a plus sign that is not encoded is one.
    let to = asked.to.map(|to| to.replace(' ', "+"));
    let to = to.as_deref();
    if let Some(count) = asked.at_least {
        // After the timeout the response has the messages that are there.
        let _ = tokio::time::timeout(WAIT_TIMEOUT, mailbox.holds(to, count)).await;
    }
    Json(mailbox.messages(to))
}

async fn delete(State(mailbox): State<Arc<Mailbox>>) -> StatusCode {
    mailbox.clear();
    StatusCode::NO_CONTENT
}

async fn list(State(mailbox): State<Arc<Mailbox>>) -> Html<String> {
    let messages = mailbox.messages(None);
    let mut rows = String::new();
    for message in &messages {
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "<tr><td>{at}</td><td>{to}</td><td><a href=\"/message/{id}\">{subject}</a></td></tr>",
            at = escaped(&message.at),
            to = escaped(&message.to.join(", ")),
            id = escaped(&message.id),
            subject = escaped(&message.subject),
        );
    }
    let table = if messages.is_empty() {
        "<p>There is no message.</p>".to_owned()
    } else {
        format!("<table><tr><th>Time</th><th>To</th><th>Subject</th></tr>{rows}</table>")
    };
    let newest = messages.first().map(view).unwrap_or_default();
    document("Mailbox", &format!("<p>Messages of the portal. None of them left this machine.</p>{table}{newest}"))
}

async fn message(State(mailbox): State<Arc<Mailbox>>, Path(id): Path<String>) -> Response {
    let Some(message) = mailbox.message(&id) else { return missing() };
    document("Mailbox", &format!("<p><a href=\"/\">All messages</a></p>{}", view(&message))).into_response()
}

/// One message, with its HTML in a frame.
fn view(message: &Message) -> String {
    let mut view = format!("<h2>{}</h2><dl>", escaped(&message.subject));
    for (name, value) in &message.headers {
        let _ = write!(view, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
    }
    view.push_str("</dl>");
    if message.html.is_some() {
        let _ = write!(
            view,
            "<h3>HTML</h3><iframe title=\"HTML\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" \
             src=\"/message/{}/html\"></iframe>",
            escaped(&message.id)
        );
    }
    if let Some(text) = &message.text {
        let _ = write!(view, "<h3>Text</h3><pre>{}</pre>", escaped(text));
    }
    view
}

/// The HTML of a message. The added first lines make its links open in another tab, since the portal cannot be framed.
async fn html(State(mailbox): State<Arc<Mailbox>>, Path(id): Path<String>) -> Response {
    let Some(html) = mailbox.message(&id).and_then(|message| message.html) else { return missing() };
    let body = Html(format!("<!doctype html><base target=\"_blank\">\n{html}"));
    ([(header::CONTENT_SECURITY_POLICY, MESSAGE_POLICY)], body).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, document("Mailbox", "<p>This message is not there.</p>")).into_response()
}

fn document(title: &str, body: &str) -> Html<String> {
    let title = escaped(title);
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><meta name=\"viewport\" \
         content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/style.css\"></head><body><h1>{title}</h1>\
         {body}</body></html>"
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
