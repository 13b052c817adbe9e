//! What cannot be provoked from outside: the client library giving up.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "../../../tests/support/nats.rs"]
mod server;

use super::*;
use crate::{plan::ProviderKind, sources::Report};
use server::{NatsServer, PATIENCE};
use std::{
    pin::Pin,
    sync::mpsc::{Receiver, Sender, channel},
};

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

/// A provider on a runtime that runs until the returned runtime is dropped.
async fn provider(server: &NatsServer) -> (NatsProvider, Receiver<Report>) {
    let (sink, reports) = channel();
    let options = NatsOptions::new("default", server.url());
    let provider = NatsProvider::connect(Handle::current(), options, false, Arc::new(Wide(sink))).await;
    (provider.expect("a server"), reports)
}

fn feed(subject: &str) -> EventFeed {
    let (kind, provider) = (ProviderKind::Nats, "default".into());
    EventFeed { kind, provider, destinations: vec![subject.into()], stream: None }
}

async fn next(reports: &Receiver<Report>) -> Report {
    let waiting = async {
        loop {
            match reports.try_recv() {
                Ok(report) => return report,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("a report in time")
}

#[tokio::test]
async fn another_client_takes_over_when_the_library_gives_up() {
    let server = NatsServer::start();
    let (provider, reports) = provider(&server).await;
    provider.start(Ticket(1), &feed("a"), None).expect("it starts");
    assert_eq!(next(&reports).await, Report::Live);

    // The library closes for good after this, as it would after a panic of its own task.
    provider.shared.session().client.drain().await.expect("running");
    assert_eq!(next(&reports).await, Report::Interrupted);
    assert_eq!(next(&reports).await, Report::Restored);

    provider.publish("a".into(), Bytes::from_static(b"{}")).await.expect("published");
    let event = Report::Event { position: Position::single(1), payload: Bytes::from_static(b"{}") };
    assert_eq!(next(&reports).await, event);
    assert!(provider.status().restarts >= 1);
}

#[tokio::test]
async fn what_the_library_drops_is_told() {
    let server = NatsServer::start();
    let (provider, reports) = provider(&server).await;
    provider.start(Ticket(1), &feed("a"), None).expect("it starts");
    assert_eq!(next(&reports).await, Report::Live);
    let session = provider.shared.session();
    session.drop_a_message("default");
    session.drop_a_message("default");
    assert_eq!(next(&reports).await, Report::Lost(2));
    assert_eq!(provider.status().dropped, 2);
}

#[tokio::test]
async fn one_round_trip_confirms_for_all_who_wait() {
    let server = NatsServer::start();
    let (provider, _reports) = provider(&server).await;
    let session = provider.shared.session();
    let sent = || session.client.statistics().out_messages.load(Relaxed);
    let before = sent();
    let confirmed = futures_util::future::join_all((0..1000).map(|_| session.confirm())).await;
    assert!(confirmed.iter().all(Result::is_ok));
    assert!(sent() - before <= 3, "{} messages", sent() - before);
}
