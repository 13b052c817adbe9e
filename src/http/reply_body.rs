//! The body of an answer: known in full, or pieces that come one after the other.

use super::connection::InFlight;
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// The pieces of a body, each to be sent at once. Dropped when the client leaves. An error breaks the body
/// off, so that the client does not take it for whole.
pub type Updates = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>;

/// Why a body is not whole: its client reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client reads too slowly")]
pub struct BrokenOff;

pub(super) enum ReplyBody {
    Whole(Full<Bytes>),
    /// The request is in flight for as long as its answer goes on.
    Streamed {
        updates: Updates,
        _in_flight: Option<InFlight>,
    },
}

impl ReplyBody {
    pub(super) fn streamed(updates: Updates) -> Self {
        Self::Streamed { updates, _in_flight: None }
    }

    /// Keeps the request in flight for as long as this has something to send: no time where that is known
    /// in full.
    pub(super) fn holding(self, request: InFlight) -> Self {
        match self {
            Self::Streamed { updates, .. } => Self::Streamed { updates, _in_flight: Some(request) },
            whole @ Self::Whole(_) => whole,
        }
    }
}

impl Default for ReplyBody {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Streamed { updates, .. } => {
                updates.as_mut().poll_next(context).map(|it| it.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed { .. } => SizeHint::default(),
        }
    }
}
