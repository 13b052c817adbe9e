//! `make bench-matching`: what it costs to find the groups that an event is for, among one and among a million
//! groups that each want another value of a field.
//!
//! In process, on one thread, through the hub's own door: an event comes in as bytes, is decoded, and matched; it
//! is for none of the groups, or for one. Beside it an evaluator that asks every rule, as the simplest that would
//! do. The exit code is 1 when a bar is missed.
#![expect(clippy::disallowed_methods, reason = "only the epoch of the hub's clock")]
#![expect(clippy::print_stdout, reason = "the table is the output")]

use bytes::Bytes;
use juga::{
    graphql::Variables,
    hub::{Hub, Input, Member, Options, Output, Sink, TriggerId},
    plan::{
        BoundOperation, EventFeedField, FeedField, GroupSpec, InputValue, Operation, OperationKind, Plan,
        Position, Projection, ProviderKind, RuleTemplate, RuleValueTemplate, SelectionSet, Template,
        TypeNames,
    },
};
use std::{fs, hint::black_box, process::ExitCode, sync::Arc, time::Instant};

const GROUPS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 7;
/// Events of a round.
const EVENTS: usize = 200_000;
/// The same for the evaluator that asks every rule: so many questions at most.
const QUESTIONS: usize = 20_000_000;

/// An event among a million groups costs so many times one among a single group, at most.
const GROWTH_MAX: f64 = 3.0;
/// Events that are for nobody, per second of CPU, at least: among a million groups.
const EVENTS_PER_SECOND_MIN: f64 = 500_000.0;

