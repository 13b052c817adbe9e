//! The thread that asks: which partitions there are, and from where to where they go.
//!
//! A feed starts with the answers: it is live once the ends of its partitions are known and the reader has
//! them. After that the topics are looked at in turn, some each second: for new partitions, for how far the
//! reader lags behind, for topics that were made anew, and to know whether the cluster is there at all.

use super::{
    Shared,
    anchors::Anchors,
    connect::QUESTION_TIMEOUT,
    handover,
    health::Context,
    place::{self, PARTITIONS_MAX, Topics, partition_number},
    reader::Command,
    routes::Start,
};
use crate::{
    plan::Position,
    sources::{Counters, Report, Ticket, unavailable},
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, tick};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::Timestamp,
    metadata::MetadataTopic,
    types::RDKafkaRespErr,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// Between two looks at topics that are being read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Topics per look; with more of them each is looked at less often.
const TOPICS_PER_LOOK: usize = 20;
/// From so many topics on, one question about all of the cluster's is less work than one for each.
const SINGLE_QUESTIONS_MAX: usize = 64;
/// How soon the end of the provider is seen, and answers of the library are worked off.
const WAKE_INTERVAL: Duration = Duration::from_millis(200);
/// A topic that was made a moment ago may have no leader yet: so many attempts are made in quick succession
/// before a feed is told that it has to wait.
const QUICK_ATTEMPTS: u32 = 5;
/// Asked about while nothing is read, only to see whether somebody answers.
const NO_TOPIC: &str = "juga-is-anybody-there";

/// What the thread is asked for.
pub(super) enum Ask {
    /// A feed is to start, behind `from` or from now on.
    Start { ticket: Ticket, topics: Topics, from: Option<Position> },
    /// Positions may lie outside of what is there.
    Ranges,
}

struct Starting {
    ticket: Ticket,
    topics: Topics,
    from: Option<Position>,
    attempts: u32,
    /// It was told that the broker is away.
    is_away: bool,
}

/// What is known of a topic.
enum Found {
    /// So far it is not there.
    Missing,
    /// Its partitions' ends.
    Ends(Vec<u64>),
    /// It cannot be read, now or later.
    Refused(String),
    /// There is no answer yet.
    Unsettled(String),
}

type Answers = BTreeMap<Arc<str>, Found>;

pub(super) struct Questions {
    shared: Arc<Shared>,
    client: BaseConsumer<Context>,
    asks: Receiver<Ask>,
    reader: Sender<Command>,
    starting: Vec<Starting>,
    /// Whether topics are what they were.
    anchors: Anchors,
    /// Where the last look ended.
    looked_up_to: Option<Arc<str>>,
    ranges_wanted: bool,
}

impl Questions {
    pub(super) fn new(
        shared: Arc<Shared>,
        config: &ClientConfig,
        asks: Receiver<Ask>,
        reader: Sender<Command>,
    ) -> KafkaResult<Self> {
        let client = config.create_with_context(shared.context(true))?;
        let (starting, anchors) = (Vec::new(), Anchors::default());
        Ok(Self { shared, client, asks, reader, starting, anchors, looked_up_to: None, ranges_wanted: false })
    }

