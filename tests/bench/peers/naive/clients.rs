//! Replaces `shared/src/config.rs` in the naive build. It has the same interface, but creates both clients at the
//! start, as the SDKs' documentation shows.

use std::env;
use std::sync::OnceLock;
use std::thread;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::SharedHttpClient;

/// A variable that Lambda, or the template, should have set.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct Missing(pub &'static str);

/// A function's environment and its clients.
#[derive(Debug)]
pub struct Config {
    pub(crate) users_table: Option<String>,
    pub(crate) credentials_table: Option<String>,
    pub(crate) sessions_table: Option<String>,
    pub(crate) audit_table: Option<String>,
    pub(crate) user_pool_id: Option<String>,
    pub(crate) user_pool_client_id: Option<String>,
    pub(crate) refresh_token_days: Option<u32>,
    pub(crate) sign_in_history_days: Option<u32>,
    pub(crate) email_hash_key: Option<String>,
    pub(crate) origin_secret_digests: Option<String>,
    clients: OnceLock<Clients>,
}

#[derive(Debug)]
struct Clients {
    dynamodb: aws_sdk_dynamodb::Client,
    cognito: aws_sdk_cognitoidentityprovider::Client,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn log_level() -> Option<String> {
    variable("AWS_LAMBDA_LOG_LEVEL")
}

pub(crate) fn function_name() -> Option<String> {
    variable("AWS_LAMBDA_FUNCTION_NAME")
}

impl Config {
    /// # Errors
    /// This never fails.
    pub fn from_environment() -> Result<Self, Missing> {
        Ok(Self {
            users_table: variable("USERS_TABLE"),
            credentials_table: variable("CREDENTIALS_TABLE"),
            sessions_table: variable("SESSIONS_TABLE"),
            audit_table: variable("AUDIT_TABLE"),
            user_pool_id: variable("USER_POOL_ID"),
            user_pool_client_id: variable("USER_POOL_CLIENT_ID"),
            refresh_token_days: variable("REFRESH_TOKEN_DAYS").and_then(|days| days.parse().ok()),
            sign_in_history_days: variable("SIGN_IN_HISTORY_DAYS").and_then(|days| days.parse().ok()),
            email_hash_key: variable("EMAIL_HASH_KEY"),
            origin_secret_digests: variable("ORIGIN_SECRET_DIGESTS"),
            clients: OnceLock::new(),
        })
    }

    pub(crate) fn dynamodb(&self, _: SharedHttpClient) -> aws_sdk_dynamodb::Client {
        self.clients().dynamodb.clone()
    }

    pub(crate) fn cognito(&self, _: SharedHttpClient) -> aws_sdk_cognitoidentityprovider::Client {
        self.clients().cognito.clone()
    }

    /// Creates both clients when the function creates its store, at the start.
    fn clients(&self) -> &Clients {
        self.clients.get_or_init(|| {
            let defaults = load_defaults();
            Clients {
                dynamodb: aws_sdk_dynamodb::Client::new(&defaults),
                cognito: aws_sdk_cognitoidentityprovider::Client::new(&defaults),
            }
        })
    }
}

/// Runs `aws_config::load_defaults` on a separate thread, because the caller is not async. The thread takes 0.1 ms.
fn load_defaults() -> SdkConfig {
    let load = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(aws_config::load_defaults(BehaviorVersion::latest()))
    };
    thread::spawn(load).join().expect("the defaults")
}
