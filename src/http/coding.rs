//! Content codings: bodies that come compressed, and answers that leave so.
//!
//! What a few bytes unfold to is bounded by the same limit as any body, and memory is used only for what
//! has been unfolded so far. All of it happens in small steps: this is the io thread, which others wait for.

use super::{negotiation::Coding, reply_body::ReplyBody, routes::Reply};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use bytes::Bytes;
use flate2::write::{GzEncoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::{
    StatusCode,
    body::Body,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY},
};
use std::io::{self, Write};
use tokio::sync::Semaphore;

/// What goes into a coder at a time. The worst that can be made of so few bytes takes some milliseconds.
pub(super) const STEP_BYTES: usize = 2048;
/// What an encoder takes at a time: about half a millisecond.
const ENCODE_STEP_BYTES: usize = 32 * 1024;
/// Fast enough for answers that are made once; higher levels cost several times more for some per cent.
const GZIP_LEVEL: u32 = 4;
const BROTLI_QUALITY: u32 = 4;
/// 512 KiB: with more, each answer in the making would take megabytes.
const BROTLI_WINDOW_BITS: u32 = 19;

/// Answers that may be in the making at a time. An encoder takes up to some megabytes, and all of them have one
/// thread.
pub(super) const ENCODERS_MAX: usize = 16;

/// Why a body could not be unfolded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It unfolds to more than the limit.
    TooLarge,
    /// It is not in the coding that its head says, or it breaks off.
    Malformed,
}

/// Unfolds one body.
pub(super) enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<ZlibDecoder<Sink>>),
    Brotli(Box<BrotliDecoder>),
}

impl Decoder {
    pub(super) fn new(coding: Coding, bytes_max: usize) -> Self {
        let sink = Sink { bytes: Vec::new(), bytes_max, overflown: false };
        match coding {
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Deflate => Self::Deflate(Box::new(ZlibDecoder::new(sink))),
            Coding::Brotli => Self::Brotli(Box::new(BrotliDecoder::new(sink))),
        }
    }

