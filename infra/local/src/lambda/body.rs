//! Request bodies with a limit, refused in a way that the client lives to read.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt as _;

/// What is read and thrown away at most: past it, the client finds its connection closed.
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

/// The whole body; one that is too large is read to its end all the same, for a client that is still sending would see
/// a broken connection in place of the answer.
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

/// Reads a body that nobody wants, before an answer that does not depend on it.
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
    // A slow client is not waited for: it gets the answer now.
    let _ = tokio::time::timeout(DISCARDED_FOR, drained).await;
}
