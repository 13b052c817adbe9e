//! The hub lives random lives on a made-up clock, beside a naive oracle that knows what each single
//! member is due.
//!
//! The oracle keeps one list per member: every event, notice and end since the member asked to join. It
//! has no windows, queues or backlogs; whatever the hub hands out must be the front of the lists, and
//! whatever could be handed out must have been. Of events that the broker keeps it knows whether somebody
//! had them, and that is what their receipts must say. Every seed is lived twice and must leave the same trace.
//! A failure names its seed; `HUB_SEED=7 cargo test --test hub_simulation` lives that one again.

use bytes::Bytes;
use juga::{
    graphql::{self, Variables},
    hub::{
        EndReason, GroupId, Hub, Input, JobId, Member, Options, OutagePolicy, Output, Sink, TriggerId,
        TriggerState,
    },
    plan::{
        Acknowledge, BoundOperation, Event, EventFeedField, Feed, FeedField, GroupSpec, InputValue,
        JetStreamOptions, Operation, OperationKind, Plan, Position, Projection, ProviderKind, Receipt,
        RuleTemplate, RuleValueTemplate, SelectionSet, StreamOptions, Template, TypeNames,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const SEEDS: u64 = 256;
const STEPS: u32 = 2_000;
const MEMBERS_MAX: usize = 14;
const FEEDS: usize = 3;
/// One that the broker remembers what was read of, as its options say: nobody lingers there.
const REMEMBERED: usize = 2;
/// Bytes of the longest event: it may wait even where it is larger than the bound, but alone.
const PAYLOAD_MAX: usize = 130;

#[test]
fn lives_are_sound_and_replay() {
    #[expect(clippy::disallowed_methods, reason = "only the epoch of a made-up clock")]
    let epoch = Instant::now();
    let replay: Option<u64> =
        std::env::var("HUB_SEED").ok().map(|it| it.parse().expect("HUB_SEED is a number"));
    let (next, last) = replay.map_or((AtomicU64::new(0), SEEDS), |seed| (AtomicU64::new(seed), seed + 1));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        break;
                    }
                    let (once, again) = (Life::new(seed, epoch).live(), Life::new(seed, epoch).live());
                    let differs = once.iter().zip(&again).position(|(a, b)| a != b);
                    assert_eq!(differs, None, "HUB_SEED={seed} does not replay from that step on");
                }
            });
        }
    });
}

/// What a member is due.
#[derive(Clone, Debug, PartialEq)]
enum Due {
    Event(u64),
    Invalid,
    Lost(u64),
    Unavailable,
    End(EndReason),
}

#[derive(Debug)]
struct Listener {
    sink: Sink,
    group: usize,
    joined: bool,
    due: VecDeque<Due>,
    /// It was told of an outage, and since then of nothing but losses: the hub need not repeat itself.
    told: bool,
}

/// A group as the oracle sees it; ids of its own.
#[derive(Debug)]
struct Company {
    kind: Kind,
    id: Option<GroupId>,
    members: BTreeSet<u64>,
    owed_outage: bool,
    ending: bool,
}

#[derive(Debug)]
struct Listening {
    id: TriggerId,
    state: TriggerState,
    /// The broker remembers what was read.
    is_remembered: bool,
    linger_until: Option<Instant>,
    grace_until: Option<Instant>,
    told: bool,
}

/// What a subscription asks for. Equal kinds share a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    feed: usize,
    projection: usize,
    rule: usize,
}

impl Kind {
    /// The rules of [`operation`], told again without JSON.
    fn wants(self, event: &Facts) -> bool {
        match self.rule {
            0 => true,
            1 => matches!(event.id, Some(1 | 2)),
            _ => event.flag.is_some_and(|flag| flag != Some(true)),
        }
    }

    fn result(self, event: u64) -> String {
        format!("{self:?} got {event}")
    }
}

/// What an event says; the flag may be missing, null, or set.
struct Facts {
    id: Option<u64>,
    flag: Option<Option<bool>>,
}

/// What the broker hears of an event that it keeps.
#[derive(Default)]
struct Answer {
    is_settled: AtomicBool,
    /// No receipt is left.
    is_over: AtomicBool,
}

struct Written(Arc<Answer>);

