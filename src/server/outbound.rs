//! What the whole process keeps in memory for clients that read slowly, whoever writes to them.

use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that a shared frame counts against each client it waits for.
pub(super) const REFERENCE_BYTES: usize = 16;

/// A count of bytes that the reactor and HTTP streams share.
#[derive(Clone, Debug, Default)]
pub(super) struct OutboundTotal(Arc<AtomicUsize>);

impl OutboundTotal {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Bytes that count until the last copy of them is gone.
    pub(super) fn counted(&self, bytes: Vec<u8>) -> Bytes {
        self.add(bytes.len());
        Bytes::from_owner(Counted { bytes, total: self.clone() })
    }
}

struct Counted {
    bytes: Vec<u8>,
    total: OutboundTotal,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.subtract(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_once_and_for_as_long_as_anybody_has_them() {
        let total = OutboundTotal::default();
        let bytes = total.counted(vec![0; 100]);
        let others = [bytes.clone(), bytes.slice(1..2)];
        assert_eq!(total.get(), 100);
        drop(bytes);
        assert_eq!(total.get(), 100);
        drop(others);
        assert_eq!(total.get(), 0);
    }
}
