//! The body of an answer: gathered, unpacked where it is packed, and bounded either way.

use crate::{resolve::FetchError, sources::causes};
use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::io::{self, Write};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
}

impl Encoding {
    /// `Err`: a kind that was not asked for.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, FetchError> {
        let said = headers.get_all(CONTENT_ENCODING).iter().map(|it| String::from_utf8_lossy(it.as_bytes()));
        let said = said.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        // A list may have empty members (RFC 9110, section 5.6.1), and be empty.
        let kinds: Vec<_> =
            said.split(',').map(str::trim).filter(|it| !it.is_empty() && *it != "identity").collect();
        match kinds[..] {
            [] => Ok(Self::Plain),
            ["gzip" | "x-gzip"] => Ok(Self::Gzip),
            _ => Err(FetchError::Malformed(format!("content-encoding {said} was not asked for"))),
        }
    }
}

/// The whole body, of at most `bytes_max` once it is unpacked.
pub(super) async fn collect(
    body: Incoming,
    encoding: Encoding,
    bytes_max: usize,
) -> Result<Bytes, FetchError> {
    let mut body = match encoding {
        Encoding::Plain => collect_plain(body, bytes_max).await?,
        Encoding::Gzip => unpack(body, bytes_max).await?,
    };
    // Some servers begin a text so, and JSON lets its readers pass over it (RFC 8259, section 8.1).
    if body.starts_with(BYTE_ORDER_MARK) {
        body.advance(BYTE_ORDER_MARK.len());
    }
    Ok(body)
}

async fn collect_plain(mut body: Incoming, bytes_max: usize) -> Result<Bytes, FetchError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
    while let Some(data) = next(&mut body).await? {
        if first.len() + more.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        // Most answers are one frame, which is passed on as it is.
        if first.is_empty() && more.is_empty() {
            first = data;
            continue;
        }
        more.extend_from_slice(&std::mem::take(&mut first));
        more.extend_from_slice(&data);
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}

/// Unpacks frame by frame: between them, others on this thread have their turn.
async fn unpack(mut body: Incoming, bytes_max: usize) -> Result<Bytes, FetchError> {
    let mut unpacking = MultiGzDecoder::new(Bounded { bytes: Vec::new(), bytes_max });
    while let Some(data) = next(&mut body).await? {
        let done = unpacking.write_all(&data);
        done.map_err(|error| not_unpacked(&error, unpacking.get_ref()))?;
    }
    let done = unpacking.try_finish();
    done.map_err(|error| not_unpacked(&error, unpacking.get_ref()))?;
    Ok(std::mem::take(&mut unpacking.get_mut().bytes).into())
}

fn not_unpacked(error: &io::Error, so_far: &Bounded) -> FetchError {
    match error.kind() {
        io::ErrorKind::StorageFull => too_large(so_far.bytes_max),
        _ => FetchError::Malformed("it is not valid gzip".to_owned()),
    }
}

/// The next bytes; `None` at the end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, FetchError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Unreachable(causes(&error)))?;
        // Trailers say nothing to us.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn too_large(bytes_max: usize) -> FetchError {
    FetchError::Malformed(format!("it is larger than {bytes_max} bytes"))
}

/// Takes bytes up to its bound: a small body may unpack to any size.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.bytes_max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
