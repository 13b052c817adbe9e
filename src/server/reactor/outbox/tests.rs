use super::*;
use crate::{net::websocket, server::reactor::connections::ConnectionKey};
use std::{
    collections::VecDeque,
    io::{Error, ErrorKind},
};

const UNBOUNDED: Limits = Limits { queue_bytes_max: usize::MAX, total_bytes_max: usize::MAX };
const CONNECTION: ConnectionKey = ConnectionKey(0);
const DIALECTS: [Dialect; 2] = [Dialect::GraphqlTransportWs, Dialect::GraphqlWs];

/// A frame as a client of `graphql-transport-ws` gets it.
fn rendered(kind: FrameKind, id: &str, payload: &[u8]) -> Vec<u8> {
    rendered_in(Dialect::GraphqlTransportWs, kind, id, payload)
}

/// A frame as a client gets it.
fn rendered_in(dialect: Dialect, kind: FrameKind, id: &str, payload: &[u8]) -> Vec<u8> {
    let payload = std::str::from_utf8(payload).expect("UTF-8");
    let about = |what: &str| format!(r#"{{"id":"{id}","type":"{what}}}"#);
    let complete = about(r#"complete""#);
    let messages = match (kind, dialect) {
        (FrameKind::Complete, _) => vec![complete],
        (FrameKind::Next, Dialect::GraphqlTransportWs) => {
            vec![about(&format!(r#"next","payload":{payload}"#))]
        }
        (FrameKind::Next, Dialect::GraphqlWs) => vec![about(&format!(r#"data","payload":{payload}"#))],
        (FrameKind::Error | FrameKind::Failure, Dialect::GraphqlTransportWs) => {
            vec![about(&format!(r#"error","payload":{payload}"#))]
        }
        (FrameKind::Error, Dialect::GraphqlWs) => {
            vec![about(&format!(r#"error","payload":{{"errors":{payload}}}"#))]
        }
        (FrameKind::Failure, Dialect::GraphqlWs) => {
            vec![about(&format!(r#"data","payload":{{"errors":{payload},"data":null}}"#)), complete]
        }
    };
    let mut frames = Vec::new();
    messages.iter().for_each(|it| websocket::write_text(it, &mut frames));
    frames
}

/// An outbox with the subscriptions it writes to, and a socket that takes what it is told to.
struct Bench {
    outbox: Outbox,
    subscriptions: Subscriptions,
    sent: Vec<u8>,
    ended: Vec<SubscriptionKey>,
    messages: u64,
    /// Of the client at the other end of the socket.
    dialect: Dialect,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self {
            outbox: Outbox::new(limits, OutboundTotal::default()),
            subscriptions: Subscriptions::default(),
            sent: Vec::new(),
            ended: Vec::new(),
            messages: 0,
            dialect: Dialect::GraphqlTransportWs,
        }
    }

    fn subscribe(&mut self, id: &str) -> u64 {
        let key = self.subscriptions.insert(CONNECTION, id.into(), None);
        self.subscriptions.token(key)
    }

    fn unsubscribe(&mut self, token: u64) {
        let key = self.subscriptions.resolve(token).expect("still there");
        self.subscriptions.remove(key);
    }

    fn tell(&mut self, queue: &mut Queue, token: u64, kind: FrameKind, payload: &'static [u8]) {
        let frame = self.outbox.share(kind, Bytes::from_static(payload));
        self.outbox.push(queue, token, frame);
        self.outbox.release(frame);
    }

    /// Flushes into a socket with room for `room` bytes.
    fn flush(&mut self, queue: &mut Queue, mut room: usize) -> Flushed {
        let sent = &mut self.sent;
        let mut written = Written { messages: 0, ended: &mut self.ended, bytes: 0, sends: 0 };
        let before = sent.len();
        let reader = Reader { subscriptions: &self.subscriptions, dialect: self.dialect };
        let flushed = self.outbox.flush(queue, reader, &mut written, |bytes| {
            let count = bytes.len().min(room);
            if count == 0 {
                return Err(Error::from(ErrorKind::WouldBlock));
            }
            room -= count;
            sent.extend_from_slice(&bytes[..count]);
            Ok(count)
        });
        assert_eq!(written.bytes as usize, sent.len() - before);
        self.messages += written.messages;
        flushed
    }

    fn assert_empty(&self, queue: &Queue) {
        assert!(queue.is_empty() && !queue.refused);
        assert_eq!(queue.counted_bytes, 0);
        assert!(self.outbox.frames.is_empty(), "frames are freed with their last reference");
        assert!(self.outbox.entries.is_empty());
        assert_eq!((self.outbox.counted, self.outbox.refused.bytes), (0, 0));
    }
}

#[test]
fn a_frame_may_be_cut_at_every_byte() {
    for dialect in DIALECTS {
        for end in [FrameKind::Error, FrameKind::Failure] {
            cut_at_every_byte(dialect, end);
        }
    }
}

fn cut_at_every_byte(dialect: Dialect, end: FrameKind) {
    let frames = [
        rendered_in(dialect, FrameKind::Next, "a", b"{\"data\":1}"),
        rendered_in(dialect, end, "bb", b"[{}]"),
        rendered_in(dialect, FrameKind::Complete, "a", b""),
    ];
    let whole = frames.concat();
    let messages = if (dialect, end) == (Dialect::GraphqlWs, FrameKind::Failure) { 4 } else { 3 };
    for first in 0..=whole.len() {
        for second in 0..=whole.len() - first {
            let mut bench = Bench { dialect, ..Bench::new(UNBOUNDED) };
            let mut queue = Queue::default();
            let (a, b) = (bench.subscribe("a"), bench.subscribe("bb"));
            bench.tell(&mut queue, a, FrameKind::Next, b"{\"data\":1}");
            bench.tell(&mut queue, b, end, b"[{}]");
            bench.tell(&mut queue, a, FrameKind::Complete, b"");
            bench.flush(&mut queue, first);
            bench.flush(&mut queue, second);
            assert_eq!(bench.sent, whole[..first + second]);
            assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Empty);
            assert_eq!(bench.sent, whole, "cut at {first} and after {second} more");
            let ended: Vec<_> = bench.ended.iter().map(|it| bench.subscriptions.token(*it)).collect();
            assert_eq!((ended, bench.messages), (vec![b, a], messages));
            bench.assert_empty(&queue);
        }
    }
}

#[test]
fn members_of_one_frame_get_it_in_their_dialects() {
    let mut bench = Bench::new(UNBOUNDED);
    let frame = bench.outbox.share(FrameKind::Next, Bytes::from_static(b"{\"data\":1}"));
    let mut queues = DIALECTS.map(|dialect| (dialect, Queue::default()));
    for (_, queue) in &mut queues {
        let token = bench.subscribe("a");
        bench.outbox.push(queue, token, frame);
    }
    bench.outbox.release(frame);
    assert_eq!(bench.outbox.frames.len(), 1, "kept once");
    for (dialect, queue) in &mut queues {
        bench.dialect = *dialect;
        assert_eq!(bench.flush(queue, usize::MAX), Flushed::Empty);
        let expected = rendered_in(*dialect, FrameKind::Next, "a", b"{\"data\":1}");
        assert_eq!(std::mem::take(&mut bench.sent), expected);
        bench.assert_empty_queue(queue);
    }
    assert!(bench.outbox.frames.is_empty());
}

#[test]
fn the_rest_of_a_frame_goes_out_though_its_subscription_is_gone() {
    let whole = rendered(FrameKind::Next, "a", b"1");
    for taken in 0..whole.len() {
        let mut bench = Bench::new(UNBOUNDED);
        let mut queue = Queue::default();
        let token = bench.subscribe("a");
        bench.tell(&mut queue, token, FrameKind::Next, b"1");
        bench.tell(&mut queue, token, FrameKind::Complete, b"");
        bench.flush(&mut queue, taken);
        bench.unsubscribe(token);
        // Whoever moves into the slot gets nothing of it.
        bench.subscribe("z");
        assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Empty);
        assert_eq!(bench.sent, if taken == 0 { Vec::new() } else { whole.clone() });
        assert!(bench.ended.is_empty());
        bench.assert_empty(&queue);
    }
}

#[test]
fn what_is_discarded_leaves_the_cut_and_what_comes_after() {
    let mut bench = Bench::new(UNBOUNDED);
    let mut queue = Queue::default();
    let token = bench.subscribe("a");
    for _ in 0..3 {
        bench.tell(&mut queue, token, FrameKind::Next, b"1");
    }
    assert_eq!(bench.flush(&mut queue, 5), Flushed::Refused);
    bench.outbox.discard(&mut queue);
    bench.outbox.push_raw(&mut queue, Bytes::from_static(b"bye"));
    assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Empty);
    assert_eq!(bench.sent, [&rendered(FrameKind::Next, "a", b"1")[..], b"bye"].concat());
    bench.assert_empty(&queue);
}

#[test]
fn a_queue_that_waits_for_its_turn_has_no_bound() {
    let mut bench = Bench::new(Limits { queue_bytes_max: 0, total_bytes_max: 0 });
    let mut queue = Queue::default();
    bench.outbox.push_raw(&mut queue, Bytes::from_static(b"long enough"));
    assert!(bench.outbox.is_within_bounds(&queue));
    assert_eq!(bench.flush(&mut queue, 0), Flushed::Refused);
    assert!(!bench.outbox.is_within_bounds(&queue));
    assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Empty);
    assert!(bench.outbox.is_within_bounds(&queue));
}

#[test]
fn a_client_that_reads_does_not_pay_for_those_that_do_not() {
    let mut bench = Bench::new(Limits { queue_bytes_max: usize::MAX, total_bytes_max: 10 });
    let (mut slow, mut healthy) = (Queue::default(), Queue::default());
    let token = bench.subscribe("a");
    let frame = bench.outbox.share(FrameKind::Next, Bytes::from_static(b"\"eleven byt\""));
    bench.outbox.push(&mut slow, token, frame);
    assert_eq!(bench.flush(&mut slow, 0), Flushed::Refused);
    bench.outbox.push(&mut healthy, token, frame);
    bench.outbox.release(frame);
    assert!(!bench.outbox.is_within_bounds(&slow), "the total is passed");
    assert!(bench.outbox.is_within_bounds(&healthy), "not by this one");
}

#[test]
fn a_shared_frame_counts_once_and_each_cut_for_itself() {
    let mut bench = Bench::new(UNBOUNDED);
    let mut queues = [Queue::default(), Queue::default()];
    let token = bench.subscribe("a");
    let frame = bench.outbox.share(FrameKind::Next, Bytes::from(vec![b'1'; 1000]));
    let whole = rendered(FrameKind::Next, "a", &[b'1'; 1000]).len();
    for queue in &mut queues {
        bench.outbox.push(queue, token, frame);
        bench.outbox.push(queue, token, frame);
        assert_eq!(bench.flush(queue, 100), Flushed::Refused);
        assert_eq!(queue.counted_bytes, REFERENCE_BYTES);
    }
    bench.outbox.release(frame);
    assert_eq!(bench.outbox.refused.bytes, 1000 + 2 * (whole - 100));
    for queue in &mut queues {
        bench.outbox.clear(queue);
    }
    assert_eq!((bench.outbox.refused.bytes, bench.outbox.frames.len()), (0, 0));
}

#[test]
fn one_flush_does_not_go_on_for_ever() {
    let mut bench = Bench::new(UNBOUNDED);
    let mut queue = Queue::default();
    let large = Bytes::from(vec![b'x'; GATHER_BYTES]);
    for _ in 0..=SENDS_PER_FLUSH {
        bench.outbox.push_raw(&mut queue, large.clone());
    }
    assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Unfinished);
    assert!(!queue.refused, "the kernel refused nothing");
    assert_eq!(bench.flush(&mut queue, usize::MAX), Flushed::Empty);
    assert_eq!(bench.sent.len(), large.len() * (SENDS_PER_FLUSH as usize + 1));
}

/// What a queue should hold: whole frames, and whether the first has begun.
#[derive(Default)]
struct Expected {
    frames: VecDeque<(Option<u64>, FrameKind, Vec<u8>)>,
    is_cut: bool,
}

impl Expected {
    /// Takes off what was sent; gives the tokens whose last message has begun.
    fn take(&mut self, mut sent: &[u8], seed: u64) -> Vec<u64> {
        let mut ended = Vec::new();
        while !sent.is_empty() {
            let (token, kind, frame) = self.frames.front_mut().expect("nothing else was queued");
            let count = frame.len().min(sent.len());
            assert_eq!(sent[..count], frame[..count], "seed {seed}");
            if !self.is_cut && *kind != FrameKind::Next {
                ended.extend(*token);
            }
            frame.drain(..count);
            sent = &sent[count..];
            self.is_cut = !frame.is_empty();
            if !self.is_cut {
                self.frames.pop_front();
            }
        }
        ended
    }

    fn forget(&mut self, token: u64) {
        let mut begun = self.is_cut;
        self.frames.retain(|it| std::mem::take(&mut begun) || it.0 != Some(token));
    }
}

/// Pushes, partial writes, refusals and leavers at random, against plain lists of frames. The queues belong
/// to clients of different dialects.
#[test]
fn random_lives_agree_with_lists_of_frames() {
    for seed in 0..300 {
        Life::new(seed).live();
    }
}

struct Life {
    seed: u64,
    random: fastrand::Rng,
    bench: Bench,
    queues: [(Queue, Expected); 3],
    /// Live subscriptions: token, queue, id.
    live: Vec<(u64, usize, String)>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let (random, bench) = (fastrand::Rng::with_seed(seed), Bench::new(UNBOUNDED));
        Self { seed, random, bench, queues: Default::default(), live: Vec::new() }
    }

    fn live(mut self) {
        for step in 0..200 {
            match self.random.u8(0..10) {
                0..2 => self.subscribe(step),
                2 => self.leave(),
                3..6 => self.push(),
                _ => {
                    let queue = self.random.usize(0..3);
                    let room = self.random.usize(0..300);
                    self.flush(queue, room);
                }
            }
            self.check_accounts();
        }
        for queue in 0..3 {
            while self.flush(queue, usize::MAX) != Flushed::Empty {}
            assert!(self.queues[queue].1.frames.is_empty(), "seed {}", self.seed);
            self.bench.assert_empty_queue(&self.queues[queue].0);
        }
        assert!(self.bench.outbox.frames.is_empty() && self.bench.outbox.entries.is_empty());
        assert_eq!((self.bench.outbox.counted, self.bench.outbox.refused.bytes), (0, 0));
    }

    fn subscribe(&mut self, step: usize) {
        let id = "i".repeat(self.random.usize(1..4)) + &step.to_string();
        self.live.push((self.bench.subscribe(&id), self.random.usize(0..3), id));
    }

    fn leave(&mut self) {
        if !self.live.is_empty() {
            let (token, queue, _) = self.live.swap_remove(self.random.usize(0..self.live.len()));
            self.bench.unsubscribe(token);
            self.queues[queue].1.forget(token);
        }
    }

    /// One frame for some of the live subscriptions, and now and then a raw one.
    fn push(&mut self) {
        let kind = match self.random.u8(0..12) {
            0 => FrameKind::Error,
            1 => FrameKind::Failure,
            2 => FrameKind::Complete,
            _ => FrameKind::Next,
        };
        let payload = vec![b'p'; if kind == FrameKind::Complete { 0 } else { self.random.usize(1..200) }];
        let frame = self.bench.outbox.share(kind, payload.clone().into());
        for (token, queue, id) in &self.live {
            if self.random.bool() {
                let dialect = DIALECTS[*queue % 2];
                let (queue, expected) = &mut self.queues[*queue];
                self.bench.outbox.push(queue, *token, frame);
                let bytes = rendered_in(dialect, kind, id, &payload);
                expected.frames.push_back((Some(*token), kind, bytes));
            }
        }
        self.bench.outbox.release(frame);
        let (queue, expected) = &mut self.queues[self.random.usize(0..3)];
        self.bench.outbox.push_raw(queue, Bytes::from_static(b"raw"));
        expected.frames.push_back((None, FrameKind::Next, b"raw".to_vec()));
    }

    fn flush(&mut self, at: usize, room: usize) -> Flushed {
        self.bench.dialect = DIALECTS[at % 2];
        let flushed = self.bench.flush(&mut self.queues[at].0, room);
        let sent = std::mem::take(&mut self.bench.sent);
        let mut ended = self.queues[at].1.take(&sent, self.seed);
        // The terminal message of one that got two counts once: it is gone with the first flush.
        let reported: Vec<_> =
            self.bench.ended.drain(..).map(|it| self.bench.subscriptions.token(it)).collect();
        assert_eq!(reported, ended, "seed {}", self.seed);
        ended.sort_unstable();
        ended.dedup();
        for token in ended {
            self.bench.unsubscribe(token);
            self.live.retain(|it| it.0 != token);
            self.queues[at].1.forget(token);
        }
        flushed
    }

    /// The counts against a walk over everything there is.
    fn check_accounts(&self) {
        let (mut counted, mut bytes) = (0, 0);
        for (queue, _) in &self.queues {
            bytes += queue.cut.as_ref().map_or(0, |it| it.bytes.len());
            let mut queue_bytes = 0;
            let mut at = queue.head;
            while let Some(entry) = at.map(|it| &self.bench.outbox.entries[it as usize]) {
                assert_eq!(entry.counted, queue.refused, "seed {}", self.seed);
                if let (Item::Raw(raw), true) = (&entry.item, entry.counted) {
                    bytes += raw.len();
                }
                counted += usize::from(entry.counted);
                queue_bytes += if entry.counted { cost(&entry.item) } else { 0 };
                at = entry.next;
            }
            assert_eq!(queue.counted_bytes, queue_bytes, "seed {}", self.seed);
        }
        let frames = self.bench.outbox.frames.iter().filter(|it| it.1.refused > 0);
        bytes += frames.map(|it| it.1.payload.len()).sum::<usize>();
        assert_eq!((self.bench.outbox.counted, self.bench.outbox.refused.bytes), (counted, bytes));
    }
}

impl Bench {
    fn assert_empty_queue(&self, queue: &Queue) {
        assert!(queue.is_empty() && !queue.refused);
        assert_eq!(queue.counted_bytes, 0);
    }
}
