//! DynamoDB and the user pool for the functions: the local stack's embedded servers, with the template's tables and
//! pool. They run in this process, and so with optimisation.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;

use axum::Router;
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::Outcome;
use crate::record::{self, EMPTY, Recorder};
use crate::template::{Function, Template};
use crate::user_pool::UserPools;

const REGION: &str = "us-east-1";

/// The addresses of the servers.
pub(crate) struct Cloud {
    /// The DynamoDB that most functions use.
    pub(crate) dynamodb: String,
    /// A DynamoDB with empty tables, for functions that process all items.
    pub(crate) empty: String,
    pub(crate) cognito: String,
    pub(crate) user_pool_id: String,
    pub(crate) client_id: String,
    pub(crate) recorder: Arc<Recorder>,
    /// The URL of the recorder, a proxy in front of all servers.
    pub(crate) recorder_url: String,
    http: reqwest::Client,
}

impl Cloud {
    /// Starts the servers on the runtime `servers`, which is separate from the measuring one.
    pub(crate) async fn start(template: &Template, servers: &Handle) -> Outcome<Self> {
        let dynamodb = database(servers).await?;
        let empty = database(servers).await?;
        let pools = UserPools::open(None, REGION).map_err(|error| error.to_string())?;
        let cognito = serve(servers, pools.router()).await?;
        let recorder = Arc::new(Recorder::new(dynamodb.clone(), empty.clone(), cognito.clone()));
        let recorder_url = serve(servers, Recorder::router(Arc::clone(&recorder))).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut cloud = Self {
            dynamodb,
            empty,
            cognito,
            user_pool_id: String::new(),
            client_id: String::new(),
            recorder,
            recorder_url,
            http,
        };
        for url in [&cloud.dynamodb, &cloud.empty] {
            for table in template.tables() {
                cloud.ask(url, "DynamoDB_20120810.CreateTable", &table).await?;
            }
        }
        let pool = cloud.cognito("CreateUserPool", &template.user_pool()?).await?;
        cloud.user_pool_id = text(&pool, "/UserPool/Id")?;
        let client = cloud.cognito("CreateUserPoolClient", &template.client(&cloud.user_pool_id)?).await?;
        cloud.client_id = text(&client, "/UserPoolClient/ClientId")?;
        Ok(cloud)
    }

    /// Calls DynamoDB.
    pub(crate) async fn dynamodb(&self, operation: &str, input: &Value) -> Outcome<Value> {
        self.ask(&self.dynamodb, &format!("DynamoDB_20120810.{operation}"), input).await
    }

    /// Calls the user pool.
    pub(crate) async fn cognito(&self, operation: &str, input: &Value) -> Outcome<Value> {
        self.ask(&self.cognito, &format!("AWSCognitoIdentityProviderService.{operation}"), input).await
    }

    async fn ask(&self, url: &str, target: &str, input: &Value) -> Outcome<Value> {
        let request = self
            .http
            .post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(input.to_string());
        let response = request.send().await?;
        let status = response.status();
        let answer = response.text().await?;
        if !status.is_success() {
            return Err(format!("{target}: {answer}").into());
        }
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer)? })
    }

    /// The environment of a function, as Lambda and the template set it, with these servers as endpoints.
    pub(crate) fn environment(&self, function: &Function) -> BTreeMap<String, String> {
        let dynamodb = if works_on_empty_tables(&function.name) { &self.empty } else { &self.dynamodb };
        let mut environment = function.environment.clone();
        for (name, value) in [("USER_POOL_ID", &self.user_pool_id), ("USER_POOL_CLIENT_ID", &self.client_id)] {
            if let Some(given) = environment.get_mut(name) {
                given.clone_from(value);
            }
        }
        let lambda = [
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_SESSION_TOKEN", "bench"),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &self.cognito),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("_HANDLER", "bootstrap"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/nonexistent"),
        ];
        environment.extend(lambda.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment
    }

    /// The same environment, with all calls going through the recorder.
    pub(crate) fn recorded(&self, mut environment: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_empty = environment.get("AWS_ENDPOINT_URL_DYNAMODB") == Some(&self.empty);
        let dynamodb = format!("{}{}", self.recorder_url, if is_empty { EMPTY } else { "" });
        environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb);
        environment.insert("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER".to_owned(), self.recorder_url.clone());
        environment
    }

    /// The same environment, with a Cognito whose calls take so many milliseconds.
    pub(crate) fn with_cognito(
        &self,
        milliseconds: u64,
        mut environment: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let url = format!("{}{}", self.recorder_url, record::slow(milliseconds));
        environment.insert("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER".to_owned(), url);
        environment
    }
}

/// These functions process all items. On the other tables they would find the data of all other measurements.
pub(crate) fn works_on_empty_tables(function: &str) -> bool {
    matches!(function, "repair-identities" | "end-all-sessions")
}

/// The text at a JSON pointer, which must be there.
pub(crate) fn text(value: &Value, pointer: &str) -> Outcome<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("no {pointer} in {value}"))?.to_owned())
}

async fn database(servers: &Handle) -> Outcome<String> {
    let database = Database::memory()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?.into_std()?;
    let url = format!("http://{}", listener.local_addr()?);
    let _serving = servers.spawn(async move {
        let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
        dynoxide::server::serve_with_shutdown(listener, database, future::pending()).await
    });
    Ok(url)
}

async fn serve(servers: &Handle, router: Router) -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?.into_std()?;
    let url = format!("http://{}", listener.local_addr()?);
    let _serving = servers.spawn(async move { axum::serve(TcpListener::from_std(listener)?, router).await });
    Ok(url)
}

/// The input of a `PutItem`.
pub(crate) fn put(table: &str, item: &Value) -> Value {
    json!({ "TableName": table, "Item": item })
}
