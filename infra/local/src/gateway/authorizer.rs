//! The JWT authorizer of the HTTP API. It checks only the signature, issuer, audience and times of a token.
//!
//! The API Gateway developer guide describes it in "Control access to HTTP APIs with JWT authorizers".

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::answer;
use super::keys::{KeyError, Keys};
use crate::lambda::{clock, log};
use crate::plan::JwtAuthorizer;

/// Why a request is not authorized. The texts are API Gateway's own where those are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no token")]
    NoToken,
    #[error("token contains an invalid number of segments")]
    Segments,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's signing method is not valid")]
    Algorithm,
    #[error("OIDC discovery endpoint communication error")]
    Discovery,
    #[error("the token's key is unknown")]
    UnknownKey,
    #[error("signature is invalid")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token does not have a valid issuer")]
    Issuer,
    #[error("the token does not have a valid audience")]
    Audience,
}

impl Refusal {
    /// A response with status 401 in API Gateway's format.
    pub(crate) fn into_response(self) -> Response {
        let challenge = match self {
            Self::NoToken => "Bearer".to_owned(),
            Self::Segments
            | Self::Malformed
            | Self::Algorithm
            | Self::Discovery
            | Self::UnknownKey
            | Self::Signature
            | Self::Expired
            | Self::NotYet
            | Self::Issuer
            | Self::Audience => format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{self}\""),
        };
        let mut response = answer::message(StatusCode::UNAUTHORIZED, "Unauthorized");
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Returns the claims of the request's token if the authorizer accepts it.
pub(crate) async fn claims(
    headers: &HeaderMap,
    authorizer: &JwtAuthorizer,
    keys: &Keys,
) -> Result<Map<String, Value>, Refusal> {
    let token = token(headers)?;
    if token.split('.').count() != 3 {
        return Err(Refusal::Segments);
    }
    let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
    if header.alg != Algorithm::RS256 {
        return Err(Refusal::Algorithm);
    }
    let kid = header.kid.ok_or(Refusal::UnknownKey)?;
    // Always ask the configured issuer: the token must not choose where its key comes from.
    let key = keys.key(&authorizer.issuer, &kid).await.map_err(|error| match error {
        KeyError::Unknown => Refusal::UnknownKey,
        KeyError::Fetch(_) | KeyError::Rejected(_) => {
            log::line("gateway", &format!("cannot fetch the token keys of {}: {error}", authorizer.issuer));
            Refusal::Discovery
        }
    })?;
    let claims = verified(token, &key)?;
    check(&claims, authorizer, clock::since_1970().as_secs())?;
    Ok(claims)
}

fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get(header::AUTHORIZATION).ok_or(Refusal::NoToken)?;
    let value = value.to_str().map_err(|_| Refusal::Malformed)?.trim();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer ") => token.trim_start(),
        Some(_) | None => value,
    };
    if token.is_empty() { Err(Refusal::NoToken) } else { Ok(token) }
}

/// Verifies the signature and returns the claims. `check` checks everything else.
fn verified(token: &str, key: &DecodingKey) -> Result<Map<String, Value>, Refusal> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    decode(token, key, &validation).map(|token| token.claims).map_err(|_| Refusal::Signature)
}

