//! DynamoDB: keys, items, reads and transactions. This module uses the domain in `portal-core`, and neither HTTP nor
//! Cognito.

mod attempts;
mod audit;
mod codes;
mod conflict;
mod cursor;
mod everyone;
mod expression;
mod idempotency;
mod items;
mod keys;
mod links;
mod listing;
mod marks;
mod outbox;
mod read;
mod removed;
mod review_order;
mod search;
mod sources;
mod trail;
mod transaction;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use conflict::retry_conflicts;
use expression::{Expression, number};

pub use attempts::{Counted, Counter, CounterItem};
pub use audit::{Actor, Event, Target};
pub use codes::CodesItem;
pub use conflict::jitter;
pub use everyone::{Everyone, Found};
pub use idempotency::{Created, IdempotencyItem, Import, Imported};
pub use items::{
    Basis, ChallengeItem, ChoiceItem, Chosen, CredentialItem, EmailItem, EnrolmentItem, PartnerItem, PasskeySignInItem,
    PasskeyStart, SessionItem, UserItem, is_east_asian, name_key,
};
pub use keys::{ItemKey, Key, Table, hash};
pub use links::LinksItem;
pub use listing::{Order, Page, Position, Sort};
pub use marks::{Backlog, Mark, Marks};
pub use outbox::{OutboxItem, Waiting};
pub use read::{Items, from_item};
pub use removed::{RemovedItem, RemovedPage};
pub use review_order::{Place, ReviewCursor, ReviewEntry, ReviewOrder, ReviewPage};
pub use search::{SearchEntry, Searched};
pub use sources::{DEVICE_KNOWN_FOR, Source, SourcesItem, Standing};
pub use trail::{EventFilter, EventPage};
pub use transaction::{CommitError, Condition, Transaction};

use crate::config::Config;
use crate::error::{Cause, Failure};
use crate::models::{Timestamp, User};

/// The maximum number of users of a partner.
pub const MAX_USERS: u64 = 10_000;

/// The tables and their client.
#[derive(Debug)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    users: Option<String>,
    credentials: Option<String>,
    sessions: Option<String>,
    audit: Option<String>,
    outbox: Option<String>,
}

impl Store {
    /// Returns a store for the tables that the environment names.
    pub(crate) fn new(config: &Config, http_client: SharedHttpClient) -> Self {
        Self {
            client: config.dynamodb(http_client),
            users: config.users_table.clone(),
            credentials: config.credentials_table.clone(),
            sessions: config.sessions_table.clone(),
            audit: config.audit_table.clone(),
            outbox: config.outbox_table.clone(),
        }
    }

    /// Returns a store for the tables that `name` names. Functions do not use it: their environment names the tables.
    pub fn with_client(client: aws_sdk_dynamodb::Client, name: impl Fn(Table) -> Option<String>) -> Self {
        Self {
            client,
            users: name(Table::Users),
            credentials: name(Table::Credentials),
            sessions: name(Table::Sessions),
            audit: name(Table::Audit),
            outbox: name(Table::Outbox),
        }
    }

    /// Returns whether mail is on: the environment then names the table of the outbox.
    pub fn has_outbox(&self) -> bool {
        self.outbox.is_some()
    }