    /// Takes the next bytes of the body, best no more than [`STEP_BYTES`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let pushed = match self {
            Self::Gzip(it) => it.write_all(bytes),
            Self::Deflate(it) => it.write_all(bytes),
            Self::Brotli(it) => it.push(bytes),
        };
        pushed.map_err(|_| self.fault())
    }

    /// Bytes of memory that it takes: what was unfolded so far, and the window of what may be referred to.
    pub(super) fn held(&self) -> usize {
        let window = match self {
            Self::Gzip(_) | Self::Deflate(_) => 32 * 1024,
            Self::Brotli(it) => it.window,
        };
        window + self.sink().bytes.len()
    }

    /// The whole, once all of the body has been pushed.
    pub(super) fn finish(mut self) -> Result<Bytes, Fault> {
        let finished = match &mut self {
            Self::Gzip(it) => it.try_finish(),
            Self::Deflate(it) => it.try_finish(),
            Self::Brotli(it) if it.is_done => Ok(()),
            Self::Brotli(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        finished.map_err(|_| self.fault())?;
        let sink = match &mut self {
            Self::Gzip(it) => it.get_mut(),
            Self::Deflate(it) => it.get_mut(),
            Self::Brotli(it) => &mut it.sink,
        };
        Ok(std::mem::take(&mut sink.bytes).into())
    }

    fn fault(&self) -> Fault {
        if self.sink().overflown { Fault::TooLarge } else { Fault::Malformed }
    }

    fn sink(&self) -> &Sink {
        match self {
            Self::Gzip(it) => it.get_ref(),
            Self::Deflate(it) => it.get_ref(),
            Self::Brotli(it) => &it.sink,
        }
    }
}

/// Takes what was unfolded, up to a limit.
pub(super) struct Sink {
    bytes: Vec<u8>,
    bytes_max: usize,
    overflown: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes_max - self.bytes.len() {
            self.overflown = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The crate's own writer takes windows of a gigabyte, which twenty bytes can ask for; this one keeps to the
/// 16 MiB of RFC 7932.
pub(super) struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    sink: Sink,
    total: usize,
    is_done: bool,
    /// Bytes; 0 before the first byte.
    window: usize,
}

impl BrotliDecoder {
    fn new(sink: Sink) -> Self {
        let allocator = StandardAlloc::default;
        let state = BrotliState::new_strict(allocator(), allocator(), allocator());
        Self { state, sink, total: 0, is_done: false, window: 0 }
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let (0, Some(first)) = (self.window, bytes.first()) {
            self.window = 1 << window_bits(*first);
        }
        let (mut left, mut at, mut piece) = (bytes.len(), 0, [0; 4096]);
        while !self.is_done {
            let (mut room, mut made) = (piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                bytes,
                &mut room,
                &mut made,
                &mut piece,
                &mut self.total,
                &mut self.state,
            );
            self.sink.write_all(&piece[..made])?;
            match result {
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultSuccess => self.is_done = true,
                BrotliResult::ResultFailure => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        // Nothing may follow the end.
        if left == 0 { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

/// `WBITS` of RFC 7932, section 9.1.
fn window_bits(first: u8) -> u32 {
    let (short, long) = (u32::from(first >> 1) & 7, u32::from(first >> 4) & 7);
    match (first & 1, short, long) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, long) => 8 + long,
        (_, short, _) => 17 + short,
    }
}

/// Compresses an answer's body where the client takes that and it is worth it. Bodies that go on stay as they
/// are: every piece has to be readable at once, and an encoder takes more memory than the rest of its stream.
pub(super) async fn compress(
    reply: Reply,
    coding: Option<Coding>,
    bytes_min: usize,
    encoders: &Semaphore,
) -> Reply {
    if bytes_min == usize::MAX || !is_compressible(&reply) {
        return reply;
    }
    let (mut head, body) = reply.into_parts();
    let ReplyBody::Whole(body) = body else { return Reply::from_parts(head, body) };
    // Caches must know, also when this one answer is too small.
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let is_large = body.size_hint().lower() >= bytes_min as u64;
    let Some(coding) = coding.filter(|_| is_large) else {
        return Reply::from_parts(head, ReplyBody::Whole(body));
    };
    let Ok(body) = body.collect().await.map(|it| it.to_bytes());
    let _turn = encoders.acquire().await;
    match encode(&body, coding).await {
        Ok(encoded) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            Reply::from_parts(head, encoded.into())
        }
        Err(_) => Reply::from_parts(head, body.into()),
    }
}

fn is_compressible(reply: &Reply) -> bool {
    let kind = reply.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("text/") || kind.starts_with("application/");
    is_text && reply.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// Step by step, with others served in between. Writing to memory does not fail.
async fn encode(body: &[u8], coding: Coding) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(coding, body.len() / 4);
    for step in body.chunks(ENCODE_STEP_BYTES) {
        encoder.push(step)?;
        tokio::task::yield_now().await;
    }
    encoder.finish()
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    fn new(coding: Coding, bytes_likely: usize) -> Self {
        let out = Vec::with_capacity(bytes_likely);
        match coding {
            Coding::Brotli => {
                let (quality, window) = (BROTLI_QUALITY, BROTLI_WINDOW_BITS);
                Self::Brotli(Box::new(brotli::CompressorWriter::new(out, 4096, quality, window)))
            }
            // Answers are never deflated: the name means two formats in the wild.
            Coding::Gzip | Coding::Deflate => {
                Self::Gzip(GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL)))
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(it) => it.write_all(bytes),
            Self::Brotli(it) => it.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<Bytes> {
        Ok(match self {
            Self::Gzip(it) => it.finish()?.into(),
            Self::Brotli(it) => it.into_inner().into(),
        })
    }
}

/// Tells a client whose body had another coding which ones are taken.
pub(super) fn name_codings(reply: &mut Reply, decompression_enabled: bool) {
    let codings = if decompression_enabled { "gzip, deflate, br" } else { "identity" };
    reply.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(codings));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drives a future that never waits for anything but its turn.
    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
    }

    fn encoded(text: &[u8], coding: Coding) -> Bytes {
        now(encode(text, coding)).expect("memory")
    }

    fn deflated(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory").into()
    }

    fn decoded(bytes: &[u8], coding: Coding, bytes_max: usize) -> Result<Bytes, Fault> {
        let mut decoder = Decoder::new(coding, bytes_max);
        bytes.chunks(7).try_for_each(|it| decoder.push(it))?;
        decoder.finish()
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|it| (it % 251).to_string().into_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Brotli] {
            let packed = encoded(&text, coding);
            assert!(packed.len() < text.len() / 5, "{coding:?}: {}", packed.len());
            assert_eq!(decoded(&packed, coding, text.len()).as_deref(), Ok(&text[..]), "{coding:?}");
        }
        assert_eq!(decoded(&deflated(&text), Coding::Deflate, text.len()).as_deref(), Ok(&text[..]));
    }

    #[test]
    fn what_unfolds_beyond_the_limit_is_stopped_there() {
        let text = vec![b' '; 10_000_000];
        for (coding, packed) in [
            (Coding::Gzip, encoded(&text, Coding::Gzip)),
            (Coding::Brotli, encoded(&text, Coding::Brotli)),
            (Coding::Deflate, deflated(&text)),
        ] {
            let mut decoder = Decoder::new(coding, 100_000);
            let fault = packed.chunks(STEP_BYTES).find_map(|it| decoder.push(it).err());
            assert_eq!(fault, Some(Fault::TooLarge), "{coding:?}");
            assert!(decoder.sink().bytes.len() <= 100_000, "{coding:?}");
            assert_eq!(decoded(&packed, coding, text.len()).map(|it| it.len()), Ok(text.len()), "{coding:?}");
        }
    }

    #[test]
    fn what_is_broken_is_noticed() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
            let packed = match coding {
                Coding::Deflate => deflated(b"{\"query\":\"{a}\"}"),
                _ => encoded(b"{\"query\":\"{a}\"}", coding),
            };
            assert_eq!(
                decoded(&packed[..packed.len() - 1], coding, 100),
                Err(Fault::Malformed),
                "{coding:?}"
            );
            assert_eq!(decoded(b"{\"query\":1}", coding, 100), Err(Fault::Malformed), "{coding:?}");
            assert_eq!(decoded(b"", coding, 100), Err(Fault::Malformed), "{coding:?}");
            let longer = [&packed[..], b"x"].concat();
            assert_eq!(decoded(&longer, coding, 100), Err(Fault::Malformed), "{coding:?}");
        }
    }

    #[test]
    fn windows_count_as_memory() {
        for bits in [10, 16, 17, 18, 22, 24] {
            let mut out = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 4, bits);
            encoder.write_all(&[b'x'; 100]).and_then(|()| encoder.flush()).expect("memory");
            drop(encoder);
            assert_eq!(window_bits(out[0]), bits);
            let mut decoder = Decoder::new(Coding::Brotli, 1000);
            decoder.push(&out).expect("brotli");
            assert_eq!(decoder.held(), (1 << bits) + 100);
        }
    }

    /// The header of a window of 2^30 bytes, an extension of the format that nobody needs here.
    #[test]
    fn large_windows_are_refused() {
        let mut decoder = Decoder::new(Coding::Brotli, 100);
        assert_eq!(decoder.push(&[0x11, 30]), Err(Fault::Malformed));
    }
}
