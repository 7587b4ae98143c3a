//! Cognito: issues, refreshes and revokes tokens, and ends generations. Cognito holds no personal data: each of its
//! users is one generation of a user's sessions, with a machine secret. This module depends on `models`, but not on
//! DynamoDB, policy or HTTP.

mod token;

use std::time::Duration;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::SharedHttpClient;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, AuthenticationResultType, MessageActionType};
use futures_util::{StreamExt as _, stream};

use crate::config::Config;
use crate::error::{Cause, Failure};
use crate::models::{PartnerId, User, UserId};
use crate::random;

pub use token::claims_of;

/// The timeout for ending one generation, or revoking one token, after a committed change. Repair retries the end of a
/// generation.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout for ending all generations of a request.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(6);

/// The maximum number of generations that a request ends concurrently. Cognito handles about 25 per second.
const AT_ONCE: usize = 10;

/// The name of a Cognito user: one generation of one user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The partner.
    pub partner: PartnerId,
    /// The user.
    pub user: UserId,
    /// The number of the generation. It is incremented whenever all sessions of the user end.
    pub number: u64,
}

impl Generation {
    /// Returns the current generation of `user`.
    pub fn of(user: &User) -> Self {
        Self { partner: user.partner_id.clone(), user: user.id.clone(), number: user.session_generation }
    }

    /// Returns the name of the Cognito user: `<partner_id>.<user_id>.<generation>`.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.partner, self.user, self.number)
    }

    /// Reads the form that [`name`](Self::name) writes.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (partner, user, number) = (parts.next()?, parts.next()?, parts.next()?);
        let generation = Self {
            partner: PartnerId::parse(partner).ok()?,
            user: UserId::parse(user).ok()?,
            number: number.parse().ok()?,
        };
        // Other spellings of the number are rejected.
        (generation.name() == name).then_some(generation)
    }
}

/// Returns a random password for Cognito users. It is never given out, and meets any password policy of a user pool.
///
/// # Errors
/// Returns [`Failure::Internal`] if there are no random bytes.
pub fn machine_secret() -> Result<String, Failure> {
    Ok(format!("{}-aA1", random::token()?))
}

/// The tokens of a sign-in.
pub struct Tokens {
    /// The token for calls of the API.
    pub access_token: String,
    /// The token that gets new access tokens.
    pub refresh_token: String,
    /// The lifetime of the access token in seconds.
    pub expires_in: i32,
    /// The claim that is the same in all tokens of this sign-in. It identifies the session.
    pub origin_jti: String,
}

/// The result of a refresh.
pub struct Refreshed {
    /// The token for calls of the API.
    pub access_token: String,
    /// The lifetime of the access token in seconds.
    pub expires_in: i32,
}

/// The reason why a Cognito call failed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Cognito throttles requests or cannot be reached, even after retries.
    #[error("Cognito is unavailable: {0}")]
    Unavailable(String),
    /// Cognito rejected a request, or a response lacks something. This is a bug or a wrong configuration.
    #[error("Cognito rejected a request: {0}")]
    Refused(String),
    /// The Cognito user that was just created does not exist, because its generation was ended at the same time.
    #[error("the generation ended while its tokens were issued")]
    Ended,
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let cause = Cause::new("identity", &error);
        match error {
            IdentityError::Unavailable(_) => Self::Unavailable(cause),
            IdentityError::Refused(_) => Self::Internal(cause),
            IdentityError::Ended => {
                // If the user pool rejects every Cognito user that is created, only this message shows the reason.
                tracing::warn!(cause = cause.as_str(), "could not issue tokens; retrying the action");
                Self::StaleRead
            }
        }
    }
}

/// The user pool and its client.
#[derive(Debug)]
pub struct Identity {
    client: Client,
    pool: String,
    pool_client: Option<String>,
}

impl Identity {
    /// Returns a client for the user pool that the environment names.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the environment names no user pool.
    pub(crate) fn new(config: &Config, http_client: SharedHttpClient) -> Result<Self, Failure> {
        let pool = config.user_pool_id.clone().ok_or_else(|| Failure::bug("USER_POOL_ID is not set"))?;
        Ok(Self { client: config.cognito(http_client), pool, pool_client: config.user_pool_client_id.clone() })
    }

