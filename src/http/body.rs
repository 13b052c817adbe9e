//! Reads a request's body: piece by piece, up to a size, within a time, and within what all bodies
//! together may take up.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    TooSlow,
    /// All bodies together are as large as they may be.
    NoRoom,
    /// The client went away or broke the framing.
    Broken,
}

/// Bytes of bodies being read, over all connections.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }
}

/// A body and the room it takes up; dropping it gives the room back.
#[derive(Debug)]
pub(super) struct ReadBody<'a> {
    pub(super) bytes: Bytes,
    _reserved: Reserved<'a>,
}

#[derive(Debug)]
struct Reserved<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Reserved<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.bytes += bytes;
        let before = self.budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.budget.bytes_max { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The whole body. A declared length beyond `bytes_max` is refused before anything is read.
pub(super) async fn read(
    mut body: Incoming,
    bytes_max: usize,
    budget: &Budget,
    timeout: Duration,
) -> Result<ReadBody<'_>, BodyError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let pieces = collect(&mut body, bytes_max, budget);
    tokio::time::timeout(timeout, pieces).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect<'a>(
    body: &mut Incoming,
    bytes_max: usize,
    budget: &'a Budget,
) -> Result<ReadBody<'a>, BodyError> {
    let mut reserved = Reserved { budget, bytes: 0 };
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if all.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        reserved.add(piece.len())?;
        if body.is_end_stream() && all.is_empty() {
            return Ok(ReadBody { bytes: piece, _reserved: reserved });
        }
        all.extend_from_slice(&piece);
    }
    Ok(ReadBody { bytes: all.freeze(), _reserved: reserved })
}
