//! Runs the template's functions as Lambda does: each request goes to a process of its function through the Lambda
//! Runtime API, one request per process at a time. The module knows nothing about HTTP APIs, tables or user pools.

pub(crate) mod body;
pub(crate) mod clock;
mod guard;
mod invoke_api;
pub(crate) mod log;
mod pool;
mod process;
pub(crate) mod random;
mod runtime_api;
#[cfg(test)]
pub(crate) mod tests;
mod trace;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;

use self::guard::Guard;
use self::pool::Pool;
pub(crate) use self::trace::Root;
use crate::plan;

/// The largest payload of a synchronous request that Lambda accepts, in bytes.
const PAYLOAD_LIMIT: usize = 6_291_456;
/// A placeholder: nothing compares it with a real account.
pub(crate) const ACCOUNT: &str = "000000000000";
const FALLBACK_REGION: &str = "us-east-1";
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How to run the functions.
pub(crate) struct Settings {
    /// The folder of the functions' binaries.
    pub(crate) binaries: PathBuf,
    /// The variables that a function gets besides the template's environment: `AWS_REGION`, credentials, endpoints.
    pub(crate) environment: Environment,
}

/// The stack's part of a function's environment.
pub(crate) type Environment = Box<dyn Fn(&plan::Function) -> BTreeMap<String, String> + Send + Sync>;

/// Why the functions cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("the binary of {function} is not at {}", binary.display())]
    NoBinary { function: String, binary: PathBuf },
    #[error("the shell that guards the functions' processes cannot be started: {0}")]
    Guard(#[source] io::Error),
}

/// Why a request did not reach a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvokeError {
    #[error("there is no function {0}")]
    UnknownFunction(String),
    #[error("the payload is larger than {PAYLOAD_LIMIT} bytes")]
    PayloadTooLarge,
    #[error("the functions are being stopped")]
    Stopped,
}

/// The output of a function, or Lambda's own error.
#[derive(Debug, Clone)]
pub(crate) struct Invoked {
    pub(crate) payload: Bytes,
    /// If this is set, `payload` is `{errorType, errorMessage, …}`.
    pub(crate) function_error: Option<FunctionError>,
    /// The end of the process's log for this request, if the client requested it.
    pub(crate) log: Option<Vec<u8>>,
}

/// The values of `X-Amz-Function-Error` that Lambda still sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionError {
    Unhandled,
}

/// All functions of the template.
#[derive(Clone)]
pub(crate) struct Lambda(Arc<Functions>);

struct Functions {
    pools: Vec<Arc<Pool>>,
    region: String,
    guard: Guard,
}

impl Lambda {
    /// Makes the functions ready to be invoked; their processes start with their first requests.
    pub(crate) async fn start(functions: Vec<plan::Function>, settings: Settings) -> Result<Self, StartError> {
        let guard = Guard::start().map_err(StartError::Guard)?;
        let mut region = FALLBACK_REGION.to_owned();
        let mut pools = Vec::with_capacity(functions.len());
        for function in functions {
            let binary = settings.binaries.join(&function.folder);
            if !tokio::fs::metadata(&binary).await.is_ok_and(|metadata| metadata.is_file()) {
                return Err(StartError::NoBinary { function: function.logical_id, binary });
            }
            let given = (settings.environment)(&function);
            if let Some(given) = given.get("AWS_REGION") {
                region.clone_from(given);
            }
            let arn = arn(&region, &function.name);
            let environment = environment(&function, given);
            pools.push(Pool::new(function, arn, binary, environment, guard.group()));
        }
        let functions = Arc::new(Functions { pools, region, guard });
        tokio::spawn(end_idle_processes(Arc::downgrade(&functions)));
        Ok(Self(functions))
    }

    /// Invokes a function by its name, its logical id or its folder's name. The function finishes even if the caller
    /// stops waiting, as on AWS.
    pub(crate) async fn invoke(&self, name: &str, payload: Bytes) -> Result<Invoked, InvokeError> {
        self.invoke_within(name, payload, Root::new()).await
    }

    /// Like [`invoke`](Self::invoke), as part of a trace.
    pub(crate) async fn invoke_within(&self, name: &str, payload: Bytes, trace: Root) -> Result<Invoked, InvokeError> {
        self.invoke_as(name, payload, random::request_id(), trace, false).await
    }

    async fn invoke_as(
        &self,
        name: &str,
        payload: Bytes,
        request_id: String,
        trace: Root,
        with_log: bool,
    ) -> Result<Invoked, InvokeError> {
        let pool = self.pool(name).ok_or_else(|| InvokeError::UnknownFunction(name.to_owned()))?;
        if payload.len() > PAYLOAD_LIMIT {
            return Err(InvokeError::PayloadTooLarge);
        }
        tokio::spawn(async move { pool.invoke(payload, &request_id, &trace, with_log).await })
            .await
            .unwrap_or(Err(InvokeError::Stopped))
    }

    /// Lambda's own API, for `aws lambda invoke` and the SDKs.
    pub(crate) fn router(&self) -> Router {
        invoke_api::router(self.clone())
    }

    /// Ends every process, busy or not.
    pub(crate) async fn stop(&self) {
        for pool in &self.0.pools {
            pool.close();
        }
        self.0.guard.kill().await;
    }

    fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let is_named = |function: &plan::Function| {
            [&function.name, &function.logical_id, &function.folder].iter().any(|own| *own == name)
        };
        self.0.pools.iter().find(|pool| is_named(&pool.function)).cloned()
    }

    fn arn(&self, name: &str) -> String {
        self.pool(name).map_or_else(|| arn(&self.0.region, name), |pool| pool.arn.clone())
    }
}

fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// The whole environment of a function. It inherits nothing from the stack's environment, which may contain AWS
/// variables.
fn environment(function: &plan::Function, given: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_LOG_LEVEL", function.log_level.as_str().to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", random::hex::<16>())),
        ("_HANDLER", "bootstrap".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        // Hides the developer's AWS profiles.
        ("HOME", "/nonexistent".to_owned()),
    ];
    let lambda = lambda.map(|(name, value)| (name.to_owned(), value));
    function.environment.clone().into_iter().chain(given).chain(lambda).collect()
}

async fn end_idle_processes(functions: Weak<Functions>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(functions) = functions.upgrade() else { break };
        for pool in &functions.pools {
            pool.end_idle();
        }
    }
}