fn main() -> ExitCode {
    let mut hubs: Vec<_> = GROUPS.iter().map(|groups| Matching::new(*groups)).collect();
    // Rounds take turns, so that whatever else the machine does hits all alike.
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(hubs.iter_mut().map(Matching::round).collect::<Vec<_>>());
    }
    println!("{:>10} {:>14} {:>14} {:>14}", "groups", "no hit, ns", "one hit, ns", "asking all, ns");
    for (index, groups) in GROUPS.iter().enumerate() {
        let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(|it| pick(&it[index])));
        let (miss, hit, asking) = (of(|it| it.miss), of(|it| it.hit), of(|it| it.asking));
        println!("{groups:>10} {miss:>14.0} {hit:>14.0} {asking:>14.0}");
    }
    let last = GROUPS.len() - 1;
    let growth = median(rounds.iter().map(|it| it[last].miss / it[0].miss));
    let per_second = 1e9 / median(rounds.iter().map(|it| it[last].miss));
    println!("\nA million groups against one: {growth:.2} times the CPU (bar {GROWTH_MAX}).");
    println!(
        "Events for nobody among a million groups: {per_second:.0} per second of CPU (bar {EVENTS_PER_SECOND_MIN})."
    );
    if growth <= GROWTH_MAX && per_second >= EVENTS_PER_SECOND_MIN {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Nanoseconds of CPU per event.
struct Round {
    miss: f64,
    hit: f64,
    asking: f64,
}

/// A hub with so many groups on one trigger.
struct Matching {
    hub: Hub,
    trigger: TriggerId,
    groups: usize,
    now: Instant,
    /// Of the evaluator that asks every rule.
    wanted: Vec<Box<str>>,
}

impl Matching {
    fn new(groups: usize) -> Self {
        let (mut hub, now, operation) = (Hub::new(Options::default()), Instant::now(), operation());
        let mut trigger = None;
        for group in 0..groups {
            let mut variables = Variables::new();
            variables.set("id".into(), group.to_string().into());
            let (forwarded, operation) = (Default::default(), operation.clone());
            let bound = BoundOperation { operation, variables, forwarded, trace: None };
            let spec = Arc::new(GroupSpec::render(bound).expect("an argument"));
            let member = Member { sink: Sink::Reactor, token: group as u64 };
            hub.handle(now, Input::Join { member, spec });
            while let Some(output) = hub.poll_output() {
                if let Output::StartTrigger { trigger: id, .. } = output {
                    trigger = Some(id);
                }
            }
        }
        let trigger = trigger.expect("the first group starts it");
        hub.handle(now, Input::TriggerLive { trigger });
        let wanted = (0..groups).map(|it| it.to_string().into()).collect();
        Self { hub, trigger, groups, now, wanted }
    }

    fn round(&mut self) -> Round {
        let nobody = payload(self.groups + 1);
        let miss = self.cost_of(EVENTS, |_| nobody.clone());
        let (groups, stride) = (self.groups, 7_919);
        let payloads: Vec<_> = (0..1_000).map(|it| payload(it * stride % groups)).collect();
        let hit = self.cost_of(EVENTS / 10, |it| payloads[it % payloads.len()].clone());
        Round { miss, hit, asking: self.cost_of_asking() }
    }

    fn cost_of(&mut self, events: usize, payload: impl Fn(usize) -> Bytes) -> f64 {
        let before = cpu_nanoseconds();
        for number in 0..events {
            let (trigger, position) = (self.trigger, Position::single(number as u64));
            self.hub.handle(self.now, Input::Received { trigger, position, payload: payload(number) });
            while let Some(output) = self.hub.poll_output() {
                if let Output::Resolve { job, .. } = output {
                    self.hub.handle(self.now, Input::Resolved { job, response: Bytes::from_static(b"{}") });
                    let (sink, deliveries) = (Sink::Reactor, 1);
                    self.hub.handle(self.now, Input::Credit { sink, deliveries });
                }
            }
        }
        (cpu_nanoseconds() - before) as f64 / events as f64
    }

    /// An event whose field is read already, against every rule: the least that asking all of them can cost.
    fn cost_of_asking(&self) -> f64 {
        let events = (QUESTIONS / self.groups).clamp(3, EVENTS);
        let value = (self.groups + 1).to_string();
        let before = cpu_nanoseconds();
        for _ in 0..events {
            let value = black_box(&*value);
            black_box(self.wanted.iter().filter(|it| ***it == *value).count());
        }
        (cpu_nanoseconds() - before) as f64 / events as f64
    }
}

/// Some 290 bytes, as events are.
fn payload(id: usize) -> Bytes {
    format!(
        "{{\"__typename\":\"Thing\",\"at\":\"2026-11-25T12:00:00Z\",\"id\":{id},\"name\":\"{}\",\"price\":12.50,\
         \"tags\":[\"new\",\"sale\"],\"by\":{{\"team\":\"a\",\"name\":\"{}\"}}}}",
        "n".repeat(80),
        "m".repeat(80)
    )
    .into()
}

/// A subscription to things of one id.
fn operation() -> Arc<Operation> {
    let wanted = RuleValueTemplate::Template(Template::parse("{{ args.id }}"));
    let feed = EventFeedField {
        field: "updated".into(),
        key: "updated".into(),
        graph: "events".into(),
        kind: ProviderKind::Nats,
        provider: "default".into(),
        destinations: vec![Template::parse("things")],
        stream: None,
        arguments: vec![("id".into(), InputValue::Variable("id".into()))],
        rule: Some(RuleTemplate::In { path: [Arc::from("id")].into(), values: vec![wanted] }),
        possible: TypeNames::new(["Thing".into()]),
        is_abstract: false,
    };
    let canonical: Arc<str> = "subscription($id:Int!){updated(id:$id){id}}".into();
    Arc::new(Operation {
        kind: OperationKind::Subscription,
        name: None,
        canonical: canonical.clone(),
        constants: None,
        projection: Projection {
            root_type: "Subscription".into(),
            root: SelectionSet { fields: Vec::new() },
            shape: "shape".into(),
        },
        plan: Arc::new(Plan {
            canonical,
            steps: None,
            feed: Some(FeedField::Event(feed)),
            variables_used: vec!["id".into()],
            subgraphs: Vec::new(),
        }),
    })
}

/// What this thread has run, by the scheduler's own account.
fn cpu_nanoseconds() -> u64 {
    let account = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    account.split(' ').next().and_then(|it| it.parse().ok()).expect("a number")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
