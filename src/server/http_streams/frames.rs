//! What goes to streams, framed once per format however many read it.

use crate::{protocol::StreamFormat, server::outbound::OutboundTotal};
use bytes::Bytes;

/// Something to say to streams, in as many forms as they have.
pub(super) struct Frames<'a> {
    said: Said<'a>,
    total: &'a OutboundTotal,
    framed: [Option<Bytes>; StreamFormat::ALL.len()],
}

/// What can be said.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    /// A GraphQL response.
    Result(&'a Bytes),
    /// The same, and it was the last one.
    LastResult(&'a Bytes),
    /// The operation has failed: a list of errors.
    Failure(&'a [u8]),
    Complete,
    Heartbeat,
    Interruption,
}

impl<'a> Frames<'a> {
    pub(super) fn new(said: Said<'a>, total: &'a OutboundTotal) -> Self {
        Self { said, total, framed: Default::default() }
    }

    /// The bytes for a stream of this format; `None`, for a body that is the first response alone.
    pub(super) fn of(&mut self, format: Option<StreamFormat>) -> Bytes {
        let Some(format) = format else { return self.bare() };
        let framed = &mut self.framed[format as usize];
        framed
            .get_or_insert_with(|| {
                let mut out = Vec::new();
                write(self.said, format, &mut out);
                self.total.counted(out)
            })
            .clone()
    }

    fn bare(&self) -> Bytes {
        match self.said {
            Said::Result(response) | Said::LastResult(response) => response.clone(),
            Said::Failure(errors) => [b"{\"errors\":", errors, b"}"].concat().into(),
            Said::Complete | Said::Heartbeat | Said::Interruption => Bytes::new(),
        }
    }
}

fn write(said: Said<'_>, format: StreamFormat, out: &mut Vec<u8>) {
    match said {
        Said::Result(response) => format.write_result(response, out),
        Said::LastResult(response) => {
            format.write_result(response, out);
            format.write_complete(out);
        }
        Said::Failure(errors) => format.write_failure(errors, out),
        Said::Complete => format.write_complete(out),
        Said::Heartbeat => format.write_heartbeat(out),
        Said::Interruption => format.write_interruption(out),
    }
}