impl Acknowledge for Written {
    fn settle(&self) {
        self.0.is_settled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// An event that the broker keeps.
struct Kept {
    answer: Arc<Answer>,
    is_wanted: bool,
    has_reached: bool,
}

struct Life {
    seed: u64,
    step: u32,
    rng: fastrand::Rng,
    now: Instant,
    options: Options,
    hub: Hub,
    trace: Vec<u64>,
    operations: Vec<(Kind, Arc<Operation>)>,
    listening: [Option<Listening>; FEEDS],
    companies: BTreeMap<usize, Company>,
    /// Every group id ever seen: none may mean two groups.
    seen: BTreeMap<GroupId, usize>,
    dead_groups: Vec<GroupId>,
    dead_triggers: Vec<TriggerId>,
    listeners: BTreeMap<u64, Listener>,
    jobs: Vec<(JobId, Kind, u64)>,
    answered: Vec<JobId>,
    /// Events of jobs, which go back to the hub with their results.
    lent: HashMap<JobId, Arc<Event>>,
    credits: BTreeMap<Sink, u32>,
    starts_due: Vec<usize>,
    stops_due: Vec<TriggerId>,
    next_number: u64,
    kept: BTreeMap<u64, Kept>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "says how to replay, also when the hub itself panicked")]
            {
                eprintln!("failed in step {}: replay with HUB_SEED={}", self.step, self.seed);
            }
        }
    }
}

impl Life {
    fn new(seed: u64, epoch: Instant) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let options = Options {
            window: rng.usize(1..4),
            local_window: rng.usize(1..4),
            group_backlog_events: rng.usize(2..8),
            group_backlog_bytes: rng.usize(100..400),
            trigger_linger: Duration::from_millis([0, 300, 2_000][rng.usize(0..3)]),
            outage_grace: Duration::from_millis([0, 500][rng.usize(0..2)]),
            outage_then: if rng.bool() { OutagePolicy::Notify } else { OutagePolicy::End },
            credits: rng.u32(1..6),
        };
        Self {
            seed,
            step: 0,
            rng,
            now: epoch,
            hub: Hub::new(options.clone()),
            trace: Vec::new(),
            operations: operations(),
            listening: Default::default(),
            companies: BTreeMap::new(),
            seen: BTreeMap::new(),
            dead_groups: Vec::new(),
            dead_triggers: Vec::new(),
            listeners: BTreeMap::new(),
            jobs: Vec::new(),
            answered: Vec::new(),
            lent: HashMap::new(),
            credits: Sink::ALL.map(|sink| (sink, options.credits)).into(),
            starts_due: Vec::new(),
            stops_due: Vec::new(),
            next_number: 0,
            kept: BTreeMap::new(),
            options,
        }
    }

    /// Lives, dies in order, and returns a digest of each step's outputs.
    fn live(mut self) -> Vec<u64> {
        while self.step < STEPS {
            self.step += 1;
            let pause = if self.rng.u8(..) < 4 { 3_000 } else { self.rng.u64(0..60) };
            self.pass_time(Duration::from_millis(pause));
            if let Some(input) = self.next_input() {
                self.hub.handle(self.now, input);
            }
            self.settle();
        }
        self.go_home();
        std::mem::take(&mut self.trace)
    }

    /// Everything in flight comes home, everyone leaves: nothing may be left, neither due nor kept.
    fn go_home(&mut self) {
        while !self.jobs.is_empty() || self.credits.values().any(|it| *it < self.options.credits) {
            if let Some((job, kind, event)) = self.jobs.pop() {
                self.give_back(job, event);
                self.hub.handle(self.now, Input::Resolved { job, response: kind.result(event).into() });
                self.settle();
            }
            for sink in Sink::ALL {
                self.give_credit(sink, u32::MAX);
            }
        }
        for listener in self.listeners.values() {
            assert!(listener.joined, "never answered: {listener:?}");
            assert!(listener.is_served(), "still due: {listener:?}");
        }
        while let Some(token) = self.listeners.keys().next().copied() {
            let leave = self.leave(token);
            self.hub.handle(self.now, leave);
            self.settle();
        }
        self.pass_time(self.options.trigger_linger);
        let counters = self.hub.counters();
        let now = [
            counters.triggers,
            counters.groups,
            counters.members,
            counters.in_flight,
            counters.backlog_events,
            counters.backlog_bytes,
        ];
        assert_eq!(now, [0; 6], "something is left over");
        assert!(self.hub.is_idle() && self.hub.next_deadline().is_none());
        assert_eq!((self.hub.triggers().count(), self.hub.groups().count()), (0, 0));
        self.receipts_are_right();
        assert_eq!(
            counters.triggers_started,
            counters.triggers_stopped + counters.triggers_failed + counters.triggers_ended
        );
    }

    fn pass_time(&mut self, pause: Duration) {
        self.now += pause;
        let due = self.listening.iter().flatten().flat_map(|it| [it.linger_until, it.grace_until]);
        assert_eq!(self.hub.next_deadline(), due.flatten().min(), "a timer too many or too few");
        if self.hub.next_deadline().is_some_and(|at| at <= self.now) {
            self.expect_timers();
            self.hub.fire_timers(self.now);
        }
        self.settle();
    }
}

