//! Cognito: issues, refreshes and revokes tokens, and ends generations. It knows no person: its users are generations of a
//! user's sessions, with a machine secret. Knows models; nothing of DynamoDB, policy or HTTP.

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

/// How long a request waits for the end of a generation that it has already committed. Repair does what is left.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// The same, for all the generations that a request ends.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(6);

/// How many generations a request ends at once: Cognito does some 25 a second.
const AT_ONCE: usize = 10;

/// The name of a Cognito user: one generation of one user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The partner.
    pub partner: PartnerId,
    /// The user.
    pub user: UserId,
    /// Grows by one whenever all sessions end.
    pub number: u64,
}

impl Generation {
    /// The generation that `user` is in.
    pub fn of(user: &User) -> Self {
        Self { partner: user.partner_id.clone(), user: user.id.clone(), number: user.session_generation }
    }

    /// `<partner_id>.<user_id>.<generation>`.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.partner, self.user, self.number)
    }

    /// Reads [`name`](Self::name).
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (partner, user, number) = (parts.next()?, parts.next()?, parts.next()?);
        let generation = Self {
            partner: PartnerId::parse(partner).ok()?,
            user: UserId::parse(user).ok()?,
            number: number.parse().ok()?,
        };
        // Only the one spelling that we write.
        (generation.name() == name).then_some(generation)
    }
}

/// A password for Cognito users: random, given to nobody, and acceptable to any password policy of a pool.
///
/// # Errors
/// [`Failure::Internal`] when there are no random bytes.
pub fn machine_secret() -> Result<String, Failure> {
    Ok(format!("{}-aA1", random::token()?))
}

/// What a sign-in gives.
pub struct Tokens {
    /// For the API.
    pub access_token: String,
    /// For new access tokens.
    pub refresh_token: String,
    /// Seconds that the access token lives.
    pub expires_in: i32,
    /// The same in every token refreshed from this sign-in: names the session.
    pub origin_jti: String,
}

/// What a refresh gives.
pub struct Refreshed {
    /// For the API.
    pub access_token: String,
    /// Seconds that it lives.
    pub expires_in: i32,
}

