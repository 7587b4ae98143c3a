//! The public keys of the user pools that sign the tokens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;

/// The minimum time between two fetches that look for an unknown key.
const FETCH_EVERY: Duration = Duration::from_secs(2);
const FETCH_LIMIT: Duration = Duration::from_secs(5);

/// The key sets, fetched on demand and cached.
pub(crate) struct Keys {
    cognito_endpoint: String,
    http: reqwest::Client,
    /// The key sets by pool id. The lock is held during a fetch, so that concurrent requests fetch once.
    pools: Mutex<HashMap<String, KeySet>>,
}

struct KeySet {
    keys: JwkSet,
    fetched: Instant,
}

/// Why a key could not be returned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("no such key")]
    Unknown,
    #[error("{0}")]
    Fetch(#[source] reqwest::Error),
    #[error("{0}")]
    Rejected(#[source] jsonwebtoken::errors::Error),
}

impl Keys {
    /// Keys from `<cognito_endpoint>/<pool id>/.well-known/jwks.json`; the endpoint must not end with a slash.
    pub(crate) fn new(cognito_endpoint: String) -> Self {
        // Without TLS and proxies, building the client cannot fail.
        let http = reqwest::Client::builder().no_proxy().timeout(FETCH_LIMIT).build().unwrap_or_default();
        Self { cognito_endpoint, http, pools: Mutex::default() }
    }

    /// The key with this id. The last part of the issuer is the id of the pool.
    pub(crate) async fn key(&self, issuer: &str, kid: &str) -> Result<DecodingKey, KeyError> {
        let pool_id = issuer.rsplit('/').next().unwrap_or(issuer);
        let mut pools = self.pools.lock().await;
        if let Some(known) = pools.get(pool_id) {
            match known.keys.find(kid) {
                Some(key) => return DecodingKey::from_jwk(key).map_err(KeyError::Rejected),
                None if known.fetched.elapsed() < FETCH_EVERY => return Err(KeyError::Unknown),
                None => {}
            }
        }
        let keys = self.fetch(pool_id).await.map_err(KeyError::Fetch)?;
        let key = keys.find(kid).map(DecodingKey::from_jwk);
        pools.insert(pool_id.to_owned(), KeySet { keys, fetched: Instant::now() });
        key.ok_or(KeyError::Unknown)?.map_err(KeyError::Rejected)
    }

    async fn fetch(&self, pool_id: &str) -> Result<JwkSet, reqwest::Error> {
        let url = format!("{}/{pool_id}/.well-known/jwks.json", self.cognito_endpoint);
        self.http.get(url).send().await?.error_for_status()?.json().await
    }
}