/// What may happen.
impl Life {
    fn next_input(&mut self) -> Option<Input> {
        match self.rng.u32(0..100) {
            0..18 => self.join(),
            18..30 => {
                let joined: Vec<u64> =
                    self.listeners.iter().filter(|(_, it)| it.joined).map(|(token, _)| *token).collect();
                let token = *self.rng.choice(&joined)?;
                Some(self.leave(token))
            }
            30..55 => self.event(),
            55..58 => self.invalid(),
            58..84 => self.answer(),
            84..92 => {
                let (sink, deliveries) = (*self.rng.choice(&Sink::ALL)?, self.rng.u32(0..5));
                self.give_credit(sink, deliveries);
                None
            }
            92..97 => self.source_news(),
            97 => self.source_ends(),
            _ => self.stale(),
        }
    }

    fn join(&mut self) -> Option<Input> {
        if self.listeners.len() >= MEMBERS_MAX {
            return None;
        }
        let (kind, operation) = self.rng.choice(&self.operations).cloned()?;
        self.next_number += 1;
        let token = self.next_number;
        let sink = *self.rng.choice(&Sink::ALL)?;
        self.expect_join(token, sink, kind);
        let bound = BoundOperation {
            operation,
            variables: Variables::new(),
            forwarded: Default::default(),
            trace: None,
        };
        let spec = Arc::new(GroupSpec::render(bound).expect("destinations without arguments"));
        Some(Input::Join { member: Member { sink, token }, spec })
    }

    fn leave(&mut self, token: u64) -> Input {
        let listener = self.listeners.remove(&token).expect("chosen from the list");
        let company = self.companies.get_mut(&listener.group).expect("of a listener");
        let group = company.id.expect("whoever joined knows the group");
        company.members.remove(&token);
        self.bury_if_empty(listener.group);
        Input::Leave { group, sink: listener.sink }
    }

    fn trigger(&mut self) -> Option<(usize, TriggerId)> {
        let feed = self.rng.usize(0..FEEDS);
        self.listening[feed].as_ref().map(|it| (feed, it.id))
    }

    fn event(&mut self) -> Option<Input> {
        let (feed, trigger) = self.trigger()?;
        self.next_number += 1;
        let number = self.next_number;
        let (id, flag) = (self.rng.u64(0..5), self.rng.u8(0..4));
        let facts = Facts {
            id: (id < 4).then_some(id),
            flag: [None, Some(None), Some(Some(true)), Some(Some(false))][usize::from(flag)],
        };
        let mut payload = format!("{{\"n\":{number}");
        if let Some(id) = facts.id {
            payload += &format!(",\"id\":{id}");
        }
        if let Some(flag) = facts.flag {
            payload += &flag.map_or(",\"flag\":null".into(), |it| format!(",\"flag\":{it}"));
        }
        payload += &format!(",\"pad\":\"{}\"}}", "x".repeat(self.rng.usize(0..80)));
        self.expect_due(&Due::Event(number), |it| it.kind.feed == feed && it.kind.wants(&facts));
        let (position, payload) = (Position::single(number), payload.into());
        if feed != REMEMBERED {
            return Some(Input::Received { trigger, position, payload });
        }
        let wanted = |it: &Company| !it.ending && it.kind.feed == feed && it.kind.wants(&facts);
        let is_wanted = self.companies.values().any(wanted);
        Some(Input::Kept { trigger, position, payload, receipt: self.receipt(number, is_wanted) })
    }

    fn receipt(&mut self, number: u64, is_wanted: bool) -> Receipt {
        let answer = Arc::new(Answer::default());
        let receipt = Receipt::new(Written(answer.clone()));
        self.kept.insert(number, Kept { answer, is_wanted, has_reached: false });
        receipt
    }

