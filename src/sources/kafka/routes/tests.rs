//! The table alone: what is read from where, and who gets what.

use super::*;
use crate::plan::{EventFeed, ProviderKind};

const A: Ticket = Ticket(1);
const B: Ticket = Ticket(2);

fn routes() -> Routes {
    Routes::new(Arc::default())
}

fn topics(names: &[&str]) -> Topics {
    let destinations = names.iter().map(|it| (*it).into()).collect();
    let (kind, provider) = (ProviderKind::Kafka, "default".into());
    Topics::of(&EventFeed { kind, provider, destinations, stream: None }).expect("topics")
}

fn ends(offsets: &[u64]) -> Vec<Start> {
    offsets.iter().copied().map(Start::End).collect()
}

fn from(topic: &str, partition: usize, offset: u64) -> Assignment {
    Assignment { topic: topic.into(), partition, offset }
}

fn remove(routes: &mut Routes, ticket: Ticket) -> Vec<String> {
    routes.remove(ticket).iter().map(ToString::to_string).collect()
}

/// Who gets a record.
fn hits(routes: &mut Routes, topic: &str, partition: usize, offset: u64) -> Vec<Ticket> {
    let mut hits = Vec::new();
    routes.route(topic, partition, offset, |it| hits.push(it.ticket));
    hits
}

#[test]
fn a_second_feed_gets_what_lies_behind_its_own_beginning() {
    let mut routes = routes();
    assert_eq!(routes.add(A, &topics(&["t"]), &[ends(&[5, 0])]), [from("t", 0, 5), from("t", 1, 0)]);
    assert_eq!(hits(&mut routes, "t", 0, 5), [A]);
    // Asked when the end was at 9, of which the reader has seen one; in the other it is ahead of the answer.
    assert_eq!(hits(&mut routes, "t", 1, 0), [A]);
    assert_eq!(routes.add(B, &topics(&["t"]), &[ends(&[9, 0])]), []);
    assert_eq!(hits(&mut routes, "t", 0, 8), [A]);
    assert_eq!(hits(&mut routes, "t", 0, 9), [A, B]);
    assert_eq!(hits(&mut routes, "t", 1, 1), [A, B]);
}

#[test]
fn the_last_one_is_told_so() {
    let mut routes = routes();
    for (ticket, start) in [(A, 0), (B, 1), (Ticket(3), 9)] {
        routes.add(ticket, &topics(&["t"]), &[vec![Start::At(start)]]);
    }
    let mut last = |offset| {
        let mut seen = Vec::new();
        routes.route("t", 0, offset, |it| seen.push((it.ticket, it.is_last)));
        seen
    };
    assert_eq!(last(0), [(A, true)]);
    assert_eq!(last(1), [(A, false), (B, true)]);
}

#[test]
fn what_is_read_twice_is_handed_over_once() {
    let mut routes = routes();
    routes.add(A, &topics(&["t"]), &[ends(&[0])]);
    assert_eq!(hits(&mut routes, "t", 0, 0), [A]);
    assert_eq!(hits(&mut routes, "t", 0, 1), [A]);
    assert_eq!(routes.add(B, &topics(&["t"]), &[vec![Start::At(1)]]), [from("t", 0, 1)], "it goes back");
    assert_eq!(hits(&mut routes, "t", 0, 1), [B]);
    assert_eq!(hits(&mut routes, "t", 0, 2), [A, B]);
}

#[test]
fn partitions_that_come_later_are_read_whole() {
    let mut routes = routes();
    assert_eq!(routes.add(A, &topics(&["t"]), &[vec![]]), [], "no such topic yet");
    assert_eq!(routes.grow(&"t".into(), 2), [from("t", 0, 0), from("t", 1, 0)]);
    assert_eq!(routes.grow(&"t".into(), 2), []);
    assert_eq!(routes.grow(&"t".into(), 1), [], "an old answer");
    assert_eq!(routes.grow(&"u".into(), 1), []);
    assert_eq!(hits(&mut routes, "t", 1, 0), [A]);
    // Another feed hears of a third partition first.
    assert_eq!(routes.add(B, &topics(&["t"]), &[ends(&[0, 1, 4])]), [from("t", 2, 0)]);
    assert_eq!(hits(&mut routes, "t", 2, 0), [A]);
    assert_eq!(hits(&mut routes, "t", 2, 4), [A, B]);
}

#[test]
fn the_first_event_tells_the_whole_position() {
    let mut routes = routes();
    routes.add(A, &topics(&["t", "s"]), &[ends(&[3, 0]), ends(&[7])]);
    let mut seen = Vec::new();
    routes.route("t", 0, 7, |it| seen.push(it.position.0.to_vec()));
    routes.route("t", 0, 8, |it| seen.push(it.position.0.to_vec()));
    // Topics are sorted: `s` is the first.
    assert_eq!(seen, [vec![(0, 2), (1 << 20, 7)], vec![(1 << 20, 8)]]);
}

#[test]
fn a_topic_is_given_up_with_its_last_feed() {
    let mut routes = routes();
    routes.add(A, &topics(&["t", "u"]), &[ends(&[0]), ends(&[0, 0])]);
    routes.add(B, &topics(&["t"]), &[ends(&[0])]);
    assert_eq!(remove(&mut routes, A), ["u"]);
    assert_eq!(hits(&mut routes, "u", 0, 0), []);
    assert_eq!(remove(&mut routes, B), ["t"]);
    assert!(remove(&mut routes, B).is_empty());
    assert!(routes.is_empty() && routes.gauges.topics().is_empty());
}

#[test]
fn a_reset_tells_whose_events_are_gone() {
    let mut routes = routes();
    routes.add(A, &topics(&["t"]), &[ends(&[10])]);
    routes.add(B, &topics(&["t"]), &[ends(&[50])]);
    let (read, missing) = routes.reset(&"t".into(), 0, 20);
    assert_eq!((read, missing), (true, vec![A]), "retention");
    assert_eq!(hits(&mut routes, "t", 0, 20), [A]);
    let (read, missing) = routes.reset(&"t".into(), 0, 0);
    assert_eq!((read, missing), (true, vec![A, B]), "made anew");
    assert_eq!(hits(&mut routes, "t", 0, 0), [A, B]);
    assert_eq!(routes.reset(&"t".into(), 1, 0), (false, vec![]));
}

#[test]
fn a_panic_while_handing_over_loses_nothing() {
    let mut routes = routes();
    routes.add(A, &topics(&["t"]), &[ends(&[0])]);
    let panics = std::panic::AssertUnwindSafe(|| routes.route("t", 0, 0, |_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(routes.assignments(), [from("t", 0, 0)]);
    assert_eq!(hits(&mut routes, "t", 0, 0), [A]);
    routes.pass("t", 0, 1);
    assert_eq!(routes.assignments(), [from("t", 0, 2)]);
}
