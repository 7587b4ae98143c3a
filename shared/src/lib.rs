//! What every function of the partner portal shares. Dependencies point downward only: functions → `session`, `http` →
//! `store`, `identity`, `passwords` → `policy` → `models`.

pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod identity;
pub mod models;
pub mod passwords;
pub mod policy;
pub mod random;
pub mod session;
pub mod store;
pub mod telemetry;

use std::sync::OnceLock;
use std::time::Duration;

use clock::Clock;
use config::Config;
use error::Failure;
use http::Edge;
use identity::Identity;
use models::Timestamp;
use store::Store;

/// What a function holds for the life of its process: clients are made once and borrowed.
pub struct Portal {
    config: Config,
    edge: Edge,
    clock: Clock,
    store: Store,
    identity: OnceLock<Identity>,
}

impl Portal {
    /// Reads the environment and makes the DynamoDB client.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_environment() -> Result<Self, config::Missing> {
        let config = Config::from_environment()?;
        let store = Store::new(&config);
        let edge = Edge::new(config.origin_secret_digests.as_deref());
        Ok(Self { config, edge, clock: Clock::system(), store, identity: OnceLock::new() })
    }

    /// What stands in front of the API, if anything does.
    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The time of this moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long a session lives when nobody ends it: as long as its refresh token.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the environment does not say it.
    pub fn session_lifetime(&self) -> Result<Duration, Failure> {
        let days = self.config.refresh_token_days.ok_or_else(|| Failure::bug("REFRESH_TOKEN_DAYS is not set"))?;
        Ok(Duration::from_hours(u64::from(days) * 24))
    }

    /// DynamoDB.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Cognito; its client is made at the first use, which most functions never come to.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the function has no user pool in its environment.
    pub fn identity(&self) -> Result<&Identity, Failure> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let identity = Identity::new(&self.config)?;
        Ok(self.identity.get_or_init(|| identity))
    }
}