    fn invalid(&mut self) -> Option<Input> {
        let (feed, trigger) = self.trigger()?;
        let payload = *self.rng.choice(&["", "{", "[1]", "7", "{\"a\":1}x"])?;
        self.expect_due(&Due::Invalid, |it| it.kind.feed == feed && it.kind.rule == 0);
        Some(Input::Received { trigger, position: Position::default(), payload: payload.into() })
    }

    fn answer(&mut self) -> Option<Input> {
        if self.jobs.is_empty() {
            return None;
        }
        let (job, kind, event) = self.jobs.swap_remove(self.rng.usize(0..self.jobs.len()));
        self.answered.push(job);
        self.give_back(job, event);
        Some(Input::Resolved { job, response: kind.result(event).into() })
    }

    /// Whoever works on an event finds it as it was, whatever others are done with.
    fn give_back(&mut self, job: JobId, number: u64) {
        let event = self.lent.remove(&job).expect("lent with its job");
        assert_eq!(number_of(&event), number, "{job:?}");
        self.hub.give_back(event);
    }

    fn give_credit(&mut self, sink: Sink, deliveries: u32) {
        let used = self.options.credits - self.credits[&sink];
        let deliveries = deliveries.min(used);
        *self.credits.get_mut(&sink).expect("every sink") += deliveries;
        self.hub.handle(self.now, Input::Credit { sink, deliveries });
        self.settle();
    }

    fn source_news(&mut self) -> Option<Input> {
        let (feed, trigger) = self.trigger()?;
        let (now, grace) = (self.now, self.options.outage_grace);
        let listening = self.listening[feed].as_mut().expect("just seen");
        Some(match self.rng.u8(0..6) {
            5 => {
                listening.is_remembered = true;
                if listening.linger_until.is_some() {
                    self.stops_due.push(trigger);
                    self.dead_triggers.push(trigger);
                    self.listening[feed] = None;
                }
                Input::TriggerRemembered { trigger }
            }
            0 if listening.state != TriggerState::Interrupted => {
                listening.state = TriggerState::Interrupted;
                listening.grace_until = Some(now + grace);
                Input::TriggerInterrupted { trigger }
            }
            0 => Input::TriggerInterrupted { trigger },
            1 => {
                let events = self.rng.u64(1..5);
                self.expect_due(&Due::Lost(events), |it| it.kind.feed == feed);
                Input::Lost { trigger, events }
            }
            it => {
                self.expect_live(feed);
                if it == 2 { Input::TriggerLive { trigger } } else { Input::TriggerRestored { trigger } }
            }
        })
    }

    fn source_ends(&mut self) -> Option<Input> {
        let (feed, trigger) = self.trigger()?;
        let errors = graphql::Errors::from([graphql::Error::new(format!("step {}", self.step))]);
        let failed = self.rng.bool();
        self.expect_end(feed, if failed { EndReason::Errors(errors.clone()) } else { EndReason::Complete });
        Some(if failed { Input::TriggerFailed { trigger, errors } } else { Input::TriggerEnded { trigger } })
    }

    /// Late news about what is gone: nobody may notice.
    fn stale(&mut self) -> Option<Input> {
        let response = Bytes::from_static(b"stale");
        match self.rng.u8(0..5) {
            0 => Some(Input::Leave { group: *self.rng.choice(&self.dead_groups)?, sink: Sink::Io }),
            1 => Some(Input::TriggerEnded { trigger: *self.rng.choice(&self.dead_triggers)? }),
            2 => Some(Input::Received {
                trigger: *self.rng.choice(&self.dead_triggers)?,
                position: Position::single(0),
                payload: Bytes::from_static(b"{\"n\":0,\"id\":1}"),
            }),
            _ => Some(Input::Resolved { job: *self.rng.choice(&self.answered)?, response }),
        }
    }
}

/// What must follow.
impl Life {
    fn expect_due(&mut self, due: &Due, whose: impl Fn(&Company) -> bool) {
        for company in self.companies.values().filter(|it| !it.ending && whose(it)) {
            for token in &company.members {
                self.listeners.get_mut(token).expect("members listen").due.push_back(due.clone());
            }
        }
    }

