//! `POST /v1/password-resets`: requests a mail with a link to choose a new password.
//!
//! The function cannot read users. Its calls and its response are the same for every email, so that they do not reveal
//! whether an email is used: `send-mail` finds the users later.

use portal::App;
use portal::error::{Cause, Failure};
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{Email, Language, PartnerId, Timestamp};
use portal::store::{Counter, ItemKey, Items, OutboxItem};
use portal::telemetry;

/// The maximum number of attempts to count a request when others for the same email are counted at the same time.
const MAX_ATTEMPTS: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(request_password_reset).await
}

async fn request_password_reset(app: &App, request: Request) -> Result<Answer, Failure> {
    let Input { email, partner } = parse(&request)?;
    app.require_mail()?;
    let (store, now, address) = (app.store(), app.now(), request.address());
    let pseudonym = app.pseudonym(&email)?;
    let (of_network, of_email) = (Counter::reset_requests(address), Counter::resets(&pseudonym));
    let item_keys: Vec<ItemKey> =
        of_email.iter().chain([&of_network]).map(|counter| counter.item_key().clone()).collect();
    let mut stored = store.read(&item_keys).await?;
    if let Some(seconds) = store.count(&of_network, &stored, now).await? {
        return Err(Failure::TooManyRequests(seconds));
    }

    let language = request.language(&Language::ALL.map(Language::as_str)).and_then(|code| Language::parse(code).ok());
    let mail = OutboxItem::reset_request(&email, partner.as_ref(), language.unwrap_or_default(), now)?;
    let mail = mail.from_client(address, request.origin().user_agent);
    for _ in 0..MAX_ATTEMPTS {
        // The mail and its counts are one transaction, which is also sent when a limit is reached: then its condition
        // fails.
        let mut transaction = store.transaction();
        for counter in &of_email {
            transaction.count(counter, &stored, now)?;
        }
        transaction.send(&mail);
        let is_sent = transaction.commit_if_possible().await?;
        if is_sent || is_limited(&of_email, &stored, now)? {
            tracing::info!(request_id = request.id(), address, email = pseudonym, is_sent, "password reset requested");
            telemetry::count("PasswordResetsRequested", 1);
            return Ok(Answer::accepted());
        }
        // Another request has changed a counter since it was read.
        stored = store.read(&item_keys).await?;
    }
    Err(Failure::Unavailable(Cause::of("too many concurrent requests for one email")))
}

fn is_limited(counters: &[Counter], stored: &Items, now: Timestamp) -> Result<bool, Failure> {
    for counter in counters {
        if counter.full(stored, now)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Input {
    email: Email,
    partner: Option<PartnerId>,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let email = body.required("email");
    let partner: Option<Option<String>> = body.optional("partner_id");
    let (email, partner) = body.finish(|| Some((email?, partner?)))?;
    // A malformed id is treated as a partner that does not exist: the same response after the same work.
    let unknown = || PartnerId::new(Timestamp::from_unix_millis(0), [0; 10]);
    Ok(Input { email, partner: partner.map(|id| PartnerId::parse(&id).unwrap_or_else(|_| unknown())) })
}
