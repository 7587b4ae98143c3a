//! The server under test, and a separate pool in it for each test.

use std::env;
use std::fmt::Debug;

use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Region};
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use aws_sdk_cognitoidentityprovider::operation::admin_initiate_auth::AdminInitiateAuthOutput;
use aws_sdk_cognitoidentityprovider::types::{
    AuthFlowType, AuthenticationResultType, ExplicitAuthFlowsType, MessageActionType, PasswordPolicyType,
    PreventUserExistenceErrorTypes, TimeUnitsType, TokenValidityUnitsType, UserPoolPolicyType,
};
use aws_smithy_http_client::Builder;
use portal_tests::{secrets, stack};

/// A refusal: the error's name and message.
pub(crate) type Refusal = (String, String);

pub(crate) const NOT_AUTHORIZED: &str = "NotAuthorizedException";
pub(crate) const WRONG_PASSWORD: &str = "Incorrect username or password.";

/// The address of the server under test.
pub(crate) fn endpoint() -> String {
    variable("COGNITO_ENDPOINT").unwrap_or_else(|| stack().ready.cognito_url.clone())
}

#[allow(clippy::disallowed_methods, reason = "the only place where this suite reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// A pool and a client with the template's settings, in a server that others use too.
pub(crate) struct Pool {
    pub(crate) sdk: Client,
    pub(crate) id: String,
    pub(crate) client_id: String,
}

/// The error of a refused call.
pub(crate) fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, E>) -> Refusal {
    let error = result.expect_err("this should be refused");
    let name = error.code().unwrap_or_else(|| panic!("{error:?}"));
    (name.to_owned(), error.message().unwrap_or_default().to_owned())
}

/// A password that the pool's policy accepts.
pub(crate) fn password() -> String {
    secrets::random(40)
}

/// A part of the key that signs calls. The embedded server accepts any key.
fn key(name: &str) -> String {
    variable(name).unwrap_or_else(|| "test".to_owned())
}

pub(crate) fn sdk() -> Client {
    let config = aws_sdk_cognitoidentityprovider::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(Credentials::new(
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY"),
            None,
            None,
            "tests",
        ))
        .endpoint_url(endpoint())
        .http_client(Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

impl Pool {
    pub(crate) async fn new() -> Self {
        let sdk = sdk();
        let policy = PasswordPolicyType::builder().minimum_length(32).build();
        let policies = UserPoolPolicyType::builder().password_policy(policy).build();
        let pool = sdk.create_user_pool().pool_name("suite").policies(policies).send().await.unwrap();
        let id = pool.user_pool().unwrap().id().unwrap().to_owned();
        let mut pool = Self { sdk, id, client_id: String::new() };
        pool.client_id = pool
            .new_client(
                PreventUserExistenceErrorTypes::Enabled,
                &[ExplicitAuthFlowsType::AllowAdminUserPasswordAuth, ExplicitAuthFlowsType::AllowRefreshTokenAuth],
            )
            .await;
        pool
    }

    /// Creates another client of the pool, with the template's token lifetimes.
    pub(crate) async fn new_client(
        &self,
        existence: PreventUserExistenceErrorTypes,
        flows: &[ExplicitAuthFlowsType],
    ) -> String {
        let units = TokenValidityUnitsType::builder()
            .access_token(TimeUnitsType::Minutes)
            .id_token(TimeUnitsType::Minutes)
            .refresh_token(TimeUnitsType::Days)
            .build();
        let client = self
            .sdk
            .create_user_pool_client()
            .user_pool_id(&self.id)
            .client_name("suite")
            .set_explicit_auth_flows(Some(flows.to_vec()))
            .generate_secret(false)
            .prevent_user_existence_errors(existence)
            .enable_token_revocation(true)
            .access_token_validity(15)
            .id_token_validity(15)
            .refresh_token_validity(30)
            .token_validity_units(units)
            .read_attributes("locale")
            .write_attributes("locale")
            .send()
            .await
            .unwrap();
        client.user_pool_client().unwrap().client_id().unwrap().to_owned()
    }

    /// Creates a user with a permanent password, and returns the password.
    pub(crate) async fn user(&self, username: &str) -> String {
        let create = self.sdk.admin_create_user().user_pool_id(&self.id).username(username);
        create.temporary_password(password()).message_action(MessageActionType::Suppress).send().await.unwrap();
        let password = password();
        self.set_password(username, &password).await.unwrap();
        password
    }

    pub(crate) async fn set_password(&self, username: &str, password: &str) -> Result<(), Refusal> {
        let set = self.sdk.admin_set_user_password().user_pool_id(&self.id).username(username);
        let result = set.password(password).permanent(true).send().await;
        if result.is_ok() { Ok(()) } else { Err(refusal(result)) }
    }

    pub(crate) async fn delete(&self, username: &str) {
        self.sdk.admin_delete_user().user_pool_id(&self.id).username(username).send().await.unwrap();
    }

    pub(crate) async fn sign_out(&self, username: &str) {
        self.sdk.admin_user_global_sign_out().user_pool_id(&self.id).username(username).send().await.unwrap();
    }

    /// Signs in. The server returns tokens or a challenge.
    pub(crate) async fn authenticate(
        &self,
        client_id: &str,
        username: &str,
        password: &str,
    ) -> Result<AdminInitiateAuthOutput, Refusal> {
        let call = self.sdk.admin_initiate_auth().user_pool_id(&self.id).client_id(client_id);
        let call = call.auth_flow(AuthFlowType::AdminUserPasswordAuth);
        let result = call.auth_parameters("USERNAME", username).auth_parameters("PASSWORD", password).send().await;
        match result {
            Ok(output) => Ok(output),
            Err(_) => Err(refusal(result)),
        }
    }

    pub(crate) async fn try_sign_in(
        &self,
        username: &str,
        password: &str,
    ) -> Result<AuthenticationResultType, Refusal> {
        let output = self.authenticate(&self.client_id, username, password).await?;
        Ok(output.authentication_result.expect("tokens, not a challenge"))
    }

    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> AuthenticationResultType {
        self.try_sign_in(username, password).await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: Option<&str>) -> Result<AuthenticationResultType, Refusal> {
        self.refresh_as(&self.client_id, token).await
    }

    pub(crate) async fn refresh_as(
        &self,
        client_id: &str,
        token: Option<&str>,
    ) -> Result<AuthenticationResultType, Refusal> {
        let call = self.sdk.admin_initiate_auth().user_pool_id(&self.id).client_id(client_id);
        let call = call.auth_flow(AuthFlowType::RefreshTokenAuth);
        let result = call.auth_parameters("REFRESH_TOKEN", token.expect("a refresh token")).send().await;
        match result {
            Ok(output) => Ok(output.authentication_result.unwrap()),
            Err(_) => Err(refusal(result)),
        }
    }

    /// Calls an operation that needs a valid access token. Returns the username.
    pub(crate) async fn get_user(&self, tokens: &AuthenticationResultType) -> Result<String, Refusal> {
        let result = self.sdk.get_user().access_token(tokens.access_token().unwrap()).send().await;
        match result {
            Ok(output) => Ok(output.username),
            Err(_) => Err(refusal(result)),
        }
    }
}

/// Asserts that a call was refused with this error and with a message that starts with `message`.
pub(crate) fn assert_refused<T: Debug>(result: Result<T, Refusal>, name: &str, message: &str) {
    let (actual, text) = result.expect_err("this should be refused");
    assert_eq!(actual, name, "{text}");
    assert!(text.starts_with(message), "{text:?} does not start with {message:?}");
}