    fn expect_join(&mut self, token: u64, sink: Sink, kind: Kind) {
        match &mut self.listening[kind.feed] {
            Some(listening) => listening.linger_until = None,
            None => self.starts_due.push(kind.feed),
        }
        let found = self.companies.iter().find(|(_, it)| it.kind == kind && !it.ending).map(|(at, _)| *at);
        let group = found.unwrap_or_else(|| {
            self.next_number += 1;
            let (id, members) = (None, BTreeSet::new());
            let company = Company { kind, id, members, owed_outage: false, ending: false };
            self.companies.insert(usize::try_from(self.next_number).expect("small"), company);
            usize::try_from(self.next_number).expect("small")
        });
        let company = self.companies.get_mut(&group).expect("just found");
        company.members.insert(token);
        company.owed_outage |= self.listening[kind.feed].as_ref().is_some_and(|it| it.told);
        let listener = Listener { sink, group, joined: false, due: VecDeque::new(), told: false };
        self.listeners.insert(token, listener);
    }

    fn expect_live(&mut self, feed: usize) {
        let listening = self.listening[feed].as_mut().expect("chosen by the caller");
        listening.state = TriggerState::Live;
        let silent = listening.grace_until.take().is_some();
        if std::mem::take(&mut listening.told) && !silent {
            self.expect_due(&Due::Unavailable, |it| it.kind.feed == feed && it.owed_outage);
            self.forget_owed(feed);
        }
    }

    fn forget_owed(&mut self, feed: usize) {
        for company in self.companies.values_mut().filter(|it| it.kind.feed == feed) {
            company.owed_outage = false;
        }
    }

    fn expect_end(&mut self, feed: usize, reason: EndReason) {
        self.expect_due(&Due::End(reason), |it| it.kind.feed == feed);
        for company in self.companies.values_mut().filter(|it| it.kind.feed == feed) {
            company.ending = true;
        }
        let listening = self.listening[feed].take().expect("chosen by the caller");
        self.dead_triggers.push(listening.id);
    }

    fn expect_timers(&mut self) {
        for feed in 0..FEEDS {
            let Some(listening) = &mut self.listening[feed] else { continue };
            let is_due = |at: &Option<Instant>| at.is_some_and(|it| it <= self.now);
            let (linger, grace) = (is_due(&listening.linger_until), is_due(&listening.grace_until));
            if linger || grace && self.options.outage_then == OutagePolicy::End {
                self.stops_due.push(listening.id);
                let error = graphql::Error::new("The feed of this subscription is unavailable.")
                    .with_code("FEED_UNAVAILABLE");
                self.expect_end(feed, EndReason::Errors([error].into()));
            } else if grace {
                (listening.grace_until, listening.told) = (None, true);
                self.expect_due(&Due::Unavailable, |it| it.kind.feed == feed);
                self.forget_owed(feed);
            }
        }
    }

    /// A group that nobody is in is gone, and its trigger goes after it when it was the last.
    fn bury_if_empty(&mut self, group: usize) {
        if !self.companies[&group].members.is_empty() {
            return;
        }
        let company = self.companies.remove(&group).expect("just seen");
        self.dead_groups.extend(company.id);
        let feed = company.kind.feed;
        if company.ending || self.companies.values().any(|it| it.kind.feed == feed && !it.ending) {
            return;
        }
        let listening = self.listening[feed].as_mut().expect("it had a group");
        if self.options.trigger_linger.is_zero() || listening.is_remembered {
            self.stops_due.push(listening.id);
            self.dead_triggers.push(listening.id);
            self.listening[feed] = None;
        } else {
            listening.linger_until = Some(self.now + self.options.trigger_linger);
        }
    }
}

/// What the hub did about it.
impl Life {
    fn settle(&mut self) {
        let mut digest = DefaultHasher::new();
        while let Some(output) = self.hub.poll_output() {
            self.carry_out(output, &mut digest);
        }
        self.trace.push(digest.finish());
        assert!(self.starts_due.is_empty(), "nobody started feeds {:?}", self.starts_due);
        assert!(self.stops_due.is_empty(), "nobody stopped {:?}", self.stops_due);
        self.nothing_is_withheld();
        self.numbers_are_right();
    }