    /// Asks until the provider is stopped.
    pub(super) fn run(mut self) {
        let ticks = tick(LOOK_INTERVAL);
        self.guarded(Self::look);
        loop {
            match self.asks.recv_timeout(WAKE_INTERVAL) {
                Ok(ask) => self.note(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.shared.is_stopping() {
                return;
            }
            let is_due = ticks.try_recv().is_ok();
            self.guarded(|it| it.turn(is_due));
        }
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!(provider = &*self.shared.id, "the thread that asks Kafka panicked");
            Counters::add(&self.shared.health.counters.restarts, 1);
        }
    }

    fn turn(&mut self, is_due: bool) {
        while let Ok(ask) = self.asks.try_recv() {
            self.note(ask);
        }
        let is_new = self.starting.iter().any(|it| !it.is_away);
        self.hear();
        if is_new || is_due {
            self.start();
        }
        if is_due {
            self.look();
        }
    }

    fn note(&mut self, ask: Ask) {
        match ask {
            Ask::Start { ticket, topics, from } => {
                self.starting.push(Starting { ticket, topics, from, attempts: 0, is_away: false });
            }
            Ask::Ranges => self.ranges_wanted = true,
        }
    }

    /// Starts all feeds that wait for it, as far as there are answers.
    fn start(&mut self) {
        let shared = self.shared.clone();
        self.starting.retain(|it| shared.runs(it.ticket));
        if self.starting.is_empty() {
            return;
        }
        let topics = self.starting.iter().flat_map(|it| it.topics.iter().cloned()).collect();
        let answers = self.answers(&topics);
        if let Ok(answers) = &answers {
            // Before the first look: a topic may be made anew until then.
            let new: Vec<_> = answers.iter().filter(|(it, _)| !self.anchors.knows(it)).collect();
            let _ = self.made_anew(new);
        }
        let is_away = answers.as_ref().is_err_and(|error| !is_answer(error));
        let answers = answers.unwrap_or_else(|error| {
            let reason = error.to_string();
            topics.iter().map(|it| (it.clone(), Found::Unsettled(reason.clone()))).collect()
        });
        for mut feed in std::mem::take(&mut self.starting) {
            match starts(&feed, &answers) {
                Ok(starts) => self.listen(feed, starts),
                Err(Unstarted::Refused(reason)) => self.fail(&feed, &reason),
                Err(Unstarted::NotYet) => {
                    feed.attempts += 1;
                    if is_away || feed.attempts >= QUICK_ATTEMPTS {
                        self.interrupt(&mut feed);
                    }
                    self.starting.push(feed);
                }
            }
        }
    }

    fn listen(&self, feed: Starting, starts: Vec<Vec<Start>>) {
        let Starting { ticket, topics, is_away, .. } = feed;
        // Fails when the provider is being stopped.
        let _ = self.reader.send(Command::Listen { ticket, topics, starts, was_away: is_away });
    }

    fn fail(&self, feed: &Starting, reason: &str) {
        let topics: Vec<&str> = feed.topics.iter().map(|it| &**it).collect();
        tracing::warn!(provider = &*self.shared.id, ?topics, reason, "Kafka refused a feed");
        self.shared.forget(feed.ticket);
        self.report(
            feed.ticket,
            Report::Failed([unavailable("The broker refused the subscription.")].into()),
        );
    }

    fn interrupt(&self, feed: &mut Starting) {
        if !std::mem::replace(&mut feed.is_away, true) {
            self.report(feed.ticket, Report::Interrupted);
        }
    }

    fn report(&self, ticket: Ticket, report: Report) {
        handover::deliver(&self.shared.sink, &self.shared.stopping, ticket, report);
    }

    /// Looks at the next few topics, and at the cluster as a whole.
    fn look(&mut self) {
        let all = self.shared.gauges.topics();
        self.anchors.keep(&self.known_topics(&all));
        let topics = self.next_topics(&all);
        if topics.is_empty() {
            let _ = self.noting(self.client.fetch_metadata(Some(NO_TOPIC), QUESTION_TIMEOUT).map(|_| ()));
            return;
        }
        if self.compare(&topics).is_ok() && self.ranges_wanted {
            self.find_ranges(&all);
        }
    }

    /// Those that are read, and those that are to be.
    fn known_topics(&self, read: &[Arc<str>]) -> Vec<Arc<str>> {
        let starting = self.starting.iter().flat_map(|it| it.topics.iter());
        let all: BTreeSet<Arc<str>> = read.iter().chain(starting).cloned().collect();
        all.into_iter().collect()
    }

    fn next_topics(&mut self, all: &[Arc<str>]) -> BTreeSet<Arc<str>> {
        let begin = self.looked_up_to.take().map_or(0, |last| all.partition_point(|it| *it <= last));
        let turn: Vec<Arc<str>> =
            all.iter().cycle().skip(begin).take(all.len().min(TOPICS_PER_LOOK)).cloned().collect();
        self.looked_up_to = turn.last().cloned();
        turn.into_iter().collect()
    }

    /// Asks for the ends of topics, and tells the reader what is new.
    fn compare(&mut self, topics: &BTreeSet<Arc<str>>) -> KafkaResult<()> {
        // Before the question: an end is never before a position that is older than it.
        let before: Vec<Vec<u64>> = topics.iter().map(|it| self.positions(it)).collect();
        let answers = self.answers(topics)?;
        let made_anew = self.made_anew(&answers)?;
        for (topic, positions) in topics.iter().zip(before) {
            match &answers[topic] {
                Found::Ends(ends) => {
                    self.compare_topic(topic, &positions, ends, made_anew.contains(topic))?;
                }
                Found::Missing => {}
                Found::Refused(reason) | Found::Unsettled(reason) => {
                    self.shared.health.trouble(Some(topic), reason);
                }
            }
        }
        Ok(())
    }

    /// Topics that are not those that were there when they were first looked at.
    fn made_anew<'a>(
        &mut self,
        answers: impl IntoIterator<Item = (&'a Arc<str>, &'a Found)>,
    ) -> KafkaResult<BTreeSet<Arc<str>>> {
        let now = Timestamp::now().to_millis().unwrap_or_default();
        let mut list = TopicPartitionList::new();
        for (topic, found) in answers {
            let Found::Ends(ends) = found else { continue };
            for (partition, time) in self.anchors.questions(topic, ends, now) {
                list.add_partition_offset(topic, partition_number(partition), Offset::Offset(time))?;
            }
        }
        let mut found = BTreeSet::new();
        if list.count() == 0 {
            return Ok(found);
        }
        let firsts = self.noting(self.client.offsets_for_times(list, QUESTION_TIMEOUT))?;
        for it in firsts.elements() {
            let first = match it.offset() {
                Offset::Offset(first) => u64::try_from(first).ok(),
                _ => None,
            };
            let Ok(partition) = usize::try_from(it.partition()) else { continue };
            if it.error().is_ok() && self.anchors.answer(it.topic(), partition, first) {
                found.insert(Arc::from(it.topic()));
            }
        }
        Ok(found)
    }

