//! The operations that need only an access token: read the user's opaque name, end its sessions, delete the user, and
//! change its password, which only the portal knows.

use serde::{Deserialize, Serialize};

use super::UserPools;
use super::error::ApiError;
use super::secrets::PasswordHash;
use super::store::{Password, Pool, Store, User};
use super::tokens;
use super::users::{Attribute, attributes, check_length};
use super::wire::Nothing;

/// `GetUser`, `GlobalSignOut`, `DeleteUser`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Holder {
    access_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ChangePassword {
    access_token: String,
    previous_password: String,
    proposed_password: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetUserAnswer {
    username: String,
    user_attributes: Vec<Attribute>,
}

impl UserPools {
    pub(super) fn get_user(&self, request: &Holder) -> Result<GetUserAnswer, ApiError> {
        let (_, user) = self.change(|store| self.holder(store, &request.access_token))?;
        Ok(GetUserAnswer { user_attributes: attributes(&user), username: user.username })
    }

    pub(super) fn global_sign_out(&self, request: &Holder) -> Result<Nothing, ApiError> {
        self.change(|store| store.end_sessions_of(&self.holder(store, &request.access_token)?.1.sub))?;
        Ok(Nothing {})
    }

    pub(super) fn delete_user(&self, request: &Holder) -> Result<Nothing, ApiError> {
        self.change(|store| store.remove_user(&self.holder(store, &request.access_token)?.1.sub))?;
        Ok(Nothing {})
    }

    pub(super) fn change_password(&self, request: &ChangePassword) -> Result<Nothing, ApiError> {
        check_length(&request.proposed_password)?;
        self.change(|store| {
            let (pool, user) = self.holder(store, &request.access_token)?;
            if !user.password.hash.matches(&request.previous_password) {
                return Err(ApiError::WRONG_PASSWORD);
            }
            pool.settings.policies.password_policy.check(&request.proposed_password)?;
            let hash = PasswordHash::of(&request.proposed_password)?;
            store.set_password(&user.sub, &Password { hash, set_at: store.now, must_change: false })
        })?;
        Ok(Nothing {})
    }

    /// The user of this access token, if the token's session is still alive.
    fn holder(&self, store: &Store<'_>, token: &str) -> Result<(Pool, User), ApiError> {
        let pool = match tokens::key_id(token) {
            Some(key_id) => store.pool_of_key(&key_id)?,
            None => None,
        };
        let pool = pool.ok_or(ApiError::NotAuthorized("Invalid Access Token"))?;
        let claims = pool.key.verify_access(token, &self.issuer(&pool.id), store.now)?;
        let user = store.user_by_sub(&claims.sub)?.ok_or(ApiError::UserNotFound)?;
        match store.session(&claims.origin_jti)? {
            Some(session) if !session.ended => Ok((pool, user)),
            Some(_) | None => Err(ApiError::NotAuthorized("Access Token has been revoked")),
        }
    }
}
