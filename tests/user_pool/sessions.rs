//! Tests of signing in, refreshing and ending sessions.

use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, ExplicitAuthFlowsType, PreventUserExistenceErrorTypes};
use futures::future::join_all;

use crate::departures::{Departure, documented};
use crate::server::{NOT_AUTHORIZED, Pool, WRONG_PASSWORD, assert_refused, password, refusal};
use crate::tokens::claims;

const BOTH_FLOWS: [ExplicitAuthFlowsType; 2] =
    [ExplicitAuthFlowsType::AllowAdminUserPasswordAuth, ExplicitAuthFlowsType::AllowRefreshTokenAuth];

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let pool = Pool::new().await;
    pool.user("a").await;
    assert_refused(pool.try_sign_in("a", &password()).await, NOT_AUTHORIZED, WRONG_PASSWORD);
}

#[tokio::test]
async fn an_unknown_user_looks_like_a_wrong_password_if_the_client_hides_users() {
    let pool = Pool::new().await;
    assert_refused(pool.try_sign_in("unknown", &password()).await, NOT_AUTHORIZED, WRONG_PASSWORD);
    let legacy = pool.new_client(PreventUserExistenceErrorTypes::Legacy, &BOTH_FLOWS).await;
    let refused = pool.authenticate(&legacy, "unknown", &password()).await;
    assert_refused(refused, "UserNotFoundException", "User does not exist.");
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_session_and_no_new_refresh_token() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let first = pool.sign_in("a", &secret).await;
    let before = claims(first.access_token());
    // Times in claims are in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    for _ in 0..2 {
        let next = pool.refresh(first.refresh_token()).await.unwrap();
        assert_eq!(next.refresh_token(), None);
        assert_eq!(next.expires_in(), 900);
        for token in [next.access_token(), next.id_token()] {
            let after = claims(token);
            assert_eq!(after["origin_jti"], before["origin_jti"]);
            assert_eq!(after["sub"], before["sub"]);
            assert_ne!(after["jti"], before["jti"]);
            assert!(after["iat"].as_i64() > before["iat"].as_i64());
            documented(after["auth_time"] == before["auth_time"], Departure::RefreshMovesAuthTime);
        }
    }
}

#[tokio::test]
async fn a_sign_out_ends_every_earlier_session_and_no_later_one() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let other_secret = pool.user("b").await;
    let other = pool.sign_in("b", &other_secret).await;
    // These calls take much less than a second, the resolution of times in tokens.
    for _ in 0..5 {
        let here = pool.sign_in("a", &secret).await;
        let there = pool.sign_in("a", &secret).await;
        pool.sign_out("a").await;
        let later = pool.sign_in("a", &secret).await;
        for ended in [&here, &there] {
            let refused = pool.refresh(ended.refresh_token()).await;
            assert_refused(refused, NOT_AUTHORIZED, "Refresh Token has been revoked");
            assert_refused(pool.get_user(ended).await, NOT_AUTHORIZED, "Access Token has been revoked");
        }
        pool.refresh(later.refresh_token()).await.unwrap();
        assert_eq!(pool.get_user(&later).await.unwrap(), "a");
    }
    pool.refresh(other.refresh_token()).await.unwrap();
    assert_eq!(pool.get_user(&other).await.unwrap(), "b");
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_only_its_session() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let ended = pool.sign_in("a", &secret).await;
    let refreshed = pool.refresh(ended.refresh_token()).await.unwrap();
    let kept = pool.sign_in("a", &secret).await;
    for _ in 0..2 {
        let revoke = pool.sdk.revoke_token().client_id(&pool.client_id).token(ended.refresh_token().unwrap());
        revoke.send().await.expect("a token can be revoked twice");
    }
    assert_refused(pool.refresh(ended.refresh_token()).await, NOT_AUTHORIZED, "Refresh Token has been revoked");
    for tokens in [&ended, &refreshed] {
        assert_refused(pool.get_user(tokens).await, NOT_AUTHORIZED, "Access Token has been revoked");
    }
    pool.refresh(kept.refresh_token()).await.unwrap();
    pool.get_user(&kept).await.unwrap();
}

#[tokio::test]
async fn only_a_refresh_token_can_be_revoked() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let revoke = pool.sdk.revoke_token().client_id(&pool.client_id).token(tokens.access_token().unwrap());
    let revoked = revoke.send().await;
    let is_refused = revoked.is_err() && refusal(revoked).0 == "UnsupportedTokenTypeException";
    documented(is_refused, Departure::AccessTokenRevokesNothing);
    pool.refresh(tokens.refresh_token()).await.unwrap();
}

