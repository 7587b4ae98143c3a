//! RS256 tokens with Cognito's claims. Each pool has one signing key.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use serde::{Deserialize, Serialize};

use super::error::{ApiError, Fault};
use super::secrets;

const KEY_BITS: usize = 2048;

/// The scope that permits Cognito's self-service operations.
const SELF_SERVICE_SCOPE: &str = "aws.cognito.signin.user.admin";

/// A pool's key pair.
pub(super) struct SigningKey {
    id: String,
    /// The private key in PKCS #1 format.
    der: Vec<u8>,
}

impl SigningKey {
    /// Generates a new key pair, which is slow.
    pub(super) fn generate() -> Result<Self, Fault> {
        let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS)?;
        Ok(Self { id: secrets::uuid()?, der: key.to_pkcs1_der()?.as_bytes().to_vec() })
    }

    pub(super) fn stored(id: String, der: Vec<u8>) -> Self {
        Self { id, der }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The public key as a JWKS.
    pub(super) fn public_set(&self) -> Result<JwkSet, Fault> {
        Ok(JwkSet { keys: vec![self.public()?] })
    }

    fn public(&self) -> Result<Jwk, Fault> {
        let mut key = Jwk::from_encoding_key(&self.encoding(), Algorithm::RS256)?;
        key.common.key_id = Some(self.id.clone());
        key.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(key)
    }

    fn encoding(&self) -> EncodingKey {
        EncodingKey::from_rsa_der(&self.der)
    }

    fn sign(&self, claims: &impl Serialize) -> Result<String, Fault> {
        let header = Header { typ: None, kid: Some(self.id.clone()), ..Header::new(Algorithm::RS256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.encoding())?)
    }

    /// Verifies an access token of this key's pool and returns its claims.
    pub(super) fn verify_access(&self, token: &str, issuer: &str, now: i64) -> Result<AccessClaims, ApiError> {
        const UNVERIFIED: ApiError = ApiError::NotAuthorized("Could not verify signature for Access Token");
        let mut validation = Validation::new(Algorithm::RS256);
        // Expiry is checked below with the injected clock. An access token has no audience.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_issuer(&[issuer]);
        let public = DecodingKey::from_jwk(&self.public()?).map_err(Fault::Token)?;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &public, &validation).map_err(|_| UNVERIFIED)?.claims;
        if claims.token_use != TokenUse::Access {
            return Err(ApiError::NotAuthorized("Invalid Access Token"));
        }
        if claims.exp <= now {
            return Err(ApiError::NotAuthorized("Access Token has expired"));
        }
        Ok(claims)
    }
}

/// The id of the signing key according to the token's header, which is not yet verified.
pub(super) fn key_id(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// The claims that all tokens of a session share.
pub(super) struct Grant {
    pub(super) issuer: String,
    pub(super) sub: String,
    pub(super) username: String,
    pub(super) client_id: String,
    /// The same in every token of one sign-in, so it identifies the session.
    pub(super) origin_jti: String,
    /// The time of the sign-in. A refresh does not change it.
    pub(super) auth_time: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenUse {
    Access,
    Id,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    pub(super) sub: String,
    iss: String,
    client_id: String,
    pub(super) origin_jti: String,
    token_use: TokenUse,
    scope: String,
    auth_time: i64,
    exp: i64,
    iat: i64,
    jti: String,
    username: String,
}

#[derive(Serialize)]
struct IdClaims<'a> {
    sub: &'a str,
    iss: &'a str,
    #[serde(rename = "cognito:username")]
    username: &'a str,
    origin_jti: &'a str,
    aud: &'a str,
    token_use: TokenUse,
    auth_time: i64,
    exp: i64,
    iat: i64,
    jti: String,
}

impl Grant {
    pub(super) fn access_token(&self, key: &SigningKey, now: i64, lives: i64) -> Result<String, Fault> {
        key.sign(&AccessClaims {
            sub: self.sub.clone(),
            iss: self.issuer.clone(),
            client_id: self.client_id.clone(),
            origin_jti: self.origin_jti.clone(),
            token_use: TokenUse::Access,
            scope: SELF_SERVICE_SCOPE.to_owned(),
            auth_time: self.auth_time,
            exp: now + lives,
            iat: now,
            jti: secrets::uuid()?,
            username: self.username.clone(),
        })
    }

    pub(super) fn id_token(&self, key: &SigningKey, now: i64, lives: i64) -> Result<String, Fault> {
        key.sign(&IdClaims {
            sub: &self.sub,
            iss: &self.issuer,
            username: &self.username,
            origin_jti: &self.origin_jti,
            aud: &self.client_id,
            token_use: TokenUse::Id,
            auth_time: self.auth_time,
            exp: now + lives,
            iat: now,
            jti: secrets::uuid()?,
        })
    }
}
