//! Reads a request's body: piece by piece, unfolded where it is compressed, up to a size, within a time, and
//! within what all bodies together may take up.

use super::{
    coding::{Decoder, Fault, STEP_BYTES},
    negotiation::Coding,
};
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
    /// It is not in the coding that its head says.
    NotInItsCoding,
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge => Self::TooLarge,
            Fault::Malformed => Self::NotInItsCoding,
        }
    }
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

/// Room for bytes that are kept elsewhere; dropping it gives the room back.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl<'a> Reserved<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(super) fn add(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.bytes += bytes;
        let before = self.budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.budget.bytes_max { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Reserved<'_> {
    /// Whether there was room for that much more; without it nothing is taken.
    pub(super) fn try_add(&mut self, bytes: usize) -> bool {
        let fits = |before: usize| before.checked_add(bytes).filter(|it| *it <= self.budget.bytes_max);
        let has_room = self.budget.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if has_room {
            self.bytes += bytes;
        }
        has_room
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a body may be, in bytes and in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Counted as they arrive, and counted again when they are unfolded.
    pub(super) bytes_max: usize,
    pub(super) timeout: Duration,
}

/// The whole body, unfolded. A declared length beyond the bound is refused before anything is read.
pub(super) async fn read(
    mut body: Incoming,
    coding: Option<Coding>,
    bounds: Bounds,
    budget: &Budget,
) -> Result<ReadBody<'_>, BodyError> {
    if body.size_hint().lower() > bounds.bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        match coding {
            None => collect(&mut body, bounds.bytes_max, budget).await,
            Some(coding) => unfold(&mut body, coding, bounds.bytes_max, budget).await,
        }
    };
    tokio::time::timeout(bounds.timeout, read).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect<'a>(
    body: &mut Incoming,
    bytes_max: usize,
    budget: &'a Budget,
) -> Result<ReadBody<'a>, BodyError> {
    let mut reserved = Reserved::new(budget);
    let mut all = BytesMut::new();
    while let Some(piece) = next_piece(body).await? {
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

async fn unfold<'a>(
    body: &mut Incoming,
    coding: Coding,
    bytes_max: usize,
    budget: &'a Budget,
) -> Result<ReadBody<'a>, BodyError> {
    let mut reserved = Reserved::new(budget);
    let (mut decoder, mut arrived) = (Decoder::new(coding, bytes_max), 0);
    while let Some(piece) = next_piece(body).await? {
        arrived += piece.len();
        if arrived > bytes_max {
            return Err(BodyError::TooLarge);
        }
        for step in piece.chunks(STEP_BYTES) {
            decoder.push(step)?;
            reserved.add(decoder.held().saturating_sub(reserved.bytes))?;
            // A few bytes can be much work, and others wait.
            tokio::task::yield_now().await;
        }
    }
    let bytes = decoder.finish()?;
    reserved.add(bytes.len().saturating_sub(reserved.bytes))?;
    Ok(ReadBody { bytes, _reserved: reserved })
}

/// The next bytes as they arrived; `None` at the end.
async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing here.
        if let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}
