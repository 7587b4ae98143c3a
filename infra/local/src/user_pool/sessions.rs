//! Signs users in, refreshes tokens and ends sessions.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::store::{Client, Pool, Session, Store, User};
use super::tokens::{Grant, SigningKey};
use super::users::{self, NamedUser};
use super::wire::Nothing;
use super::{UserPools, secrets};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct AdminInitiateAuth {
    user_pool_id: String,
    client_id: String,
    auth_flow: String,
    #[serde(default)]
    auth_parameters: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct InitiateAuth {
    client_id: String,
    auth_flow: String,
    #[serde(default)]
    auth_parameters: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RevokeToken {
    client_id: String,
    token: String,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AuthAnswer {
    #[serde(rename_all = "PascalCase")]
    SignedIn { challenge_parameters: HashMap<String, String>, authentication_result: Tokens },
    /// The user has a temporary password. Responding to the challenge is not supported: an administrator sets a
    /// permanent password.
    #[serde(rename_all = "PascalCase")]
    MustChoosePassword { challenge_name: &'static str, session: String, challenge_parameters: HashMap<String, String> },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tokens {
    access_token: String,
    id_token: String,
    /// Only a sign-in returns one. A refresh returns none, because rotation is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    token_type: &'static str,
    expires_in: i64,
}

/// The result of the transaction. Signing needs no lock and happens afterwards.
enum Decision {
    Issue(Box<Issue>),
    MustChoosePassword(String),
}

struct Issue {
    grant: Grant,
    key: SigningKey,
    client: Client,
    now: i64,
    refresh_token: Option<String>,
}

impl UserPools {
    pub(super) fn admin_initiate_auth(&self, request: &AdminInitiateAuth) -> Result<AuthAnswer, ApiError> {
        let decision = self.change(|store| {
            let pool = store.pool(&request.user_pool_id)?;
            let client = store.client(&request.client_id)?;
            if client.pool_id != pool.id {
                return Err(ApiError::no_client(&request.client_id));
            }
            match request.auth_flow.as_str() {
                "ADMIN_USER_PASSWORD_AUTH" if client.settings.allows_password() => {
                    let username = parameter(&request.auth_parameters, "USERNAME")?;
                    let password = parameter(&request.auth_parameters, "PASSWORD")?;
                    self.sign_in(store, pool, client, username, password)
                }
                "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" if client.settings.allows_refresh() => {
                    self.refresh(store, pool, client, parameter(&request.auth_parameters, "REFRESH_TOKEN")?)
                }
                _ => Err(ApiError::InvalidParameter("Auth flow not enabled for this client".to_owned())),
            }
        })?;
        answer(decision)
    }

    pub(super) fn initiate_auth(&self, request: &InitiateAuth) -> Result<AuthAnswer, ApiError> {
        let decision = self.change(|store| {
            let client = store.client(&request.client_id)?;
            let pool = store.pool(&client.pool_id)?;
            match request.auth_flow.as_str() {
                "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" if client.settings.allows_refresh() => {
                    self.refresh(store, pool, client, parameter(&request.auth_parameters, "REFRESH_TOKEN")?)
                }
                // This flow is for administrators and never works without AWS credentials.
                "ADMIN_USER_PASSWORD_AUTH" => {
                    Err(ApiError::InvalidParameter("Initiate Auth method not supported.".to_owned()))
                }
                flow => Err(ApiError::InvalidParameter(format!("{flow} flow not enabled for this client"))),
            }
        })?;
        answer(decision)
    }

    /// Ends one session. An unknown token counts as already revoked (RFC 7009, section 2.2).
    pub(super) fn revoke_token(&self, request: &RevokeToken) -> Result<Nothing, ApiError> {
        if is_signed(&request.token) {
            return Err(ApiError::UnsupportedTokenType);
        }
        self.change(|store| {
            let client = store.client(&request.client_id)?;
            match store.session_by_refresh(&secrets::token_hash(&request.token))? {
                Some(session) if session.client_id == client.id => store.end_session(&session.origin_jti),
                Some(_) => Err(ApiError::Unauthorized),
                None => Ok(()),
            }
        })?;
        Ok(Nothing {})
    }

    pub(super) fn admin_user_global_sign_out(&self, request: &NamedUser) -> Result<Nothing, ApiError> {
        self.change(|store| store.end_sessions_of(&users::find(store, request)?.sub))?;
        Ok(Nothing {})
    }

    fn sign_in(
        &self,
        store: &Store<'_>,
        pool: Pool,
        client: Client,
        username: &str,
        password: &str,
    ) -> Result<Decision, ApiError> {
        let Some(user) = store.user_by_name(&pool.id, username)? else {
            let hidden = client.settings.hides_unknown_users();
            return Err(if hidden { ApiError::WRONG_PASSWORD } else { ApiError::UserNotFound });
        };
        if !user.password.hash.matches(password) {
            return Err(ApiError::WRONG_PASSWORD);
        }
        if user.password.must_change {
            let policy = &pool.settings.policies.password_policy;
            return if policy.temporary_expires_at(user.password.set_at) <= store.now {
                Err(ApiError::NotAuthorized("Temporary password has expired and must be reset by an administrator."))
            } else {
                Ok(Decision::MustChoosePassword(user.username))
            };
        }
        store.drop_expired_sessions()?;
        let refresh_token = secrets::refresh_token()?;
        let session = Session {
            origin_jti: secrets::uuid()?,
            sub: user.sub.clone(),
            client_id: client.id.clone(),
            auth_time: store.now,
            expires_at: store.now + client.settings.refresh_seconds(),
            ended: false,
        };
        store.add_session(&session, &secrets::token_hash(&refresh_token))?;
        Ok(self.issue(store, pool, client, user, session, Some(refresh_token)))
    }

    fn refresh(&self, store: &Store<'_>, pool: Pool, client: Client, token: &str) -> Result<Decision, ApiError> {
        // The token of a deleted user and an invented token get the same error.
        const INVALID: ApiError = ApiError::NotAuthorized("Invalid Refresh Token.");
        let session = store.session_by_refresh(&secrets::token_hash(token))?.ok_or(INVALID)?;
        if session.client_id != client.id {
            return Err(ApiError::NotAuthorized("Refresh Token has different Client"));
        }
        if session.ended {
            return Err(ApiError::NotAuthorized("Refresh Token has been revoked"));
        }
        if session.expires_at <= store.now {
            return Err(ApiError::NotAuthorized("Refresh Token has expired"));
        }
        let user = store.user_by_sub(&session.sub)?.ok_or(INVALID)?;
        Ok(self.issue(store, pool, client, user, session, None))
    }

    fn issue(
        &self,
        store: &Store<'_>,
        pool: Pool,
        client: Client,
        user: User,
        session: Session,
        refresh_token: Option<String>,
    ) -> Decision {
        let grant = Grant {
            issuer: self.issuer(&pool.id),
            sub: user.sub,
            username: user.username,
            client_id: client.id.clone(),
            origin_jti: session.origin_jti,
            auth_time: session.auth_time,
        };
        Decision::Issue(Box::new(Issue { grant, key: pool.key, client, now: store.now, refresh_token }))
    }
}

fn answer(decision: Decision) -> Result<AuthAnswer, ApiError> {
    match decision {
        Decision::Issue(issue) => {
            let Issue { grant, key, client, now, refresh_token } = *issue;
            let expires_in = client.settings.access_seconds();
            Ok(AuthAnswer::SignedIn {
                challenge_parameters: HashMap::new(),
                authentication_result: Tokens {
                    access_token: grant.access_token(&key, now, expires_in)?,
                    id_token: grant.id_token(&key, now, client.settings.id_seconds())?,
                    refresh_token,
                    token_type: "Bearer",
                    expires_in,
                },
            })
        }
        Decision::MustChoosePassword(username) => Ok(AuthAnswer::MustChoosePassword {
            challenge_name: "NEW_PASSWORD_REQUIRED",
            session: secrets::refresh_token()?,
            challenge_parameters: HashMap::from([
                ("USER_ID_FOR_SRP".to_owned(), username),
                ("requiredAttributes".to_owned(), "[]".to_owned()),
                ("userAttributes".to_owned(), "{}".to_owned()),
            ]),
        }),
    }
}

fn parameter<'a>(parameters: &'a HashMap<String, String>, name: &str) -> Result<&'a str, ApiError> {
    let missing = || ApiError::InvalidParameter(format!("Missing required parameter {name}"));
    parameters.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// Whether a token is an access or ID token, not a refresh token.
fn is_signed(token: &str) -> bool {
    token.split('.').count() == 3
}
