//! The thread that reads: all topics of all feeds, by one client.
//!
//! It hands records over one by one and waits while the hub's queue is full. Then the library's queue
//! fills, and no more is fetched: nothing is dropped on the way. It asks the broker no questions (those take
//! their time), it is told what they brought.

use super::{
    Shared,
    client::Client,
    handover,
    payload::{self, Unpacked},
    place::Topics,
    questions::Ask,
    routes::{Assignment, Due, Routes, Start},
};
use crate::sources::{Counters, Report, Ticket};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rdkafka::{
    ClientConfig, Message,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// How long a poll waits, and so how late a command may be seen while nothing is read.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// The same while nothing is to be read: commands are seen at once, and the library has its say.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// After so many records, or about a second without any, positions are moved behind what is never handed out.
const CATCH_UP_AFTER: u32 = 10_000;
const QUIET_POLL: u32 = 200;
/// So many topics are named in complaints.
const COMPLAINTS_MAX: usize = 1_000;

/// What the reader is told.
pub(super) enum Command {
    /// A feed begins; `was_away`: it was told that the broker is gone.
    Listen {
        ticket: Ticket,
        topics: Topics,
        starts: Vec<Vec<Start>>,
        was_away: bool,
    },
    Stop(Ticket),
    /// A topic has so many partitions.
    Grow {
        topic: Arc<str>,
        partitions: usize,
    },
    /// A partition no longer has what is due: its earliest is here.
    Reset {
        topic: Arc<str>,
        partition: usize,
        earliest: u64,
    },
    /// Reading may have come to a halt somewhere: another client reads everything on.
    Again,
    /// Nothing but a reason to look whether the provider is being stopped.
    Wake,
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    config: ClientConfig,
    client: Client,
    /// The client reads something else than what is to be read, and another one has to take its place.
    is_spent: bool,
    commands: Receiver<Command>,
    asks: Sender<Ask>,
    routes: Routes,
    complaints: Complaints,
    /// Records since positions were last looked at; a poll in vain counts as [`QUIET_POLL`].
    caught_up: u32,
}

impl Reader {
    pub(super) fn new(
        shared: Arc<Shared>,
        config: ClientConfig,
        commands: Receiver<Command>,
        asks: Sender<Ask>,
    ) -> KafkaResult<Self> {
        let client = Client::new(&config, shared.context(false))?;
        let routes = Routes::new(shared.gauges.clone());
        Ok(Self {
            shared,
            config,
            client,
            is_spent: false,
            commands,
            asks,
            routes,
            complaints: Complaints::default(),
            caught_up: 0,
        })
    }

    /// Reads until the provider is stopped.
    pub(super) fn run(mut self) {
        while !self.shared.is_stopping() {
            let turns = catch_unwind(AssertUnwindSafe(|| while self.turn() {}));
            if turns.is_err() {
                tracing::error!(provider = &*self.shared.id, "the thread that reads Kafka panicked");
                Counters::add(&self.shared.health.counters.restarts, 1);
                self.is_spent = true;
            }
            if self.is_spent {
                self.renew();
            }
        }
    }

    /// `false` when the client has to be made anew, or the provider is stopped.
    fn turn(&mut self) -> bool {
        if !self.obey() || self.shared.is_stopping() || self.is_spent {
            return false;
        }
        let patience = if self.routes.is_empty() { Duration::ZERO } else { POLL_TIMEOUT };
        match self.client.poll(patience) {
            None => self.caught_up += QUIET_POLL,
            Some(Ok(record)) => receive(&self.shared, &mut self.routes, &mut self.complaints, &record),
            Some(Err(error)) => self.failed(&error),
        }
        self.caught_up += 1;
        if self.caught_up >= CATCH_UP_AFTER {
            self.catch_up();
        }
        true
    }

    /// Ends of transactions are read and never seen.
    fn catch_up(&mut self) {
        self.caught_up = 0;
        for (topic, partition, next) in self.client.positions() {
            self.routes.catch_up(&topic, partition, next);
        }
    }

    /// Carries out what there is to do, and waits for it while nothing is to be read. `false` when nobody
    /// is left to say anything.
    fn obey(&mut self) -> bool {
        if self.routes.is_empty() {
            match self.commands.recv_timeout(IDLE_TIMEOUT) {
                Ok(command) => self.carry_out(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        while !self.shared.is_stopping()
            && let Ok(command) = self.commands.try_recv()
        {
            self.carry_out(command);
        }
        true
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Listen { ticket, topics, starts, was_away } => {
                if self.shared.runs(ticket) {
                    let assignments = self.routes.add(ticket, &topics, &starts);
                    self.read(&assignments);
                    self.begin(ticket, was_away);
                }
            }
            Command::Stop(ticket) => {
                let idle = self.routes.remove(ticket);
                let paused = self.client.pause(&idle);
                self.noting(paused);
                self.is_spent |= self.client.is_cluttered();
            }
            Command::Grow { topic, partitions } => {
                let assignments = self.routes.grow(&topic, partitions);
                self.read(&assignments);
            }
            Command::Reset { topic, partition, earliest } => self.reset(&topic, partition, earliest),
            Command::Again => self.is_spent = true,
            Command::Wake => {}
        }
    }

    fn begin(&self, ticket: Ticket, was_away: bool) {
        self.report(ticket, Report::Live);
        if was_away {
            self.report(ticket, Report::Restored);
        }
    }

    fn reset(&mut self, topic: &Arc<str>, partition: usize, earliest: u64) {
        let (is_read, missing) = self.routes.reset(topic, partition, earliest);
        if is_read {
            tracing::warn!(
                provider = &*self.shared.id,
                topic = &**topic,
                partition,
                earliest,
                "records that were due are gone, reading on from the earliest"
            );
            // The library has stopped reading it, and goes on for no seeking.
            self.is_spent = true;
        }
        for ticket in missing {
            self.report(ticket, Report::Gap);
        }
    }

    fn read(&mut self, assignments: &[Assignment]) {
        let outcome = self.client.read(assignments);
        self.noting(outcome);
    }

    fn noting(&mut self, outcome: KafkaResult<()>) {
        if let Err(error) = outcome {
            self.shared.health.trouble(None, &error.to_string());
            self.is_spent = true;
        }
    }

    /// An error from the library, which tries again by itself, but for two kinds.
    fn failed(&mut self, error: &KafkaError) {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
        if let KafkaError::MessageConsumptionFatal(_) = error {
            tracing::error!(provider = &*self.shared.id, %error, "the Kafka client gave up, starting another");
            Counters::add(&self.shared.health.counters.restarts, 1);
            self.is_spent = true;
        }
        // Counted and logged in the context already; these two stop the partition, which is not named.
        if matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange)) {
            self.ask_again();
        }
    }

    /// Has the other thread find out what became of positions, and tell.
    fn ask_again(&self) {
        // Fails when the provider is being stopped.
        let _ = self.asks.send(Ask::Ranges);
    }

    fn report(&self, ticket: Ticket, report: Report) {
        handover::deliver(&self.shared.sink, &self.shared.stopping, ticket, report);
    }

    /// Another client, reading on from where the last one was.
    fn renew(&mut self) {
        while !self.shared.is_stopping() {
            match self.another() {
                Ok(client) => {
                    self.client = client;
                    self.is_spent = false;
                    return;
                }
                Err(error) => {
                    self.shared.health.trouble(None, &error.to_string());
                    std::thread::park_timeout(IDLE_TIMEOUT);
                }
            }
        }
    }

    fn another(&self) -> KafkaResult<Client> {
        let mut client = Client::new(&self.config, self.shared.context(false))?;
        client.read(&self.routes.assignments())?;
        Ok(client)
    }
}

/// Values that were not packed as they should be: said once for each topic.
#[derive(Default)]
struct Complaints(HashSet<Arc<str>>);

impl Complaints {
    fn add(&mut self, shared: &Shared, topic: &str, reason: &str) {
        Counters::add(&shared.health.counters.errors, 1);
        if self.0.len() < COMPLAINTS_MAX && !self.0.contains(topic) {
            self.0.insert(topic.into());
            tracing::warn!(provider = &*shared.id, topic, reason, "a record of Kafka's cannot be unpacked");
        }
    }
}

fn receive(shared: &Shared, routes: &mut Routes, complaints: &mut Complaints, record: &BorrowedMessage<'_>) {
    let (Ok(partition), Ok(offset)) = (usize::try_from(record.partition()), u64::try_from(record.offset()))
    else {
        return;
    };
    let unpacked = record.payload().map(|it| (it, payload::unpack(shared.options.payload, it)));
    let payload = match unpacked {
        Some((_, Unpacked::Event(event))) => event,
        // Whoever decodes it cannot read it either, and tells those who have to know.
        Some((value, Unpacked::Broken(reason))) => {
            complaints.add(shared, record.topic(), reason);
            value
        }
        Some((_, Unpacked::Nothing)) | None => {
            Counters::add(&shared.health.counters.skipped, 1);
            return routes.pass(record.topic(), partition, offset);
        }
    };
    // A copy: the library's buffer holds a whole batch.
    let mut payload = Bytes::copy_from_slice(payload);
    let mut labels = None;
    routes.route(record.topic(), partition, offset, |Due { ticket, position, wants_labels, is_last }| {
        // Mostly there is one: the first clone of bytes allocates.
        let payload = if is_last { std::mem::take(&mut payload) } else { payload.clone() };
        let event = match wants_labels {
            true => {
                let labels = labels.get_or_insert_with(|| payload::labels(record)).clone();
                Report::Labelled { position, payload, labels }
            }
            false => Report::Event { position, payload },
        };
        Counters::add(&shared.health.counters.received, 1);
        handover::deliver(&shared.sink, &shared.stopping, ticket, event);
    });
}
