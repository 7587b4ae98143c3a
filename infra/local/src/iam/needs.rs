//! Determines the actions and resources for which a call needs permission. According to the service authorization
//! reference, an action has the name of its operation; the exceptions are documented here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::mail::address;
use crate::plan::Mail;
use crate::template::{ses_arn, table_arn, user_pool_arn};

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
}

/// Why the needs of a call cannot be determined. Such a call is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NeedsError {
    #[error("The request cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The needs of such a call are in the text of its statements.
    #[error("The local stack does not read PartiQL.")]
    PartiQl,
}

/// Only the names are parsed; everything else is skipped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnTable {
    table_name: Option<String>,
    index_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    #[expect(clippy::zero_sized_map_values, reason = "the JSON value is an object, and only its keys are needed")]
    request_items: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    transact_items: Vec<Part>,
}

#[derive(Deserialize)]
enum Part {
    ConditionCheck(PartOnTable),
    Delete(PartOnTable),
    Get(PartOnTable),
    Put(PartOnTable),
    Update(PartOnTable),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PartOnTable {
    table_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnPool {
    user_pool_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    from_email_address: Option<String>,
    configuration_set_name: Option<String>,
    content: Option<MessageContent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageContent {
    raw: Option<IgnoredAny>,
}

/// The needs of a DynamoDB operation.
///
/// A batch needs its action on each of its tables. A transaction has no action of its own: it needs the action of each
/// part (DynamoDB's developer guide, "Using IAM with transactions"). Reading an index needs permission for the index,
/// but not for its table.
pub(crate) fn dynamodb(operation: &str, body: &[u8]) -> Result<BTreeSet<Need>, NeedsError> {
    let need = |name: &str, resource: String| Need { action: format!("dynamodb:{name}"), resource };
    Ok(match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let batch: Batch = serde_json::from_slice(body)?;
            batch.request_items.keys().map(|table| need(operation, arn_of_table(table))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let transaction: Transaction = serde_json::from_slice(body)?;
            let parts = transaction.transact_items.iter().map(Part::name_and_table);
            parts.map(|(name, table)| need(name, arn_of_table(table))).collect()
        }
        "BatchExecuteStatement" | "ExecuteStatement" | "ExecuteTransaction" => return Err(NeedsError::PartiQl),
        _ => {
            let OnTable { table_name, index_name } = serde_json::from_slice(body)?;
            let resource = match (table_name, index_name) {
                (Some(table), Some(index)) => format!("{}/index/{index}", arn_of_table(&table)),
                (Some(table), None) => arn_of_table(&table),
                // Operations that name no table, such as `ListTables` or `DescribeLimits`.
                (None, _) => "*".to_owned(),
            };
            [need(operation, resource)].into()
        }
    })
}

/// The needs of a Cognito operation. `RevokeToken` needs none: any holder of a token may revoke it, so Cognito
/// evaluates no policy and accepts unsigned calls (its API reference states this for each operation).
pub(crate) fn cognito(operation: &str, body: &[u8]) -> Result<BTreeSet<Need>, NeedsError> {
    if operation == "RevokeToken" {
        return Ok(BTreeSet::new());
    }
    let OnPool { user_pool_id } = serde_json::from_slice(body)?;
    let resource = user_pool_id.map_or_else(|| "*".to_owned(), |id| user_pool_arn(&id));
    Ok([Need { action: format!("cognito-idp:{operation}"), resource }].into())
}

/// The needs of SES's operation `SendEmail`: the identity that permits the sender's address, and the configuration set
/// that the message or else the identity names. A raw message has an action of its own.
pub(crate) fn ses(body: &[u8], mail: &Mail) -> Result<BTreeSet<Need>, NeedsError> {
    let Message { from_email_address, configuration_set_name, content } = serde_json::from_slice(body)?;
    let raw = content.is_some_and(|content| content.raw.is_some());
    let action = if raw { "ses:SendRawEmail" } else { "ses:SendEmail" };
    let from = from_email_address.unwrap_or_default();
    let from = address(&from);
    let identity = mail.identity(from);
    let of_identity = || identity.and_then(|identity| identity.configuration_set.clone());
    let set = configuration_set_name.or_else(of_identity);
    let need = |resource: String| Need { action: action.to_owned(), resource: ses_arn(&resource) };
    let name = identity.map_or(from, |identity| &identity.name);
    Ok([need(format!("identity/{name}"))]
        .into_iter()
        .chain(set.map(|set| need(format!("configuration-set/{set}"))))
        .collect())
}

impl Part {
    /// The name of the action and the name of the table.
    fn name_and_table(&self) -> (&'static str, &str) {
        let (name, on) = match self {
            Self::ConditionCheck(on) => ("ConditionCheckItem", on),
            Self::Delete(on) => ("DeleteItem", on),
            Self::Get(on) => ("GetItem", on),
            Self::Put(on) => ("PutItem", on),
            Self::Update(on) => ("UpdateItem", on),
        };
        (name, &on.table_name)
    }
}

/// DynamoDB accepts a table's ARN instead of its name.
fn arn_of_table(name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { table_arn(name) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Identity;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/";

    fn needs(
        of: fn(&str, &[u8]) -> Result<BTreeSet<Need>, NeedsError>,
        operation: &str,
        body: &Value,
    ) -> Vec<(String, String)> {
        let needs = of(operation, body.to_string().as_bytes()).unwrap();
        needs.into_iter().map(|Need { action, resource }| (action, resource)).collect()
    }

    #[track_caller]
    fn on_tables(operation: &str, body: &Value, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(action, rest)| (format!("dynamodb:{action}"), format!("{TABLE}{rest}"))).collect();
        assert_eq!(needs(dynamodb, operation, body), expected);
    }

    #[test]
    fn a_table_is_one_need_and_an_index_is_its_own_resource() {
        let body = json!({ "TableName": "Users", "Item": { "TableName": { "S": "Other" } } });
        on_tables("PutItem", &body, &[("PutItem", "Users")]);
        let body = json!({ "TableName": "Users", "IndexName": "by_name" });
        on_tables("Query", &body, &[("Query", "Users/index/by_name")]);
        on_tables("Scan", &json!({ "TableName": format!("{TABLE}Users") }), &[("Scan", "Users")]);
        on_tables("DescribeTable", &json!({ "TableName": "Users" }), &[("DescribeTable", "Users")]);
    }

    #[test]
    fn a_batch_needs_its_action_on_every_table() {
        let body = json!({ "RequestItems": { "B": { "Keys": [] }, "A": { "Keys": [] } } });
        on_tables("BatchGetItem", &body, &[("BatchGetItem", "A"), ("BatchGetItem", "B")]);
        on_tables("BatchWriteItem", &json!({ "RequestItems": { "A": [] } }), &[("BatchWriteItem", "A")]);
    }

    #[test]
    fn a_transaction_needs_the_action_of_every_part() {
        let part = |name: &str, table: &str| json!({ name: { "TableName": table, "Key": {} } });
        let body = json!({ "TransactItems": [
            part("Update", "A"), part("Put", "A"), part("ConditionCheck", "B"), part("Delete", "A"), part("Put", "A"),
        ] });
        let expected = [("ConditionCheckItem", "B"), ("DeleteItem", "A"), ("PutItem", "A"), ("UpdateItem", "A")];
        on_tables("TransactWriteItems", &body, &expected);
        on_tables("TransactGetItems", &json!({ "TransactItems": [part("Get", "A")] }), &[("GetItem", "A")]);
    }

    #[test]
    fn a_call_that_names_no_resource_needs_the_wildcard() {
        let everything = |action: &str| vec![(action.to_owned(), "*".to_owned())];
        assert_eq!(needs(dynamodb, "ListTables", &json!({})), everything("dynamodb:ListTables"));
        assert_eq!(needs(cognito, "ListUserPools", &json!({})), everything("cognito-idp:ListUserPools"));
    }

    #[test]
    fn a_cognito_call_needs_its_operation_on_the_pool_except_revoke_token() {
        let body = json!({ "UserPoolId": "us-east-1_a", "Username": "x" });
        let pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a";
        let expected = vec![("cognito-idp:AdminCreateUser".to_owned(), pool.to_owned())];
        assert_eq!(needs(cognito, "AdminCreateUser", &body), expected);
        assert_eq!(needs(cognito, "RevokeToken", &json!({ "ClientId": "c", "Token": "t" })), []);
    }

    #[test]
    fn a_message_needs_its_identity_and_its_configuration_set() {
        let identity = |name: &str, set: Option<&str>| Identity {
            name: name.to_owned(),
            configuration_set: set.map(str::to_owned),
        };
        let mail = Mail {
            identities: vec![identity("portal@example.com", None), identity("example.org", Some("default"))],
            ..Mail::default()
        };
        let simple = json!({ "Simple": {} });
        for (body, action, expected) in [
            (
                json!({ "FromEmailAddress": "Portal <portal@example.com>", "Content": simple }),
                "SendEmail",
                vec!["identity/portal@example.com"],
            ),
            (
                json!({ "FromEmailAddress": "portal@example.com", "ConfigurationSetName": "mail", "Content": simple }),
                "SendEmail",
                vec!["configuration-set/mail", "identity/portal@example.com"],
            ),
            (
                json!({ "FromEmailAddress": "a@example.org", "Content": simple }),
                "SendEmail",
                vec!["configuration-set/default", "identity/example.org"],
            ),
            (json!({ "FromEmailAddress": "a@b.example" }), "SendEmail", vec!["identity/a@b.example"]),
            (
                json!({ "FromEmailAddress": "portal@example.com", "Content": { "Raw": { "Data": "" } } }),
                "SendRawEmail",
                vec!["identity/portal@example.com"],
            ),
        ] {
            let found = ses(body.to_string().as_bytes(), &mail).unwrap();
            let found: Vec<_> = found.into_iter().map(|Need { action, resource }| (action, resource)).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|resource| (format!("ses:{action}"), ses_arn(resource))).collect();
            assert_eq!(found, expected, "{body}");
        }
        assert!(ses(b"[]", &mail).is_err());
    }

    #[test]
    fn an_unreadable_request_is_an_error() {
        for (operation, body) in [
            ("PutItem", "hello"),
            ("PutItem", r#"{"TableName": 1}"#),
            ("BatchGetItem", "{}"),
            ("TransactWriteItems", r#"{"TransactItems": [{}]}"#),
            ("TransactWriteItems", r#"{"TransactItems": [{"Put": {}}]}"#),
            ("TransactWriteItems", r#"{"TransactItems": [{"Other": {"TableName": "A"}}]}"#),
            ("TransactWriteItems", r#"{"TransactItems": [{"Put": {"TableName": "A"}, "Update": {"TableName": "B"}}]}"#),
        ] {
            let result = dynamodb(operation, body.as_bytes());
            assert!(matches!(result, Err(NeedsError::Unreadable(_))), "{operation} {body}: {result:?}");
        }
        for operation in ["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"] {
            assert!(matches!(dynamodb(operation, b"{}"), Err(NeedsError::PartiQl)), "{operation}");
        }
    }
}
