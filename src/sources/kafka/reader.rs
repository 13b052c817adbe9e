//! The thread that reads: all topics of all feeds, by one client.
//!
//! It hands records over one by one and waits while the hub's queue is full. Then the library's queue
//! fills, and no more is fetched: nothing is dropped on the way. It asks the broker no questions (those take
//! their time), it is told what they brought.

use super::{
    Shared, handover,
    health::Context,
    place::Topics,
    questions::Ask,
    routes::{Assignment, Routes, Start},
};
use crate::sources::{Counters, Report, Ticket};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// How long a poll waits, and so how late a command may be seen while nothing is read.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// The same while nothing is to be read: commands are seen at once, and the library has its say.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// Reading may have come to a halt somewhere: everything is assigned again.
    Again,
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    config: ClientConfig,
    consumer: BaseConsumer<Context>,
    commands: Receiver<Command>,
    asks: Sender<Ask>,
    routes: Routes,
}

impl Reader {
    pub(super) fn new(
        shared: Arc<Shared>,
        config: ClientConfig,
        commands: Receiver<Command>,
        asks: Sender<Ask>,
    ) -> KafkaResult<Self> {
        let consumer = config.create_with_context(shared.context(false))?;
        let routes = Routes::new(shared.gauges.clone());
        Ok(Self { shared, config, consumer, commands, asks, routes })
    }

    /// Reads until the provider is stopped.
    pub(super) fn run(mut self) {
        while !self.shared.is_stopping() {
            let turns = catch_unwind(AssertUnwindSafe(|| while self.turn() {}));
            if turns.is_err() {
                tracing::error!(provider = &*self.shared.id, "the thread that reads Kafka panicked");
            }
            if !self.shared.is_stopping() {
                self.restart();
            }
        }
    }

    /// `false` when the client has to be made anew, or the provider is stopped.
    fn turn(&mut self) -> bool {
        if !self.obey() || self.shared.is_stopping() {
            return false;
        }
        let patience = if self.routes.is_empty() { Duration::ZERO } else { POLL_TIMEOUT };
        match self.consumer.poll(patience) {
            None => true,
            Some(Ok(record)) => {
                receive(&self.shared, &mut self.routes, &record);
                true
            }
            Some(Err(error)) => self.failed(&error),
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
        while let Ok(command) = self.commands.try_recv() {
            self.carry_out(command);
        }
        true
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Listen { ticket, topics, starts, was_away } => {
                if self.shared.runs(ticket) {
                    let assignments = self.routes.add(ticket, &topics, &starts);
                    self.assign(&assignments);
                    self.begin(ticket, was_away);
                }
            }
            Command::Stop(ticket) => {
                let idle = self.routes.remove(ticket);
                self.unassign(&idle);
            }
            Command::Grow { topic, partitions } => {
                let assignments = self.routes.grow(&topic, partitions);
                self.assign(&assignments);
            }
            Command::Reset { topic, partition, earliest } => self.reset(&topic, partition, earliest),
            Command::Again => self.assign_all(),
        }
    }

    fn begin(&self, ticket: Ticket, was_away: bool) {
        self.report(ticket, Report::Live);
        if was_away {
            self.report(ticket, Report::Restored);
        }
    }

    fn reset(&mut self, topic: &Arc<str>, partition: usize, earliest: u64) {
        let (assignment, missing) = self.routes.reset(topic, partition, earliest);
        if let Some(assignment) = assignment {
            tracing::warn!(
                provider = &*self.shared.id,
                topic = &**topic,
                partition,
                earliest,
                "records that were due are gone, reading on from the earliest"
            );
            self.assign(&[assignment]);
        }
        for ticket in missing {
            self.report(ticket, Report::Gap);
        }
    }

    /// Reads from there; what is queued in the library of partitions that are being read is given up.
    fn assign(&self, assignments: &[Assignment]) {
        let again = list(assignments.iter().filter(|it| it.is_read));
        if again.count() > 0 {
            self.try_list(&again, self.consumer.incremental_unassign(&again));
        }
        let all = list(assignments);
        if all.count() > 0 {
            self.try_list(&all, self.consumer.incremental_assign(&all));
        }
    }

    /// Reads everything that is to be read, and nothing else, whatever the library was told before.
    fn assign_all(&self) {
        let all = list(&self.routes.assignments());
        self.try_list(&all, self.consumer.assign(&all));
    }

    fn unassign(&self, idle: &[(Arc<str>, usize)]) {
        let mut list = TopicPartitionList::new();
        for (topic, partitions) in idle {
            if *partitions > 0 {
                list.add_partition_range(topic, 0, partition_number(partitions - 1));
            }
        }
        if list.count() > 0 {
            self.try_list(&list, self.consumer.incremental_unassign(&list));
        }
    }

    fn try_list(&self, list: &TopicPartitionList, outcome: KafkaResult<()>) {
        if let Err(error) = outcome {
            let elements = list.elements();
            self.shared.health.trouble(elements.first().map(|it| it.topic()), &error.to_string());
            self.ask_again();
        }
    }

    /// An error from the library, which tries again by itself, but for two kinds. Whether the client lives.
    fn failed(&self, error: &KafkaError) -> bool {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
        if let KafkaError::MessageConsumptionFatal(_) = error {
            tracing::error!(provider = &*self.shared.id, %error, "the Kafka client gave up, starting another");
            return false;
        }
        // Counted and logged in the context already; these two stop the partition, which is not named.
        if matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange)) {
            self.ask_again();
        }
        true
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
    fn restart(&mut self) {
        Counters::add(&self.shared.health.counters.restarts, 1);
        match self.config.create_with_context(self.shared.context(false)) {
            Ok(consumer) => {
                self.consumer = consumer;
                self.assign_all();
            }
            Err(error) => {
                self.shared.health.trouble(None, &error.to_string());
                std::thread::park_timeout(IDLE_TIMEOUT);
            }
        }
    }
}

fn receive(shared: &Shared, routes: &mut Routes, record: &BorrowedMessage<'_>) {
    let (Ok(partition), Ok(offset)) = (usize::try_from(record.partition()), u64::try_from(record.offset()))
    else {
        return;
    };
    let Some(payload) = record.payload() else {
        Counters::add(&shared.health.counters.skipped, 1);
        return routes.pass(record.topic(), partition, offset);
    };
    // A copy: the library's buffer holds a whole batch.
    let payload = Bytes::copy_from_slice(payload);
    routes.route(record.topic(), partition, offset, |ticket, position| {
        let event = Report::Event { position, payload: payload.clone() };
        Counters::add(&shared.health.counters.received, 1);
        handover::deliver(&shared.sink, &shared.stopping, ticket, event);
    });
}

fn list<'a>(assignments: impl IntoIterator<Item = &'a Assignment>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for it in assignments {
        let offset = match it.offset {
            0 => Offset::Beginning,
            offset => Offset::Offset(offset.cast_signed()),
        };
        // Fails for negative offsets alone.
        let _ = list.add_partition_offset(&it.topic, partition_number(it.partition), offset);
    }
    list
}

/// As the library counts partitions.
pub(super) fn partition_number(partition: usize) -> i32 {
    i32::try_from(partition).expect("bounded by `place::PARTITIONS_MAX`")
}
