//! Publishing: a client of its own, made with the first message, and the thread that hears what became of
//! them.

use super::{
    Shared, connect,
    health::{Confirmation, Context},
    place,
};
use crate::{plan::Labels, sources::Counters};
use bytes::Bytes;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex as SyncMutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Mutex, oneshot};

/// Between two looks whether the client is still wanted.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Publisher {
    running: Mutex<Option<Running>>,
}

/// A client; its thread ends when this is dropped.
struct Running {
    producer: Arc<BaseProducer<Context>>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
    }
}

impl Publisher {
    /// Done when all replicas in sync have the message.
    pub(super) async fn publish(
        &self,
        shared: &Arc<Shared>,
        to: &str,
        payload: &Bytes,
        labels: &Labels,
    ) -> Result<(), String> {
        if !place::is_topic(to) {
            return Err(format!("'{to}' is not a topic"));
        }
        // Refused before the library can keep it for later.
        if shared.health.is_down() {
            return Err("not connected".to_owned());
        }
        let producer = self.producer(shared).await?;
        let (done, confirmed) = oneshot::channel();
        send(&producer, to, payload, labels, done)?;
        let outcome = confirmed.await.map_err(|_| "the client stopped".to_owned())?;
        if producer.client().fatal_error().is_some() {
            tracing::error!(
                provider = &*shared.id,
                "the publishing Kafka client gave up, the next message starts another"
            );
            self.running.lock().await.take();
        }
        outcome.map_err(|error| words(&error))
    }

    async fn producer(&self, shared: &Arc<Shared>) -> Result<Arc<BaseProducer<Context>>, String> {
        let mut running = self.running.lock().await;
        if let Some(it) = &*running {
            return Ok(it.producer.clone());
        }
        let made = start(shared).await?;
        let producer = made.producer.clone();
        *running = Some(made);
        Ok(producer)
    }
}

/// Making a client reads files and starts threads, and ending it waits for answers: not work for the caller.
async fn start(shared: &Arc<Shared>) -> Result<Running, String> {
    let (shared, is_over) = (shared.clone(), Arc::new(AtomicBool::new(false)));
    let (told, made) = oneshot::channel();
    let is_over_too = is_over.clone();
    let thread = std::thread::Builder::new().name(format!("juga-kafkap-{}", shared.number));
    let work = move || {
        let config = connect::publisher(&shared.options);
        let client = config.and_then(|it| {
            let context = shared.context(false);
            it.create_with_context::<_, BaseProducer<Context>>(context).map_err(|error| error.to_string())
        });
        let client = client.map(Arc::new);
        let listening = client.clone().ok();
        let _ = told.send(client);
        if let Some(client) = listening {
            listen(&shared, &client, &is_over_too);
        }
    };
    thread.spawn(work).map_err(|error| error.to_string())?;
    let producer = made.await.map_err(|_| "the client did not start".to_owned())??;
    Ok(Running { producer, is_over })
}

fn listen(shared: &Shared, producer: &BaseProducer<Context>, is_over: &AtomicBool) {
    while !is_over.load(Relaxed) && !shared.is_stopping() {
        if catch_unwind(AssertUnwindSafe(|| producer.poll(POLL_TIMEOUT))).is_err() {
            tracing::error!(provider = &*shared.id, "the thread that publishes to Kafka panicked");
            Counters::add(&shared.health.counters.restarts, 1);
        }
    }
}

fn send(
    producer: &BaseProducer<Context>,
    to: &str,
    payload: &Bytes,
    labels: &Labels,
    done: Confirmation,
) -> Result<(), String> {
    let waiting = Box::new(SyncMutex::new(Some(done)));
    let mut record = BaseRecord::<str, [u8], _>::with_opaque_to(to, waiting).payload(payload);
    record.key = labels.key.as_deref();
    if !labels.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(labels.headers.len());
        let insert = |all: OwnedHeaders, (name, value): &(Arc<str>, String)| {
            all.insert(Header { key: name, value: Some(value) })
        };
        record = record.headers(labels.headers.iter().fold(headers, insert));
    }
    producer.send(record).map_err(|(error, _)| words(&error))
}

fn words(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => "too many messages wait for their confirmation".to_owned(),
        Some(RDKafkaErrorCode::MessageTimedOut) => "the broker did not confirm it in time".to_owned(),
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}
