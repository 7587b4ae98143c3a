//! Clients for AWS.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Region, SharedCredentialsProvider, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
};

use crate::config::Config;

impl Config {
    /// Returns a DynamoDB client.
    pub(crate) fn dynamodb(&self, http_client: SharedHttpClient) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(http_client)
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.dynamodb_endpoint.clone());
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }

    /// Returns a Cognito client.
    pub(crate) fn cognito(&self, http_client: SharedHttpClient) -> aws_sdk_cognitoidentityprovider::Client {
        let mut builder = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(http_client)
            .retry_config(retries())
            .timeout_config(timeouts());
        builder.set_endpoint_url(self.cognito_endpoint.clone());
        aws_sdk_cognitoidentityprovider::Client::from_conf(builder.build())
    }

    /// Returns a client for the mail service. It does not retry: a response can be lost after the mail was accepted, and
    /// each retry could send another copy. The outbox retries later.
    pub(crate) fn ses(&self, http_client: SharedHttpClient) -> aws_sdk_sesv2::Client {
        const TIMEOUT: Duration = Duration::from_secs(10);
        let mut builder = aws_sdk_sesv2::Config::builder()
            .behavior_version(aws_sdk_sesv2::config::BehaviorVersion::latest())
            .region(aws_sdk_sesv2::config::Region::new(self.region.clone()))
            .credentials_provider(self.credentials())
            .http_client(http_client)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
        builder.set_endpoint_url(self.ses_endpoint.clone());
        aws_sdk_sesv2::Client::from_conf(builder.build())
    }

    /// Returns the credentials of the process. They do not need to be refreshed, because they are valid for its whole
    /// lifetime.
    fn credentials(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "environment",
        ))
    }
}

/// Returns the timeouts for a call: 3 s for one attempt, and 8 s for all of them. This is less than a function's
/// timeout, so that the function can still respond.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50))
}
