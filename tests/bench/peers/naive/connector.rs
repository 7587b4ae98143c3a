//! Replaces `shared/src/connector.rs` in the naive build: the SDKs use their default connectors.

use std::convert::Infallible;

use aws_smithy_runtime_api::client::http::{SharedHttpClient, http_client_fn};

/// Replaces our client. It is never called.
pub(crate) fn http_client() -> Result<SharedHttpClient, Infallible> {
    Ok(http_client_fn(|_, _| unreachable!("the naive clients have their own")))
}
