//! Pools, their clients and their public keys.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::{ApiError, Fault};
use super::settings::{self, ClientSettings, PoolSettings};
use super::store::{Client, Pool};
use super::tokens::SigningKey;
use super::{UserPools, secrets};

const LARGEST_PAGE: usize = 60;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeUserPool {
    user_pool_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListUserPools {
    max_results: usize,
    #[serde(default)]
    next_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeUserPoolClient {
    user_pool_id: String,
    client_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PoolAnswer {
    user_pool: PoolDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoolDescription {
    id: String,
    name: String,
    arn: String,
    creation_date: i64,
    last_modified_date: i64,
    estimated_number_of_users: i64,
    #[serde(flatten)]
    settings: PoolSettings,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PoolsAnswer {
    user_pools: Vec<PoolSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoolSummary {
    id: String,
    name: String,
    creation_date: i64,
    last_modified_date: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ClientAnswer {
    user_pool_client: ClientDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientDescription {
    user_pool_id: String,
    client_name: String,
    client_id: String,
    creation_date: i64,
    last_modified_date: i64,
    #[serde(flatten)]
    settings: ClientSettings,
}

impl UserPools {
    pub(super) fn create_user_pool(&self, request: &Map<String, Value>) -> Result<PoolAnswer, ApiError> {
        let mut request = request.clone();
        let name = settings::take_name(&mut request, "PoolName")?;
        let settings: PoolSettings = settings::parse(request)?;
        settings.check()?;
        // Generating a key is slow, so do it before taking the lock.
        let key = SigningKey::generate()?;
        let pool = Pool { id: secrets::pool_id(&self.0.region)?, name, settings, created_at: self.now(), key };
        self.change(|store| store.add_pool(&pool))?;
        Ok(self.describe(pool, 0))
    }

    pub(super) fn describe_user_pool(&self, request: &DescribeUserPool) -> Result<PoolAnswer, ApiError> {
        let (pool, users) = self.change(|store| {
            let pool = store.pool(&request.user_pool_id)?;
            let users = store.count_users(&pool.id)?;
            Ok((pool, users))
        })?;
        Ok(self.describe(pool, users))
    }

    pub(super) fn list_user_pools(&self, request: &ListUserPools) -> Result<PoolsAnswer, ApiError> {
        if !(1..=LARGEST_PAGE).contains(&request.max_results) {
            return Err(ApiError::InvalidParameter(format!("MaxResults must be between 1 and {LARGEST_PAGE}.")));
        }
        let mut pools = self.change(|store| store.pools(&request.next_token, request.max_results + 1))?;
        let more = pools.len() > request.max_results;
        pools.truncate(request.max_results);
        Ok(PoolsAnswer {
            next_token: pools.last().filter(|_| more).map(|pool| pool.id.clone()),
            user_pools: pools.into_iter().map(summary).collect(),
        })
    }

    pub(super) fn create_user_pool_client(&self, request: &Map<String, Value>) -> Result<ClientAnswer, ApiError> {
        let mut request = request.clone();
        let pool_id = settings::take_name(&mut request, "UserPoolId")?;
        let name = settings::take_name(&mut request, "ClientName")?;
        let settings: ClientSettings = settings::parse(request)?;
        settings.check()?;
        let client = Client { id: secrets::client_id()?, pool_id, name, settings, created_at: self.now() };
        self.change(|store| {
            store.pool(&client.pool_id)?;
            store.add_client(&client)
        })?;
        Ok(describe_client(client))
    }

    pub(super) fn describe_user_pool_client(&self, request: &DescribeUserPoolClient) -> Result<ClientAnswer, ApiError> {
        let client = self.change(|store| {
            let pool = store.pool(&request.user_pool_id)?;
            let client = store.client(&request.client_id)?;
            if client.pool_id == pool.id { Ok(client) } else { Err(ApiError::no_client(&request.client_id)) }
        })?;
        Ok(describe_client(client))
    }

    /// `GET /{pool_id}/.well-known/jwks.json`.
    pub(super) fn key_set(&self, pool_id: &str) -> Result<Value, ApiError> {
        let key = self.change(|store| Ok(store.pool(pool_id)?.key))?;
        serde_json::to_value(key.public_set()?).map_err(|error| ApiError::Internal(Fault::Json(error)))
    }

    /// `GET /{pool_id}/.well-known/openid-configuration`, with AWS's addresses.
    pub(super) fn discovery(&self, pool_id: &str) -> Result<Value, ApiError> {
        let pool = self.change(|store| store.pool(pool_id))?;
        let issuer = self.issuer(&pool.id);
        Ok(json!({
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "issuer": issuer,
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
        }))
    }

    fn describe(&self, pool: Pool, users: i64) -> PoolAnswer {
        PoolAnswer {
            user_pool: PoolDescription {
                arn: self.arn(&pool.id),
                id: pool.id,
                name: pool.name,
                creation_date: pool.created_at,
                last_modified_date: pool.created_at,
                estimated_number_of_users: users,
                settings: pool.settings,
            },
        }
    }
}

fn summary(pool: Pool) -> PoolSummary {
    PoolSummary { id: pool.id, name: pool.name, creation_date: pool.created_at, last_modified_date: pool.created_at }
}

fn describe_client(client: Client) -> ClientAnswer {
    ClientAnswer {
        user_pool_client: ClientDescription {
            user_pool_id: client.pool_id,
            client_name: client.name,
            client_id: client.id,
            creation_date: client.created_at,
            last_modified_date: client.created_at,
            settings: client.settings,
        },
    }
}