/// `now` in seconds since 1970.
fn check(claims: &Map<String, Value>, authorizer: &JwtAuthorizer, now: u64) -> Result<(), Refusal> {
    // A time is any JSON number (RFC 7519, section 2). A float holds today's seconds exactly.
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let now = now as f64;
    match claims.get("exp").map(Value::as_f64) {
        Some(Some(exp)) if now < exp => {}
        Some(Some(_)) => return Err(Refusal::Expired),
        Some(None) | None => return Err(Refusal::Malformed),
    }
    for name in ["nbf", "iat"] {
        match claims.get(name).map(Value::as_f64) {
            None => {}
            Some(Some(since)) if since <= now => {}
            Some(Some(_)) => return Err(Refusal::NotYet),
            Some(None) => return Err(Refusal::Malformed),
        }
    }
    if claims.get("iss").and_then(Value::as_str) != Some(authorizer.issuer.as_str()) {
        return Err(Refusal::Issuer);
    }
    // `client_id` is checked only if there is no `aud`.
    let is_audience =
        |value: &Value| value.as_str().is_some_and(|value| authorizer.audience.iter().any(|known| known == value));
    let is_known = match claims.get("aud").or_else(|| claims.get("client_id")) {
        Some(Value::Array(values)) => values.iter().any(is_audience),
        Some(value) => is_audience(value),
        None => false,
    };
    if is_known { Ok(()) } else { Err(Refusal::Audience) }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Json, Router};
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rsa::RsaPrivateKey;
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    use rsa::traits::PublicKeyParts as _;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn checked(claims: &Value) -> Result<(), Refusal> {
        let authorizer =
            JwtAuthorizer { issuer: "https://issuer/pool".to_owned(), audience: vec!["client".to_owned()] };
        check(claims.as_object().unwrap(), &authorizer, NOW)
    }

    #[test]
    fn only_times_issuer_and_audience_are_checked() {
        let good = json!({ "iss": "https://issuer/pool", "exp": NOW + 1, "iat": NOW, "client_id": "client" });
        assert_eq!(checked(&good), Ok(()));
        for (name, value, expected) in [
            ("token_use", json!("id"), Ok(())),
            ("exp", json!(NOW), Err(Refusal::Expired)),
            ("exp", json!("tomorrow"), Err(Refusal::Malformed)),
            ("nbf", json!(NOW), Ok(())),
            ("nbf", json!(NOW + 1), Err(Refusal::NotYet)),
            ("iat", json!(NOW + 1), Err(Refusal::NotYet)),
            ("iss", json!("https://issuer/other"), Err(Refusal::Issuer)),
            ("client_id", json!("other"), Err(Refusal::Audience)),
            ("aud", json!("client"), Ok(())),
            ("aud", json!(["other", "client"]), Ok(())),
            ("aud", json!("other"), Err(Refusal::Audience)),
            ("aud", json!([]), Err(Refusal::Audience)),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert_eq!(checked(&claims), expected, "{name}: {value}");
        }
        for (name, expected) in
            [("exp", Refusal::Malformed), ("iss", Refusal::Issuer), ("client_id", Refusal::Audience)]
        {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(checked(&claims), Err(expected), "without {name}");
        }
    }

    #[test]
    fn the_bearer_scheme_is_optional() {
        for (value, expected) in [
            ("Bearer a.b.c", Ok("a.b.c")),
            ("bearer  a.b.c", Ok("a.b.c")),
            ("a.b.c", Ok("a.b.c")),
            ("Bearer ", Ok("Bearer")),
            ("", Err(Refusal::NoToken)),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(token(&headers), expected, "{value}");
        }
        assert_eq!(token(&HeaderMap::new()), Err(Refusal::NoToken));
    }

    fn key_pair() -> (RsaPrivateKey, EncodingKey) {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let der = key.to_pkcs1_der().unwrap();
        (key, EncodingKey::from_rsa_der(der.as_bytes()))
    }

    /// Serves the keys of a pool with one key, `known`. Returns the URL.
    async fn cognito(key: &RsaPrivateKey) -> String {
        let number = |number: &rsa::BigUint| BASE64_URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        let keys = json!({
            "keys": [{ "kid": "known", "alg": "RS256", "kty": "RSA", "n": number(key.n()), "e": number(key.e()) }],
        });
        let router = Router::new().route("/pool/.well-known/jwks.json", get(|| async { Json(keys) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        url
    }

    #[tokio::test]
    async fn only_the_pools_own_signature_is_accepted() {
        let (key, own) = key_pair();
        let public = EncodingKey::from_secret(key.n().to_bytes_be().as_slice());
        let keys = Keys::new(cognito(&key).await);
        let authorizer =
            JwtAuthorizer { issuer: "https://issuer/pool".to_owned(), audience: vec!["client".to_owned()] };
        let now = clock::since_1970().as_secs();
        let token = json!({ "iss": authorizer.issuer, "exp": now + 60, "client_id": "client" });
        let sign = |algorithm, kid: &str, key| {
            let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
            encode(&header, &token, key).unwrap()
        };
        let good = sign(Algorithm::RS256, "known", &own);
        let forged = {
            let mut claims = token.clone();
            claims["sub"] = json!("another user");
            let mut parts: Vec<&str> = good.split('.').collect();
            let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
            parts[1] = &claims;
            parts.join(".")
        };
        let unsigned = {
            let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"known"}"#);
            format!("{header}.{}.", BASE64_URL_SAFE_NO_PAD.encode(token.to_string()))
        };
        for (value, expected) in [
            (good.clone(), Ok(())),
            (forged, Err(Refusal::Signature)),
            (sign(Algorithm::RS256, "other", &own), Err(Refusal::UnknownKey)),
            (sign(Algorithm::RS512, "known", &own), Err(Refusal::Algorithm)),
            (sign(Algorithm::HS256, "known", &public), Err(Refusal::Algorithm)),
            (unsigned, Err(Refusal::Malformed)),
            (good.replacen('.', "", 1), Err(Refusal::Segments)),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(&value).unwrap())]);
            let result = claims(&headers, &authorizer, &keys).await;
            assert_eq!(result.map(|claims| assert_eq!(claims["client_id"], "client")), expected, "{value}");
        }

        let elsewhere = JwtAuthorizer { issuer: "https://issuer/other-pool".to_owned(), ..authorizer };
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(good).unwrap())]);
        assert_eq!(claims(&headers, &elsewhere, &keys).await, Err(Refusal::Discovery));
    }
}
