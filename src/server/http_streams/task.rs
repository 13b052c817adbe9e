//! The task that keeps all streams.

use super::{
    Frames, HttpStreams, Options, Said, StreamInbox,
    channel::{Channel, Ending},
    members::{Member, Members},
};
use crate::{
    graphql,
    hub::{self, EndReason, GroupId, Input, Sink},
    net::timer::{SLOTS_DEFAULT, TICK_DEFAULT, TimerKey, TimerWheel},
    plan::{GroupSpec, Receipt},
    protocol::StreamFormat,
    server::{
        clock::{self, Slice},
        hub_link::HubLink,
        mail::{SinkMail, StreamMail},
        outbound::{OutboundTotal, REFERENCE_BYTES},
        spread::Spread,
        stats::StreamStats,
    },
};
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long the task goes on before others on the io thread have their turn: bodies that read what it
/// wrote, for one.
const TURN: Duration = Duration::from_millis(1);
/// How long to wait while the hub takes no asks, or streams are being ended bit by bit.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Task {
    options: Options,
    mailbox: mpsc::UnboundedReceiver<StreamMail>,
    streams: HttpStreams,
    hub: HubLink,
    total: OutboundTotal,
    stats: Arc<StreamStats>,
    members: Members,
    wheel: TimerWheel,
    expired: Vec<TimerKey>,
    /// Asks that the hub had no room for, in order.
    asks: VecDeque<Input>,
    drain: Option<Spread<u64>>,
    now: Instant,
}

impl Task {
    pub(super) fn new(
        options: Options,
        inbox: StreamInbox,
        hub: HubLink,
        total: OutboundTotal,
        stats: Arc<StreamStats>,
    ) -> Self {
        let now = clock::now();
        Self {
            options,
            mailbox: inbox.mail,
            streams: inbox.streams,
            hub,
            total,
            stats,
            members: Members::default(),
            wheel: TimerWheel::new(now, TICK_DEFAULT, SLOTS_DEFAULT),
            expired: Vec::new(),
            asks: VecDeque::new(),
            drain: None,
            now,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let mail = self.next_mail().await;
            self.now = clock::now();
            self.send_heartbeats();
            self.hand_over_asks();
            if let Some(mail) = mail {
                self.open(mail).await;
            }
            self.drain_some();
            self.count_turn();
        }
    }

    /// Waits for mail, at most until there is something else to do.
    async fn next_mail(&mut self) -> Option<StreamMail> {
        let is_draining = self.drain.as_ref().is_some_and(|it| !it.is_over());
        let pause = (is_draining || !self.asks.is_empty()).then_some(PAUSE);
        let timers = [self.wheel.next_wake(clock::now()), pause];
        match timers.into_iter().flatten().min() {
            // The handle that the task itself has keeps the mailbox open.
            None => self.mailbox.recv().await,
            Some(wait) => tokio::time::timeout(wait, self.mailbox.recv()).await.ok().flatten(),
        }
    }

    async fn open(&mut self, mail: StreamMail) {
        match mail {
            StreamMail::Open { token, spec, format, first_only, channel } => {
                self.begin(token, Member::new(channel, format, first_only, self.now), spec);
            }
            StreamMail::Left { token } => self.leave(token),
            StreamMail::FromHub(SinkMail::Joined { token, group }) => {
                if !self.members.join(token, group) {
                    // Gone before the hub answered.
                    self.ask(Input::Leave { group, sink: Sink::Io });
                }
            }
            StreamMail::FromHub(SinkMail::Deliver { group, response, receipt }) => {
                self.deliver(group, &response, receipt).await;
            }
            StreamMail::FromHub(SinkMail::End { group, reason }) => self.end(group, reason).await,
            StreamMail::Drain { spread } => {
                self.drain = Some(Spread::new(self.now, spread, self.members.tokens()));
            }
        }
    }

    fn begin(&mut self, token: u64, member: Member, spec: Arc<GroupSpec>) {
        if self.drain.is_some() {
            return finish(&member.channel, member.format, Said::Interruption, &self.total);
        }
        if member.format.is_some() && !self.options.heartbeat_interval.is_zero() {
            self.wheel.insert(self.now + self.options.heartbeat_interval, TimerKey(token));
        }
        self.members.insert(token, member);
        self.ask(Input::Join { member: hub::Member { sink: Sink::Io, token }, spec });
    }

    /// Takes a stream out. Does nothing when it was taken out before.
    fn leave(&mut self, token: u64) {
        if let Some((_, Some(group))) = self.members.remove(token) {
            self.ask(Input::Leave { group, sink: Sink::Io });
        }
    }

