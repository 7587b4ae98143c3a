//! Reads the claims of a token. It does not verify the signature, so it is only for tokens that come directly from
//! Cognito.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Returns the claims of a JWT as strings, in the form of the HTTP API's authorizer.
pub fn claims_of(token: &str) -> Option<BTreeMap<String, String>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: BTreeMap<String, Value> = serde_json::from_slice(&payload).ok()?;
    Some(
        claims
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    (name, other.to_string())
                }
            })
            .collect(),
    )
}
