//! Subscriptions whose results go out in the body of an HTTP answer.
//!
//! One task on the io thread keeps all of them and their audiences, as the reactor does for WebSockets; a
//! stream has a place in a table, a queue that its body reads from, and no task, thread or timer of its
//! own beyond what its HTTP connection has anyway. A response is framed once for all streams of a format.
//!
//! Nobody is waited for: who does not read has a queue that grows up to a bound, and is then cut off.

mod channel;
mod frames;
mod members;
mod task;

use super::{hub_link::HubLink, mail::StreamMail, outbound::OutboundTotal, stats::StreamStats};
use crate::{http::Updates, plan::GroupSpec, protocol::StreamFormat};
use bytes::Bytes;
pub(super) use channel::Channel;
use channel::Reader;
use frames::{Frames, Said};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use task::Task;
use tokio::{runtime::Handle, sync::mpsc};

/// Bounds and times of subscriptions over HTTP.
#[derive(Clone, Debug)]
pub struct Options {
    /// Silence after which a stream gets a heartbeat. Zero: never.
    pub heartbeat_interval: Duration,
    /// Bytes that may wait for a client that does not read; beyond, its stream is cut off.
    pub outbound_queue_bytes_max: usize,
    /// Bytes that may wait for all clients that do not read, each response counted once, WebSockets included.
    pub outbound_total_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(5),
            outbound_queue_bytes_max: 4_000_000,
            outbound_total_bytes_max: 512_000_000,
        }
    }
}

/// Everybody's way to the streams.
#[derive(Clone)]
pub(super) struct HttpStreams {
    /// Unbounded by itself: each stream sends two pieces of mail, the hub as many as it has credits and
    /// members.
    mail: mpsc::UnboundedSender<StreamMail>,
    tokens: Arc<AtomicU64>,
    /// The hub takes no more asks for now.
    full: Arc<AtomicBool>,
}

/// The task's end of [`HttpStreams`].
pub(super) struct StreamInbox {
    streams: HttpStreams,
    mail: mpsc::UnboundedReceiver<StreamMail>,
}

/// Made before the threads that write to it.
pub(super) fn inbox() -> (HttpStreams, StreamInbox) {
    let (mail, taken) = mpsc::unbounded_channel();
    let streams = HttpStreams { mail, tokens: Arc::default(), full: Arc::default() };
    (streams.clone(), StreamInbox { streams, mail: taken })
}

/// Starts the task; it ends with the runtime.
pub(super) fn start(
    options: Options,
    runtime: &Handle,
    inbox: StreamInbox,
    hub: HubLink,
    total: OutboundTotal,
    stats: Arc<StreamStats>,
) {
    runtime.spawn(Task::new(options, inbox, hub, total, stats).run());
}

impl HttpStreams {
    /// Begins a subscription. Without a format its body is the first response alone; with `first_only` it
    /// ends behind that. `None`: too much is going on, try again.
    pub(super) fn open(
        &self,
        spec: Arc<GroupSpec>,
        format: Option<StreamFormat>,
        first_only: bool,
    ) -> Option<Updates> {
        if self.full.load(Ordering::Relaxed) {
            return None;
        }
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let channel = Arc::<Channel>::default();
        if let Some(format) = format {
            let mut opening = Vec::new();
            format.write_opening(&mut opening);
            channel.push(Bytes::from(opening));
        }
        let first_only = first_only || format.is_none();
        self.send(StreamMail::Open { token, spec, format, first_only, channel: channel.clone() });
        Some(Box::pin(Reader { token, channel, streams: self.clone() }))
    }

    /// To a task that has ended nothing matters any more.
    pub(super) fn send(&self, mail: StreamMail) {
        let _ = self.mail.send(mail);
    }
}
