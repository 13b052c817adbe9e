//! When the operating system asks the process to stop.

/// Done at the next SIGINT or SIGTERM. Needs the io runtime.
#[cfg(unix)]
pub(super) async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        tracing::warn!("signals cannot be watched; the process ends without notice");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Done at the next Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn stop_asked() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
