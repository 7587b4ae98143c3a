//! Creates the template's tables and user pool on the configured servers, through the AWS SDK. Existing ones are kept
//! if they match the template.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_cognitoidentityprovider::operation::list_users::ListUsersError;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::sleep;

use crate::lambda::log;
use crate::servers::Server;
use crate::template::{Index, KeyType, Keys, PoolIds, Projection, StreamView, Table, Template, TemplateError};

/// The name of the user pool and of its client.
const NAME: &str = "portal-local";
/// The number of checks whether a table is ready, and the time between two checks.
const LOOKS: u32 = 600;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// Why a table or pool could not be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("template.yaml: {0}")]
    Template(#[from] TemplateError),
    #[error("{what}: {problem}")]
    Failed { what: String, problem: String },
    #[error(
        "{0}: the existing table has other keys or indexes than the template: remove the table, or the folder .portal to \
         start with an empty portal"
    )]
    OtherTable(String),
    #[error("{0}: the table did not become active")]
    NotActive(String),
}

impl ResourceError {
    /// Converts an SDK error. The useful part of its message is in its sources.
    fn failed(what: &str, problem: &dyn std::error::Error) -> Self {
        let mut text = problem.to_string();
        let mut source = problem.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Self::Failed { what: what.to_owned(), problem: text.replace('\n', " ") }
    }
}

/// A created user pool, with the properties that it was created from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) ids: PoolIds,
    made_from: Properties,
}

/// The template's properties of the pool and its client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Properties {
    user_pool: Value,
    client: Value,
}

/// Creates the missing tables concurrently. Returns whether any table was missing.
pub(crate) async fn tables(server: &Server, tables: &[Table]) -> Result<bool, ResourceError> {
    let client = client(server);
    let made = try_join_all(tables.iter().map(|table| make_table(&client, table))).await?;
    Ok(made.contains(&true))
}

/// A client for the tables of a server.
pub(crate) fn client(server: &Server) -> dynamodb::Client {
    let config = dynamodb::Config::builder()
        .endpoint_url(&server.url)
        .region(dynamodb::config::Region::new(server.region.clone()))
        .credentials_provider(server.credentials.clone())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(dynamodb::config::timeout::TimeoutConfig::builder().operation_timeout(CALL_LIMIT).build())
        .build();
    dynamodb::Client::from_conf(config)
}

async fn make_table(client: &dynamodb::Client, table: &Table) -> Result<bool, ResourceError> {
    let mut found = describe(client, table).await?;
    let missing = found.is_none();
    if missing {
        create_table(client, table).await?;
        found = describe(client, table).await?;
    }
    let mut looks = 0;
    while found.as_ref().and_then(TableDescription::table_status) != Some(&TableStatus::Active) {
        if looks == LOOKS {
            return Err(ResourceError::NotActive(table.logical_id.clone()));
        }
        looks += 1;
        sleep(LOOK_EVERY).await;
        found = describe(client, table).await?;
    }
    if !found.is_some_and(|found| is_as_asked(&found, table)) {
        return Err(ResourceError::OtherTable(table.logical_id.clone()));
    }
    if let Some(attribute) = &table.time_to_live {
        set_time_to_live(client, table, attribute).await?;
    }
    if let Some(view) = table.stream {
        set_stream(client, table, view).await?;
    }
    Ok(missing)
}

async fn describe(client: &dynamodb::Client, table: &Table) -> Result<Option<TableDescription>, ResourceError> {
    match client.describe_table().table_name(&table.name).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
            Ok(None)
        }
        Err(error) => Err(ResourceError::failed(&table.logical_id, &error)),
    }
}

async fn create_table(client: &dynamodb::Client, table: &Table) -> Result<(), ResourceError> {
    let failed = |error: dynamodb::error::BuildError| ResourceError::failed(&table.logical_id, &error);
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(&table.keys).map_err(failed)?));
    for (name, kind) in &table.attributes {
        let kind = match kind {
            KeyType::String => ScalarAttributeType::S,
            KeyType::Number => ScalarAttributeType::N,
            KeyType::Binary => ScalarAttributeType::B,
        };
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
        request = request.attribute_definitions(definition.map_err(failed)?);
    }
    for index in &table.local_indexes {
        let built = LocalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(&index.keys).map_err(failed)?))
            .projection(projection(&index.projection))
            .build();
        request = request.local_secondary_indexes(built.map_err(failed)?);
    }
    for index in &table.global_indexes {
        let built = GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(key_schema(&index.keys).map_err(failed)?))
            .projection(projection(&index.projection))
            .build();
        request = request.global_secondary_indexes(built.map_err(failed)?);
    }
    request.send().await.map(drop).map_err(|error| ResourceError::failed(&table.logical_id, &error))
}

