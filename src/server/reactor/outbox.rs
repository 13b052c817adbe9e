//! What waits to be written: one queue per connection, made of references to shared frames.
//!
//! A frame that goes to a thousand subscriptions is kept once, as its payload; each queue holds 32 bytes for
//! it, in one table for all connections, and what stands around the payload is put there when it is written,
//! in the dialect of the connection ([`Reader`]). A queue's messages are written in as few `send`s as they fit, and bytes are
//! copied for a connection only when the kernel took part of a frame ([`Cut`]).
//!
//! Bounds apply to connections that refused bytes (`EAGAIN`), not to frames that merely wait for their
//! turn: a queue may hold [`Limits::queue_bytes_max`], and what all refused queues keep in memory may come
//! to [`Limits::total_bytes_max`]. What happens then is the connection's owner's to decide, who asks
//! [`Outbox::is_within_bounds`] after every push and every refusal.

use super::subscriptions::{SubscriptionKey, Subscriptions};
use crate::{
    net::websocket,
    protocol::Dialect,
    server::outbound::{OutboundTotal, REFERENCE_BYTES},
};
use bytes::Bytes;
use slab::Slab;

/// Bytes gathered for one `send`; a single larger frame still goes out whole.
const GATHER_BYTES: usize = 64 * 1024;
/// `send`s in one flush: a client that reads as fast as it is written to gets no longer turn than others.
const SENDS_PER_FLUSH: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) queue_bytes_max: usize,
    pub(super) total_bytes_max: usize,
}

/// What a shared frame says to its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Next,
    /// Terminal, of an operation that was not begun: the payload is a list of errors.
    Error,
    /// Terminal, of an operation that had begun: the payload is a list of errors.
    Failure,
    /// Terminal, without a payload.
    Complete,
}

/// A frame in [`Outbox`]. Given out by [`Outbox::share`], freed with its last reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameKey(u32);

struct Frame {
    kind: FrameKind,
    payload: Bytes,
    /// Queue entries, and one for whoever is still handing it out.
    references: u32,
    /// References from queues whose connection refused bytes.
    refused: u32,
}

struct Entry {
    item: Item,
    /// Its bytes count against the bounds.
    counted: bool,
    next: Option<u32>,
}

enum Item {
    /// A frame for a subscription (its token): skipped when that is gone by then.
    Message { subscription: u64, frame: FrameKey },
    /// Ready-made frames of the connection itself: acknowledgement, pong, ping, close.
    Raw(Bytes),
}

/// A connection's queue. Empty queues own nothing.
#[derive(Debug, Default)]
pub(super) struct Queue {
    head: Option<u32>,
    tail: Option<u32>,
    counted_bytes: usize,
    cut: Option<Box<Cut>>,
    /// The connection refused bytes since the queue was last empty.
    pub(super) refused: bool,
}

/// The rest of a frame of which the kernel took the beginning.
#[derive(Debug)]
struct Cut {
    bytes: Vec<u8>,
    at: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none() && self.cut.is_none()
    }
}

/// What became of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing is left.
    Empty,
    /// The kernel takes no more for now.
    Refused,
    /// The kernel may take more, in the next turn.
    Unfinished,
    /// The connection is broken.
    Broken,
}

/// Whom a queue is written to.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) dialect: Dialect,
}

/// A step of writing that concerns the caller.
pub(super) struct Written<'a> {
    /// Messages about operations (`next`, `error`, `complete`, and `data`) that went to the kernel or will be finished from [`Cut`].
    pub(super) messages: u64,
    /// Subscriptions whose last message was written: theirs to remove.
    pub(super) ended: &'a mut Vec<SubscriptionKey>,
    pub(super) bytes: u64,
    pub(super) sends: u64,
}

/// Bytes kept for clients that do not read.
struct Kept {
    /// By this outbox.
    bytes: usize,
    /// By everybody.
    total: OutboundTotal,
}

