//! The local user pool: a stand-in for the part of Amazon Cognito user pools that this system calls, with true RS256
//! tokens, over Cognito's own wire protocol. It knows nothing of the portal: no partner, no person, no permission.
//!
//! What it does, it does as Cognito documents it. What it does not do, it refuses aloud: an operation, a request field
//! or a setting that is not here is an error, never silently accepted. Not here are sign-up and confirmation, disabled
//! users (so no user is ever `UNCONFIRMED` or disabled), attributes other than `sub`, MFA, groups, triggers, client
//! secrets, refresh token rotation, signatures of AWS requests, and Cognito's own limits on rates and guessing.
//!
//! | file | holds |
//! |---|---|
//! | `wire` | HTTP and AWS JSON 1.1 ⇄ operations |
//! | `pools`, `users`, `sessions`, `self_service` | the operations |
//! | `settings` | what a pool and a client can be told, and what that means |
//! | `tokens`, `secrets` | signing, random names, hashes |
//! | `store` | `SQLite` |

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
    /// Opens the storage at `path`, made when it is not there; `None` keeps everything in memory. Every answered change
    /// survives the death of the process.
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

    /// Runs `change` in one transaction: everything or, after an error, nothing.
    fn change<T>(&self, change: impl FnOnce(&Store<'_>) -> Result<T, ApiError>) -> Result<T, ApiError> {
        // A panic under the lock has rolled its transaction back, so the connection is as good as before.
        let mut connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = change(&Store::new(&transaction, self.now()))?;
        transaction.commit()?;
        Ok(answer)
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        let since_1970 = (self.0.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    }

    /// What a pool's tokens name as their issuer: AWS's address, as the template's authorizer expects it.
    fn issuer(&self, pool_id: &str) -> String {
        format!("https://cognito-idp.{}.amazonaws.com/{pool_id}", self.0.region)
    }

    fn arn(&self, pool_id: &str) -> String {
        format!("arn:aws:cognito-idp:{}:{ACCOUNT}:userpool/{pool_id}", self.0.region)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place of the user pool that reads the clock; tests give their own"
)]
fn system_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
