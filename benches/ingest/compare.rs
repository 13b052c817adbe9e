//! What an event costs from the broker to the hub's queue, and to one subscriber's frame, beside the bare client
//! library.
//!
//! Each reader is stopped while a burst is published to it, and goes on when all of it waits in the broker and in
//! sockets. So all read as much at once as they can, however quickly somebody publishes: what is compared is what an
//! event costs, not how often a thread was woken. Bursts take turns, each is a ratio, and the median counts.

use super::listener::{ADAPTER, BARE, ROLE};
use crate::{
    brokers::{Broker, Publisher, config, tick},
    load::{
        Crowd, PATIENCE,
        fleet::Fleet,
        process::{Pinning, cpu_ns},
    },
    support::{
        router::{Router, write_config},
        wait::wait_until,
    },
};
use serde_json::json;
use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
};

/// Makes an event of about 300 bytes.
const BODY: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore \
    et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex.";

/// Nanoseconds of CPU per event.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub bare: f64,
    pub adapter: f64,
    pub router: f64,
}

/// Names that the listeners have for themselves; the router's field has its own.
#[cfg(feature = "kafka")]
pub const NAMES: [&str; 2] = [BARE, ADAPTER];

/// So many rounds, each with so many events for each of the three.
pub fn rounds(broker: &dyn Broker, pinning: Pinning, rounds: usize, events: u64) -> io::Result<Vec<Round>> {
    let mut bare = Listener::start(broker, BARE, pinning)?;
    let mut adapter = Listener::start(broker, ADAPTER, pinning)?;
    let mut router = Reader::start(broker, pinning);
    let mut all = Vec::new();
    // The first is not counted: buffers, caches and pools are there behind it.
    for number in 0..=rounds as u64 {
        let sequences = 1 + number * events..=(number + 1) * events;
        let burst: Vec<_> = sequences.map(|it| (0, tick(it, BODY))).collect();
        let per_event = |cpu: u64| cpu as f64 / events as f64;
        let round = Round {
            bare: per_event(bare.take(&burst)?),
            adapter: per_event(adapter.take(&burst)?),
            router: per_event(router.take(&burst)?),
        };
        if number > 0 {
            all.push(round);
        }
    }
    Ok(all)
}

/// A process that listens and counts.
struct Listener {
    child: Child,
    answers: BufReader<ChildStdout>,
    publisher: Box<dyn Publisher>,
    published: u64,
}

impl Listener {
    fn start(broker: &dyn Broker, name: &'static str, pinning: Pinning) -> io::Result<Self> {
        let own = env::current_exe()?;
        let mut words = pinning.server().iter().map(AsRef::as_ref).chain([own.as_os_str()]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).args([ROLE, name, broker.field(), &broker.address(), name]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut listener = Self { child, answers, publisher: broker.publisher_to(name), published: 0 };
        listener.answer()?;
        Ok(listener)
    }

    /// What a burst costs.
    fn take(&mut self, burst: &[(u32, String)]) -> io::Result<u64> {
        let before = stopped(self.child.id(), &mut *self.publisher, burst)?;
        self.published += burst.len() as u64;
        writeln!(self.child.stdin.as_mut().expect("piped"), "{}", self.published)?;
        signal(self.child.id(), "CONT")?;
        self.answer()?;
        Ok(cpu_ns(self.child.id()) - before)
    }

    fn answer(&mut self) -> io::Result<()> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(io::Error::other("a listener has ended")),
            _ => Ok(()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// The router, and its one subscriber.
struct Reader {
    router: Router,
    fleet: Fleet,
    publisher: Box<dyn Publisher>,
}

impl Reader {
    fn start(broker: &dyn Broker, pinning: Pinning) -> Self {
        let router = Router::start_under(pinning.server(), &write_config(&config(broker, "")));
        wait_until("the provider is up", PATIENCE, || {
            router.metrics().sum("router_streams_provider_up") == 1.0
        });
        let field = broker.field();
        let asks = vec![json!({ "query": format!("subscription {{ {field} {{ sequence body }} }}") })];
        let fleet = Crowd { field, asks, ..Crowd::plain(1, 1) }.join(&router);
        Self { router, fleet, publisher: broker.publisher() }
    }

    fn take(&mut self, burst: &[(u32, String)]) -> io::Result<u64> {
        let before = stopped(self.router.pid(), &mut *self.publisher, burst)?;
        signal(self.router.pid(), "CONT")?;
        let last = self.fleet.ledger.delivered + burst.len() as u64;
        match self.fleet.collect(last, PATIENCE)? {
            true => Ok(cpu_ns(self.router.pid()) - before),
            false => Err(io::Error::other(self.fleet.ledger.describe(last))),
        }
    }
}

/// Publishes while a process is stopped; how long its threads have run by then.
fn stopped(pid: u32, publisher: &mut dyn Publisher, burst: &[(u32, String)]) -> io::Result<u64> {
    signal(pid, "STOP")?;
    let published = publisher.publish(burst);
    publisher.settle();
    match published == burst.len() {
        true => Ok(cpu_ns(pid)),
        false => Err(io::Error::other("the broker did not take all")),
    }
}

fn signal(pid: u32, name: &str) -> io::Result<()> {
    match Command::new("kill").args(["-s", name, &pid.to_string()]).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("kill -s {name}"))),
    }
}
