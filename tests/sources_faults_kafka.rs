//! Kafka's adapter behind a line that is cut and that stalls, as `sources_faults.rs` has it for others.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::print_stdout, reason = "what passed is for people, shown with --nocapture")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/faults.rs"]
mod faults;
#[path = "support/io.rs"]
mod io;
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/kafka_rig.rs"]
mod kafka_rig;
#[path = "support/ordeal.rs"]
mod ordeal;
#[path = "support/sources.rs"]
mod sources;

use faults::FaultyLine;
use kafka::KafkaBroker;
use kafka_rig::{feed, options};
use ordeal::Ordeal;
use sources::Rig;

const SEED: u64 = 1;

#[test]
fn kafka_survives_a_line_that_breaks() {
    let mut line = None;
    let broker = KafkaBroker::start_behind(|port| line.insert(FaultyLine::to(port, SEED)).port());
    let line = line.expect("a line");
    broker.create_topic("t", 1);
    let rig = Rig::start(options(format!("127.0.0.1:{}", line.port())));
    let outcome = Ordeal {
        rig: &rig,
        line: &line,
        provider: "default",
        feed: feed(&["t"]),
        publish: &mut |payload| broker.publish("t", 0, payload),
        // A topic that nobody listens to is not read; what is read is no subscription.
        listening: &|| 0,
        replays: true,
        // librdkafka believes the numbers of a damaged answer, and was seen to write where it may not and end the
        // process (it sorts partitions that are not there). TLS is what keeps such bytes from it.
        garbles: false,
    };
    println!("{}", outcome.survive(SEED, 1));
}