impl Kept {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.total.add(bytes);
    }

    fn subtract(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.total.subtract(bytes);
    }
}

/// All queues' entries and frames.
pub(super) struct Outbox {
    limits: Limits,
    entries: Slab<Entry>,
    /// Entries of queues that refused.
    counted: usize,
    frames: Slab<Frame>,
    /// Bytes that are kept for refused queues: shared frames once each, raw frames, and cuts.
    refused: Kept,
    gathered: Vec<u8>,
    /// Ends of the gathered messages within `gathered`.
    ends: Vec<usize>,
}

impl Outbox {
    /// What is kept for refused queues counts in `total`, too.
    pub(super) fn new(limits: Limits, total: OutboundTotal) -> Self {
        Self {
            limits,
            entries: Slab::new(),
            counted: 0,
            frames: Slab::new(),
            refused: Kept { bytes: 0, total },
            gathered: Vec::with_capacity(GATHER_BYTES),
            ends: Vec::new(),
        }
    }

    /// Entries that wait in all queues.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries that merely wait for their turn: their sockets take bytes.
    pub(super) fn waiting(&self) -> usize {
        self.entries.len() - self.counted
    }

    /// Bytes that are kept for connections which refused more, shared frames once each.
    pub(super) fn refused_bytes(&self) -> usize {
        self.refused.bytes
    }

    /// Takes in a frame for any number of [`Outbox::push`]es; close with [`Outbox::release`].
    pub(super) fn share(&mut self, kind: FrameKind, payload: Bytes) -> FrameKey {
        let frame = Frame { kind, payload, references: 1, refused: 0 };
        FrameKey(u32::try_from(self.frames.insert(frame)).expect("fewer than 2^32 frames"))
    }

    /// Gives up the reference that [`Outbox::share`] gave.
    pub(super) fn release(&mut self, key: FrameKey) {
        let frame = &mut self.frames[key.0 as usize];
        frame.references -= 1;
        if frame.references == 0 {
            self.frames.remove(key.0 as usize);
        }
    }

    /// Queues a frame for a subscription.
    pub(super) fn push(&mut self, queue: &mut Queue, subscription: u64, frame: FrameKey) {
        self.frames[frame.0 as usize].references += 1;
        self.append(queue, Item::Message { subscription, frame });
    }

    /// Queues bytes that are frames already.
    pub(super) fn push_raw(&mut self, queue: &mut Queue, bytes: Bytes) {
        self.append(queue, Item::Raw(bytes));
    }

    /// Whether a queue keeps to its own bound, and to the one of all queues if it has a part in that.
    pub(super) fn is_within_bounds(&self, queue: &Queue) -> bool {
        !queue.refused
            || (queue.counted_bytes <= self.limits.queue_bytes_max
                && self.refused.total.get() <= self.limits.total_bytes_max)
    }

    fn append(&mut self, queue: &mut Queue, item: Item) {
        let index = self.entries.insert(Entry { item, counted: false, next: None }) as u32;
        match queue.tail.replace(index) {
            Some(tail) => self.entries[tail as usize].next = Some(index),
            None => queue.head = Some(index),
        }
        if queue.refused {
            self.count(queue, index);
        }
    }

    /// Writes as much of a queue as `send` takes in [`SENDS_PER_FLUSH`].
    pub(super) fn flush(
        &mut self,
        queue: &mut Queue,
        reader: Reader<'_>,
        written: &mut Written<'_>,
        mut send: impl FnMut(&[u8]) -> std::io::Result<usize>,
    ) -> Flushed {
        while !queue.is_empty() {
            if written.sends == SENDS_PER_FLUSH {
                return Flushed::Unfinished;
            }
            let sent = match queue.cut {
                Some(_) => self.send_cut(queue, written, &mut send),
                None => self.send_front(queue, reader, written, &mut send),
            };
            match sent {
                Sent::All => {}
                Sent::Part => return self.refuse(queue),
                Sent::Broken => return Flushed::Broken,
            }
        }
        queue.refused = false;
        Flushed::Empty
    }