    fn pool_client(&self) -> Result<&str, IdentityError> {
        self.pool_client.as_deref().ok_or_else(|| IdentityError::Refused("USER_POOL_CLIENT_ID is not set".to_owned()))
    }

    /// Issues tokens for a generation. It creates the Cognito user at the first sign-in. It creates or repairs it if
    /// Cognito rejects a later sign-in: after the loss of the user pool, or after the user deleted it with their own token.
    ///
    /// # Errors
    /// Returns [`IdentityError`] if the call fails.
    pub async fn issue(
        &self,
        generation: &Generation,
        secret: &str,
        is_created: bool,
    ) -> Result<Tokens, IdentityError> {
        let name = generation.name();
        if is_created && let Some(tokens) = self.try_issue(&name, secret).await? {
            return Ok(tokens);
        }
        self.create(&name, secret).await?;
        self.try_issue(&name, secret).await?.ok_or(IdentityError::Ended)
    }

    /// Issues tokens, or returns `None` if Cognito rejects the sign-in.
    async fn try_issue(&self, name: &str, secret: &str) -> Result<Option<Tokens>, IdentityError> {
        let result = self
            .client
            .admin_initiate_auth()
            .user_pool_id(&self.pool)
            .client_id(self.pool_client()?)
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", name)
            .auth_parameters("PASSWORD", secret)
            .send()
            .await;
        match result {
            // A challenge counts as a rejection too: this Cognito user is not in the state in which we create them.
            Ok(response) => response.authentication_result.map(tokens).transpose(),
            Err(error) if is_rejection(&error) => Ok(None),
            Err(error) => Err(failed("AdminInitiateAuth", &error)),
        }
    }

    /// Creates the Cognito user if it does not exist, and sets its password.
    async fn create(&self, name: &str, secret: &str) -> Result<(), IdentityError> {
        let created = self
            .client
            .admin_create_user()
            .user_pool_id(&self.pool)
            .username(name)
            // A temporary password that Cognito generates may be shorter than the pool's minimum length.
            .temporary_password(secret)
            .message_action(MessageActionType::Suppress)
            .send()
            .await;
        match created {
            Ok(_) => {}
            Err(error) if error.code() == Some("UsernameExistsException") => {}
            Err(error) => return Err(failed("AdminCreateUser", &error)),
        }
        let set = self
            .client
            .admin_set_user_password()
            .user_pool_id(&self.pool)
            .username(name)
            .password(secret)
            .permanent(true)
            .send()
            .await;
        match set {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("UserNotFoundException") => Err(IdentityError::Ended),
            Err(error) => Err(failed("AdminSetUserPassword", &error)),
        }
    }

