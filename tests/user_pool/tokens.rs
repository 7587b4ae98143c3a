//! Tests the claims of tokens, and their signatures with the pool's public key.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::departures::{Departure, documented};
use crate::server::{Pool, endpoint};

/// A token's claims, unverified.
pub(crate) fn claims(token: Option<&str>) -> Map<String, Value> {
    jsonwebtoken::dangerous::insecure_decode(token.expect("a token")).unwrap().claims
}

fn names(claims: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<_> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

async fn get(path: &str) -> Value {
    let answer = reqwest::get(format!("{}{path}", endpoint())).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn both_tokens_verify_against_the_pools_public_key() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let keys = get(&format!("/{}/.well-known/jwks.json", pool.id)).await;
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&"RSA".into(), &"RS256".into(), &"sig".into()));
    }
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    for token in [tokens.access_token().unwrap(), tokens.id_token().unwrap()] {
        let key = keys.find(&jsonwebtoken::decode_header(token).unwrap().kid.unwrap()).unwrap();
        let key = DecodingKey::from_jwk(key).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_aud = false;
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
        let forged = format!("{}A.{}", &token[..token.len() / 2], &token[token.len() / 2 + 1..]);
        assert!(jsonwebtoken::decode::<Value>(&forged, &key, &validation).is_err());
    }
}

#[tokio::test]
async fn another_pools_key_does_not_verify_this_pools_tokens() {
    let pool = Pool::new().await;
    let other = Pool::new().await;
    let secret = pool.user("a").await;
    let token = pool.sign_in("a", &secret).await.access_token.unwrap();
    let keys = get(&format!("/{}/.well-known/jwks.json", other.id)).await;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_aud = false;
    for key in serde_json::from_value::<JwkSet>(keys).unwrap().keys {
        let key = DecodingKey::from_jwk(&key).unwrap();
        assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation).is_err());
    }
}

#[tokio::test]
async fn an_access_token_has_cognitos_claims() {
    let pool = Pool::new().await;
    let secret = pool.user("p.u.1").await;
    let tokens = pool.sign_in("p.u.1", &secret).await;
    assert_eq!(tokens.token_type(), Some("Bearer"));
    assert_eq!(tokens.expires_in(), 900);
    let access = claims(tokens.access_token());
    let region = pool.id.split('_').next().unwrap();
    assert_eq!(access["iss"], format!("https://cognito-idp.{region}.amazonaws.com/{}", pool.id));
    assert_eq!(access["client_id"], pool.client_id);
    assert_eq!(access["username"], "p.u.1");
    assert_eq!(access["token_use"], "access");
    assert_eq!(access["scope"], "aws.cognito.signin.user.admin");
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 900);
    assert_eq!(access["auth_time"], access["iat"]);
    assert_eq!(
        names(&access),
        ["auth_time", "client_id", "exp", "iat", "iss", "jti", "origin_jti", "scope", "sub", "token_use", "username"]
    );
}

#[tokio::test]
async fn an_id_token_has_the_same_session_and_the_client_as_audience() {
    let pool = Pool::new().await;
    let secret = pool.user("p.u.1").await;
    let tokens = pool.sign_in("p.u.1", &secret).await;
    let access = claims(tokens.access_token());
    let id = claims(tokens.id_token());
    assert_eq!(id["aud"], pool.client_id);
    assert_eq!(id["cognito:username"], "p.u.1");
    assert_eq!(id["token_use"], "id");
    for same in ["sub", "iss", "origin_jti"] {
        assert_eq!(id[same], access[same], "{same}");
    }
    documented(id["auth_time"] == access["auth_time"], Departure::EachTokenHasItsAuthTime);
    assert_ne!(id["jti"], access["jti"]);
    assert_eq!(
        names(&id),
        ["aud", "auth_time", "cognito:username", "exp", "iat", "iss", "jti", "origin_jti", "sub", "token_use"]
    );
}

#[tokio::test]
async fn a_refresh_token_is_opaque() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let refresh = tokens.refresh_token().unwrap();
    assert!(refresh.chars().all(|c| c.is_ascii_alphanumeric() || "-_=.".contains(c)), "the pattern of RevokeToken");
    let cannot_be_read = jsonwebtoken::dangerous::insecure_decode::<Value>(refresh).is_err();
    documented(cannot_be_read, Departure::RefreshTokenCanBeRead);
}

#[tokio::test]
async fn the_discovery_document_names_the_issuer_and_its_keys() {
    let pool = Pool::new().await;
    let document = get(&format!("/{}/.well-known/openid-configuration", pool.id)).await;
    let region = pool.id.split('_').next().unwrap();
    let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{}", pool.id);
    assert_eq!(document["issuer"], issuer);
    documented(document["jwks_uri"] == format!("{issuer}/.well-known/jwks.json"), Departure::KeysElsewhere);
}
