//! Tests of creating, reading, listing and deleting users.

use aws_sdk_cognitoidentityprovider::types::{ChallengeNameType, MessageActionType, UserStatusType};

use crate::departures::{Departure, documented};
use crate::server::{NOT_AUTHORIZED, Pool, WRONG_PASSWORD, assert_refused, password, refusal};

#[tokio::test]
async fn a_user_lives_from_creation_to_deletion() {
    let pool = Pool::new().await;
    let name = "partner.user.1";
    let create = pool.sdk.admin_create_user().user_pool_id(&pool.id).username(name);
    let created =
        create.temporary_password(password()).message_action(MessageActionType::Suppress).send().await.unwrap();
    let created = created.user().unwrap();
    assert_eq!(created.username(), Some(name));
    assert_eq!(created.user_status(), Some(&UserStatusType::ForceChangePassword));
    assert!(created.enabled());
    let sub = created.attributes().iter().find(|attribute| attribute.name() == "sub").unwrap().value().unwrap();

    let secret = password();
    pool.set_password(name, &secret).await.unwrap();
    let got = pool.sdk.admin_get_user().user_pool_id(&pool.id).username(name).send().await.unwrap();
    assert_eq!(got.username(), name);
    assert_eq!(got.user_status(), Some(&UserStatusType::Confirmed));
    assert!(got.enabled());
    assert!(got.user_create_date().is_some());
    assert!(got.user_attributes().iter().any(|attribute| attribute.value() == Some(sub)));
    pool.sign_in(name, &secret).await;

    pool.delete(name).await;
    let gone = pool.sdk.admin_get_user().user_pool_id(&pool.id).username(name).send().await;
    assert_eq!(refusal(gone), ("UserNotFoundException".to_owned(), "User does not exist.".to_owned()));
    let twice = pool.sdk.admin_delete_user().user_pool_id(&pool.id).username(name).send().await;
    assert_eq!(refusal(twice).0, "UserNotFoundException");
    assert_refused(pool.try_sign_in(name, &secret).await, NOT_AUTHORIZED, WRONG_PASSWORD);
}

#[tokio::test]
async fn a_username_can_be_created_only_once() {
    let pool = Pool::new().await;
    pool.user("a").await;
    let again = pool.sdk.admin_create_user().user_pool_id(&pool.id).username("a").send().await;
    assert_eq!(refusal(again).0, "UsernameExistsException");
}

#[tokio::test]
async fn a_user_created_without_a_password_has_a_random_one() {
    let pool = Pool::new().await;
    let create = pool.sdk.admin_create_user().user_pool_id(&pool.id).username("a");
    let created = create.message_action(MessageActionType::Suppress).send().await;
    documented(created.is_ok(), Departure::MadePasswordBreaksPolicy);
    assert_refused(pool.try_sign_in("a", &password()).await, NOT_AUTHORIZED, WRONG_PASSWORD);
}

#[tokio::test]
async fn operations_on_an_unknown_user_are_refused() {
    let pool = Pool::new().await;
    assert_refused(pool.set_password("unknown", &password()).await, "UserNotFoundException", "User does not exist.");
    let sign_out = pool.sdk.admin_user_global_sign_out().user_pool_id(&pool.id).username("unknown").send().await;
    assert_eq!(refusal(sign_out).0, "UserNotFoundException");
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_no_session() {
    let pool = Pool::new().await;
    let old = pool.user("a").await;
    let tokens = pool.sign_in("a", &old).await;
    let new = password();
    pool.set_password("a", &new).await.unwrap();
    assert_refused(pool.try_sign_in("a", &old).await, NOT_AUTHORIZED, WRONG_PASSWORD);
    pool.sign_in("a", &new).await;
    pool.refresh(tokens.refresh_token()).await.unwrap();
}

#[tokio::test]
async fn a_password_must_conform_to_the_pools_policy() {
    let pool = Pool::new().await;
    pool.user("a").await;
    let short = "a".repeat(31);
    assert_refused(pool.set_password("a", &short).await, "InvalidPasswordException", "Password did not conform with p");
    pool.set_password("a", &"a".repeat(32)).await.unwrap();
    let create = pool.sdk.admin_create_user().user_pool_id(&pool.id).username("b");
    let created = create.temporary_password(&short).message_action(MessageActionType::Suppress).send().await;
    assert_eq!(refusal(created).0, "InvalidPasswordException");
    let none = pool.sdk.admin_get_user().user_pool_id(&pool.id).username("b").send().await;
    assert_eq!(refusal(none).0, "UserNotFoundException");
}

#[tokio::test]
async fn a_temporary_password_gets_a_challenge_and_no_token() {
    let pool = Pool::new().await;
    let temporary = password();
    let create = pool.sdk.admin_create_user().user_pool_id(&pool.id).username("a");
    create.temporary_password(&temporary).message_action(MessageActionType::Suppress).send().await.unwrap();
    let challenged = pool.authenticate(&pool.client_id, "a", &temporary).await.unwrap();
    assert_eq!(challenged.challenge_name(), Some(&ChallengeNameType::NewPasswordRequired));
    assert!(challenged.session().is_some());
    assert!(challenged.authentication_result().is_none());
    assert_refused(pool.try_sign_in("a", &password()).await, NOT_AUTHORIZED, WRONG_PASSWORD);
}

#[tokio::test]
async fn users_are_found_by_name_and_by_prefix() {
    let pool = Pool::new().await;
    for name in ["p1.u1.1", "p1.u2.1", "p2.u1.1"] {
        pool.user(name).await;
    }
    let named = async |filter: &str| {
        let listed = pool.sdk.list_users().user_pool_id(&pool.id).filter(filter).send().await.unwrap();
        let mut names: Vec<_> = listed.users().iter().map(|user| user.username().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(named("username = \"p1.u2.1\"").await, ["p1.u2.1"]);
    assert_eq!(named("username = \"p1\"").await, [""; 0]);
    assert_eq!(named("username ^= \"p1.\"").await, ["p1.u1.1", "p1.u2.1"]);
}

#[tokio::test]
async fn pages_of_users_contain_every_user_once() {
    let pool = Pool::new().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let name = format!("user-{number}");
        pool.sdk
            .admin_create_user()
            .user_pool_id(&pool.id)
            .username(&name)
            .temporary_password(password())
            .send()
            .await
            .unwrap();
        expected.push(name);
    }
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let list = pool.sdk.list_users().user_pool_id(&pool.id).limit(3).set_pagination_token(token);
        let page = list.send().await.unwrap();
        assert!(page.users().len() <= 3);
        names.extend(page.users().iter().map(|user| user.username().unwrap().to_owned()));
        token = page.pagination_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, expected);
}
