//! What the operating system tells the process: to stop, and what else operators are used to send.

use std::io;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a process to stop (SIGINT, SIGTERM; elsewhere Ctrl-C). They are caught from when this is made,
/// and none that comes before somebody waits is lost.
///
/// Others that end a process by default, and that operators send to have a configuration read or a log opened again, are
/// logged and change nothing. A terminal that is closed sends one of them.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    habits: [(&'static str, Signal); 3],
}

/// Signals that operators send to servers out of habit, by name.
#[cfg(unix)]
fn habits() -> [(&'static str, SignalKind); 3] {
    [
        ("SIGHUP", SignalKind::hangup()),
        ("SIGUSR1", SignalKind::user_defined1()),
        ("SIGUSR2", SignalKind::user_defined2()),
    ]
}

/// Has no signal end the process from now on but those that ask it to stop, also before [`StopSignals`] are watched.
pub fn survive_hangups() -> io::Result<()> {
    // A handler stays for as long as the process lives; the runtime is needed to set it alone.
    #[cfg(unix)]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let _inside = runtime.enter();
        for (_, kind) in habits() {
            drop(signal(kind)?);
        }
    }
    Ok(())
}

#[cfg(unix)]
impl StopSignals {
    /// Needs the io runtime.
    pub(super) fn watch() -> io::Result<Self> {
        let [hangup, first, second] = habits().map(|(name, kind)| signal(kind).map(|it| (name, it)));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            habits: [hangup?, first?, second?],
        })
    }

    /// Done at the next that asks to stop.
    pub(super) async fn next(&mut self) {
        loop {
            let [(hangup, at_hangup), (first, at_first), (second, at_second)] = &mut self.habits;
            let name = tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = at_hangup.recv() => hangup,
                _ = at_first.recv() => first,
                _ = at_second.recv() => second,
            };
            tracing::warn!(
                "{name} changes nothing: start the router again for another configuration or graph"
            );
        }
    }
}

#[cfg(not(unix))]
impl StopSignals {
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Done at the next Ctrl-C.
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
