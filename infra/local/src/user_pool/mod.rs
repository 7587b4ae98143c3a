//! The local user pool: it replaces the part of Amazon Cognito user pools that the portal uses, with real RS256 tokens
//! and Cognito's wire protocol. It knows nothing about the portal's partners, users and permissions.
//!
//! Supported operations behave as Cognito documents them. An unsupported operation, request field or setting is an
//! error; it is never silently accepted. Not supported are sign-up and confirmation, disabled users (so no user is ever
//! `UNCONFIRMED` or disabled), attributes other than `sub`, MFA, groups, triggers, client secrets, refresh token
//! rotation, verification of AWS signatures, and Cognito's limits for request rates and failed sign-ins.
//!
//! | file | holds | |---|---| | `wire` | HTTP and AWS JSON 1.1 ⇄ operations | | `pools`, `users`, `sessions`,
//! `self_service` | the operations | | `settings` | the settings of a pool and a client, and their meaning | |
//! `tokens`, `secrets` | signing, random names, hashes | | `store` | `SQLite` |

mod error;
mod pools;
mod secrets;
mod self_service;
mod sessions;
mod settings;
mod store;
mod tokens;
mod users;
mod wire;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior};

use error::ApiError;
pub(crate) use error::OpenError;
use store::Store;

/// The account in the ARNs of pools.
const ACCOUNT: &str = "000000000000";

/// Every user pool of the stack. Clones share one storage.
#[derive(Clone)]
pub(crate) struct UserPools(Arc<Shared>);

type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

struct Shared {
    region: String,
    clock: Clock,
    connection: Mutex<Connection>,
}

impl UserPools {
    /// Opens the storage at `path` and creates it if necessary. `None` keeps everything in memory. A change that a
    /// response has confirmed survives the death of the process.
    pub(crate) fn open(path: Option<&Path>, region: &str) -> Result<Self, OpenError> {
        Self::open_with_clock(path, region, Box::new(system_clock))
    }

    fn open_with_clock(path: Option<&Path>, region: &str, clock: Clock) -> Result<Self, OpenError> {
        let connection = Mutex::new(store::open(path)?);
        Ok(Self(Arc::new(Shared { region: region.to_owned(), clock, connection })))
    }

    /// Serves the API at `POST /`, and each pool's keys under `/{pool_id}/.well-known/`.
    pub(crate) fn router(&self) -> axum::Router {
        wire::router(self.clone())
    }

    /// Runs `change` in one transaction. An error rolls it back.
    fn change<T>(&self, change: impl FnOnce(&Store<'_>) -> Result<T, ApiError>) -> Result<T, ApiError> {
        // A panic while the lock was held has rolled its transaction back, so the connection is still usable.
        let mut connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = change(&Store::new(&transaction, self.now()))?;
        transaction.commit()?;
        Ok(answer)
    }

    /// The time in seconds since 1970.
    fn now(&self) -> i64 {
        let since_1970 = (self.0.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    }

    /// The issuer in a pool's tokens: the address on AWS, which the template's authorizer expects.
    fn issuer(&self, pool_id: &str) -> String {
        format!("https://cognito-idp.{}.amazonaws.com/{pool_id}", self.0.region)
    }

    fn arn(&self, pool_id: &str) -> String {
        format!("arn:aws:cognito-idp:{}:{ACCOUNT}:userpool/{pool_id}", self.0.region)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the only place in the user pool that reads the clock; tests inject their own"
)]
fn system_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
