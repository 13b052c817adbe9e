//! Short stories about the hub, told as transcripts: what happens on the left, what it asks for on the
//! right. Long and random ones are `tests/hub_simulation.rs`.

#![expect(clippy::disallowed_methods, reason = "only the epoch of a made-up clock")]

use super::*;
use crate::{
    graphql::Variables,
    plan::{
        BoundOperation, EventFeedField, Feed, FeedField, FeedKey, InputValue, Operation, OperationKind, Plan,
        Projection, ProviderKind, RuleTemplate, RuleValueTemplate, SelectionSet, Template, TypeNames,
    },
};
use std::time::{Duration, Instant};

const LOST: &str = "Events were lost before they could be delivered.";
const AWAY: &str = "The feed of this subscription is unavailable.";

struct Story {
    hub: Hub,
    now: Instant,
    triggers: Vec<TriggerId>,
    groups: Vec<GroupId>,
}

impl Story {
    fn new(options: Options) -> Self {
        Self { hub: Hub::new(options), now: Instant::now(), triggers: Vec::new(), groups: Vec::new() }
    }

    /// Something happens; what the hub asks for is exactly this, one line each.
    #[track_caller]
    fn tell(&mut self, input: Input, expected: &[&str]) {
        self.hub.handle(self.now, input);
        self.check(expected);
    }

    #[track_caller]
    fn wait(&mut self, pause: Duration, expected: &[&str]) {
        self.now += pause;
        self.hub.fire_timers(self.now);
        self.check(expected);
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        let mut lines = Vec::new();
        while let Some(output) = self.hub.poll_output() {
            lines.push(self.line(output));
        }
        assert_eq!(lines, expected);
    }

    fn line(&mut self, output: Output) -> String {
        match output {
            Output::StartTrigger { trigger, feed } => {
                self.triggers.push(trigger);
                let Feed::Events(feed) = &*feed else { panic!("no upstream here") };
                format!("start {}", feed.destinations.join(" "))
            }
            Output::StopTrigger { trigger, .. } => format!("stop t{}", place(&mut self.triggers, trigger)),
            Output::Resolve { job, event, .. } => {
                let group = place(&mut self.groups, job.group);
                let mut json = Vec::new();
                event.document.write(event.root, &mut json);
                format!("resolve g{group}#{} {}", job.sequence, String::from_utf8_lossy(&json))
            }
            Output::Joined { member, group } => {
                format!("joined {} g{}", member.token, place(&mut self.groups, group))
            }
            Output::Deliver { sink, group, response, .. } => {
                let group = place(&mut self.groups, group);
                format!("deliver {sink:?} g{group} {}", String::from_utf8_lossy(&response))
            }
            Output::End { sink, group, reason } => {
                let group = place(&mut self.groups, group);
                match reason {
                    EndReason::Complete => format!("end {sink:?} g{group}"),
                    EndReason::Errors(errors) => format!("end {sink:?} g{group} {}", errors[0].message),
                }
            }
        }
    }

    fn join(&self, token: u64, spec: GroupSpec) -> Input {
        Input::Join { member: Member { sink: Sink::Reactor, token }, spec: Arc::new(spec) }
    }

    fn event(&self, trigger: usize, payload: &'static str) -> Input {
        let position = Position::single(1);
        Input::Received { trigger: self.triggers[trigger], position, payload: payload.into() }
    }

    fn result(&self, group: usize, sequence: u64, response: &'static str) -> Input {
        let job = JobId { group: self.groups[group], sequence };
        Input::Resolved { job, response: response.into() }
    }

    fn leave(&self, group: usize) -> Input {
        Input::Leave { group: self.groups[group], sink: Sink::Reactor }
    }
}

/// The place in the order of first mention.
fn place<T: PartialEq + Copy>(known: &mut Vec<T>, id: T) -> usize {
    known.iter().position(|it| *it == id).unwrap_or_else(|| {
        known.push(id);
        known.len() - 1
    })
}