    /// Returns a new access token, or `None` if Cognito rejects the refresh token.
    ///
    /// # Errors
    /// Returns [`IdentityError`] if the call fails.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Option<Refreshed>, IdentityError> {
        let result = self
            .client
            .admin_initiate_auth()
            .user_pool_id(&self.pool)
            .client_id(self.pool_client()?)
            .auth_flow(AuthFlowType::RefreshTokenAuth)
            .auth_parameters("REFRESH_TOKEN", refresh_token)
            .send()
            .await;
        match result {
            Ok(response) => Ok(response.authentication_result.and_then(|result| {
                Some(Refreshed { access_token: result.access_token?, expires_in: result.expires_in })
            })),
            Err(error) if is_rejection(&error) => Ok(None),
            Err(error) => Err(failed("AdminInitiateAuth", &error)),
        }
    }

    /// Revokes a refresh token. It is not an error if the token is already invalid.
    ///
    /// # Errors
    /// Returns [`IdentityError`] if the call fails.
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), IdentityError> {
        let result = self.client.revoke_token().client_id(self.pool_client()?).token(refresh_token).send().await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_rejection(&error) || error.code() == Some("UnsupportedTokenTypeException") => Ok(()),
            Err(error) => Err(failed("RevokeToken", &error)),
        }
    }

    /// Revokes the refresh token of a session that has ended. A failure is logged, and the token then expires by
    /// itself.
    pub async fn revoke_soon(&self, refresh_token: &str) {
        match tokio::time::timeout(CALL_TIMEOUT, self.revoke(refresh_token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "Cognito could not revoke the refresh token of an ended session; it will expire");
            }
            Err(_) => {
                tracing::warn!("Cognito did not revoke the refresh token of an ended session in time; it will expire");
            }
        }
    }

    /// Ends a generation: signs its Cognito user out globally, and deletes it. The name is never used again, so it
    /// makes no difference if this happens early, late or twice. The order of the two calls makes no difference either,
    /// because a deleted Cognito user has no valid tokens.
    async fn end(&self, generation: &Generation) -> Result<(), IdentityError> {
        let name = generation.name();
        let sign_out = self.client.admin_user_global_sign_out().user_pool_id(&self.pool).username(&name).send();
        let (signed_out, deleted) = tokio::join!(sign_out, self.delete(generation));
        gone("AdminUserGlobalSignOut", signed_out)?;
        deleted
    }

    /// Deletes the Cognito user of an ended generation, with one call. Its tokens are then invalid too, so repair needs
    /// no global sign-out, which counts towards the same quota of Cognito.
    ///
    /// # Errors
    /// Returns [`IdentityError`] if the call fails.
    pub async fn delete(&self, generation: &Generation) -> Result<(), IdentityError> {
        let deleted = self.client.admin_delete_user().user_pool_id(&self.pool).username(generation.name()).send().await;
        gone("AdminDeleteUser", deleted)
    }

    /// Ends generations whose end has been committed and marked. Failures are logged, and repair retries them.
    pub async fn end_soon(&self, generations: &[Generation]) {
        let ends = stream::iter(generations).for_each_concurrent(AT_ONCE, |generation| async move {
            match tokio::time::timeout(CALL_TIMEOUT, self.end(generation)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "Cognito could not end a generation; repair-identities will retry");
                }
                Err(_) => tracing::warn!("Cognito did not end a generation in time; repair-identities will retry"),
            }
        });
        if tokio::time::timeout(BATCH_TIMEOUT, ends).await.is_err() {
            tracing::warn!("Cognito did not end all generations in time; repair-identities will retry");
        }
    }
}

/// Treats a Cognito user who does not exist as ended.
fn gone<T, E: ProvideErrorMetadata, R>(what: &str, result: Result<T, SdkError<E, R>>) -> Result<(), IdentityError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
        Err(error) => Err(failed(what, &error)),
    }
}

fn tokens(result: AuthenticationResultType) -> Result<Tokens, IdentityError> {
    let lacking = || IdentityError::Refused("a response without tokens".to_owned());
    let access_token = result.access_token.ok_or_else(lacking)?;
    let origin_jti =
        claims_of(&access_token).and_then(|claims| claims.get("origin_jti").cloned()).ok_or_else(lacking)?;
    Ok(Tokens {
        refresh_token: result.refresh_token.ok_or_else(lacking)?,
        expires_in: result.expires_in,
        access_token,
        origin_jti,
    })
}

/// Returns whether Cognito rejects the Cognito user, the password or the token in its current state.
fn is_rejection<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(
        error.code(),
        Some(
            "NotAuthorizedException"
                | "UserNotFoundException"
                | "UserNotConfirmedException"
                | "PasswordResetRequiredException"
                | "InvalidParameterException"
        )
    )
}

fn failed<E: ProvideErrorMetadata, R>(what: &str, error: &SdkError<E, R>) -> IdentityError {
    // Only the code is kept, because a message could name a user.
    let code = error.code().unwrap_or("no response");
    let refused = matches!(
        code,
        "InvalidParameterException"
            | "InvalidPasswordException"
            | "ResourceNotFoundException"
            | "AccessDeniedException"
            | "UnrecognizedClientException"
            | "NotAuthorizedException"
    );
    let text = format!("{what}: {code}");
    if refused { IdentityError::Refused(text) } else { IdentityError::Unavailable(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Timestamp;

    #[test]
    fn a_generation_is_parsed_only_from_its_exact_name() {
        let at = Timestamp::from_unix_millis(1);
        let generation = Generation { partner: PartnerId::new(at, [1; 10]), user: UserId::new(at, [2; 10]), number: 7 };
        assert_eq!(Generation::parse(&generation.name()), Some(generation.clone()));
        assert_eq!(Generation::parse(&format!("{}.", generation.name())), None);
        assert_eq!(Generation::parse(&generation.name().replace(".7", ".07")), None);
        assert_eq!(Generation::parse("ann"), None);
    }
}