fn key_schema(keys: &Keys) -> Result<Vec<KeySchemaElement>, dynamodb::error::BuildError> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let hash = element(&keys.hash, dynamodb::types::KeyType::Hash);
    let range = keys.range.as_ref().map(|name| element(name, dynamodb::types::KeyType::Range));
    std::iter::once(hash).chain(range).collect()
}

fn projection(projection: &Projection) -> dynamodb::types::Projection {
    let builder = dynamodb::types::Projection::builder();
    match projection {
        Projection::All => builder.projection_type(ProjectionType::All),
        Projection::KeysOnly => builder.projection_type(ProjectionType::KeysOnly),
        Projection::Include(names) => {
            builder.projection_type(ProjectionType::Include).set_non_key_attributes(Some(names.clone()))
        }
    }
    .build()
}

/// Whether the keys of a table, and the names, keys and projections of its indexes, match the template.
fn is_as_asked(found: &TableDescription, table: &Table) -> bool {
    type Key = (String, Option<String>);
    type Content = (Key, Option<dynamodb::types::ProjectionType>, BTreeSet<String>);
    fn asked_key(keys: &Keys) -> Key {
        (keys.hash.clone(), keys.range.clone())
    }
    fn found_key(schema: &[KeySchemaElement]) -> Key {
        let named = |kind: &dynamodb::types::KeyType| {
            schema.iter().find(|element| element.key_type() == kind).map(|element| element.attribute_name().to_owned())
        };
        (named(&dynamodb::types::KeyType::Hash).unwrap_or_default(), named(&dynamodb::types::KeyType::Range))
    }
    fn content(key: Key, projection: Option<&dynamodb::types::Projection>) -> Content {
        let kind = projection.and_then(|projection| projection.projection_type().cloned());
        let names = projection.map(|projection| projection.non_key_attributes().iter().cloned().collect());
        (key, kind, names.unwrap_or_default())
    }
    fn asked(indexes: &[Index]) -> BTreeMap<&str, Content> {
        let asked = |index: &Index| content(asked_key(&index.keys), Some(&projection(&index.projection)));
        indexes.iter().map(|index| (index.name.as_str(), asked(index))).collect()
    }
    let local = found.local_secondary_indexes().iter();
    let local: BTreeMap<_, _> = local
        .map(|index| {
            (index.index_name().unwrap_or_default(), content(found_key(index.key_schema()), index.projection()))
        })
        .collect();
    let global = found.global_secondary_indexes().iter();
    let global: BTreeMap<_, _> = global
        .map(|index| {
            (index.index_name().unwrap_or_default(), content(found_key(index.key_schema()), index.projection()))
        })
        .collect();
    found_key(found.key_schema()) == asked_key(&table.keys)
        && local == asked(&table.local_indexes)
        && global == asked(&table.global_indexes)
}

