//! What cannot be provoked from outside: tasks that end where they stand.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "../../../tests/support/redis.rs"]
mod server;

use super::*;
use crate::{
    plan::ProviderKind,
    sources::{Report, polls::DropAfter},
};
use server::{PATIENCE, RedisServer, is_missing};
use std::{
    pin::Pin,
    sync::mpsc::{Receiver, Sender, channel},
};

/// More polls than any of these takes.
const POLLS_MAX: usize = 500;

struct Wide(Sender<Report>);

impl FeedSink for Wide {
    fn try_send(&self, _: Ticket, report: Report) -> Result<(), Report> {
        let _ = self.0.send(report);
        Ok(())
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

fn shared(server: &RedisServer) -> (Arc<Shared>, Receiver<Report>) {
    shared_by(&RedisOptions::new("default", server.url()))
}

fn shared_by(options: &RedisOptions) -> (Arc<Shared>, Receiver<Report>) {
    let (sink, reports) = channel();
    let connector = Connector::new(options).expect("good options");
    let shared = Shared {
        id: "default".into(),
        connector,
        feed_backlog: FeedBacklog::default(),
        counters: Counters::default(),
        sink: Arc::new(Wide(sink)),
        lines: Default::default(),
    };
    (Arc::new(shared), reports)
}

/// Publishes to the channel `a` and to the stream `s` for ever.
async fn publish(server: &RedisServer) {
    let mut client = server.client();
    loop {
        client.publish("a", "{}");
        client.add("s", "{}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// No connection is left, and so nothing else.
async fn are_gone(server: &RedisServer) {
    let gone = async {
        while server.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no connection is left");
    assert_eq!(server.channels(), Vec::<String>::new());
}

fn has_event(reports: &Receiver<Report>) -> bool {
    reports.try_iter().any(|it| matches!(it, Report::Event { .. }))
}

/// Drops a task after each number of polls up to that with which it brings an event; each time nothing is left,
/// and the next one brings events.
async fn ends_anywhere<F: Future<Output = ()> + Send + 'static>(
    server: &RedisServer,
    shared: &Arc<Shared>,
    reports: &Receiver<Report>,
    task: impl Fn(Arc<Shared>) -> F,
) {
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "it never hears anything");
        tokio::select! {
            _ = DropAfter::new(polls, task(shared.clone())) => {}
            () = publish(server) => {}
        }
        are_gone(server).await;
        let heard = has_event(reports);
        let hears = async {
            while !has_event(reports) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = task(shared.clone()) => {}
            () = publish(server) => {}
            heard = timeout(PATIENCE, hears) => heard.expect("an event in time"),
        }
        are_gone(server).await;
        reports.try_iter().for_each(drop);
        if heard {
            return;
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_ends_anywhere_leaves_nothing_behind() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let (shared, reports) = shared(&server);
    let subscribe = |shared| async move {
        let (asks, asked) = mpsc::unbounded_channel();
        let names = NameSet::of(&EventFeed {
            kind: ProviderKind::Redis,
            provider: "default".into(),
            destinations: vec!["a".into(), "b.*".into()],
            stream: None,
        });
        let _ = asks.send(subscriber::Ask::Start(Ticket(1), names));
        Subscriber::new(shared, asked).run().await;
        drop(asks);
    };
    ends_anywhere(&server, &shared, &reports, subscribe).await;
}

/// Reads the stream `s`.
async fn read(shared: Arc<Shared>, is_cluster: bool) {
    let (asks, asked) = mpsc::unbounded_channel();
    let feed = StreamFeed { streams: vec!["s".into()], field: "payload".into(), from: None };
    let _ = asks.send(feeds::Ask::Start(Ticket(1), feed));
    // Nobody has to be interrupted: there is one feed.
    let publisher = Arc::new(Publisher::new(shared.clone()));
    Reader::new(shared, publisher, is_cluster, asked).run().await;
    drop(asks);
}

#[tokio::test]
async fn a_reader_that_ends_anywhere_leaves_nothing_behind() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let (shared, reports) = shared(&server);
    ends_anywhere(&server, &shared, &reports, |it| read(it, false)).await;
}

#[tokio::test]
async fn a_reader_of_a_cluster_that_ends_anywhere_leaves_nothing_behind() {
    if is_missing() {
        return;
    }
    let server = RedisServer::lonely_cluster();
    let options = RedisOptions { cluster_enabled: true, ..RedisOptions::new("default", server.url()) };
    let (shared, reports) = shared_by(&options);
    ends_anywhere(&server, &shared, &reports, |it| read(it, true)).await;
}

#[tokio::test]
async fn a_start_that_is_given_up_anywhere_leaves_no_connection() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    for lenient in [false, true] {
        for polls in 1.. {
            let (sink, _reports) = channel();
            let options = RedisOptions::new("default", server.url());
            let connecting = RedisProvider::connect(options, lenient, Arc::new(Wide(sink)));
            let provider = DropAfter::new(polls, connecting).await;
            let is_done = provider.is_some();
            drop(provider);
            are_gone(&server).await;
            if is_done {
                break;
            }
            assert!(polls < POLLS_MAX);
        }
    }
}
