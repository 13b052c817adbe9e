//! What cannot be provoked from outside: tasks that end where they stand, and a hub that panics.

use super::{
    super::{
        session::Session,
        tests::server::{NatsServer, PATIENCE},
    },
    *,
};
use crate::{
    plan::EventFeed,
    sources::{FeedSink, NatsOptions, Report, Source as _, nats::NatsProvider, polls::DropAfter},
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::{
    future::Future,
    pin::Pin,
    sync::{
        atomic::AtomicBool,
        mpsc::{Receiver, Sender, channel},
    },
};
use tokio::time::timeout;

/// More polls than any of these takes.
const POLLS_MAX: usize = 500;
const SOON: Duration = Duration::from_millis(2);

/// Takes everything, unless it is to panic at an event.
struct Wide {
    to: Sender<Report>,
    panics: AtomicBool,
}

impl FeedSink for Wide {
    fn try_send(&self, _: Ticket, report: Report) -> Result<(), Report> {
        let is_event = matches!(report, Report::Event { .. } | Report::Kept { .. });
        assert!(!(is_event && self.panics.swap(false, Relaxed)), "as a test wants it");
        let _ = self.to.send(taken(report));
        Ok(())
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Somebody has what the broker keeps: the tests look at events, however they came.
fn taken(report: Report) -> Report {
    match report {
        Report::Kept { position, payload, receipt } => {
            receipt.settle();
            Report::Event { position, payload }
        }
        other => other,
    }
}

/// A provider, and a stream `S` of the subjects `s.>` at its server.
struct Stage {
    server: NatsServer,
    provider: NatsProvider,
    sink: Arc<Wide>,
    reports: Receiver<Report>,
    published: u64,
}

impl Stage {
    async fn start() -> Self {
        let server = NatsServer::start_keeping(&["-js"]);
        let (to, reports) = channel();
        let sink = Arc::new(Wide { to, panics: AtomicBool::new(false) });
        let options = NatsOptions::new("default", server.url());
        let provider = NatsProvider::connect(Handle::current(), options, false, sink.clone()).await;
        let provider = provider.expect("a server");
        let stage = Self { server, provider, sink, reports, published: 0 };
        let config = async_nats::jetstream::stream::Config {
            name: "S".to_owned(),
            subjects: vec!["s.>".to_owned()],
            ..Default::default()
        };
        stage.session().jetstream.create_stream(config).await.expect("a stream");
        stage
    }

    fn session(&self) -> Arc<Session> {
        self.provider.shared.session()
    }

    /// Parts of a JetStream adapter that shares the provider.
    fn inner(&self) -> Arc<Inner> {
        JetStream::new(Handle::current(), self.provider.shared.clone()).inner.clone()
    }

    async fn publish(&mut self) {
        self.published += 1;
        let payload = Bytes::from(self.published.to_string());
        let stored = self.session().jetstream.publish("s.1", payload).await.expect("sent").await;
        assert_eq!(stored.expect("stored").sequence, self.published);
    }

    /// The next report.
    async fn next(&self) -> Report {
        let waiting = async {
            loop {
                match self.reports.try_recv() {
                    Ok(report) => return report,
                    Err(_) => tokio::time::sleep(SOON).await,
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("a report in time")
    }

    /// Waits for the newest event; every event is the one behind the last.
    async fn hear_all(&self, mut last: u64) {
        while last < self.published {
            if let Some(offset) = offset(&self.next().await) {
                assert_eq!(offset, last + 1);
                last = offset;
            }
        }
    }

    /// Nothing of ours is subscribed but the inbox of all questions, and nobody waits for an answer.
    async fn is_clean(&self) {
        let is_ours = |it: &String| !it.ends_with(".*");
        let clean = async {
            let session = self.session();
            while self.server.subjects_and_inboxes().iter().any(is_ours) || session.refusals().is_watched() {
                tokio::time::sleep(SOON).await;
            }
        };
        timeout(PATIENCE, clean).await.expect("nothing is left behind");
    }
}

fn offset(report: &Report) -> Option<u64> {
    match report {
        Report::Event { position, .. } => position.offset(0),
        Report::Failed(_) | Report::Ended | Report::Gap | Report::Lost(_) => panic!("{report:?}"),
        _ => None,
    }
}

fn feed(is_ordered: bool) -> StreamFeed {
    let options = JetStreamOptions {
        stream: "S".into(),
        consumer: "router".into(),
        consumer_inactive_threshold: 30,
        is_ordered,
    };
    let feed = EventFeed {
        kind: crate::plan::ProviderKind::Nats,
        provider: "default".into(),
        destinations: vec!["s.1".into()],
        stream: None,
    };
    StreamFeed { subjects: SubjectSet::of(&feed).expect("a subject"), options, from: None }
}

/// A reader of one feed that it starts with, or that goes on behind a position.
async fn read(inner: Arc<Inner>, from: Option<u64>) {
    let (asks, asked) = mpsc::unbounded_channel();
    let _ = asks.send(reader::Ask::Start(Ticket(1), StreamFeed { from, ..feed(true) }));
    Reader::new(inner, "S".into(), asked).run().await;
    drop(asks);
}

/// A durable feed that nobody stops.
async fn follow(inner: Arc<Inner>) {
    let (stop, stopped) = watch::channel(false);
    Durable::new(inner.provider.clone(), Ticket(1), feed(false), Told::default(), stopped).run().await;
    drop(stop);
}

#[tokio::test]
async fn a_stream_reader_that_ends_anywhere_leaves_nothing_behind() {
    let mut stage = Stage::start().await;
    let inner = stage.inner();
    let mut last = 0;
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "it never hears all");
        stage.publish().await;
        let _ = timeout(PATIENCE, DropAfter::new(polls, read(inner.clone(), Some(last)))).await;
        stage.is_clean().await;
        let heard = stage.reports.try_iter().filter_map(|it| offset(&it)).last();
        // Behind what was heard, whatever it was.
        last = heard.unwrap_or(last);
        tokio::select! {
            () = read(inner.clone(), Some(last)) => {}
            () = stage.hear_all(last) => {}
        }
        last = stage.published;
        stage.is_clean().await;
        stage.reports.try_iter().for_each(drop);
        if heard.is_some() {
            return;
        }
    }
}

#[tokio::test]
async fn a_durable_feed_that_ends_anywhere_leaves_nothing_behind() {
    let mut stage = Stage::start().await;
    let inner = stage.inner();
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "it never hears all");
        stage.publish().await;
        let _ = timeout(PATIENCE, DropAfter::new(polls, follow(inner.clone()))).await;
        stage.is_clean().await;
        let heard = stage.reports.try_iter().filter_map(|it| offset(&it)).last();
        if heard.is_none() {
            tokio::select! {
                () = follow(inner.clone()) => {}
                () = stage.hear_all(stage.published - 1) => {}
            }
            stage.is_clean().await;
            stage.reports.try_iter().for_each(drop);
            continue;
        }
        // It was taken, and the next hears what comes then; what was taken may come again, but is not missed.
        stage.publish().await;
        let heard = async { while offset(&stage.next().await) != Some(stage.published) {} };
        tokio::select! {
            () = follow(inner.clone()) => {}
            () = heard => {}
        }
        stage.is_clean().await;
        return;
    }
}

/// However the hub breaks, what it did not take comes again.
#[tokio::test]
async fn a_panic_of_the_hub_loses_nothing() {
    for is_ordered in [true, false] {
        let mut stage = Stage::start().await;
        let inner = stage.inner();
        match is_ordered {
            true => inner.read(Ticket(1), feed(true)),
            false => inner.start_durable(Ticket(1), feed(false), Told::default()),
        }
        assert_eq!(stage.next().await, Report::Live);
        stage.publish().await;
        assert_eq!(offset(&stage.next().await), Some(1));
        stage.sink.panics.store(true, Relaxed);
        stage.publish().await;
        stage.publish().await;
        stage.hear_all(1).await;
        assert_eq!(stage.provider.status().restarts, 1);
        stage.publish().await;
        stage.hear_all(3).await;
        assert!(stage.next().now_or_never().is_none());
    }
}
