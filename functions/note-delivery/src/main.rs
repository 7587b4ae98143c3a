//! Records bounces and complaints: Amazon SES reports them as events of `EventBridge`.
//!
//! A report changes the mail state of the users that the mail was about, as long as they still have the address. Reports
//! about another address are ignored, and so is a bounce that is not permanent.

use portal::App;
use portal::error::Failure;
use portal::http::{Stopped, serve_events};
use portal::mailer::USER_TAG;
use portal::models::{EventAction, MailState, PartnerId, User, UserId};
use portal::store::{Actor, Event, Key};
use portal::telemetry;
use serde::Serialize;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_events(note_delivery).await
}

#[derive(Default, Serialize)]
struct Report {
    /// The users whose mail state was changed.
    changed: u32,
}

async fn note_delivery(app: &'static App, event: Value, request_id: String) -> Result<Report, Failure> {
    let Some(delivery) = Delivery::read(&event) else { return Ok(Report::default()) };
    let (now, store) = (app.now(), app.store());
    let keys: Vec<_> = delivery.users.iter().map(|(partner, user)| Key::user(partner, user)).collect();
    let stored = store.read(&keys.iter().map(Key::item_key).collect::<Vec<_>>()).await?;
    let mut report = Report::default();
    for key in &keys {
        let Some(user) = stored.get(key)?.map(|item| item.user) else { continue };
        if !delivery.concerns(&user) || user.mail_state == delivery.state {
            continue;
        }
        let action = delivery.action();
        let mut transaction = store.transaction();
        transaction.set_mail_state(&user, delivery.state);
        transaction.record(&user.partner_id, &Event::new(action, now, Actor::System, &user, None, &request_id)?);
        transaction.commit().await?;
        tracing::info!(request_id, state = delivery.state.as_str(), user = user.id.as_str(), "recorded a mail state");
        report.changed += 1;
    }
    let metric = match delivery.state {
        MailState::Complained => "MailComplained",
        MailState::Bounced | MailState::Ok => "MailBounced",
    };
    telemetry::count(metric, 1);
    Ok(report)
}

/// A report about a mail.
struct Delivery {
    state: MailState,
    /// The addresses concerned, in lower case.
    recipients: Vec<String>,
    /// The users that the mail was about.
    users: Vec<(PartnerId, UserId)>,
}

impl Delivery {
    /// Reads an event. Returns `None` if it is no permanent bounce and no complaint.
    fn read(event: &Value) -> Option<Self> {
        let detail = event.get("detail")?;
        let (state, list) = match detail.get("eventType")?.as_str()? {
            "Bounce" => {
                let bounce = detail.get("bounce")?;
                let is_permanent = bounce.get("bounceType")?.as_str() == Some("Permanent");
                (MailState::Bounced, bounce.get("bouncedRecipients").filter(|_| is_permanent)?)
            }
            "Complaint" => (MailState::Complained, detail.get("complaint")?.get("complainedRecipients")?),
            _ => return None,
        };
        let address = |recipient: &Value| Some(recipient.get("emailAddress")?.as_str()?.to_ascii_lowercase());
        let recipients = list.as_array()?.iter().filter_map(address).collect();
        let tags = detail.get("mail")?.get("tags")?.as_object()?.iter();
        let users = tags
            .filter(|(name, _)| name.starts_with(USER_TAG))
            .flat_map(|(_, values)| values.as_array().into_iter().flatten())
            .filter_map(|value| {
                let (partner, user) = value.as_str()?.split_once('-')?;
                Some((PartnerId::parse(partner).ok()?, UserId::parse(user).ok()?))
            })
            .collect();
        Some(Self { state, recipients, users })
    }

    /// Returns whether the user still has one of the addresses.
    fn concerns(&self, user: &User) -> bool {
        self.recipients.iter().any(|recipient| recipient == user.email.normalized())
    }

    fn action(&self) -> EventAction {
        match self.state {
            MailState::Complained => EventAction::MailComplained,
            MailState::Bounced | MailState::Ok => EventAction::MailBounced,
        }
    }
}