    fn send_cut(
        &mut self,
        queue: &mut Queue,
        written: &mut Written<'_>,
        send: &mut impl FnMut(&[u8]) -> std::io::Result<usize>,
    ) -> Sent {
        let Some(cut) = &mut queue.cut else { return Sent::All };
        let Some(count) = attempt(send, &cut.bytes[cut.at..], written) else { return Sent::Broken };
        cut.at += count;
        if cut.at < cut.bytes.len() {
            return Sent::Part;
        }
        self.drop_cut(queue);
        Sent::All
    }

    /// Sends as many whole entries as are gathered at a time.
    fn send_front(
        &mut self,
        queue: &mut Queue,
        reader: Reader<'_>,
        written: &mut Written<'_>,
        send: &mut impl FnMut(&[u8]) -> std::io::Result<usize>,
    ) -> Sent {
        self.gather(queue, reader);
        let mut count = 0;
        if !self.gathered.is_empty() {
            let Some(took) = attempt(send, &self.gathered, written) else { return Sent::Broken };
            count = took;
        }
        self.drop_sent(queue, reader, count, written);
        if count < self.gathered.len() { Sent::Part } else { Sent::All }
    }

    /// Drops what waits, except the rest of a frame that was cut.
    pub(super) fn discard(&mut self, queue: &mut Queue) {
        while queue.head.is_some() {
            self.pop(queue);
        }
    }

    /// Drops everything: the connection is gone.
    pub(super) fn clear(&mut self, queue: &mut Queue) {
        self.discard(queue);
        self.drop_cut(queue);
    }

    fn drop_cut(&mut self, queue: &mut Queue) {
        if let Some(cut) = queue.cut.take() {
            self.refused.subtract(cut.bytes.len());
        }
    }

    /// Renders the front of the queue into `gathered`, noting where each entry ends.
    fn gather(&mut self, queue: &Queue, reader: Reader<'_>) {
        self.gathered.clear();
        self.ends.clear();
        let mut at = queue.head;
        while let Some(index) = at {
            let entry = &self.entries[index as usize];
            match &entry.item {
                Item::Raw(bytes) => self.gathered.extend_from_slice(bytes),
                Item::Message { subscription, frame } => {
                    if let Some(key) = reader.subscriptions.resolve(*subscription) {
                        let frame = &self.frames[frame.0 as usize];
                        frame.render(reader.dialect, &reader.subscriptions[key].id, &mut self.gathered);
                    }
                }
            }
            self.ends.push(self.gathered.len());
            at = entry.next;
            if self.gathered.len() >= GATHER_BYTES {
                break;
            }
        }
    }

    /// Takes out the gathered entries of which `count` bytes were sent; what is left of one becomes the cut.
    fn drop_sent(&mut self, queue: &mut Queue, reader: Reader<'_>, count: usize, written: &mut Written<'_>) {
        let mut start = 0;
        for index in 0..self.ends.len() {
            let end = self.ends[index];
            if end > count {
                if start >= count {
                    break;
                }
                let bytes = self.gathered[count..end].to_vec();
                // The connection's own copy, which a shared frame's bytes do not cover.
                self.refused.add(bytes.len());
                queue.cut = Some(Box::new(Cut { bytes, at: 0 }));
            }
            self.pop_written(queue, reader, written, end > start);
            start = end;
            if end > count {
                break;
            }
        }
        self.ends.clear();
    }

    fn pop_written(
        &mut self,
        queue: &mut Queue,
        reader: Reader<'_>,
        written: &mut Written<'_>,
        had_bytes: bool,
    ) {
        let Some(popped) = self.pop(queue) else { return };
        if let (Some((subscription, kind)), true) = (popped, had_bytes) {
            written.messages += kind.messages(reader.dialect);
            if kind != FrameKind::Next {
                written.ended.extend(reader.subscriptions.resolve(subscription));
            }
        }
    }