/// A subscription to one subject; groups differ by shape.
fn spec(subject: &str, shape: &str, only_id: Option<&'static str>) -> GroupSpec {
    let rule = only_id.map(|json| RuleTemplate::In {
        path: [Arc::from("id")].into(),
        values: vec![RuleValueTemplate::Constant(json.into())],
    });
    let feed = EventFeedField {
        field: "f".into(),
        key: "f".into(),
        graph: "events".into(),
        kind: ProviderKind::Nats,
        provider: "default".into(),
        destinations: vec![Template::parse(subject)],
        stream: None,
        arguments: vec![("unused".into(), InputValue::Json("1".into()))],
        rule,
        possible: TypeNames::new(["T".into()]),
        is_abstract: false,
    };
    let operation = Operation {
        kind: OperationKind::Subscription,
        name: None,
        canonical: "subscription{f{id}}".into(),
        constants: None,
        projection: Projection {
            root_type: "Subscription".into(),
            root: SelectionSet { fields: Vec::new() },
            shape: shape.into(),
        },
        plan: Arc::new(Plan {
            canonical: "subscription{f{id}}".into(),
            steps: None,
            feed: Some(FeedField::Event(feed)),
            variables_used: Vec::new(),
            subgraphs: Vec::new(),
        }),
    };
    let bound = BoundOperation {
        operation: Arc::new(operation),
        variables: Variables::new(),
        forwarded: Default::default(),
        trace: None,
    };
    GroupSpec::render(bound).expect("no arguments in the destination")
}

fn a() -> GroupSpec {
    spec("a", "{id}", None)
}

fn told(group: usize, message: &str, extensions: &str) -> String {
    format!(
        "deliver Reactor g{group} {{\"errors\":[{{\"message\":\"{message}\",\"extensions\":{{{extensions}}}}}],\
         \"data\":null}}"
    )
}

fn told_lost(group: usize, count: u64) -> String {
    told(group, LOST, &format!("\"code\":\"EVENTS_LOST\",\"count\":{count}"))
}