    fn carry_out(&mut self, output: Output, digest: &mut DefaultHasher) {
        match output {
            Output::StartTrigger { trigger, feed } => {
                (0u8, trigger).hash(digest);
                let Feed::Events(feed) = &*feed else { panic!("no upstream here") };
                let at = feed.destinations[0].strip_prefix("feed-").and_then(|it| it.parse().ok());
                self.started(trigger, at.expect("named by us"));
            }
            Output::StopTrigger { trigger, .. } => {
                (1u8, trigger).hash(digest);
                let at = self.stops_due.iter().position(|it| *it == trigger);
                self.stops_due.remove(at.expect("stopped without need"));
            }
            Output::Resolve { job, spec, event } => {
                let number = number_of(&event);
                self.lent.insert(job, event);
                (2u8, job, number).hash(digest);
                self.asked(job, &spec, number);
            }
            Output::Joined { member, group } => {
                (3u8, member, group).hash(digest);
                self.joined(member, group);
            }
            Output::Deliver { sink, group, response, receipt } => {
                (4u8, sink, group, &response).hash(digest);
                let credit = self.credits.get_mut(&sink).expect("every sink");
                *credit = credit.checked_sub(1).expect("delivered without credit");
                self.each_member(sink, group, |it, kind| it.gets(kind, &response));
                self.reached(&response, receipt);
            }
            Output::End { sink, group, reason } => {
                (5u8, sink, group, format!("{reason:?}")).hash(digest);
                self.ended(sink, group, &reason);
            }
        }
    }

    /// Somebody has a response: if it is an event's that the broker keeps, the receipt is there.
    fn reached(&mut self, response: &[u8], receipt: Option<Receipt>) {
        let number =
            std::str::from_utf8(response).ok().and_then(|it| it.rsplit_once(" got ")?.1.parse().ok());
        let kept = number.and_then(|it: u64| self.kept.get_mut(&it));
        assert_eq!(receipt.is_some(), kept.is_some(), "the receipt of event {number:?}");
        if let (Some(receipt), Some(kept)) = (receipt, kept) {
            // Before the first has it, it may have been told as lost to a group that is far behind.
            let may_be_settled = kept.has_reached || self.hub.counters().backlog_events_dropped > 0;
            assert!(may_be_settled || !kept.answer.is_settled.load(Ordering::Relaxed), "settled before");
            receipt.settle();
            assert!(kept.answer.is_settled.load(Ordering::Relaxed), "another event's receipt");
            kept.has_reached = true;
        }
    }

    /// Settled is what somebody had and what nobody wanted, and beside that nothing but what was dropped, which is told.
    fn receipts_are_right(&self) {
        let mut told = self.hub.counters().backlog_events_dropped;
        for (number, Kept { answer, is_wanted, has_reached }) in &self.kept {
            assert!(answer.is_over.load(Ordering::Relaxed), "a receipt of event {number} is left");
            let is_settled = answer.is_settled.load(Ordering::Relaxed);
            if *has_reached || !is_wanted {
                assert!(is_settled, "event {number} would come again");
            } else if is_settled {
                told = told.checked_sub(1).expect("an event that reached nobody is settled");
            }
        }
    }

    fn started(&mut self, id: TriggerId, feed: usize) {
        assert_eq!(self.starts_due, [feed], "started without need");
        self.starts_due.clear();
        assert!(!self.dead_triggers.contains(&id), "{id:?} is an old trigger's");
        let (state, is_remembered) = (TriggerState::Starting, feed == REMEMBERED);
        self.listening[feed] =
            Some(Listening { id, state, is_remembered, linger_until: None, grace_until: None, told: false });
    }

    fn window_of(&self, spec: &GroupSpec) -> usize {
        if spec.is_local() { self.options.local_window } else { self.options.window }
    }

    fn asked(&mut self, job: JobId, spec: &GroupSpec, event: u64) {
        let company = self.seen.get(&job.group).and_then(|it| self.companies.get(it));
        let kind = company.expect("asked for a group that is gone").kind;
        assert_eq!(spec.bound.operation.projection.shape[..], *format!("shape-{}", kind.projection));
        let of_group = |it: &&(JobId, Kind, u64)| it.0.group == job.group;
        let window = self.window_of(spec);
        assert!(self.jobs.iter().filter(of_group).count() < window, "{job:?} beyond the window");
        assert!(self.jobs.iter().filter(of_group).all(|it| it.2 < event), "{job:?} out of order");
        self.jobs.push((job, kind, event));
    }

