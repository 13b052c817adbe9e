//! The way from the task of all streams to the body of one.

use super::HttpStreams;
use crate::{http::BrokenOff, server::mail::StreamMail};
use bytes::Bytes;
use futures_util::Stream;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Frames that wait for one body. Both ends are on the io thread, so nobody ever waits for the lock.
#[derive(Default)]
pub(in crate::server) struct Channel(Mutex<State>);

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    ended: Option<Ending>,
    reader: Option<Waker>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Behind its last frame.
    Whole,
    /// In the middle, at once: its client must not take it for whole.
    BrokenOff,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().frames.len()
    }

    pub(super) fn push(&self, frame: Bytes) {
        let mut state = self.lock();
        state.frames.push_back(frame);
        state.wake();
    }

    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.lock();
        if ending == Ending::BrokenOff {
            state.frames.clear();
        }
        state.ended = Some(ending);
        state.wake();
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn next(&mut self, context: &Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let Some(frame) = self.frames.pop_front() {
            if self.frames.is_empty() {
                // A stream that idles keeps no memory for frames.
                self.frames = VecDeque::new();
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        match self.ended {
            Some(Ending::Whole) => Poll::Ready(None),
            Some(Ending::BrokenOff) => {
                self.ended = Some(Ending::Whole);
                Poll::Ready(Some(Err(BrokenOff)))
            }
            None => {
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The body's end. Dropped, its stream leaves.
pub(super) struct Reader {
    pub(super) token: u64,
    pub(super) channel: Arc<Channel>,
    pub(super) streams: HttpStreams,
}

impl Stream for Reader {
    type Item = Result<Bytes, BrokenOff>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.channel.lock().next(context)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.streams.send(StreamMail::Left { token: self.token });
    }
}
