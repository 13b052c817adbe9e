//! How many requests were answered with which status.

use hyper::StatusCode;
use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
};

const FIRST: u16 = 100;
/// Statuses from 600 on are none of HTTP's.
const COUNT: usize = 500;

/// One number for each status that there may be.
#[derive(Debug)]
pub struct Statuses([AtomicU64; COUNT]);

impl Default for Statuses {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Statuses {
    pub(super) fn count(&self, status: StatusCode) {
        if let Some(count) = self.0.get(usize::from(status.as_u16() - FIRST)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that some request was answered with, the lowest first.
    pub fn read(&self) -> Vec<(u16, u64)> {
        let counts = (FIRST..).zip(&self.0).map(|(status, count)| (status, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_number() {
        let statuses = Statuses::default();
        for status in [503, 100, 200, 503, 599, 999] {
            statuses.count(StatusCode::from_u16(status).expect("a status"));
        }
        assert_eq!(statuses.read(), [(100, 1), (200, 1), (503, 2), (599, 1)]);
    }
}
