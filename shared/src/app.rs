//! The state of a function, made once when its process starts.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::clock::Clock;
use crate::config::Config;
use crate::edge::Edge;
use crate::error::Failure;
use crate::identity::Identity;
use crate::models::{Email, Timestamp};
use crate::store::Store;
use crate::{config, connector};

/// The state that lives as long as the process, for functions that call no AWS service.
pub struct BaseApp {
    config: Config,
    edge: Edge,
    clock: Clock,
}

/// The state that lives as long as the process: clients are made once and borrowed.
pub struct App {
    base: BaseApp,
    http_client: SharedHttpClient,
    store: Store,
    identity: OnceLock<Identity>,
}

impl BaseApp {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_environment() -> Result<Self, config::Missing> {
        let config = Config::from_environment()?;
        let edge = Edge::new(config.origin_secret_digests.as_deref());
        Ok(Self { config, edge, clock: Clock::system() })
    }

    /// What stands in front of the API, if anything does.
    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl App {
    /// Reads the environment and makes the DynamoDB client, while Lambda still starts the process: there it has a whole
    /// processor, later the share that its memory buys.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let base = BaseApp::from_environment()?;
        let http_client = connector::http_client()?;
        let store = Store::new(&base.config, http_client.clone());
        Ok(Self { base, http_client, store, identity: OnceLock::new() })
    }

    /// The part that needs no AWS service.
    pub(crate) fn base(&self) -> &BaseApp {
        &self.base
    }

    /// The time of this moment.
    pub fn now(&self) -> Timestamp {
        self.base.now()
    }

    /// How long a session lives when nobody ends it: as long as its refresh token.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the environment does not say it.
    pub fn session_lifetime(&self) -> Result<Duration, Failure> {
        let days = self.base.config.refresh_token_days.ok_or_else(|| Failure::bug("REFRESH_TOKEN_DAYS is not set"))?;
        Ok(Duration::from_hours(u64::from(days) * 24))
    }

    /// What stands for an email in the log: the same email has the same text, which does not reveal it without the key.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the environment has no key.
    pub fn pseudonym(&self, email: &Email) -> Result<String, Failure> {
        let key = self.base.config.email_hash_key.as_ref().ok_or_else(|| Failure::bug("EMAIL_HASH_KEY is not set"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
            .map_err(|error| Failure::internal("hashing an email", &error))?;
        mac.update(email.normalized().as_bytes());
        let hash = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok(hash.chars().take(16).collect())
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
        let identity = Identity::new(&self.base.config, self.http_client.clone())?;
        Ok(self.identity.get_or_init(|| identity))
    }
}
