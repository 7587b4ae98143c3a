//! The only reader of environment variables.

use crate::passkeys::RelyingParty;

/// A variable is missing that Lambda or the template should set.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct Missing(pub &'static str);

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The sender, as an address.
    pub from: String,
    /// The address of the portal's page, with which links in mail start. It never comes from a request.
    pub portal_url: String,
    /// The configuration set of the mail service.
    pub configuration_set: Option<String>,
}

/// The configuration in a function's environment. Tables and the user pool are absent if the function does not use
/// them.
#[derive(Debug)]
pub struct Config {
    pub(crate) users_table: Option<String>,
    pub(crate) credentials_table: Option<String>,
    pub(crate) sessions_table: Option<String>,
    pub(crate) audit_table: Option<String>,
    pub(crate) outbox_table: Option<String>,
    pub(crate) user_pool_id: Option<String>,
    pub(crate) user_pool_client_id: Option<String>,
    pub(crate) refresh_token_days: Option<u32>,
    pub(crate) sign_in_history_days: Option<u32>,
    pub(crate) origin_secret_digests: Option<String>,
    pub(crate) email_hash_key: Option<String>,
    pub(crate) invitations_per_day: Option<u32>,
    pub(crate) relying_party: Option<RelyingParty>,
    mail: Option<Mail>,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) dynamodb_endpoint: Option<String>,
    pub(crate) cognito_endpoint: Option<String>,
    pub(crate) ses_endpoint: Option<String>,
}

#[allow(clippy::disallowed_methods, reason = "only this module reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the least severe level to log, which Lambda passes on from the template.
pub(crate) fn log_level() -> Option<String> {
    variable("AWS_LAMBDA_LOG_LEVEL")
}

/// Returns the portal's name: the name of its stack.
pub(crate) fn portal() -> Option<String> {
    variable("PORTAL")
}

/// Returns the function's name in Lambda.
pub(crate) fn function_name() -> Option<String> {
    variable("AWS_LAMBDA_FUNCTION_NAME")
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Returns the first missing variable among those that Lambda always sets.
    pub fn from_environment() -> Result<Self, Missing> {
        let required = |name: &'static str| variable(name).ok_or(Missing(name));
        Ok(Self {
            users_table: variable("USERS_TABLE"),
            credentials_table: variable("CREDENTIALS_TABLE"),
            sessions_table: variable("SESSIONS_TABLE"),
            audit_table: variable("AUDIT_TABLE"),
            outbox_table: variable("OUTBOX_TABLE"),
            user_pool_id: variable("USER_POOL_ID"),
            user_pool_client_id: variable("USER_POOL_CLIENT_ID"),
            refresh_token_days: variable("REFRESH_TOKEN_DAYS").and_then(|days| days.parse().ok()),
            sign_in_history_days: variable("SIGN_IN_HISTORY_DAYS").and_then(|days| days.parse().ok()),
            origin_secret_digests: variable("ORIGIN_SECRET_DIGESTS"),
            email_hash_key: variable("EMAIL_HASH_KEY"),
            invitations_per_day: variable("INVITATIONS_PER_DAY").and_then(|count| count.parse().ok()),
            relying_party: variable("PORTAL_URL").and_then(|url| RelyingParty::of(&url)),
            mail: variable("MAIL_FROM").zip(variable("PORTAL_URL")).map(|(from, portal_url)| Mail {
                from,
                portal_url: portal_url.trim_end_matches('/').to_owned(),
                configuration_set: variable("MAIL_CONFIGURATION_SET"),
            }),
            region: required("AWS_REGION")?,
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
            dynamodb_endpoint: variable("AWS_ENDPOINT_URL_DYNAMODB"),
            cognito_endpoint: variable("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"),
            ses_endpoint: variable("AWS_ENDPOINT_URL_SESV2"),
        })
    }

    /// Returns how mail is sent. `None` if this function sends none, or if mail is off.
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }
}
