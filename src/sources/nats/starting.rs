//! Feeds that start together: they subscribe, and share the round trips that prove it.

use super::{
    feed::Taps,
    refusals::Line,
    session::{Session, Unconfirmed},
};
use crate::sources::{Ticket, subject::SubjectSet};
use async_nats::SubscribeErrorKind;
use std::{sync::Arc, time::Duration};

/// Subscriptions that wait for their proof at once, for all but very wide feeds. The library forgets events
/// beyond 128 that wait: all of these may be refused, and each refusal must be heard.
const SUBSCRIPTIONS_MAX: usize = 64;

/// Before a batch without its proof is given back to be tried again.
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
    /// The server takes no more.
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

    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty()
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
        let outcome = tokio::select! {
            biased;
            () = refusal.refused() => Outcome::Refused,
            confirmed = session.confirm() => match confirmed {
                Ok(()) => Outcome::Confirmed,
                Err(why) => {
                    tokio::time::sleep(RETRY_DELAY).await;
                    Outcome::Unconfirmed(why)
                }
            },
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
