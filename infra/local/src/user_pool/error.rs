//! All errors, with Cognito's names and messages, which SDKs convert to typed errors.

use std::path::PathBuf;

use axum::http::StatusCode;

/// Why the storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot open the user pools' storage {path}")]
    Storage {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the user pools' storage {path} has layout {found}: another version of this program created it")]
    Layout { path: PathBuf, found: i64 },
}

/// The error of an operation.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{0}")]
    InvalidParameter(String),
    #[error("Password did not conform with policy: {0}")]
    InvalidPassword(&'static str),
    #[error("{0}")]
    NotAuthorized(&'static str),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("User does not exist.")]
    UserNotFound,
    #[error("User account already exists")]
    UsernameExists,
    /// `RevokeToken` only: the token belongs to another client.
    #[error("Unauthorized")]
    Unauthorized,
    #[error("Unsupported token type")]
    UnsupportedTokenType,
    #[error("The user pool has no such operation.")]
    UnknownOperation,
    #[error("The request body is not JSON.")]
    Serialization,
    /// The cause is only logged.
    #[error("Something went wrong")]
    Internal(#[from] Fault),
}

/// Why the user pool itself failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("storage: {0}")]
    Storage(#[from] rusqlite::Error),
    #[error("JSON in the storage or in a response: {0}")]
    Json(#[from] serde_json::Error),
    #[error("tokens: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("signing key: {0}")]
    Key(#[from] rsa::Error),
    #[error("signing key: {0}")]
    KeyEncoding(#[from] rsa::pkcs1::Error),
    #[error("randomness: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the operation did not finish: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<rusqlite::Error> for ApiError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Internal(source.into())
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(source: getrandom::Error) -> Self {
        Self::Internal(source.into())
    }
}

impl ApiError {
    /// The same message for a wrong password and, if the client is configured so, for an unknown user.
    pub(super) const WRONG_PASSWORD: Self = Self::NotAuthorized("Incorrect username or password.");

    pub(super) fn no_pool(pool_id: &str) -> Self {
        Self::ResourceNotFound(format!("User pool {pool_id} does not exist."))
    }

    pub(super) fn no_client(client_id: &str) -> Self {
        Self::ResourceNotFound(format!("User pool client {client_id} does not exist."))
    }

    /// Cognito's name for the error.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::InvalidParameter(_) => "InvalidParameterException",
            Self::InvalidPassword(_) => "InvalidPasswordException",
            Self::NotAuthorized(_) => "NotAuthorizedException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::UserNotFound => "UserNotFoundException",
            Self::UsernameExists => "UsernameExistsException",
            Self::Unauthorized => "UnauthorizedException",
            Self::UnsupportedTokenType => "UnsupportedTokenTypeException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Serialization => "SerializationException",
            Self::Internal(_) => "InternalErrorException",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidParameter(_)
            | Self::InvalidPassword(_)
            | Self::NotAuthorized(_)
            | Self::ResourceNotFound(_)
            | Self::UserNotFound
            | Self::UsernameExists
            | Self::Unauthorized
            | Self::UnsupportedTokenType
            | Self::UnknownOperation
            | Self::Serialization => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