#[test]
fn equal_subscriptions_share_a_trigger_and_a_group() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.join(2, a()), &["joined 2 g0"]);
    story.tell(story.join(3, spec("a", "{key: id}", None)), &["joined 3 g1"]);
    story.tell(story.join(4, spec("b", "{id}", None)), &["start b", "joined 4 g2"]);
    story.tell(story.event(0, r#"{"id":1}"#), &[r#"resolve g0#0 {"id":1}"#, r#"resolve g1#0 {"id":1}"#]);
    story.tell(story.result(0, 0, "r"), &["deliver Reactor g0 r"]);
    let counters = story.hub.counters();
    assert_eq!((counters.triggers, counters.groups, counters.members, counters.delivers), (2, 3, 4, 1));
}

#[test]
fn colliding_hashes_merge_nothing() {
    let mut story = Story::new(Options::default());
    for (token, (subject, shape)) in [("a", "1"), ("a", "2"), ("b", "1")].into_iter().enumerate() {
        let mut spec = spec(subject, shape, None);
        spec.feed = FeedKey::clone(&spec.feed).with_hash(7);
        spec.key = spec.key.with_hash(7);
        let join = story.join(token as u64, spec);
        story.hub.handle(story.now, join);
    }
    story.check(&["start a", "joined 0 g0", "joined 1 g1", "start b", "joined 2 g2"]);
}

#[test]
fn results_leave_in_the_order_of_events_and_a_late_joiner_starts_between_two() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.event(0, r#"{"n":1}"#), &[r#"resolve g0#0 {"n":1}"#]);
    story.tell(story.join(2, a()), &[]);
    story.tell(story.event(0, r#"{"n":2}"#), &[r#"resolve g0#1 {"n":2}"#]);
    story.tell(story.result(0, 1, "second"), &[]);
    story.tell(
        story.result(0, 0, "first"),
        &["deliver Reactor g0 first", "joined 2 g0", "deliver Reactor g0 second"],
    );
    story.tell(story.result(0, 0, "again"), &[]);
    assert_eq!(story.hub.counters().results_stale, 1);
}

#[test]
fn a_window_bounds_what_is_resolved_and_a_full_backlog_gives_way_to_the_newest() {
    let mut story = Story::new(Options { local_window: 1, group_backlog_events: 2, ..Options::default() });
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.event(0, r#"{"n":1}"#), &[r#"resolve g0#0 {"n":1}"#]);
    for payload in [r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#] {
        story.tell(story.event(0, payload), &[]);
    }
    assert_eq!(story.hub.counters().backlog_events_dropped, 2);
    story.tell(
        story.result(0, 0, "r1"),
        &["deliver Reactor g0 r1", &told_lost(0, 2), r#"resolve g0#1 {"n":4}"#],
    );
    story.tell(story.result(0, 1, "r4"), &["deliver Reactor g0 r4"]);
}

#[test]
fn without_credit_a_group_waits_and_credit_takes_it_up_again() {
    let mut story = Story::new(Options { credits: 1, ..Options::default() });
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.event(0, "{}"), &["resolve g0#0 {}"]);
    story.tell(story.event(0, "{}"), &["resolve g0#1 {}"]);
    story.tell(story.result(0, 0, "r0"), &["deliver Reactor g0 r0"]);
    story.tell(story.result(0, 1, "r1"), &[]);
    assert_eq!(story.hub.counters().credit_waits, 1);
    story.tell(Input::Credit { sink: Sink::Io, deliveries: 1 }, &[]);
    story.tell(Input::Credit { sink: Sink::Reactor, deliveries: 1 }, &["deliver Reactor g0 r1"]);
}

#[test]
fn a_trigger_lingers_and_is_taken_up_again() {
    let linger = Duration::from_secs(5);
    let mut story = Story::new(Options { trigger_linger: linger, ..Options::default() });
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.leave(0), &[]);
    story.wait(linger / 2, &[]);
    story.tell(story.join(2, a()), &["joined 2 g1"]);
    story.wait(linger, &[]);
    story.tell(story.leave(1), &[]);
    story.wait(linger, &["stop t0"]);
    assert!(story.hub.is_idle());
}

#[test]
fn nothing_lingers_where_the_broker_remembers_what_was_read() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(Input::TriggerRemembered { trigger: story.triggers[0] }, &[]);
    story.tell(story.leave(0), &["stop t0"]);
    // Word of it comes while it lingers.
    story.tell(story.join(2, a()), &["start a", "joined 2 g1"]);
    story.tell(story.leave(1), &[]);
    story.tell(Input::TriggerRemembered { trigger: story.triggers[1] }, &["stop t1"]);
    assert!(story.hub.is_idle());
}

#[test]
fn the_end_of_a_feed_comes_after_its_last_update() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.event(0, "{}"), &["resolve g0#0 {}"]);
    story.tell(Input::TriggerEnded { trigger: story.triggers[0] }, &[]);
    story.tell(story.join(2, a()), &["start a", "joined 2 g1"]);
    story.tell(story.result(0, 0, "last"), &["deliver Reactor g0 last", "end Reactor g0"]);
    let errors = [graphql::Error::new("no such stream")].into();
    story.tell(
        Input::TriggerFailed { trigger: story.triggers[1], errors },
        &["end Reactor g1 no such stream"],
    );
    assert!(story.hub.is_idle());
}

