//! The state of a function, created once when its process starts.

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
use crate::mailer::Mailer;
use crate::models::{Email, Timestamp};
use crate::passkeys::RelyingParty;
use crate::store::Store;
use crate::{config, connector};

/// The state that lives as long as the process, for functions that call no AWS service.
pub struct BaseApp {
    config: Config,
    edge: Edge,
    clock: Clock,
}

/// The state that lives as long as the process, with the clients for AWS.
pub struct App {
    base: BaseApp,
    http_client: SharedHttpClient,
    store: Store,
    identity: OnceLock<Identity>,
    mailer: OnceLock<Mailer>,
}

impl BaseApp {
    /// Reads the environment.
    ///
    /// # Errors
    /// Returns an error that names a missing variable.
    pub fn from_environment() -> Result<Self, config::Missing> {
        let config = Config::from_environment()?;
        let edge = Edge::new(config.origin_secret_digests.as_deref());
        Ok(Self { config, edge, clock: Clock::system() })
    }

    /// Returns the edge in front of the API. It can be disabled.
    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl App {
    /// Reads the environment and creates the DynamoDB client. This happens while Lambda starts the process, which then
    /// has a whole processor; later it has only the share that depends on its memory.
    ///
    /// # Errors
    /// Returns an error that names a missing variable.
    pub fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let base = BaseApp::from_environment()?;
        let http_client = connector::http_client()?;
        let store = Store::new(&base.config, http_client.clone());
        Ok(Self { base, http_client, store, identity: OnceLock::new(), mailer: OnceLock::new() })
    }

    /// Returns the part that needs no AWS service.
    pub(crate) fn base(&self) -> &BaseApp {
        &self.base
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.base.now()
    }

    /// Returns whether mail is on. If it is off, no action adds a mail.
    pub fn sends_mail(&self) -> bool {
        self.store.has_outbox()
    }

    /// Requires that mail is on.
    ///
    /// # Errors
    /// Returns [`Failure::MailOff`].
    pub fn require_mail(&self) -> Result<(), Failure> {
        if self.sends_mail() { Ok(()) } else { Err(Failure::MailOff) }
    }

    /// Returns the relying party of passkeys. `None` if passkeys are off: the portal has no domain of its own.
    pub fn relying_party(&self) -> Option<&RelyingParty> {
        self.base.config.relying_party.as_ref()
    }

    /// Requires that passkeys are on.
    ///
    /// # Errors
    /// Returns [`Failure::PasskeysOff`].
    pub fn require_passkeys(&self) -> Result<&RelyingParty, Failure> {
        self.relying_party().ok_or(Failure::PasskeysOff)
    }

    /// Returns the maximum number of invitations of one partner in a day.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment does not contain it.
    pub fn invitations_per_day(&self) -> Result<u32, Failure> {
        self.base.config.invitations_per_day.ok_or_else(|| Failure::bug("INVITATIONS_PER_DAY is not set"))
    }

    /// Returns the lifetime of a session, which is that of its refresh token.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment does not contain it.
    pub fn session_lifetime(&self) -> Result<Duration, Failure> {
        days(self.base.config.refresh_token_days, "REFRESH_TOKEN_DAYS is not set")
    }

    /// Returns the time after which the history drops a sign-in.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment does not contain it.
    pub fn sign_in_history(&self) -> Result<Duration, Failure> {
        days(self.base.config.sign_in_history_days, "SIGN_IN_HISTORY_DAYS is not set")
    }

    /// Returns the pseudonym of an email for logs. The same email has the same pseudonym, which does not reveal the
    /// email without the key.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment has no key.
    pub fn pseudonym(&self, email: &Email) -> Result<String, Failure> {
        let key = self.base.config.email_hash_key.as_ref().ok_or_else(|| Failure::bug("EMAIL_HASH_KEY is not set"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
            .map_err(|error| Failure::internal("hashing an email", &error))?;
        mac.update(email.normalized().as_bytes());
        let hash = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok(hash.chars().take(16).collect())
    }

    /// Returns the client for DynamoDB.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the client for the mail service, which only the functions that send mail use.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment does not contain the sender and the address of the portal.
    pub fn mailer(&self) -> Result<&Mailer, Failure> {
        if let Some(mailer) = self.mailer.get() {
            return Ok(mailer);
        }
        let mailer = Mailer::new(&self.base.config, self.http_client.clone())?;
        Ok(self.mailer.get_or_init(|| mailer))
    }

    /// Returns the client for Cognito. It is created at the first use, because most functions never use it.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment has no user pool.
    pub fn identity(&self) -> Result<&Identity, Failure> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let identity = Identity::new(&self.base.config, self.http_client.clone())?;
        Ok(self.identity.get_or_init(|| identity))
    }
}

fn days(days: Option<u32>, otherwise: &'static str) -> Result<Duration, Failure> {
    Ok(Duration::from_hours(u64::from(days.ok_or_else(|| Failure::bug(otherwise))?) * 24))
}
