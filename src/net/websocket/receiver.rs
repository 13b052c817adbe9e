//! The incoming half of one connection: bytes in whatever pieces they arrive, things to act on out.

use super::{Decoded, Decoder, Incoming, Limits, Violation};
use std::ops::ControlFlow;

/// What has arrived and is not yet a whole message; usually nothing, and then it owns no memory.
#[derive(Debug, Default)]
pub struct Receiver {
    decoder: Decoder,
    /// The beginning of a frame.
    remainder: Vec<u8>,
}

impl Receiver {
    /// Takes in the bytes that arrived next, whose masks are removed in place. `act` gets everything that is
    /// whole by now, in order; once it breaks, the rest is thrown away.
    ///
    /// # Errors
    /// The other side broke the protocol, behind all that `act` has got. Nothing must be handed in after that.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        limits: &Limits,
        act: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), Violation> {
        if self.remainder.is_empty() {
            let used = self.decode(bytes, limits, act)?;
            self.remainder = bytes[used..].to_vec();
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.remainder);
        kept.extend_from_slice(bytes);
        let used = self.decode(&mut kept, limits, act)?;
        if used < kept.len() {
            kept.drain(..used);
            self.remainder = kept;
        }
        Ok(())
    }

    /// How many bytes are done with.
    fn decode(
        &mut self,
        bytes: &mut [u8],
        limits: &Limits,
        mut act: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, Violation> {
        let mut at = 0;
        loop {
            match self.decoder.decode(&mut bytes[at..], limits)? {
                Decoded::Incoming { consumed, incoming } => {
                    at += consumed;
                    if act(incoming).is_break() {
                        return Ok(bytes.len());
                    }
                }
                Decoded::More { consumed, .. } => return Ok(at + consumed),
            }
        }
    }
}
