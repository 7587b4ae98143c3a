//! Tests the operations that Cognito allows with only an access token. None of them is useful to an attacker.

use std::fmt::Debug;

use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;

use crate::server::{NOT_AUTHORIZED, Pool, Refusal, WRONG_PASSWORD, assert_refused, password, refusal};

/// Converts a result of the SDK for the assertions.
fn plain<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, E>) -> Result<(), Refusal> {
    if result.is_ok() { Ok(()) } else { Err(refusal(result)) }
}

#[tokio::test]
async fn the_holder_sees_an_opaque_name() {
    let pool = Pool::new().await;
    let secret = pool.user("p.u.1").await;
    let tokens = pool.sign_in("p.u.1", &secret).await;
    let user = pool.sdk.get_user().access_token(tokens.access_token().unwrap()).send().await.unwrap();
    assert_eq!(user.username(), "p.u.1");
    assert!(user.user_attributes().iter().all(|attribute| attribute.name() == "sub"));
}

#[tokio::test]
async fn the_holder_cannot_change_a_password_without_the_previous_one() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let change = |previous: &str, proposed: &str| {
        let change = pool.sdk.change_password().access_token(tokens.access_token().unwrap());
        change.previous_password(previous).proposed_password(proposed).send()
    };
    assert_refused(plain(change(&password(), &password()).await), NOT_AUTHORIZED, WRONG_PASSWORD);
    pool.sign_in("a", &secret).await;

    assert_refused(plain(change(&secret, "short").await), "InvalidPasswordException", "");
    let new = password();
    change(&secret, &new).await.unwrap();
    assert_refused(pool.try_sign_in("a", &secret).await, NOT_AUTHORIZED, WRONG_PASSWORD);
    pool.sign_in("a", &new).await;
}

#[tokio::test]
async fn the_holder_can_sign_out_everywhere() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let here = pool.sign_in("a", &secret).await;
    let there = pool.sign_in("a", &secret).await;
    pool.sdk.global_sign_out().access_token(here.access_token().unwrap()).send().await.unwrap();
    for tokens in [&here, &there] {
        let refused = pool.refresh(tokens.refresh_token()).await;
        assert_refused(refused, NOT_AUTHORIZED, "Refresh Token has been revoked");
        assert_refused(pool.get_user(tokens).await, NOT_AUTHORIZED, "Access Token has been revoked");
    }
    let again = pool.sign_in("a", &secret).await;
    pool.get_user(&again).await.unwrap();
}

#[tokio::test]
async fn the_holder_can_delete_only_its_own_user() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let other_secret = pool.user("b").await;
    let tokens = pool.sign_in("a", &secret).await;
    pool.sdk.delete_user().access_token(tokens.access_token().unwrap()).send().await.unwrap();
    let gone = pool.sdk.admin_get_user().user_pool_id(&pool.id).username("a").send().await;
    assert_eq!(refusal(gone).0, "UserNotFoundException");
    pool.sign_in("b", &other_secret).await;
}

#[tokio::test]
async fn an_ended_session_has_no_self_service() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    pool.sign_out("a").await;
    let token = tokens.access_token().unwrap();
    let delete = plain(pool.sdk.delete_user().access_token(token).send().await);
    assert_refused(delete, NOT_AUTHORIZED, "Access Token has been revoked");
    let change = pool.sdk.change_password().access_token(token).previous_password(&secret);
    let change = plain(change.proposed_password(password()).send().await);
    assert_refused(change, NOT_AUTHORIZED, "Access Token has been revoked");
    let sign_out = plain(pool.sdk.global_sign_out().access_token(token).send().await);
    assert_refused(sign_out, NOT_AUTHORIZED, "Access Token has been revoked");
    pool.sign_in("a", &secret).await;
}

#[tokio::test]
async fn only_a_valid_access_token_is_accepted() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let access = tokens.access_token().unwrap();
    let (signed, _) = access.rsplit_once('.').unwrap();
    let (_, foreign) = tokens.id_token().unwrap().rsplit_once('.').unwrap();
    let forged = format!("{signed}.{foreign}");
    for token in [tokens.id_token().unwrap(), &forged, "eyJ.not.one", "nothing"] {
        let refused = plain(pool.sdk.get_user().access_token(token).send().await);
        assert_refused(refused, NOT_AUTHORIZED, "");
    }
}
