//! Very many feeds of one NATS provider.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::print_stdout, reason = "what feeds cost is measured, not only judged")]

#[path = "support/io.rs"]
mod io;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/sources.rs"]
mod sources;

use juga::sources::{NatsOptions, Options, Report, Ticket};
use nats::{NatsServer, until};
use sources::{Rig, event, feed};
use std::path::Path;

/// Feeds of one template, each with a subject of its own.
const FEEDS: u64 = 50_000;
/// What the process may have more than before, for all of them.
const BYTES_MAX: usize = 350 << 20;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).expect("Linux");
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).expect("VmRSS");
    let kilobytes = line.split_whitespace().nth(1).and_then(|it| it.parse::<usize>().ok());
    kilobytes.expect("a number") * 1024
}

#[test]
fn fifty_thousand_feeds_share_a_connection_and_little_memory() {
    let mut server = NatsServer::start();
    let nats = vec![NatsOptions::new("default", server.url())];
    let rig = Rig::start(Options { nats, ..Options::default() });
    let subject = |n: u64| format!("employeeUpdated.{n}");
    let before = resident_bytes();
    for n in 0..FEEDS {
        rig.sources().start(Ticket(n), &feed("default", &[&subject(n)]));
    }
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Live);
    }
    let used = resident_bytes().saturating_sub(before);
    println!("{} MB, {} bytes a feed", used >> 20, used / FEEDS as usize);
    assert_eq!(server.connections(), 1);

    let mut client = server.client();
    for n in 0..FEEDS {
        client.publish(&subject(n), n.to_string().as_bytes());
    }
    client.flush();
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), event(1, &n.to_string()));
    }

    server.kill();
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Interrupted);
    }
    server.restart();
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Restored);
    }
    let mut client = server.client();
    for n in (0..FEEDS).step_by(1000) {
        client.publish(&subject(n), b"{}");
        assert_eq!(rig.next(n), event(2, "{}"));
    }
    let used = resident_bytes().saturating_sub(before);
    println!("{} MB after an event each and an outage", used >> 20);
    assert!(used < BYTES_MAX, "{} MB", used >> 20);

    for n in 0..FEEDS {
        rig.sources().stop(Ticket(n));
    }
    until("the subscriptions are gone", || server.subjects_and_inboxes().is_empty().then_some(()));
    assert_eq!(rig.status("default").feeds, 0);
}
