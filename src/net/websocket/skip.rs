//! A message that is too long to be kept: its first bytes are handed out, the others are dropped as they come.

/// How much is handed out of a message that is skipped.
pub const SKIPPED_START_BYTES: usize = 4096;

/// Where such a message stands.
#[derive(Debug)]
pub(super) struct Skip {
    /// Its first bytes, until they are handed out.
    start: Vec<u8>,
    was_handed_out: bool,
    /// What is yet to come of the present frame's payload.
    frame_bytes_left: u64,
    is_last_frame: bool,
}

impl Skip {
    /// A message of which these bytes have come, in frames that are over.
    pub(super) fn new(mut collected: Vec<u8>) -> Self {
        collected.truncate(SKIPPED_START_BYTES);
        collected.shrink_to_fit();
        Self { start: collected, was_handed_out: false, frame_bytes_left: 0, is_last_frame: false }
    }

    pub(super) fn begin_frame(&mut self, bytes: u64, is_last: bool) {
        (self.frame_bytes_left, self.is_last_frame) = (bytes, is_last);
    }

    /// Takes in what came behind a frame's header; how many bytes of it are the frame's.
    pub(super) fn take_in(&mut self, input: &[u8]) -> usize {
        let count = usize::try_from(self.frame_bytes_left).map_or(input.len(), |left| left.min(input.len()));
        if !self.was_handed_out {
            let missing = SKIPPED_START_BYTES - self.start.len();
            self.start.extend_from_slice(&input[..count.min(missing)]);
        }
        self.frame_bytes_left -= count as u64;
        count
    }

    /// The first bytes: once, when all of them are there.
    pub(super) fn start(&mut self) -> Option<Vec<u8>> {
        let is_there = self.start.len() == SKIPPED_START_BYTES || self.is_over();
        if self.was_handed_out || !is_there {
            return None;
        }
        self.was_handed_out = true;
        Some(std::mem::take(&mut self.start))
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.frame_bytes_left == 0
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_last_frame && self.is_between_frames()
    }

    pub(super) fn capacity(&self) -> usize {
        self.start.capacity()
    }
}
