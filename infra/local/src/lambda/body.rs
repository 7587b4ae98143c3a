//! Reads request bodies up to a limit. A body that is too large is drained, so that the client can still read the
//! response.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt as _;

/// The maximum number of bytes that are drained. After that, the connection is closed.
const DISCARDED_BYTES: usize = 64 * 1024 * 1024;
const DISCARDED_FOR: Duration = Duration::from_secs(10);

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the connection ended within the body")]
    Incomplete,
}

/// Returns the whole body. A body that is too large is still read to its end: a client that is still sending would
/// otherwise see a broken connection instead of the response.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut stream = body.into_data_stream();
    let mut collected = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| BodyError::Incomplete)?;
        if collected.len() + chunk.len() > limit {
            drop(collected);
            drain(stream).await;
            return Err(BodyError::TooLarge { limit });
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(collected))
}

/// Reads and drops a body that the response does not depend on.
pub(crate) async fn discard(body: Body) {
    drain(body.into_data_stream()).await;
}

async fn drain(mut stream: BodyDataStream) {
    let drained = async {
        let mut left = DISCARDED_BYTES;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Do not wait for a slow client: it gets the response now.
    let _ = tokio::time::timeout(DISCARDED_FOR, drained).await;
}
