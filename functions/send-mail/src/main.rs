//! Sends mail as soon as it is added to the outbox: the table's stream invokes this function.
//!
//! A record of the stream contains only the key of a mail. A record that fails is retried with those after it; mail that
//! was sent meanwhile is no longer in the outbox. `sweep-outbox` sends what fails too often here.

use portal::App;
use portal::actions::send_mail;
use portal::error::Failure;
use portal::http::{Stopped, serve_events};
use portal::store::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_events(send_added).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamEvent {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    dynamodb: Added,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Added {
    keys: Keys,
    sequence_number: String,
}

#[derive(Deserialize)]
struct Keys {
    pk: Text,
}

/// A string, as DynamoDB writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    s: String,
}

/// The records that Lambda must retry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    batch_item_failures: Vec<FailedRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedRecord {
    item_identifier: String,
}

async fn send_added(app: &'static App, event: Value, request_id: String) -> Result<Report, Failure> {
    let event: StreamEvent =
        serde_json::from_value(event).map_err(|error| Failure::internal("reading an event of the stream", &error))?;
    let mut added: Vec<Added> = event.records.into_iter().map(|record| record.dynamodb).collect();
    // A key starts with the rank of its mail: requested links first, invitations last.
    added.sort_by(|one, other| one.keys.pk.s.cmp(&other.keys.pk.s));
    let mut batch_item_failures = Vec::new();
    for Added { keys, sequence_number } in added {
        if let Err(failure) = send_mail(app, &Key::mail(&keys.pk.s)).await {
            let problem = format!("{failure:?}");
            tracing::warn!(request_id, problem, "could not send a mail; the record of the stream will be retried");
            batch_item_failures.push(FailedRecord { item_identifier: sequence_number });
        }
    }
    Ok(Report { batch_item_failures })
}