    /// Takes the first entry out; tells whose message it was and of which kind.
    #[expect(clippy::option_option, reason = "nothing there, a frame of the connection, a message")]
    fn pop(&mut self, queue: &mut Queue) -> Option<Option<(u64, FrameKind)>> {
        let index = queue.head?;
        let entry = self.entries.remove(index as usize);
        queue.head = entry.next;
        if queue.head.is_none() {
            queue.tail = None;
        }
        let bytes = cost(&entry.item);
        if entry.counted {
            self.counted -= 1;
            queue.counted_bytes -= bytes;
        }
        let (subscription, frame) = match entry.item {
            Item::Message { subscription, frame } => (subscription, frame),
            Item::Raw(bytes) => {
                self.refused.subtract(if entry.counted { bytes.len() } else { 0 });
                return Some(None);
            }
        };
        let shared = &mut self.frames[frame.0 as usize];
        let kind = shared.kind;
        if entry.counted {
            shared.refused -= 1;
            if shared.refused == 0 {
                self.refused.subtract(shared.payload.len());
            }
        }
        self.release(frame);
        Some(Some((subscription, kind)))
    }

    /// The kernel took no more: from now on the queue counts.
    pub(super) fn refuse(&mut self, queue: &mut Queue) -> Flushed {
        if !queue.refused {
            queue.refused = true;
            let mut at = queue.head;
            while let Some(index) = at {
                self.count(queue, index);
                at = self.entries[index as usize].next;
            }
        }
        Flushed::Refused
    }

    fn count(&mut self, queue: &mut Queue, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.counted = true;
        self.counted += 1;
        queue.counted_bytes += cost(&entry.item);
        match &entry.item {
            Item::Message { frame, .. } => {
                let frame = &mut self.frames[frame.0 as usize];
                if frame.refused == 0 {
                    self.refused.add(frame.payload.len());
                }
                frame.refused += 1;
            }
            Item::Raw(bytes) => self.refused.add(bytes.len()),
        }
    }
}

fn cost(item: &Item) -> usize {
    match item {
        Item::Message { .. } => REFERENCE_BYTES,
        Item::Raw(bytes) => REFERENCE_BYTES + bytes.len(),
    }
}

impl FrameKind {
    /// How many messages it takes to say this.
    fn messages(self, dialect: Dialect) -> u64 {
        if self == Self::Failure && !dialect.failure_is_terminal() { 2 } else { 1 }
    }
}

impl Frame {
    /// Appends the whole WebSocket frames that say this to the subscription `id`.
    fn render(&self, dialect: Dialect, id: &str, out: &mut Vec<u8>) {
        match self.kind {
            FrameKind::Next => {
                websocket::write_text_header(dialect.result_len(id.len(), self.payload.len()), out);
                dialect.write_result(id, &self.payload, out);
            }
            FrameKind::Error => write_framed(out, |out| dialect.write_error(id, &self.payload, out)),
            FrameKind::Failure => {
                write_framed(out, |out| dialect.write_failure(id, &self.payload, out));
                if !dialect.failure_is_terminal() {
                    write_framed(out, |out| dialect.write_complete(id, out));
                }
            }
            FrameKind::Complete => write_framed(out, |out| dialect.write_complete(id, out)),
        }
    }
}

/// Appends a text frame around what `write` appends, for messages whose length is not known before.
pub(super) fn write_framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    write(&mut message);
    websocket::write_text_header(message.len(), out);
    out.append(&mut message);
}

/// What became of one `send`.
enum Sent {
    All,
    Part,
    Broken,
}

/// How many bytes the kernel takes; `None` when the connection is broken.
fn attempt(
    send: &mut impl FnMut(&[u8]) -> std::io::Result<usize>,
    bytes: &[u8],
    written: &mut Written<'_>,
) -> Option<usize> {
    written.sends += 1;
    loop {
        let count = match send(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => return None,
        };
        written.bytes += count as u64;
        return Some(count);
    }
}

#[cfg(test)]
mod tests;