    fn compare_topic(
        &mut self,
        topic: &Arc<str>,
        positions: &[u64],
        ends: &[u64],
        is_made_anew: bool,
    ) -> KafkaResult<()> {
        for (gauge, end) in self.shared.gauges.of(topic).iter().zip(ends) {
            gauge.ends(*end);
        }
        if ends.len() > positions.len() {
            self.tell(Command::Grow { topic: topic.clone(), partitions: ends.len() });
        }
        // Less there than was read: the topic was deleted and made anew, or lost its end.
        let anew: Vec<usize> = (0..positions.len().min(ends.len()))
            .filter(|it| is_made_anew || ends[*it] < positions[*it])
            .collect();
        if is_made_anew || !anew.is_empty() {
            self.reset_to_earliest(topic, anew)?;
            // Not before it is told: what cannot be asked now shows in the next look.
            self.anchors.forget(topic);
        }
        Ok(())
    }

    /// A position lies outside of what is there, and nobody says which: looks at all of them.
    fn find_ranges(&mut self, all: &[Arc<str>]) {
        for topic in all {
            let partitions = 0..self.positions(topic).len();
            if self.reset_to_earliest_where_gone(topic, partitions.collect()).is_err() {
                return;
            }
        }
        self.ranges_wanted = false;
        self.tell(Command::Again);
    }

    fn reset_to_earliest_where_gone(&self, topic: &Arc<str>, partitions: Vec<usize>) -> KafkaResult<()> {
        let positions = self.positions(topic);
        let earliest = self.offsets(topic, &partitions, EARLIEST)?;
        for (partition, earliest) in partitions.into_iter().zip(earliest) {
            // 0 stands for the earliest there is, so nothing that was due is missing.
            if (1..earliest).contains(&positions[partition]) {
                self.tell(Command::Reset { topic: topic.clone(), partition, earliest });
            }
        }
        Ok(())
    }

    fn reset_to_earliest(&self, topic: &Arc<str>, partitions: Vec<usize>) -> KafkaResult<()> {
        let earliest = self.offsets(topic, &partitions, EARLIEST)?;
        for (partition, earliest) in partitions.into_iter().zip(earliest) {
            self.tell(Command::Reset { topic: topic.clone(), partition, earliest });
        }
        Ok(())
    }

    fn tell(&self, command: Command) {
        // Fails when the provider is being stopped.
        let _ = self.reader.send(command);
    }

    fn positions(&self, topic: &Arc<str>) -> Vec<u64> {
        self.shared.gauges.of(topic).iter().map(|it| it.position()).collect()
    }

    /// Everything there is to know about topics, by as few questions as it takes.
    fn answers(&self, topics: &BTreeSet<Arc<str>>) -> KafkaResult<Answers> {
        let mut answers = self.noting(self.partitions(topics))?;
        let mut list = TopicPartitionList::new();
        for (topic, found) in &answers {
            if let Found::Ends(ends) = found {
                for partition in 0..ends.len() {
                    list.add_partition_offset(topic, partition_number(partition), LATEST)?;
                }
            }
        }
        if list.count() == 0 {
            return Ok(answers);
        }
        let ends = self.noting(self.client.offsets_for_times(list, QUESTION_TIMEOUT))?;
        for it in ends.elements() {
            let Some(found) = answers.get_mut(it.topic()) else { continue };
            enter(found, it.partition(), it.error(), it.offset());
        }
        Ok(answers)
    }

