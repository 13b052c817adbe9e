//! What cannot be provoked from outside: the client library giving up, and tasks that end where they stand.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "../../../tests/support/nats.rs"]
pub(super) mod server;

use super::*;
use crate::{
    plan::ProviderKind,
    sources::{Report, polls::DropAfter},
};
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

/// More polls than any of these takes.
const POLLS_MAX: usize = 500;

/// Publishes to `a` for ever.
async fn publish(server: &NatsServer) {
    let mut client = server.client();
    loop {
        client.publish("a", b"{}");
        client.flush();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Hears a feed until an event comes.
async fn hears(reports: &Receiver<Report>, server: &NatsServer) {
    let heard = async { while !matches!(next(reports).await, Report::Event { .. }) {} };
    tokio::select! {
        () = heard => {}
        () = publish(server) => {}
    }
}

/// Nothing of ours is subscribed, and nobody waits for an answer of the server.
async fn is_clean(server: &NatsServer, provider: &NatsProvider) {
    let clean = async {
        let refusals = provider.shared.session();
        while !server.subjects_and_inboxes().is_empty() || refusals.refusals().is_watched() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, clean).await.expect("nothing is left behind");
}

/// No connection is left.
async fn are_gone(server: &NatsServer) {
    let gone = async {
        while server.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no connection is left");
}

#[tokio::test]
async fn a_desk_that_ends_anywhere_leaves_nothing_behind() {
    let server = NatsServer::start();
    let (provider, reports) = provider(&server).await;
    let serve = |polls| {
        let (asks, asked) = mpsc::unbounded_channel();
        let _ = asks.send(Ask::Start(Ticket(1), SubjectSet::of(&feed("a")).expect("a subject")));
        let desk = Desk::new(provider.shared.clone(), asked).run();
        // The end of the asks is no reason to end.
        async move { DropAfter::new(polls, desk).await.is_some() || asks.is_closed() }
    };
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "it never hears anything");
        tokio::select! {
            _ = serve(polls) => {}
            () = publish(&server) => {}
        }
        is_clean(&server, &provider).await;
        let heard = reports.try_iter().any(|it| matches!(it, Report::Event { .. }));
        tokio::select! {
            _ = serve(usize::MAX) => {}
            () = hears(&reports, &server) => {}
        }
        is_clean(&server, &provider).await;
        reports.try_iter().for_each(drop);
        if heard {
            return;
        }
    }
}

#[tokio::test]
async fn a_start_that_is_given_up_anywhere_leaves_no_connection() {
    let server = NatsServer::start();
    for lenient in [false, true] {
        for polls in 1.. {
            let (sink, _reports) = channel();
            let options = NatsOptions::new("default", server.url());
            let connecting = NatsProvider::connect(Handle::current(), options, lenient, Arc::new(Wide(sink)));
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

#[tokio::test]
async fn a_supervisor_that_ends_anywhere_can_be_replaced() {
    let mut server = NatsServer::start();
    for polls in 1..=20 {
        let (provider, reports) = provider(&server).await;
        provider.supervisor.abort();
        let supervising = DropAfter::new(polls, provider.shared.clone().supervise());
        // Whatever it would do for a connection that is made again is under way, or is not.
        server.kill();
        let _ = timeout(Duration::from_millis(20), supervising).await;
        server.restart();
        let supervisor = tokio::spawn(provider.shared.clone().supervise());
        provider.start(Ticket(1), &feed("a"), None).expect("it starts");
        hears(&reports, &server).await;
        supervisor.abort();
        drop(provider);
    }
    are_gone(&server).await;
}
