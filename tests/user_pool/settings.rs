//! Tests that pools and clients have the requested settings.

use aws_sdk_cognitoidentityprovider::types::{
    AccountRecoverySettingType, AdminCreateUserConfigType, DeletionProtectionType, ExplicitAuthFlowsType,
    PasswordPolicyType, PreventUserExistenceErrorTypes, RecoveryOptionNameType, RecoveryOptionType, TimeUnitsType,
    UserPoolMfaType, UserPoolPolicyType,
};

use crate::server::{Pool, refusal, sdk};

#[tokio::test]
async fn a_pool_has_the_templates_settings() {
    let sdk = sdk();
    let policy = PasswordPolicyType::builder().minimum_length(32).build();
    let option = RecoveryOptionType::builder().name(RecoveryOptionNameType::AdminOnly).priority(1).build().unwrap();
    let created = sdk
        .create_user_pool()
        .pool_name("template")
        .deletion_protection(DeletionProtectionType::Active)
        .mfa_configuration(UserPoolMfaType::Off)
        .admin_create_user_config(AdminCreateUserConfigType::builder().allow_admin_create_user_only(true).build())
        .account_recovery_setting(AccountRecoverySettingType::builder().recovery_mechanisms(option).build())
        .policies(UserPoolPolicyType::builder().password_policy(policy).build())
        .send()
        .await
        .unwrap();
    let id = created.user_pool().unwrap().id().unwrap();
    let described = sdk.describe_user_pool().user_pool_id(id).send().await.unwrap();
    let pool = described.user_pool().unwrap();
    assert_eq!(pool.name(), Some("template"));
    assert!(pool.arn().unwrap().ends_with(&format!(":userpool/{id}")));
    assert_eq!(pool.deletion_protection(), Some(&DeletionProtectionType::Active));
    assert_eq!(pool.mfa_configuration(), Some(&UserPoolMfaType::Off));
    assert!(pool.admin_create_user_config().unwrap().allow_admin_create_user_only());
    assert_eq!(
        pool.account_recovery_setting().unwrap().recovery_mechanisms()[0].name(),
        &RecoveryOptionNameType::AdminOnly
    );
    let policy = pool.policies().unwrap().password_policy().unwrap();
    assert_eq!(policy.minimum_length(), Some(32));
    assert!(!policy.require_symbols());

    let (region, unique) = id.split_once('_').unwrap();
    assert!(!region.is_empty());
    assert_eq!((unique.len(), unique.chars().all(|c| c.is_ascii_alphanumeric())), (9, true), "{id}");
}

#[tokio::test]
async fn a_client_has_the_templates_settings() {
    let pool = Pool::new().await;
    let described = pool.sdk.describe_user_pool_client().user_pool_id(&pool.id).client_id(&pool.client_id);
    let described = described.send().await.unwrap();
    let client = described.user_pool_client().unwrap();
    assert_eq!(client.client_secret(), None);
    assert_eq!(
        client.explicit_auth_flows(),
        [ExplicitAuthFlowsType::AllowAdminUserPasswordAuth, ExplicitAuthFlowsType::AllowRefreshTokenAuth]
    );
    assert_eq!(client.prevent_user_existence_errors(), Some(&PreventUserExistenceErrorTypes::Enabled));
    assert_eq!(client.enable_token_revocation(), Some(true));
    assert_eq!((client.access_token_validity(), client.id_token_validity()), (Some(15), Some(15)));
    assert_eq!(client.refresh_token_validity(), 30);
    let units = client.token_validity_units().unwrap();
    assert_eq!(units.access_token(), Some(&TimeUnitsType::Minutes));
    assert_eq!(units.refresh_token(), Some(&TimeUnitsType::Days));
    assert_eq!(
        (client.read_attributes(), client.write_attributes()),
        (&["locale".to_owned()][..], &["locale".to_owned()][..])
    );
}

#[tokio::test]
async fn every_pool_is_listed() {
    let pool = Pool::new().await;
    let mut token = None;
    let mut found = 0;
    loop {
        let list = pool.sdk.list_user_pools().max_results(10).set_next_token(token);
        let page = list.send().await.unwrap();
        found += page.user_pools().iter().filter(|listed| listed.id() == Some(&pool.id)).count();
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, 1);
}

#[tokio::test]
async fn an_unknown_pool_or_client_is_refused() {
    let pool = Pool::new().await;
    let (region, _) = pool.id.split_once('_').unwrap();
    let unknown = format!("{region}_AAAAAAAAA");
    let names = [
        refusal(pool.sdk.describe_user_pool().user_pool_id(&unknown).send().await).0,
        refusal(pool.sdk.list_users().user_pool_id(&unknown).send().await).0,
        refusal(pool.sdk.admin_get_user().user_pool_id(&unknown).username("a").send().await).0,
        refusal(pool.sdk.create_user_pool_client().user_pool_id(&unknown).client_name("a").send().await).0,
        refusal(pool.sdk.describe_user_pool_client().user_pool_id(&pool.id).client_id("unknown").send().await).0,
        pool.authenticate("unknown", "a", "a").await.unwrap_err().0,
    ];
    assert_eq!(names, ["ResourceNotFoundException"; 6]);
}

#[tokio::test]
async fn users_of_one_pool_are_unknown_in_another() {
    let pool = Pool::new().await;
    let other = Pool::new().await;
    let secret = pool.user("a").await;
    assert_eq!(other.try_sign_in("a", &secret).await.unwrap_err().0, "NotAuthorizedException");
    let foreign_client = other.authenticate(&pool.client_id, "a", &secret).await;
    assert_eq!(foreign_client.unwrap_err().0, "ResourceNotFoundException");
}
