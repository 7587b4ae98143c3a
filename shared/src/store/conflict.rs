//! Retries for single writes that conflict with a transaction. DynamoDB rejects them with
//! `TransactionConflictException`, which the SDK does not retry.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::random;

/// Retries a write until it no longer conflicts with a transaction. Only the function's deadline limits the retries.
pub(super) async fn retry_conflicts<T, E, R, F>(mut send: impl FnMut() -> F) -> Result<T, SdkError<E, R>>
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

/// Returns a random delay of up to 10 ms, which doubles with each attempt up to 640 ms.
pub fn jitter(attempt: u32) -> Duration {
    let most = 10_u64 << attempt.min(6);
    let random = random::bytes::<8>().map_or(most, u64::from_le_bytes);
    Duration::from_millis(random % most + 1)
}