    /// The partitions of topics, their ends still 0.
    fn partitions(&self, topics: &BTreeSet<Arc<str>>) -> KafkaResult<Answers> {
        let mut answers: Answers = topics.iter().map(|it| (it.clone(), Found::Missing)).collect();
        let mut enter = |metadata: &rdkafka::metadata::Metadata| {
            for it in metadata.topics() {
                if let Some(found) = answers.get_mut(it.name()) {
                    *found = partitions_of(it);
                }
            }
        };
        if topics.len() > SINGLE_QUESTIONS_MAX {
            enter(&self.client.fetch_metadata(None, QUESTION_TIMEOUT)?);
        } else {
            for topic in topics {
                enter(&self.client.fetch_metadata(Some(topic), QUESTION_TIMEOUT)?);
            }
        }
        Ok(answers)
    }

    /// Offsets of some partitions of one topic, in their order.
    fn offsets(&self, topic: &str, partitions: &[usize], which: Offset) -> KafkaResult<Vec<u64>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(topic, partition_number(*partition), which)?;
        }
        let answer = self.noting(self.client.offsets_for_times(list, QUESTION_TIMEOUT))?;
        answer.elements().iter().map(|it| it.error().map(|()| offset(it.offset()))).collect()
    }

    /// Lets the library tell its errors and write its log; nothing is read here.
    fn hear(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }

    /// Notes what an answer, or its lack, says about the cluster.
    fn noting<T>(&self, answer: KafkaResult<T>) -> KafkaResult<T> {
        // What happened before the answer.
        self.hear();
        match &answer {
            Ok(_) => self.shared.health.up(),
            Err(error) => {
                self.shared.health.trouble(None, &error.to_string());
                match is_answer(error) {
                    true => self.shared.health.up(),
                    false => self.shared.health.down(&error.to_string()),
                }
            }
        }
        answer
    }
}

/// Whether an error is what a broker said, and not that none did. Brokers' codes are positive, the library's
/// own are not; two of those tell what is in the metadata.
fn is_answer(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic};
    let code = error.rdkafka_error_code();
    code.is_some_and(|it| it as i32 > 0 || matches!(it, UnknownPartition | UnknownTopic))
}

/// How the protocol asks for the end of a partition, in the place of a time.
const LATEST: Offset = Offset::End;
/// How the protocol asks for its beginning.
const EARLIEST: Offset = Offset::Beginning;

/// Why a feed does not start.
enum Unstarted {
    NotYet,
    Refused(String),
}

fn starts(feed: &Starting, answers: &Answers) -> Result<Vec<Vec<Start>>, Unstarted> {
    let mut starts = Vec::new();
    for (index, topic) in feed.topics.iter().enumerate() {
        match &answers[topic] {
            Found::Missing => starts.push(Vec::new()),
            Found::Ends(ends) => starts.push(topic_starts(index, ends, feed.from.as_ref())),
            Found::Refused(reason) => return Err(Unstarted::Refused(format!("{topic}: {reason}"))),
            Found::Unsettled(_) => return Err(Unstarted::NotYet),
        }
    }
    Ok(starts)
}

/// A part that a position does not name is one in which nothing was seen, so it is read whole.
fn topic_starts(index: usize, ends: &[u64], from: Option<&Position>) -> Vec<Start> {
    let start = |(partition, end): (usize, &u64)| match from {
        None => Start::End(*end),
        Some(from) => Start::At(from.offset(place::part(index, partition)).map_or(0, |it| it + 1)),
    };
    ends.iter().enumerate().map(start).collect()
}

fn partitions_of(topic: &MetadataTopic) -> Found {
    use RDKafkaRespErr as Code;
    let partitions = topic.partitions();
    match topic.error() {
        Some(Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) => {
            Found::Missing
        }
        Some(
            code @ (Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION),
        ) => Found::Refused(RDKafkaErrorCode::from(code).to_string()),
        Some(code) => Found::Unsettled(RDKafkaErrorCode::from(code).to_string()),
        None if partitions.len() > PARTITIONS_MAX => {
            Found::Refused(format!("it has more than {PARTITIONS_MAX} partitions"))
        }
        None if partitions.iter().any(|it| it.leader() < 0) => {
            Found::Unsettled("a partition has no leader".to_owned())
        }
        None => Found::Ends(vec![0; partitions.len()]),
    }
}

fn enter(found: &mut Found, partition: i32, error: Result<(), KafkaError>, end: Offset) {
    let Found::Ends(ends) = found else { return };
    match (error, usize::try_from(partition)) {
        (Ok(()), Ok(partition)) if partition < ends.len() => ends[partition] = offset(end),
        (Err(error), _) => *found = Found::Unsettled(error.to_string()),
        _ => {}
    }
}

fn offset(offset: Offset) -> u64 {
    match offset {
        Offset::Offset(offset) => offset.try_into().unwrap_or(0),
        _ => 0,
    }
}