/// Why Cognito could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Throttled or out of reach, also after trying again.
    #[error("Cognito is unavailable: {0}")]
    Unavailable(String),
    /// It refused what it should not: our own fault.
    #[error("Cognito refused: {0}")]
    Refused(String),
    /// The Cognito user that was just made is gone: somebody ended its generation at that moment.
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
                // Should it be the pool that refuses whatever we make, this is all that tells.
                tracing::warn!(cause = cause.as_str(), "deciding anew");
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
    /// # Errors
    /// [`Failure::Internal`] when the environment names no pool.
    pub(crate) fn new(config: &Config, http_client: SharedHttpClient) -> Result<Self, Failure> {
        let pool = config.user_pool_id.clone().ok_or_else(|| Failure::bug("USER_POOL_ID is not set"))?;
        Ok(Self { client: config.cognito(http_client), pool, pool_client: config.user_pool_client_id.clone() })
    }

    fn pool_client(&self) -> Result<&str, IdentityError> {
        self.pool_client.as_deref().ok_or_else(|| IdentityError::Refused("USER_POOL_CLIENT_ID is not set".to_owned()))
    }

    /// Tokens for a generation. Its Cognito user is made when it is not there, or not as it should be: on the first
    /// sign-in, after a lost pool, or when somebody deleted it with a token of their own.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn issue(&self, generation: &Generation, secret: &str) -> Result<Tokens, IdentityError> {
        let name = generation.name();
        if let Some(tokens) = self.try_issue(&name, secret).await? {
            return Ok(tokens);
        }
        self.make(&name, secret).await?;
        self.try_issue(&name, secret).await?.ok_or(IdentityError::Ended)
    }

    /// `None`: refused.
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
            // A challenge is a refusal too: this user is not as we make them.
            Ok(answer) => answer.authentication_result.map(tokens).transpose(),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(failed("AdminInitiateAuth", &error)),
        }
    }

    async fn make(&self, name: &str, secret: &str) -> Result<(), IdentityError> {
        let created = self
            .client
            .admin_create_user()
            .user_pool_id(&self.pool)
            .username(name)
            // A temporary password of Cognito's own making need not meet the pool's minimum length.
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

    /// A new access token. `None`: this refresh token is no good.
    ///
    /// # Errors
    /// [`IdentityError`].
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
            Ok(answer) => Ok(answer.authentication_result.and_then(|result| {
                Some(Refreshed { access_token: result.access_token?, expires_in: result.expires_in })
            })),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(failed("AdminInitiateAuth", &error)),
        }
    }

    /// Revokes a refresh token; one that is no good stays so.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn revoke(&self, refresh_token: &str) -> Result<(), IdentityError> {
        let result = self.client.revoke_token().client_id(self.pool_client()?).token(refresh_token).send().await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) || error.code() == Some("UnsupportedTokenTypeException") => Ok(()),
            Err(error) => Err(failed("RevokeToken", &error)),
        }
    }

    /// Revokes the refresh token of a session that has ended, as far as that works at once.
    pub async fn revoke_soon(&self, refresh_token: &str) {
        match tokio::time::timeout(CALL_TIMEOUT, self.revoke(refresh_token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a refresh token without a session is left to expire"),
            Err(_) => tracing::warn!("a refresh token without a session is left to expire: Cognito is slow"),
        }
    }

    /// Ends a generation: global sign-out, and delete. Its name is never used again, so early, late or twice makes no
    /// difference, nor does which of the two comes first: who is deleted has no tokens left.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn end(&self, generation: &Generation) -> Result<(), IdentityError> {
        let name = generation.name();
        let (signed_out, deleted) = tokio::join!(
            self.client.admin_user_global_sign_out().user_pool_id(&self.pool).username(&name).send(),
            self.client.admin_delete_user().user_pool_id(&self.pool).username(&name).send(),
        );
        gone("AdminUserGlobalSignOut", signed_out)?;
        gone("AdminDeleteUser", deleted)
    }

    /// Ends generations whose end is committed and marked, as far as that works at once.
    pub async fn end_soon(&self, generations: &[Generation]) {
        let ends = stream::iter(generations).for_each_concurrent(AT_ONCE, |generation| async move {
            match tokio::time::timeout(CALL_TIMEOUT, self.end(generation)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a generation's end is left to repair"),
                Err(_) => tracing::warn!("a generation's end is left to repair: Cognito is slow"),
            }
        });
        if tokio::time::timeout(BATCH_TIMEOUT, ends).await.is_err() {
            tracing::warn!("the ends of generations are left to repair: Cognito is slow");
        }
    }
}

/// Who is not there has been ended.
fn gone<T, E: ProvideErrorMetadata, R>(what: &str, result: Result<T, SdkError<E, R>>) -> Result<(), IdentityError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
        Err(error) => Err(failed(what, &error)),
    }
}

fn tokens(result: AuthenticationResultType) -> Result<Tokens, IdentityError> {
    let lacking = || IdentityError::Refused("an answer without tokens".to_owned());
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

/// Cognito understood, and says no: to this user, this password or this token as they are now.
fn is_refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
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
    // The code alone: a message could name a user.
    let code = error.code().unwrap_or("no answer");
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
    fn a_generation_is_read_from_the_one_name_that_it_has() {
        let at = Timestamp::from_unix_millis(1);
        let generation = Generation { partner: PartnerId::new(at, [1; 10]), user: UserId::new(at, [2; 10]), number: 7 };
        assert_eq!(Generation::parse(&generation.name()), Some(generation.clone()));
        assert_eq!(Generation::parse(&format!("{}.", generation.name())), None);
        assert_eq!(Generation::parse(&generation.name().replace(".7", ".07")), None);
        assert_eq!(Generation::parse("somebody"), None);
    }
}