#[test]
fn an_outage_is_told_once_it_outlasts_the_grace_time() {
    let grace = Duration::from_secs(5);
    let mut story = Story::new(Options { outage_grace: grace, ..Options::default() });
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    let trigger = story.triggers[0];
    story.tell(Input::TriggerInterrupted { trigger }, &[]);
    story.wait(grace / 2, &[]);
    story.tell(Input::TriggerRestored { trigger }, &[]);
    story.wait(grace, &[]);
    assert_eq!((story.hub.counters().outages, story.hub.counters().outages_silent), (1, 1));

    let away = told(0, AWAY, r#""code":"FEED_UNAVAILABLE""#);
    story.tell(Input::TriggerInterrupted { trigger }, &[]);
    story.wait(grace, &[&away]);
    story.tell(story.join(2, a()), &["joined 2 g0"]);
    // The second one was not there, and missed events as well.
    story.tell(Input::TriggerRestored { trigger }, &[&away]);
    story.tell(story.event(0, "{}"), &["resolve g0#0 {}"]);
}

#[test]
fn an_outage_ends_subscriptions_where_the_policy_says_so() {
    let grace = Duration::from_secs(5);
    let outage_then = OutagePolicy::End;
    let mut story = Story::new(Options { outage_grace: grace, outage_then, ..Options::default() });
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(Input::TriggerInterrupted { trigger: story.triggers[0] }, &[]);
    story.wait(grace, &["stop t0", &format!("end Reactor g0 {AWAY}")]);
    assert!(story.hub.is_idle());
}

#[test]
fn what_the_source_lost_and_what_nobody_can_read_is_told_in_its_place() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.join(2, spec("a", "{id}", Some("7"))), &["joined 2 g1"]);
    story.tell(story.event(0, r#"{"id":8}"#), &[r#"resolve g0#0 {"id":8}"#]);
    story.tell(story.event(0, "[]"), &[]);
    let trigger = story.triggers[0];
    let lost_for_rule = told_lost(1, 3);
    story.tell(Input::Lost { trigger, events: 3 }, &[&lost_for_rule]);
    let invalid = r#"deliver Reactor g0 {"errors":[{"message":"Invalid message received"}],"data":null}"#;
    story.tell(story.result(0, 0, "r"), &["deliver Reactor g0 r", invalid, &told_lost(0, 3)]);
    let counters = story.hub.counters();
    assert_eq!((counters.events_invalid, counters.events_filtered, counters.events_lost), (1, 1, 3));
}

#[test]
fn events_that_nobody_wanted_count_once_for_their_provider() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, spec("a", "{id}", Some("7"))), &["start a", "joined 1 g0"]);
    story.tell(story.join(2, spec("a", "{id}", Some("8"))), &["joined 2 g1"]);
    let events = |story: &Story| story.hub.unwanted().iter().map(|it| it.events).collect::<Vec<_>>();
    story.tell(story.event(0, r#"{"id":8}"#), &[r#"resolve g1#0 {"id":8}"#]);
    assert_eq!(events(&story), [0], "one wanted it");
    story.tell(story.event(0, r#"{"id":9}"#), &[]);
    assert_eq!(events(&story), [1]);
    story.tell(story.event(0, "[]"), &[]);
    story.tell(story.event(0, "{}"), &[]);
    assert_eq!(events(&story), [1], "nobody knows whether it was for them");
    story.tell(story.join(3, spec("b", "{id}", Some("7"))), &["start b", "joined 3 g2"]);
    story.tell(story.event(1, r#"{"id":9}"#), &[]);
    assert_eq!(events(&story), [2], "each feed of the provider");
}

#[test]
fn a_gap_is_told_once_at_its_place() {
    let mut story = Story::new(Options::default());
    story.tell(story.join(1, a()), &["start a", "joined 1 g0"]);
    story.tell(story.event(0, "{}"), &["resolve g0#0 {}"]);
    for _ in 0..2 {
        story.tell(Input::Gap { trigger: story.triggers[0] }, &[]);
    }
    let gap = told(0, "Events may have been missed while their source was away.", "\"code\":\"EVENTS_LOST\"");
    story.tell(story.result(0, 0, "before"), &["deliver Reactor g0 before", &gap]);
}
