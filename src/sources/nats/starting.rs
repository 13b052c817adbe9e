//! Feeds that start together: they subscribe, and share the round trips that prove it.

use super::{
    feed::Taps,
    refusals::Line,
    session::{Session, Unconfirmed},
};
use crate::sources::{Ticket, subject::SubjectSet};
use async_nats::SubscribeErrorKind;
use futures_util::FutureExt;
use std::{sync::Arc, time::Duration};

/// Subscriptions that wait for their proof at once, for all but very wide feeds. The library forgets events
/// beyond 128 that wait: all of these may be refused, and each refusal must be heard.
const SUBSCRIPTIONS_MAX: usize = 64;

/// Before a batch without its proof is given back to be tried again; and how long no refusal comes when all
/// have come.
const RETRY_DELAY: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Batch {
    feeds: Vec<Starter>,
    subscriptions: usize,
}

struct Starter {
    ticket: Ticket,
    subjects: SubjectSet,
    /// The error is the subject that is none.
    taps: Result<Taps, Arc<str>>,
}

/// What came of a batch.
pub(super) enum Outcome {
    Confirmed,
    /// The server takes no more; it does not say whose it did not take.
    Refused,
    Unconfirmed(Unconfirmed),
}

impl Batch {
    pub(super) fn add(&mut self, ticket: Ticket, subjects: SubjectSet) {
        self.subscriptions += subjects.iter().count();
        self.feeds.push(Starter { ticket, subjects, taps: Ok(Taps::new()) });
    }

    pub(super) fn is_full(&self) -> bool {
        self.subscriptions >= SUBSCRIPTIONS_MAX
    }

    pub(super) fn len(&self) -> usize {
        self.feeds.len()
    }

    pub(super) fn take(self) -> impl Iterator<Item = (Ticket, Result<Taps, Arc<str>>)> {
        self.feeds.into_iter().map(|it| (it.ticket, it.taps))
    }

    /// Subscribes, and waits for the proof or for a reason to try again.
    pub(super) async fn go(mut self, session: Arc<Session>) -> (Self, Outcome) {
        let refusal = session.refusals().watch(vec![Line::Starting]);
        if let Err(closed) = self.subscribe(&session).await {
            return (self, Outcome::Unconfirmed(closed));
        }
        let outcome = match session.confirm().await {
            Ok(()) if refusal.refused().now_or_never().is_some() => {
                settle(&session).await;
                Outcome::Refused
            }
            Ok(()) => Outcome::Confirmed,
            Err(why) => {
                tokio::time::sleep(RETRY_DELAY).await;
                Outcome::Unconfirmed(why)
            }
        };
        (self, outcome)
    }

    async fn subscribe(&mut self, session: &Session) -> Result<(), Unconfirmed> {
        for feed in &mut self.feeds {
            feed.taps = subscribe(&feed.subjects, session).await?;
        }
        Ok(())
    }
}

/// Waits until no more refusals come: the next batch must not take them for its own.
async fn settle(session: &Session) {
    loop {
        let before = session.refusals().unnamed();
        tokio::time::sleep(RETRY_DELAY).await;
        if session.refusals().unnamed() == before {
            return;
        }
    }
}

async fn subscribe(subjects: &SubjectSet, session: &Session) -> Result<Result<Taps, Arc<str>>, Unconfirmed> {
    let mut taps = Taps::new();
    for subject in subjects.iter() {
        match session.client.subscribe(subject.to_string()).await {
            Ok(tap) => taps.push(tap),
            Err(error) if error.kind() == SubscribeErrorKind::Other => return Err(Unconfirmed::Closed),
            Err(_) => return Ok(Err(subject.clone())),
        }
    }
    Ok(Ok(taps))
}
