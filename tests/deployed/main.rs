//! Tests a portal that is deployed on AWS, for everything that no emulator can prove:
//!
//! ```text
//! PORTAL_STACK=partner-portal-dev AWS_PROFILE=… cargo test --test deployed -- --ignored
//! ```
//!
//! Each test creates its own partner, which is not removed. With `PORTAL_STACK`, the modules of `api` that check only
//! responses run against the deployed portal too. Run a few at a time, because the portal counts sign-ins by address:
//! `cargo test --test api get_user`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use aws_sdk_cognitoidentityprovider::Client as Cognito;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Region};
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata as _;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, AuthFlowType};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use portal_tests::{Partner, secrets, stack};
use serde_json::Value;

/// A client of Cognito's public API, which any client on the internet can call without AWS credentials.
fn cognito() -> Cognito {
    let ready = &stack().ready;
    let region = ready.user_pool_id.split('_').next().unwrap().to_owned();
    let config = aws_sdk_cognitoidentityprovider::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .endpoint_url(&ready.cognito_url)
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        );
    Cognito::from_conf(config.build())
}

fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims
}

#[tokio::test]
#[ignore = "needs a deployed stack"]
async fn the_authorizers_claims_are_strings_and_identify_the_session() {
    let partner = Partner::new().await;
    // The portal reads every claim as a string. Another type would cause a 500.
    partner.owner().is_signed_in().await;
    partner.owner().client.get("/v1/me").await.expect(401);
}

#[tokio::test]
#[ignore = "needs a deployed stack"]
async fn a_refreshed_token_keeps_its_origin_jti_and_so_its_session() {
    let partner = Partner::new().await;
    let refreshed = partner.owner().refreshed().await;
    let (before, after) = (claims(&partner.owner().token), claims(&refreshed.token));
    assert_ne!(before["jti"], after["jti"]);
    for claim in ["origin_jti", "auth_time", "username", "sub"] {
        assert_eq!(before[claim], after[claim], "{claim}");
    }
    assert!(before["origin_jti"].is_string());
    refreshed.is_signed_in().await;
}

#[tokio::test]
#[ignore = "needs a deployed stack"]
async fn cognito_rejects_the_refresh_token_after_a_force_logout() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let refresh = || {
        let flow = cognito().initiate_auth().client_id(&stack().ready.client_id);
        flow.auth_flow(AuthFlowType::RefreshTokenAuth).auth_parameters("REFRESH_TOKEN", &ann.refresh_token).send()
    };
    refresh().await.unwrap();

    partner.owner().force_logout(&ann).await.expect(200);

    ann.is_signed_out().await;
    let refused = refresh().await.unwrap_err();
    assert!(matches!(refused.code(), Some("NotAuthorizedException" | "UserNotFoundException")), "{refused:?}");
    ann.elsewhere().await.is_signed_in().await;
}

#[tokio::test]
#[ignore = "needs a deployed stack"]
async fn an_access_token_cannot_change_attributes_or_the_password_in_cognito() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let cognito = cognito();

    let shown = cognito.get_user().access_token(&ann.token).send().await.unwrap();
    assert!(shown.user_attributes().iter().all(|attribute| attribute.name() == "sub"), "{shown:?}");

    let email = AttributeType::builder().name("email").value(secrets::email("other")).build().unwrap();
    let refused = cognito.update_user_attributes().access_token(&ann.token).user_attributes(email).send().await;
    assert_eq!(refused.unwrap_err().code(), Some("NotAuthorizedException"));

    let change = cognito.change_password().access_token(&ann.token).previous_password(&ann.password);
    let refused = change.proposed_password(format!("{}-aA1", secrets::random(40))).send().await;
    assert_eq!(refused.unwrap_err().code(), Some("NotAuthorizedException"));

    // A token can delete its Cognito user. The next sign-in creates the user again.
    cognito.delete_user().access_token(&ann.token).send().await.unwrap();
    let again = ann.elsewhere().await;
    again.refreshed().await.is_signed_in().await;
}