    fn joined(&mut self, member: Member, group: GroupId) {
        let listener = self.listeners.get_mut(&member.token).expect("nobody asked");
        assert!(!std::mem::replace(&mut listener.joined, true), "{member:?} joined twice");
        assert_eq!(listener.sink, member.sink);
        let at = listener.group;
        assert_eq!(*self.seen.entry(group).or_insert(at), at, "{group:?} means two groups");
        let company = self.companies.get_mut(&at).expect("of a listener");
        assert_eq!(*company.id.get_or_insert(group), group, "{at} is two groups");
        let due = &self.listeners[&member.token].due;
        for other in company.members.iter().map(|it| &self.listeners[it]).filter(|it| it.joined) {
            let news = |due: &VecDeque<Due>| {
                let told = if other.told { Due::Unavailable } else { Due::Lost(0) };
                due.iter().skip_while(|it| **it == told).cloned().collect::<Vec<_>>()
            };
            let same = news(due) == news(&other.due);
            assert!(same, "{member:?} starts elsewhere: {due:?}, {other:?}");
        }
    }

    /// Applies `take` to everyone whom a sink tells what a group gets.
    fn each_member(&mut self, sink: Sink, group: GroupId, take: impl Fn(&mut Listener, Kind)) -> Vec<u64> {
        let at = *self.seen.get(&group).expect("a group that nobody joined");
        let company = self.companies.get(&at).expect("a group that is gone");
        let mut reached = Vec::new();
        for token in &company.members {
            let listener = self.listeners.get_mut(token).expect("members listen");
            if listener.joined && listener.sink == sink {
                take(listener, company.kind);
                reached.push(*token);
            }
        }
        assert!(!reached.is_empty(), "{sink:?} has no members in {group:?}");
        reached
    }

    fn ended(&mut self, sink: Sink, group: GroupId, reason: &EndReason) {
        let gone = self.each_member(sink, group, |it, _| {
            it.due.drain(..it.optional());
            assert_eq!(it.due.pop_front(), Some(Due::End(reason.clone())));
        });
        let at = self.seen[&group];
        for token in gone {
            self.listeners.remove(&token);
            self.companies.get_mut(&at).expect("just seen").members.remove(&token);
        }
        self.bury_if_empty(at);
    }

    /// Whoever waits has a reason: the result is being resolved, or a sink has no credit.
    fn nothing_is_withheld(&self) {
        for (token, listener) in &self.listeners {
            if listener.joined && listener.is_served() {
                continue;
            }
            let company = &self.companies[&listener.group];
            let sinks = company.members.iter().map(|it| &self.listeners[it]).filter(|it| it.joined);
            let creditless = sinks.map(|it| it.sink).any(|sink| self.credits[&sink] == 0);
            let mut jobs = self.jobs.iter().filter(|(job, ..)| Some(job.group) == company.id);
            let resolving = match listener.due.get(listener.optional()) {
                Some(Due::Event(event)) if listener.joined => jobs.any(|it| it.2 == *event),
                Some(_) if listener.joined => false,
                _ => jobs.next().is_some(),
            };
            assert!(resolving || creditless, "{token} waits for nothing: {listener:?} of {company:?}");
        }
    }

    fn numbers_are_right(&self) {
        let counters = self.hub.counters();
        assert_eq!(counters.triggers, self.listening.iter().flatten().count() as u64);
        assert_eq!(counters.groups, self.companies.len() as u64);
        assert_eq!(counters.members, self.listeners.len() as u64);
        let (mut events, mut bytes, mut in_flight) = (0, 0, 0);
        for group in self.hub.groups() {
            assert!(group.in_flight <= self.window_of(group.spec), "{group:?} beyond the window");
            let bound = self.options.group_backlog_events;
            assert!(group.backlog_events <= bound + 1, "{} events in the backlog", group.backlog_events);
            let bytes_max = self.options.group_backlog_bytes.max(PAYLOAD_MAX);
            assert!(group.backlog_bytes <= bytes_max, "{} bytes in the backlog", group.backlog_bytes);
            events += group.backlog_events as u64;
            bytes += group.backlog_bytes as u64;
            in_flight += group.in_flight as u64;
        }
        let counted = (counters.backlog_events, counters.backlog_bytes, counters.in_flight);
        assert_eq!(counted, (events, bytes, in_flight));
        for view in self.hub.triggers() {
            let known = self.listening.iter().flatten().find(|it| it.id == view.id);
            let known = known.expect("a trigger that nobody asked for");
            assert_eq!((view.state, view.lingering), (known.state, known.linger_until.is_some()));
        }
    }
}

impl Listener {
    /// Notices at the front that the hub may leave out.
    fn optional(&self) -> usize {
        if !self.told {
            return 0;
        }
        self.due.iter().take_while(|it| **it == Due::Unavailable).count()
    }