#[tokio::test]
async fn a_client_cannot_revoke_the_refresh_token_of_another() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let stranger = pool.new_client(PreventUserExistenceErrorTypes::Enabled, &BOTH_FLOWS).await;
    let revoked = pool.sdk.revoke_token().client_id(stranger).token(tokens.refresh_token().unwrap()).send().await;
    let is_refused = revoked.is_err() && refusal(revoked).0 == "UnauthorizedException";
    let is_alive = pool.refresh(tokens.refresh_token()).await.is_ok();
    documented(is_refused && is_alive, Departure::AnyClientRevokes);
}

#[tokio::test]
async fn a_refresh_token_works_for_its_own_client_only() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let stranger = pool.new_client(PreventUserExistenceErrorTypes::Enabled, &BOTH_FLOWS).await;
    let foreign = pool.refresh_as(&stranger, tokens.refresh_token()).await;
    assert_eq!(foreign.unwrap_err().0, NOT_AUTHORIZED);
    let made_up = pool.refresh(Some("eyJmade.up")).await;
    assert_refused(made_up, NOT_AUTHORIZED, "Invalid Refresh Token");
}

#[tokio::test]
async fn a_new_user_with_the_name_of_a_deleted_one_does_not_revive_its_tokens() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let old = pool.sign_in("a", &secret).await;
    pool.delete("a").await;
    // AWS documents both errors for tokens of a deleted user, but not when each of them occurs.
    let is_ended = async || {
        for refused in [pool.refresh(old.refresh_token()).await.map(drop), pool.get_user(&old).await.map(drop)] {
            let (name, _) = refused.expect_err("an ended token works");
            assert!(name == NOT_AUTHORIZED || name == "UserNotFoundException", "{name}");
        }
    };
    is_ended().await;
    let secret = pool.user("a").await;
    is_ended().await;
    let new = pool.sign_in("a", &secret).await;
    is_ended().await;
    assert_ne!(claims(new.access_token())["sub"], claims(old.access_token())["sub"]);
}

#[tokio::test]
async fn a_flow_that_the_client_does_not_allow_is_refused() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let existence = PreventUserExistenceErrorTypes::Enabled;
    let refresh_only = pool.new_client(existence.clone(), &BOTH_FLOWS[1..]).await;
    let refused = pool.authenticate(&refresh_only, "a", &secret).await;
    assert_refused(refused, "InvalidParameterException", "Auth flow not enabled for this client");
    let password_only = pool.new_client(existence, &BOTH_FLOWS[..1]).await;
    let tokens = pool.authenticate(&password_only, "a", &secret).await.unwrap().authentication_result.unwrap();
    let refused = pool.refresh_as(&password_only, tokens.refresh_token()).await;
    let is_refused = refused.is_err_and(|(name, _)| name == "InvalidParameterException");
    documented(is_refused, Departure::RefreshNeedsNoFlow);
}

#[tokio::test]
async fn without_aws_credentials_a_client_can_only_refresh() {
    let pool = Pool::new().await;
    let secret = pool.user("a").await;
    let tokens = pool.sign_in("a", &secret).await;
    let public = || pool.sdk.initiate_auth().client_id(&pool.client_id);
    let refresh = public().auth_flow(AuthFlowType::RefreshTokenAuth);
    let refreshed = refresh.auth_parameters("REFRESH_TOKEN", tokens.refresh_token().unwrap()).send().await.unwrap();
    let refreshed = refreshed.authentication_result.unwrap();
    assert_eq!(claims(refreshed.access_token())["origin_jti"], claims(tokens.access_token())["origin_jti"]);
    for flow in [AuthFlowType::AdminUserPasswordAuth, AuthFlowType::UserPasswordAuth] {
        let sign_in = public().auth_flow(flow).auth_parameters("USERNAME", "a").auth_parameters("PASSWORD", &secret);
        assert_eq!(refusal(sign_in.send().await).0, "InvalidParameterException");
    }
}

#[tokio::test]
async fn concurrent_sign_ins_create_separate_sessions() {
    let pool = Pool::new().await;
    let mut users = Vec::new();
    for name in ["a", "b", "c", "d"] {
        users.push((name, pool.user(name).await));
    }
    let sign_ins = (0..10).flat_map(|_| &users).map(|(name, secret)| pool.sign_in(name, secret));
    let sessions = join_all(sign_ins).await;
    let mut names: Vec<_> =
        sessions.iter().map(|tokens| claims(tokens.access_token())["origin_jti"].to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 40);

    pool.sign_out("a").await;
    let refreshed = join_all(sessions.iter().map(|tokens| pool.refresh(tokens.refresh_token()))).await;
    for (tokens, refreshed) in sessions.iter().zip(refreshed) {
        let is_a = claims(tokens.access_token())["username"] == "a";
        assert_eq!(refreshed.is_err(), is_a);
    }
}