    /// Reads one item, if it exists.
    async fn get(&self, item_key: &ItemKey, is_consistent: bool) -> Result<Option<read::Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(self.name_of(item_key.table)?)
            .set_key(Some(item_key.attributes()))
            .consistent_read(is_consistent);
        let response = request.send().await.map_err(|error| StoreError::from_sdk("GetItem", &error))?;
        Ok(response.item)
    }

    /// Deletes one item, whether or not it exists.
    async fn delete(&self, item_key: &ItemKey) -> Result<(), StoreError> {
        let request =
            self.client.delete_item().table_name(self.name_of(item_key.table)?).set_key(Some(item_key.attributes()));
        retry_conflicts(|| request.clone().send()).await.map_err(|error| StoreError::from_sdk("DeleteItem", &error))?;
        Ok(())
    }

    /// Updates one item if its conditions hold. Returns whether they did.
    async fn update_if(&self, item_key: &ItemKey, expression: Expression) -> Result<bool, StoreError> {
        Ok(self.update(item_key, expression).await?.is_some())
    }

    /// Updates one item if its conditions hold. Returns the updated item, or `None` if they did not hold.
    async fn update(&self, item_key: &ItemKey, expression: Expression) -> Result<Option<read::Item>, StoreError> {
        let written = expression.write();
        let request = self
            .client
            .update_item()
            .table_name(self.name_of(item_key.table)?)
            .set_key(Some(item_key.attributes()))
            .update_expression(written.update)
            .set_condition_expression(written.condition)
            .set_expression_attribute_names(written.names)
            .set_expression_attribute_values(written.values)
            .return_values(ReturnValue::AllNew);
        match retry_conflicts(|| request.clone().send()).await {
            Ok(response) => Ok(Some(response.attributes.unwrap_or_default())),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(StoreError::from_sdk("UpdateItem", &error)),
        }
    }

    /// Records that the user, as read, was active at `at`, unless an activity on the same day (in UTC) is recorded. It
    /// changes nothing if the user was removed, or if all sessions ended after the read.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn note_activity(&self, user: &User, at: Timestamp) -> Result<(), StoreError> {
        let today = at.start_of_day();
        if user.last_active_at().is_some_and(|last| last >= today) {
            return Ok(());
        }
        let mut expression = Expression::default();
        expression.when_present();
        expression.when("session_generation", "=", number(user.session_generation));
        // Of several refreshes at the same time, one writes. The time never becomes an earlier one.
        expression.when_absent_or_less("last_refresh_at", number(today.unix_millis()));
        expression.set("last_refresh_at", number(at.unix_millis()));
        self.update_if(&Key::user(&user.partner_id, &user.id).item_key, expression).await?;
        Ok(())
    }

    fn name_of(&self, table: Table) -> Result<&str, StoreError> {
        let name = match table {
            Table::Users => &self.users,
            Table::Credentials => &self.credentials,
            Table::Sessions => &self.sessions,
            Table::Audit => &self.audit,
            Table::Outbox => &self.outbox,
        };
        name.as_deref().ok_or(StoreError::NoTable(table))
    }
}

/// The reason why a DynamoDB call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttles requests or cannot be reached, even after retries.
    #[error("DynamoDB is unavailable: {0}")]
    Unavailable(String),
    /// DynamoDB rejected a request, or a response lacks something. This is a bug or a wrong configuration.
    #[error("DynamoDB rejected a request: {0}")]
    Refused(String),
    /// An item does not have the expected shape.
    #[error("an item has the wrong shape: {0}")]
    Shape(#[from] serde_dynamo::Error),
    /// The function's environment has no name for this table.
    #[error("no table name for {0:?} in the environment")]
    NoTable(Table),
}

impl StoreError {
    fn from_sdk<E: ProvideErrorMetadata, R: std::fmt::Debug>(what: &str, error: &SdkError<E, R>) -> Self {
        // DynamoDB's messages contain limits and names of tables and attributes, but never values of items.
        let code = error.code().unwrap_or("no response");
        let text = format!("{what}: {code}: {}", error.message().unwrap_or("no message"));
        let refused = matches!(
            code,
            "ValidationException"
                | "ResourceNotFoundException"
                | "AccessDeniedException"
                | "UnrecognizedClientException"
                | "SerializationException"
        );
        if refused { Self::Refused(text) } else { Self::Unavailable(text) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = Cause::new("store", &error);
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(cause),
            StoreError::Refused(_) | StoreError::Shape(_) | StoreError::NoTable(_) => Self::Internal(cause),
        }
    }
}
