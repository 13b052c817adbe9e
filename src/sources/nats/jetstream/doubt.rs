//! Whether messages may have gone from a stream while they waited to be read. No clock, no connection.
//!
//! A consumer passes over what is gone without a word. As long as it is read faster than the stream is trimmed nothing can
//! go unread. Once it is late, each hole between two messages may be one that was trimmed, or only what a filter leaves
//! out: that shows in whether the stream still has what was in it.

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Messages had to wait since everything was read the last time.
    is_late: bool,
    /// Behind this message is the first hole since the last look.
    hole: Option<u64>,
}

impl Doubt {
    /// A message had to wait for the hub.
    pub(super) fn be_late(&mut self) {
        self.is_late = true;
    }

    /// A message was read behind another one, and so many more waited at the server.
    pub(super) fn read(&mut self, before: u64, sequence: u64, pending: u64) {
        if self.is_late && sequence > before + 1 {
            self.hole.get_or_insert(before);
        }
        self.is_late |= pending > 0;
    }

    /// Whether the stream has to be looked at to know.
    pub(super) fn is_any(&self) -> bool {
        self.hole.is_some()
    }

    /// The stream's oldest message is this. Whether something may have been missed.
    pub(super) fn look(&mut self, first: u64, is_everything_read: bool) -> bool {
        self.is_late &= !is_everything_read;
        self.hole.take().is_some_and(|it| first > it + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_a_loss_only_where_reading_was_late_and_the_stream_was_trimmed() {
        let mut doubt = Doubt::default();
        doubt.read(1, 9, 0);
        assert!(!doubt.is_any(), "a filter leaves holes");
        doubt.be_late();
        doubt.read(9, 10, 0);
        assert!(!doubt.look(10, false), "there is no hole");
        doubt.read(10, 20, 0);
        assert!(!doubt.look(11, false), "and here nothing is gone");
        doubt.read(20, 40, 0);
        doubt.read(40, 41, 0);
        assert!(doubt.is_any() && doubt.look(22, true));
        doubt.read(41, 50, 3);
        assert!(!doubt.look(50, false), "it was not late any more");
        doubt.read(50, 60, 0);
        assert!(doubt.look(60, false), "three had waited");
    }
}