async fn set_time_to_live(client: &dynamodb::Client, table: &Table, attribute: &str) -> Result<(), ResourceError> {
    let failed = |problem: &dyn std::error::Error| ResourceError::failed(&table.logical_id, problem);
    let found = client.describe_time_to_live().table_name(&table.name).send().await.map_err(|error| failed(&error))?;
    let is_set = found.time_to_live_description().is_some_and(|found| {
        found.attribute_name() == Some(attribute)
            && matches!(found.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    });
    if is_set {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    client
        .update_time_to_live()
        .table_name(&table.name)
        .time_to_live_specification(specification.map_err(|error| failed(&error))?)
        .send()
        .await
        .map(drop)
        .map_err(|error| failed(&error))
}

/// Adds a stream to a table that has none, which is possible at any time. A server without streams is not an error: what
/// depends on streams reports it.
async fn set_stream(client: &dynamodb::Client, table: &Table, view: StreamView) -> Result<(), ResourceError> {
    let found = describe(client, table).await?;
    let is_enabled = |found: &TableDescription| {
        found.stream_specification().is_some_and(dynamodb::types::StreamSpecification::stream_enabled)
    };
    if found.as_ref().is_some_and(is_enabled) {
        return Ok(());
    }
    let view = match view {
        StreamView::KeysOnly => StreamViewType::KeysOnly,
        StreamView::NewImage => StreamViewType::NewImage,
        StreamView::OldImage => StreamViewType::OldImage,
        StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
    };
    let specification = StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build();
    let specification = specification.map_err(|error| ResourceError::failed(&table.logical_id, &error))?;
    let updated = client.update_table().table_name(&table.name).stream_specification(specification).send().await;
    if let Err(problem) = updated {
        log::line("dynamodb", &ResourceError::failed(&table.logical_id, &problem).to_string());
    }
    Ok(())
}

/// The pool of an earlier start, if it exists and was created from the same properties, or else a new one. Users can
/// sign in as before with a new pool, because the user pool stores nothing about them.
pub(crate) async fn user_pool(
    server: &Server,
    template: &Template,
    earlier: Option<&Pool>,
) -> Result<Pool, ResourceError> {
    let config = cognito::Config::builder()
        .endpoint_url(&server.url)
        .region(cognito::config::Region::new(server.region.clone()))
        .credentials_provider(server.credentials.clone())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(cognito::config::timeout::TimeoutConfig::builder().operation_timeout(CALL_LIMIT).build())
        .build();
    let client = cognito::Client::from_conf(config);
    let user_pool = template.user_pool()?;
    if let Some(earlier) = earlier {
        let same = earlier.made_from.user_pool == user_pool
            && earlier.made_from.client == template.user_pool_client(&earlier.ids.user_pool)?
            && is_there(&client, &earlier.ids.user_pool).await?;
        if same {
            return Ok(earlier.clone());
        }
    }
    let id = create_user_pool(&client, &user_pool).await?;
    let properties = template.user_pool_client(&id)?;
    let client = create_client(&client, &id, &properties).await?;
    Ok(Pool { ids: PoolIds { user_pool: id, client }, made_from: Properties { user_pool, client: properties } })
}

async fn is_there(client: &cognito::Client, pool: &str) -> Result<bool, ResourceError> {
    match client.list_users().user_pool_id(pool).limit(1).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(ListUsersError::is_resource_not_found_exception) => {
            Ok(false)
        }
        Err(error) => Err(ResourceError::failed("the user pool", &error)),
    }
}

async fn create_user_pool(client: &cognito::Client, properties: &Value) -> Result<String, ResourceError> {
    let properties = properties.clone();
    let answer = client
        .create_user_pool()
        .pool_name(NAME)
        .customize()
        .mutate_request(move |request| add_fields(request, &properties))
        .send()
        .await
        .map_err(|error| ResourceError::failed("the user pool", &error))?;
    answer.user_pool.and_then(|pool| pool.id).ok_or_else(|| without_id("the user pool"))
}

async fn create_client(client: &cognito::Client, pool: &str, properties: &Value) -> Result<String, ResourceError> {
    let properties = properties.clone();
    let answer = client
        .create_user_pool_client()
        .user_pool_id(pool)
        .client_name(NAME)
        .customize()
        .mutate_request(move |request| add_fields(request, &properties))
        .send()
        .await
        .map_err(|error| ResourceError::failed("the user pool's client", &error))?;
    answer.user_pool_client.and_then(|client| client.client_id).ok_or_else(|| without_id("the user pool's client"))
}

fn without_id(what: &str) -> ResourceError {
    ResourceError::Failed { what: what.to_owned(), problem: "the response has no id".to_owned() }
}

/// Adds the template's properties to an SDK request. Templates and Cognito's API use the same names, so every property
/// reaches the server without a list of properties here.
fn add_fields(request: &mut cognito::config::http::HttpRequest, properties: &Value) {
    let written = request.body().bytes().and_then(|body| serde_json::from_slice::<Map<String, Value>>(body).ok());
    let (Some(mut fields), Some(properties)) = (written, properties.as_object()) else { return };
    fields.extend(properties.clone());
    let body = Value::Object(fields).to_string();
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = body.into();
}

/// The issuer of the tokens according to the server's discovery document. `None` if the server has no such document;
/// the issuer is then Cognito's own.
pub(crate) async fn issuer(server: &Server, user_pool: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Configuration {
        issuer: String,
    }
    let client = reqwest::Client::builder().no_proxy().timeout(CALL_LIMIT).build().ok()?;
    let url = format!("{}/{user_pool}/.well-known/openid-configuration", server.url);
    let answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
    answer.json::<Configuration>().await.ok().map(|configuration| configuration.issuer)
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::servers;

    fn table() -> Table {
        let keys = |hash: &str, range: &str| Keys { hash: hash.into(), range: Some(range.into()) };
        Table {
            logical_id: "Rows".into(),
            name: "portal-local-Rows".into(),
            attributes: ["pk", "sk", "name"].map(|name| (name.to_owned(), KeyType::String)).into(),
            keys: keys("pk", "sk"),
            local_indexes: vec![Index {
                name: "by_name".into(),
                keys: keys("pk", "name"),
                projection: Projection::All,
            }],
            global_indexes: vec![Index {
                name: "names".into(),
                keys: Keys { hash: "name".into(), range: None },
                projection: Projection::KeysOnly,
            }],
            time_to_live: Some("expires_at".into()),
            stream: None,
        }
    }

    #[tokio::test]
    async fn a_missing_table_is_created_and_an_existing_one_is_kept() {
        let mut tasks = JoinSet::new();
        let server = servers::dynamodb(None, &mut tasks).await.unwrap();
        assert!(tables(&server, &[table()]).await.unwrap());
        assert!(!tables(&server, &[table()]).await.unwrap());
    }

    #[tokio::test]
    async fn a_table_that_the_template_no_longer_describes_is_an_error() {
        let mut tasks = JoinSet::new();
        let server = servers::dynamodb(None, &mut tasks).await.unwrap();
        tables(&server, &[table()]).await.unwrap();
        let changed = Table { global_indexes: Vec::new(), ..table() };
        assert!(matches!(tables(&server, &[changed]).await, Err(ResourceError::OtherTable(name)) if name == "Rows"));
    }

    #[tokio::test]
    async fn an_existing_table_gets_the_stream_that_the_template_adds() {
        let mut tasks = JoinSet::new();
        let server = servers::dynamodb(None, &mut tasks).await.unwrap();
        tables(&server, &[table()]).await.unwrap();
        let client = client(&server);
        for view in [StreamView::NewImage, StreamView::NewImage] {
            assert!(!tables(&server, &[Table { stream: Some(view), ..table() }]).await.unwrap());
            let found = describe(&client, &table()).await.unwrap().unwrap();
            assert_eq!(found.stream_specification().unwrap().stream_view_type(), Some(&StreamViewType::NewImage));
        }
    }

    fn template(access_minutes: u32) -> Template {
        let text = format!(
            r"
Resources:
  Api: {{ Type: AWS::Serverless::HttpApi }}
  Pool: {{ Type: AWS::Cognito::UserPool, Properties: {{ MfaConfiguration: 'OFF' }} }}
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      UserPoolId: !Ref Pool
      AccessTokenValidity: {access_minutes}
      TokenValidityUnits: {{ AccessToken: minutes }}
"
        );
        Template::parse(&text, &BTreeMap::new(), &[]).unwrap()
    }

    #[tokio::test]
    async fn a_user_pool_is_kept_while_it_exists_and_matches_the_template() {
        let mut tasks = JoinSet::new();
        let server = servers::user_pool(None, &mut tasks).await.unwrap();
        let first = user_pool(&server, &template(15), None).await.unwrap();
        assert_eq!(user_pool(&server, &template(15), Some(&first)).await.unwrap(), first);
        assert_ne!(user_pool(&server, &template(20), Some(&first)).await.unwrap().ids, first.ids);

        let elsewhere = servers::user_pool(None, &mut tasks).await.unwrap();
        assert_ne!(user_pool(&elsewhere, &template(15), Some(&first)).await.unwrap().ids, first.ids);
    }

    #[tokio::test]
    async fn the_templates_properties_of_the_pool_reach_the_server() {
        let mut tasks = JoinSet::new();
        let server = servers::user_pool(None, &mut tasks).await.unwrap();
        let problem = user_pool(&server, &template(1), None).await.unwrap_err().to_string();
        assert!(problem.starts_with("the user pool's client: ") && !problem.contains('\n'), "{problem}");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_a_one_line_error() {
        let server = servers::Server::embedded("http://127.0.0.1:1".to_owned());
        let problem = tables(&server, &[table()]).await.unwrap_err().to_string();
        assert!(problem.starts_with("Rows: ") && !problem.contains('\n'), "{problem}");
    }
}
