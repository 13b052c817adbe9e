//! Whether the threads without which nothing works are still running.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Asked by health checks: once a vital thread has ended, only a restart helps.
#[derive(Clone, Debug, Default)]
pub(super) struct Liveness {
    ended: Arc<AtomicBool>,
}

/// Held by a vital thread for as long as it runs.
pub(super) struct Vital(Liveness);

impl Liveness {
    pub(super) fn vital(&self) -> Vital {
        Vital(self.clone())
    }

    pub(super) fn is_live(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_first_thread_that_ends_whatever_ends_it() {
        let liveness = Liveness::default();
        let (vital, other) = (liveness.vital(), liveness.vital());
        assert!(liveness.is_live());
        let thread = std::thread::spawn(move || {
            let _vital = vital;
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        assert!(!liveness.is_live());
        drop(other);
    }
}
