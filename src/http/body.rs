//! Reads a request's body: piece by piece, up to a size, within a time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::time::Duration;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    TooSlow,
    /// The client went away or broke the framing.
    Broken,
}

/// The whole body. A declared length beyond `bytes_max` is refused before anything is read.
pub(super) async fn read(
    mut body: Incoming,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let pieces = collect(&mut body, bytes_max);
    tokio::time::timeout(timeout, pieces).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if all.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        if body.is_end_stream() && all.is_empty() {
            return Ok(piece);
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}
