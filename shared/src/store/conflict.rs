//! A write of one item that meets a transaction. DynamoDB rejects it with `TransactionConflictException`, which the SDK does not
//! retry.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::random;

/// Sends a write until it meets no transaction. It ends by itself only then: the function's deadline ends it otherwise.
pub(super) async fn past_conflicts<T, E, R, F>(mut send: impl FnMut() -> F) -> Result<T, SdkError<E, R>>
where
    F: Future<Output = Result<T, SdkError<E, R>>>,
    E: ProvideErrorMetadata,
{
    let mut attempt = 0;
    loop {
        match send().await {
            Err(error) if error.code() == Some("TransactionConflictException") => {}
            result => return result,
        }
        tokio::time::sleep(jitter(attempt)).await;
        attempt += 1;
    }
}

/// A random pause: up to 10 ms, doubled with each attempt to at most 640 ms.
pub fn jitter(attempt: u32) -> Duration {
    let most = 10_u64 << attempt.min(6);
    let random = random::bytes::<8>().map_or(most, u64::from_le_bytes);
    Duration::from_millis(random % most + 1)
}
