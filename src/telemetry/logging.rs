//! The log of the process: its lines are written by a thread of their own, so that no other waits for whoever reads them.
//!
//! A pipe that nobody reads fills up, and one whose reader has left takes nothing. Lines wait in a bounded queue; those
//! that find it full, or that cannot be written, are dropped and counted ([`dropped_lines`]). Panics are lines of the log too:
//! the standard library's own report would wait for stderr.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Lines that may wait for whoever reads the log.
const LINES_MAX: usize = 65_536;
/// The thread that writes them.
const THREAD: &str = "juga-log";

/// How the log is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is less important is left out.
    pub level: LevelFilter,
    /// JSON lines for collectors, otherwise text for people.
    pub json: bool,
    pub output: Output,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

/// The one log of the process, as there is one subscriber of `tracing`'s and one panic hook.
static LOG: Mutex<Option<Log>> = Mutex::new(None);

struct Log {
    /// Lines that found the queue full.
    overflow: ErrorCounter,
    /// Lines that could not be written.
    unwritten: Arc<AtomicU64>,
    /// Writes what waits when it is dropped.
    worker: Option<WorkerGuard>,
}

/// Starts the log. Does nothing where the process has one already: a program that has the router as a library may have
/// started its own.
pub fn start(options: Options) {
    let unwritten = Arc::default();
    let (writer, worker) = match options.output {
        Output::Stdout => queue(io::stdout(), &unwritten),
        Output::Stderr => queue(io::stderr(), &unwritten),
    };
    let overflow = writer.error_counter();
    let filter = Targets::new().with_default(options.level);
    // An error of writing would be told on stderr, which may be just what cannot be written to.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if options.json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        let is_terminal = match options.output {
            Output::Stdout => io::stdout().is_terminal(),
            Output::Stderr => io::stderr().is_terminal(),
        };
        registry.with(lines.with_target(false).with_ansi(is_terminal)).try_init()
    };
    if started.is_ok() {
        *LOG.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Log { overflow, unwritten, worker: Some(worker) });
        std::panic::set_hook(Box::new(report));
    }
}

/// Writes what waits in the queue, for a second at most; to be called before the process ends. What is logged afterwards is
/// dropped.
pub fn finish() {
    let worker = LOG.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|it| it.worker.take());
    drop(worker);
}

/// Lines of the log that nobody has got since the start.
pub fn dropped_lines() -> u64 {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map_or(0, |it| it.overflow.dropped_lines() as u64 + it.unwritten.load(Ordering::Relaxed))
}

fn queue(output: impl Write + Send + 'static, unwritten: &Arc<AtomicU64>) -> (NonBlocking, WorkerGuard) {
    let writer = Counted { output, unwritten: unwritten.clone() };
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_MAX)
        .thread_name(THREAD)
        .finish(writer)
}

/// Counts the lines that could not be written, in place of an error that nobody would look at.
struct Counted<W> {
    output: W,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write> Write for Counted<W> {
    /// Takes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.output.write_all(line).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// What a panic says, as a line of the log. Whoever catches it says what it was that ended.
fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("a value that is no text");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread = thread.name(), location, backtrace, "panicked: {message}");
}
