//! Signs calls to AWS servers with Signature Version 4.

use std::time::UNIX_EPOCH;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::http::{HeaderName, HeaderValue};

use crate::lambda::clock;
use crate::servers::Server;

/// Why a call could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSigned {
    #[error(transparent)]
    Parameters(#[from] v4::signing_params::BuildError),
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// The parts of a request that its signature covers.
pub(crate) struct Signable<'a> {
    /// The name of the service in the signature.
    pub(crate) service: &'static str,
    pub(crate) path: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The headers that authenticate a `POST` request to the server.
pub(crate) fn headers(server: &Server, request: &Signable<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, NotSigned> {
    let identity = server.credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&server.region)
        .name(request.service)
        .time(UNIX_EPOCH + clock::since_1970())
        .settings(SigningSettings::default())
        .build()?;
    let target = request.target.map(|target| ("x-amz-target", target));
    let url = format!("{}{}", server.url, request.path);
    let request = SignableRequest::new("POST", url.as_str(), target.into_iter(), SignableBody::Bytes(request.body))?;
    let (instructions, _) = sign(request, &parameters.into())?.into_parts();
    let (added, _) = instructions.into_parts();
    Ok(added
        .iter()
        .filter_map(|header| {
            Some((HeaderName::from_static(header.name()), HeaderValue::try_from(header.value()).ok()?))
        })
        .collect())
}