    fn is_served(&self) -> bool {
        self.due.len() == self.optional()
    }

    fn gets(&mut self, kind: Kind, response: &[u8]) {
        let text = std::str::from_utf8(response).expect("text");
        if let Some(rest) = text.strip_prefix("{\"errors\":[{\"message\":\"Events were lost") {
            let count = rest.split("\"count\":").nth(1).and_then(|it| it.split('}').next());
            return self.loses(count.and_then(|it| it.parse().ok()).expect("a count"));
        }
        if text.contains("\"FEED_UNAVAILABLE\"") {
            assert_eq!(self.due.pop_front(), Some(Due::Unavailable), "nobody is due {text}");
            self.told = true;
            return;
        }
        self.due.drain(..self.optional());
        self.told = false;
        let expected = self.due.pop_front();
        match expected {
            Some(Due::Event(event)) => assert_eq!(text, kind.result(event), "another event is due"),
            Some(Due::Invalid) => {
                assert_eq!(text, r#"{"errors":[{"message":"Invalid message received"}],"data":null}"#);
            }
            other => panic!("{other:?} is due, not {text}"),
        }
    }

    /// So many events, no more and no less, are the next that are due; an outage among them is not.
    fn loses(&mut self, mut count: u64) {
        let mut kept = VecDeque::new();
        while count > 0 {
            match self.due.pop_front() {
                Some(Due::Event(_) | Due::Invalid) => count -= 1,
                Some(Due::Lost(lost)) => {
                    count = count.checked_sub(lost).expect("fewer events told than lost");
                }
                Some(Due::Unavailable) => kept.push_back(Due::Unavailable),
                other => panic!("{count} more events told as lost than were due before {other:?}"),
            }
        }
        kept.append(&mut self.due);
        self.due = kept;
    }
}

/// Every kind of subscription, each planned twice: equal text, another allocation.
fn operations() -> Vec<(Kind, Arc<Operation>)> {
    let mut all = Vec::new();
    for feed in 0..FEEDS {
        for (projection, rule) in [(0, 0), (1, 0), (0, 1), (0, 2)] {
            let kind = Kind { feed, projection, rule };
            all.extend([(kind, operation(kind)), (kind, operation(kind))]);
        }
    }
    all
}

fn operation(kind: Kind) -> Arc<Operation> {
    let constant = |json: &'static str| RuleValueTemplate::Constant(json.into());
    let within = |field: &str, values| RuleTemplate::In { path: [Arc::from(field)].into(), values };
    let from_argument = RuleValueTemplate::Template(Template::parse("{{ args.id }}"));
    let rule = match kind.rule {
        0 => None,
        1 => Some(within("id", vec![constant("1.0"), from_argument])),
        _ => Some(RuleTemplate::Not(Box::new(within("flag", vec![constant("true")])))),
    };
    let feed = EventFeedField {
        field: "updated".into(),
        key: "updated".into(),
        graph: "events".into(),
        kind: ProviderKind::Nats,
        provider: "default".into(),
        destinations: vec![Template::parse(&format!("feed-{}", kind.feed))],
        stream: (kind.feed == REMEMBERED).then(|| {
            StreamOptions::JetStream(JetStreamOptions {
                stream: "s".into(),
                consumer: "c".into(),
                consumer_inactive_threshold: 30,
                is_ordered: false,
            })
        }),
        arguments: vec![("id".into(), InputValue::Json("2".into()))],
        rule,
        possible: TypeNames::new(["Thing".into()]),
        is_abstract: false,
    };
    Arc::new(Operation {
        kind: OperationKind::Subscription,
        name: None,
        canonical: "subscription{updated{id}}".into(),
        constants: None,
        projection: Projection {
            root_type: "Subscription".into(),
            root: SelectionSet { fields: Vec::new() },
            shape: format!("shape-{}", kind.projection).into(),
        },
        plan: Arc::new(Plan {
            canonical: "subscription{updated{id}}".into(),
            steps: None,
            feed: Some(FeedField::Event(feed)),
            variables_used: Vec::new(),
            subgraphs: Vec::new(),
        }),
    })
}

/// The number that an event carries.
fn number_of(event: &Event) -> u64 {
    let number = event.document.get(event.root, "n").and_then(|it| event.document.as_number(it));
    number.and_then(|it| it.parse().ok()).expect("events carry a number")
}
