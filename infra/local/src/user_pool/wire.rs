//! AWS JSON 1.1 over HTTP: one address, with the operation in a header. The module does not know what the operations
//! do.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ApiError, Fault};
use super::{UserPools, secrets};

const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";
const LONGEST_BODY: usize = 128 * 1024;

/// The response of operations that return nothing.
#[derive(Serialize)]
pub(super) struct Nothing {}

pub(super) fn router(pools: UserPools) -> Router {
    Router::new()
        .route("/", post(operation))
        .route("/{pool_id}/.well-known/jwks.json", get(keys))
        .route("/{pool_id}/.well-known/openid-configuration", get(discovery))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(pools)
}

async fn operation(State(pools): State<UserPools>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or_default().to_owned();
    respond(in_background(move || run(&pools, &name, &body)).await, "application/x-amz-json-1.1")
}

async fn keys(State(pools): State<UserPools>, Path(pool_id): Path<String>) -> Response {
    respond(in_background(move || pools.key_set(&pool_id)).await, "application/json")
}

async fn discovery(State(pools): State<UserPools>, Path(pool_id): Path<String>) -> Response {
    respond(in_background(move || pools.discovery(&pool_id)).await, "application/json")
}

/// Storage and signatures block for milliseconds, so they run outside the threads that serve connections.
async fn in_background(work: impl FnOnce() -> Result<Value, ApiError> + Send + 'static) -> Result<Value, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::Internal(Fault::Interrupted(error)))?
}

pub(super) fn run(pools: &UserPools, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
    match operation {
        "CreateUserPool" => call(body, |input| pools.create_user_pool(input)),
        "DescribeUserPool" => call(body, |input| pools.describe_user_pool(input)),
        "ListUserPools" => call(body, |input| pools.list_user_pools(input)),
        "CreateUserPoolClient" => call(body, |input| pools.create_user_pool_client(input)),
        "DescribeUserPoolClient" => call(body, |input| pools.describe_user_pool_client(input)),
        "AdminCreateUser" => call(body, |input| pools.admin_create_user(input)),
        "AdminSetUserPassword" => call(body, |input| pools.admin_set_user_password(input)),
        "AdminGetUser" => call(body, |input| pools.admin_get_user(input)),
        "AdminDeleteUser" => call(body, |input| pools.admin_delete_user(input)),
        "ListUsers" => call(body, |input| pools.list_users(input)),
        "AdminInitiateAuth" => call(body, |input| pools.admin_initiate_auth(input)),
        "InitiateAuth" => call(body, |input| pools.initiate_auth(input)),
        "RevokeToken" => call(body, |input| pools.revoke_token(input)),
        "AdminUserGlobalSignOut" => call(body, |input| pools.admin_user_global_sign_out(input)),
        "GetUser" => call(body, |input| pools.get_user(input)),
        "GlobalSignOut" => call(body, |input| pools.global_sign_out(input)),
        "DeleteUser" => call(body, |input| pools.delete_user(input)),
        "ChangePassword" => call(body, |input| pools.change_password(input)),
        _ => Err(ApiError::UnknownOperation),
    }
}

fn call<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    operation: impl FnOnce(&I) -> Result<O, ApiError>,
) -> Result<Value, ApiError> {
    let input: I = serde_json::from_slice(body).map_err(|error| {
        // The text of a data error names only fields, types and settings. It cannot contain a secret, because no secret
        // has an enumerated type.
        if error.is_data() { ApiError::InvalidParameter(error.to_string()) } else { ApiError::Serialization }
    })?;
    serde_json::to_value(operation(&input)?).map_err(|error| ApiError::Internal(Fault::Json(error)))
}

fn respond(answer: Result<Value, ApiError>, content_type: &'static str) -> Response {
    let mut response = match answer {
        Ok(body) => (StatusCode::OK, body.to_string()).into_response(),
        Err(error) => {
            if let ApiError::Internal(cause) = &error {
                eprintln!("user pool: {cause}");
            }
            let body = json!({ "__type": error.name(), "message": error.to_string() });
            (error.status(), [("x-amzn-errortype", error.name())], body.to_string()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(id) = secrets::uuid().ok().and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
