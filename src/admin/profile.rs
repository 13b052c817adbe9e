//! CPU and heap profiles in the format of `pprof` (gzipped protobuf).
//!
//! One profile at a time, of either kind: finding symbols for one would show up in the other. Stacks are
//! walked by frame pointers; release builds need `-Cforce-frame-pointers=yes` for whole stacks.

use flate2::{Compression, write::GzEncoder};
use pprof::{ProfilerGuard, protos::Message};
use std::{io::Write, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest CPU profile.
pub(super) const SECONDS_MAX: u32 = 60;
const SECONDS_DEFAULT: u32 = 10;
const FREQUENCY_DEFAULT: i32 = 99;
/// Beyond this the signals themselves are the load.
const FREQUENCY_MAX: i32 = 1000;

/// Why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProfileError {
    /// Another one is being made.
    Busy,
    BadParameter(&'static str),
    /// The process was started without heap sampling, or sampling is off.
    Off(&'static str),
    Failed(String),
}

const HEAP_NEVER: &str = "This process cannot sample its heap: start it with the environment \
                          variable _RJEM_MALLOC_CONF=prof:true,prof_active:false,lg_prof_sample:19 and start again.";
const HEAP_OFF: &str = "Heap sampling is off: POST /debug/pprof/heap/activate, let it run, and ask again.";

/// Makes profiles, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Profiler {
    turn: Arc<Semaphore>,
}

/// What to sample, from a query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuOptions {
    seconds: u32,
    /// Samples per second of CPU time.
    frequency: i32,
}

impl CpuOptions {
    pub(super) fn parse(query: &str) -> Result<Self, ProfileError> {
        let mut options = Self { seconds: SECONDS_DEFAULT, frequency: FREQUENCY_DEFAULT };
        for (name, value) in query.split('&').filter_map(|it| it.split_once('=')) {
            match name {
                "seconds" => options.seconds = seconds(value)?,
                "frequency" => options.frequency = frequency(value)?,
                _ => {}
            }
        }
        Ok(options)
    }
}

fn seconds(value: &str) -> Result<u32, ProfileError> {
    let seconds: Option<u32> = value.parse().ok().filter(|it| *it > 0);
    let seconds = seconds.ok_or(ProfileError::BadParameter("`seconds` must be a whole number above 0."))?;
    Ok(seconds.min(SECONDS_MAX))
}

fn frequency(value: &str) -> Result<i32, ProfileError> {
    let frequency = value.parse().ok().filter(|it| (1..=FREQUENCY_MAX).contains(it));
    frequency.ok_or(ProfileError::BadParameter("`frequency` must be a whole number from 1 to 1000."))
}

impl Profiler {
    pub(super) fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)) }
    }

    /// Samples the whole process for a while. Sampling stops when the future is dropped.
    pub(super) async fn cpu(&self, options: CpuOptions) -> Result<Vec<u8>, ProfileError> {
        let turn = self.turn()?;
        let guard = ProfilerGuard::new(options.frequency).map_err(failed)?;
        tokio::time::sleep(Duration::from_secs(options.seconds.into())).await;
        on_own_thread(turn, move || build(&guard)).await
    }

    /// What is allocated now, as far as it was sampled.
    pub(super) async fn heap(&self) -> Result<Vec<u8>, ProfileError> {
        let turn = self.turn()?;
        on_own_thread(turn, || {
            let mut control = heap_control()?.blocking_lock();
            if !control.activated() {
                return Err(ProfileError::Off(HEAP_OFF));
            }
            control.dump_pprof().map_err(failed)
        })
        .await
    }

    /// Turns heap sampling on or off.
    pub(super) async fn sample_heap(&self, on: bool) -> Result<(), ProfileError> {
        let _turn = self.turn()?;
        let mut control = heap_control()?.lock().await;
        let done = if on { control.activate() } else { control.deactivate() };
        done.map_err(failed)
    }

    fn turn(&self) -> Result<OwnedSemaphorePermit, ProfileError> {
        Arc::clone(&self.turn).try_acquire_owned().map_err(|_| ProfileError::Busy)
    }
}

/// Runs slow work on the runtime's blocking thread. The turn is over when the work is, also if nobody
/// waits for its result any more.
async fn on_own_thread<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, ProfileError> + Send + 'static,
) -> Result<T, ProfileError> {
    let work = move || {
        let result = work();
        drop(turn);
        result
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(error)))
}

fn heap_control() -> Result<&'static tokio::sync::Mutex<jemalloc_pprof::JemallocProfCtl>, ProfileError> {
    jemalloc_pprof::PROF_CTL.as_deref().ok_or(ProfileError::Off(HEAP_NEVER))
}

fn build(guard: &ProfilerGuard<'_>) -> Result<Vec<u8>, ProfileError> {
    let profile = guard.report().build().and_then(|it| it.pprof()).map_err(failed)?;
    let bytes = profile.write_to_bytes().map_err(failed)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&bytes).and_then(|()| gzip.finish()).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> ProfileError {
    ProfileError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_defaults_and_bounds() {
        let read = |query| CpuOptions::parse(query).map(|it| (it.seconds, it.frequency));
        assert_eq!(read(""), Ok((10, 99)));
        assert_eq!(read("seconds=3&frequency=1000&debug=0"), Ok((3, 1000)));
        assert_eq!(read("seconds=86400"), Ok((SECONDS_MAX, 99)));
        for bad in ["seconds=0", "seconds=-1", "seconds=1.5", "seconds=", "frequency=0", "frequency=1001"] {
            assert!(matches!(read(bad), Err(ProfileError::BadParameter(_))), "{bad}");
        }
    }

    #[test]
    fn a_second_profile_waits_for_nobody() {
        let profiler = Profiler::new();
        let turn = profiler.turn().expect("free");
        assert!(matches!(profiler.turn(), Err(ProfileError::Busy)));
        drop(turn);
        assert!(profiler.turn().is_ok());
    }
}
