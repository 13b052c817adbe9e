//! Which of our lines the server refused, found by the subject that its error names.
//!
//! NATS answers a subscription or publish that the user may not make with an error on the connection,
//! not with an answer to the line; without this it would look as if nothing had happened.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{Notify, mpsc};

/// Refused subjects that the feeds have not heard of yet; the library itself holds 128 events.
const SUBJECTS_MAX: usize = 1024;

/// What was asked of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    Subscribe(Arc<str>),
    Publish(Arc<str>),
    /// Any subscription not yet confirmed: some errors name no subject.
    Starting,
}

type Waiting = HashMap<Line, Vec<(u64, Arc<Notify>)>>;

/// Everyone who wants to hear of refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    waiting: Mutex<Waiting>,
    next: AtomicU64,
    /// Errors so far that named no subject.
    unnamed: AtomicU64,
    subscriptions: Mutex<Option<mpsc::Sender<Arc<str>>>>,
}

impl Refusals {
    /// Starts listening; call it before the line is sent.
    pub(super) fn watch(self: &Arc<Self>, lines: Vec<Line>) -> RefusalWatch {
        let (id, refused) = (self.next.fetch_add(1, Relaxed), Arc::new(Notify::new()));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for line in &lines {
            waiting.entry(line.clone()).or_default().push((id, refused.clone()));
        }
        RefusalWatch { refusals: self.clone(), id, lines, refused }
    }

    /// Subjects whose subscription is refused and that no watch is for. The last who asks hears them.
    pub(super) fn subscriptions(&self) -> mpsc::Receiver<Arc<str>> {
        let (tell, told) = mpsc::channel(SUBJECTS_MAX);
        *self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        told
    }

    /// How many subscriptions were refused without a word about whose.
    pub(super) fn unnamed(&self) -> u64 {
        self.unnamed.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_watched(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Tells whom it concerns what the server said. Whether anyone was concerned.
    pub(super) fn report(&self, error: &str) -> bool {
        let Some(line) = refused_line(error) else { return false };
        if line == Line::Starting {
            self.unnamed.fetch_add(1, Relaxed);
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned = waiting.get(&line).map(Vec::as_slice).unwrap_or_default();
        // `notify_one` keeps the news for a watch that is not being polled right now.
        concerned.iter().for_each(|(_, it)| it.notify_one());
        match &line {
            Line::Subscribe(subject) if concerned.is_empty() => self.tell(subject),
            _ => !concerned.is_empty(),
        }
    }

    /// Whether there was room for it.
    fn tell(&self, subject: &Arc<str>) -> bool {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.as_ref().is_some_and(|it| it.try_send(subject.clone()).is_ok())
    }
}

/// One line or several under observation, until dropped.
pub(super) struct RefusalWatch {
    refusals: Arc<Refusals>,
    id: u64,
    lines: Vec<Line>,
    refused: Arc<Notify>,
}

impl RefusalWatch {
    /// Done when the server refused one of the lines.
    pub(super) async fn refused(&self) {
        self.refused.notified().await;
    }
}

impl Drop for RefusalWatch {
    fn drop(&mut self) {
        let mut waiting = self.refusals.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for line in &self.lines {
            let Some(watches) = waiting.get_mut(line) else { continue };
            watches.retain(|(id, _)| *id != self.id);
            if watches.is_empty() {
                waiting.remove(line);
            }
        }
    }
}

/// Reads `Permissions Violation for Subscription to "x"` and its kind.
fn refused_line(error: &str) -> Option<Line> {
    // Letters keep their places: the text is ASCII but for the subject, which is cut from the original.
    let lower = error.to_ascii_lowercase();
    if lower.contains("maximum subscriptions exceeded") {
        return Some(Line::Starting);
    }
    let quoted = |after: &str| -> Option<Arc<str>> {
        let start = lower.find(after)? + after.len();
        let end = start + error.get(start..)?.find('"')?;
        error.get(start..end).map(Arc::from)
    };
    quoted("permissions violation for subscription to \"")
        .map(Line::Subscribe)
        .or_else(|| quoted("permissions violation for publish to \"").map(Line::Publish))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_server_name_the_line() {
        for (error, line) in [
            ("Permissions Violation for Subscription to \"A.b\"", Some(Line::Subscribe("A.b".into()))),
            (
                "Permissions Violation for Subscription to \"a\" using queue \"q\"",
                Some(Line::Subscribe("a".into())),
            ),
            ("Permissions Violation for Publish to \"x\"", Some(Line::Publish("x".into()))),
            ("maximum subscriptions exceeded", Some(Line::Starting)),
            ("Permissions Violation for Publish to \"x", None),
            ("Stale Connection", None),
        ] {
            assert_eq!(refused_line(error), line, "{error}");
        }
    }

    #[test]
    fn only_who_watches_the_line_is_told_and_nothing_is_left_behind() {
        let refusals = Arc::new(Refusals::default());
        let watch = refusals.watch(vec![Line::Subscribe("a".into()), Line::Starting]);
        assert!(!refusals.report("Permissions Violation for Subscription to \"b\""));
        assert!(refusals.report("Permissions Violation for Subscription to \"a\""));
        assert!(refusals.report("maximum subscriptions exceeded"));
        drop(watch);
        assert!(!refusals.report("Permissions Violation for Subscription to \"a\""));
        assert!(refusals.waiting.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn refused_subjects_that_nobody_watches_are_told_to_the_feeds() {
        let refusals = Arc::new(Refusals::default());
        let mut told = refusals.subscriptions();
        let watch = refusals.watch(vec![Line::Subscribe("a".into())]);
        let refuse = |subject: &str| {
            refusals.report(&format!("Permissions Violation for Subscription to \"{subject}\""))
        };
        assert!(refuse("a") && refuse("b"));
        assert_eq!((told.try_recv().ok().as_deref(), told.try_recv().ok()), (Some("b"), None));
        drop((watch, told));
        assert!(!refuse("a"));
    }
}