    /// Hands a response to its audience. Other mail waits meanwhile, so that nobody joins or leaves on the
    /// way and every stream sees responses in order.
    async fn deliver(&mut self, group: GroupId, response: &bytes::Bytes, mut receipt: Option<Receipt>) {
        let total = self.total.clone();
        let (mut result, mut last) =
            (Frames::new(Said::Result(response), &total), Frames::new(Said::LastResult(response), &total));
        let mut slice = Slice::new(TURN);
        // From the end: whoever leaves is replaced by one that was served already.
        for place in (0..self.members.len_of(group)).rev() {
            let Some(token) = self.members.at(group, place) else { continue };
            if self.hand(token, &mut result, &mut last) {
                receipt.take().iter().for_each(Receipt::settle);
            }
            if slice.is_over() {
                tokio::task::yield_now().await;
                slice = Slice::new(TURN);
            }
        }
        self.ask(Input::Credit { sink: Sink::Io, deliveries: 1 });
        // Bodies take their frames before the next response comes, unless their clients do not read.
        tokio::task::yield_now().await;
    }

    /// Whether the stream took it.
    fn hand(&mut self, token: u64, result: &mut Frames<'_>, last: &mut Frames<'_>) -> bool {
        let Some(member) = self.members.get_mut(token) else { return false };
        let waiting = member.channel.waiting();
        if is_beyond(&self.options, &self.total, waiting) {
            self.stats.slow_consumers.increment();
            member.channel.end(Ending::BrokenOff);
            self.leave(token);
            return false;
        }
        member.written = self.now;
        self.stats.messages_sent.increment();
        if member.first_only {
            member.channel.push(last.of(member.format));
            member.channel.end(Ending::Whole);
            self.leave(token);
        } else {
            member.channel.push(result.of(member.format));
        }
        true
    }

    /// The hub has forgotten the group.
    async fn end(&mut self, group: GroupId, reason: EndReason) {
        let mut errors = Vec::new();
        let said = match &reason {
            EndReason::Complete => Said::Complete,
            EndReason::Errors(list) => {
                graphql::write_errors(list, &mut errors);
                Said::Failure(&errors)
            }
        };
        let total = self.total.clone();
        let (mut frames, mut slice) = (Frames::new(said, &total), Slice::new(TURN));
        for token in self.members.disband(group) {
            if let Some((member, _)) = self.members.remove(token) {
                self.stats.messages_sent.increment();
                member.channel.push(frames.of(member.format));
                member.channel.end(Ending::Whole);
            }
            if slice.is_over() {
                tokio::task::yield_now().await;
                slice = Slice::new(TURN);
            }
        }
    }

    /// HttpStreams that had nothing for an interval get a heartbeat. One that still waits for its client to read
    /// needs none behind it.
    fn send_heartbeats(&mut self) {
        self.wheel.expire(self.now, &mut self.expired);
        let total = self.total.clone();
        let mut heartbeat = Frames::new(Said::Heartbeat, &total);
        let interval = self.options.heartbeat_interval;
        for key in std::mem::take(&mut self.expired) {
            let Some(member) = self.members.get_mut(key.0) else { continue };
            if member.written + interval <= self.now {
                member.written = self.now;
                if member.channel.waiting() == 0 {
                    member.channel.push(heartbeat.of(member.format));
                    self.stats.heartbeats_sent.increment();
                }
            }
            self.wheel.insert(member.written + interval, key);
        }
    }

    /// Ends as many streams as their share of the time has passed.
    fn drain_some(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        for token in drain.due(self.now) {
            if let Some((member, group)) = self.members.remove(token) {
                finish(&member.channel, member.format, Said::Interruption, &self.total);
                if let Some(group) = group {
                    self.ask(Input::Leave { group, sink: Sink::Io });
                }
            }
        }
    }

    /// Asks the hub, in order, now or as soon as it has room.
    fn ask(&mut self, input: Input) {
        self.asks.push_back(input);
        self.hand_over_asks();
    }

    fn hand_over_asks(&mut self) {
        while let Some(input) = self.asks.pop_front() {
            if let Err(input) = self.hub.ask(input) {
                self.asks.push_front(input);
                break;
            }
        }
        self.streams.full.store(!self.asks.is_empty(), Ordering::Relaxed);
    }

    fn count_turn(&self) {
        self.stats.streams.set(self.members.len() as u64);
        self.stats.mail_waiting.set(self.mailbox.len() as u64);
    }
}

/// Whether more waits for a client than may.
fn is_beyond(options: &Options, total: &OutboundTotal, waiting: usize) -> bool {
    waiting > 0
        && (waiting * REFERENCE_BYTES > options.outbound_queue_bytes_max
            || total.get() > options.outbound_total_bytes_max)
}

/// The last word to one stream.
fn finish(channel: &Channel, format: Option<StreamFormat>, said: Said<'_>, total: &OutboundTotal) {
    channel.push(Frames::new(said, total).of(format));
    channel.end(Ending::Whole);
}
