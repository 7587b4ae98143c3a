//! Random bytes from the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Failure;

/// Returns `N` random bytes that are suitable for secrets.
///
/// # Errors
/// Returns [`Failure::Internal`] if the operating system has none.
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal("no random bytes", &error))?;
    Ok(bytes)
}

/// Returns a token of 256 random bits in 43 URL-safe characters.
///
/// # Errors
/// Returns the same errors as [`bytes`].
pub fn token() -> Result<String, Failure> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}
