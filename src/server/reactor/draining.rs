//! Closing everybody.

use super::{Reactor, writing};
use crate::server::spread::Spread;
use std::time::Duration;

impl Reactor {
    pub(super) fn begin_drain(&mut self, spread: Duration) {
        let connections = self.connections.keys().map(|key| self.connections.timer_key(key)).collect();
        self.drain = Some(Spread::new(self.now, spread, connections));
    }

    /// Closes as many connections as their share of the time has passed.
    pub(super) fn drain_some(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        for timer in drain.due(self.now) {
            if let Some(key) = self.connections.resolve(timer) {
                self.close(key, writing::service_restart());
            }
        }
    }
}
