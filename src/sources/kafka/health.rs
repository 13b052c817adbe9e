//! Whether the cluster answers, and what of its troubles goes to the log.
//!
//! The truth comes from questions that are asked all the time; that all brokers are gone is known sooner,
//! when their connections break.

use crate::sources::Counters;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed};
use tokio::sync::oneshot;

/// See the module's documentation.
pub(super) struct Health {
    provider: Arc<str>,
    pub(super) counters: Counters,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` until the cluster was asked for the first time.
    is_up: Option<bool>,
    was_up: bool,
    /// What was last logged; the library repeats itself as often as it tries.
    told: Option<String>,
}

impl Health {
    pub(super) fn new(provider: Arc<str>) -> Self {
        Self { provider, counters: Counters::default(), state: Mutex::default() }
    }

    /// Known to be away; not so while nobody knows.
    pub(super) fn is_down(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_up == Some(false)
    }

    /// The cluster answered.
    pub(super) fn up(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_up != Some(true) {
            tracing::info!(provider = &*self.provider, "connected to Kafka");
            Counters::add(&self.counters.reconnects, u64::from(state.was_up));
            *state = State { is_up: Some(true), was_up: true, told: None };
        }
        self.counters.up.store(true, Relaxed);
    }

    /// The cluster did not answer.
    pub(super) fn down(&self, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_up != Some(false) {
            tracing::warn!(provider = &*self.provider, reason, "Kafka does not answer");
        }
        state.is_up = Some(false);
        self.counters.up.store(false, Relaxed);
    }

    /// Something failed that will be tried again.
    pub(super) fn trouble(&self, topic: Option<&str>, reason: &str) {
        Counters::add(&self.counters.errors, 1);
        let text = format!("{} {reason}", topic.unwrap_or_default());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.as_ref() != Some(&text) {
            tracing::warn!(provider = &*self.provider, topic, reason, "Kafka: trying again");
            state.told = Some(text);
        }
    }
}

/// What the library calls on, for every client of a provider.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) health: Arc<Health>,
    /// Whether this client's word counts when all brokers are gone. One alone is heard at once and asks all the
    /// time; from the others the news may come when it is none any more.
    pub(super) is_judge: bool,
}

impl ClientContext for Context {
    /// The library's own words, for those who look for them: ours are logged above.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(provider = &*self.health.provider, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) if self.is_judge => self.health.down(reason),
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => self.health.trouble(None, reason),
        }
    }
}

impl ConsumerContext for Context {}

/// Whoever waits for one message's confirmation.
pub(super) type Confirmation = oneshot::Sender<Result<(), KafkaError>>;

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Mutex<Option<Confirmation>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let outcome = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        if let Some(waiting) = waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits any more: it was published all the same.
            let _ = waiting.send(outcome);
        }
    }
}
