//! Requests with files: the GraphQL multipart request specification, version 2.
//!
//! `operations` and `map` are read first, and then all of the files if they are small; of larger ones only the
//! beginning: the operation then begins while its files still arrive, and each piece of a file goes on as soon as
//! whoever wants it takes it. No large file is ever held whole, so files must be wanted in the order in which they
//! arrive: the time limits of whoever waits for a later one end what would not.

use super::{
    body::{BodyError, Budget, Reserved},
    gateway::Context,
};
use crate::graphql::{
    Error, FileBroken, FilePiece, FileStream, Request, Uploads,
    json::{Document, Kind, NodeId},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode, body::Incoming, header::CONTENT_TYPE};
use multer::{Constraints, Field, Multipart, SizeLimit};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Headers that no page can send to another origin without asking first, as browsers call it "preflight". One
/// of them shows that no form of a foreign page made the request.
const PREFLIGHT_HEADERS: [&str; 3] =
    ["apollo-require-preflight", "x-apollo-operation-name", "graphql-preflight"];
/// What the multipart parser may take in without giving something out. Pieces of a body are smaller; heads of
/// parts are much smaller.
const HELD_BYTES_MAX: usize = 256 << 10;
/// Bytes of files that are read before the operation begins.
const AHEAD_BYTES_MAX: usize = 16 << 10;
/// Pieces of one file that wait for whoever reads it.
const PIECES_MAX: usize = 2;

/// Bounds on files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileUpload {
    /// Bytes of one file; beyond, `413`.
    pub file_bytes_max: usize,
    /// Files of one request; beyond, `413`.
    pub files_max: usize,
}

impl Default for FileUpload {
    fn default() -> Self {
        Self { file_bytes_max: 50_000_000, files_max: 10 }
    }
}

/// Bounds on one request with files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) files: FileUpload,
    /// Of `operations` and of `map`, each.
    pub(super) bytes_max: usize,
    /// Until `operations` and `map` are here, and between two pieces of a file.
    pub(super) timeout: Duration,
}

/// Why a request with files was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UploadError {
    Body(BodyError),
    /// It is not what the specification says.
    Malformed(String),
    FileTooLarge(usize),
    TooManyFiles(usize),
    Request(Error),
}

impl UploadError {
    /// The status and the error to answer with.
    pub(super) fn explain(self) -> Result<(StatusCode, Error), BodyError> {
        let too_large = |message: String| {
            (StatusCode::PAYLOAD_TOO_LARGE, Error::new(message).with_code("PAYLOAD_TOO_LARGE"))
        };
        Ok(match self {
            Self::Body(error) => return Err(error),
            Self::FileTooLarge(max) => too_large(format!("A file is larger than the limit of {max} bytes.")),
            Self::TooManyFiles(max) => too_large(format!("There are more files than the limit of {max}.")),
            Self::Malformed(message) => {
                let error = Error::new(message).with_code(crate::graphql::BAD_REQUEST);
                (StatusCode::BAD_REQUEST, error)
            }
            Self::Request(error) => (StatusCode::BAD_REQUEST, error),
        })
    }
}

impl From<multer::Error> for UploadError {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::FieldSizeExceeded { limit, .. } | multer::Error::StreamSizeExceeded { limit } => {
                Self::FileTooLarge(usize::try_from(limit).unwrap_or(usize::MAX))
            }
            multer::Error::StreamReadFailed(_) => Self::Body(BodyError::Broken),
            other => Self::Malformed(format!("The multipart body cannot be read: {other}.")),
        }
    }
}

/// The boundary of a body with files; `None` for other bodies.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next()?.trim();
    kind.eq_ignore_ascii_case("multipart/form-data")
        .then(|| multer::parse_boundary(value).unwrap_or_default())
}

/// Whether a request was certainly not made by a foreign page's form. Browsers send `multipart/form-data` to
/// any origin, with cookies, and without asking.
pub(super) fn is_vouched_for(headers: &HeaderMap) -> bool {
    PREFLIGHT_HEADERS.iter().any(|it| headers.get(*it).is_some_and(|it| !it.is_empty()))
}

/// A request whose files are on their way.
pub(super) struct Begun<'a> {
    pub(super) request: Request,
    pub(super) uploads: Arc<Uploads>,
    pub(super) pump: Pump<'a>,
}

/// Reads until the operation may begin. `nonce` is nobody else's.
pub(super) async fn begin<'a>(
    body: Incoming,
    boundary: String,
    nonce: &str,
    bounds: Bounds,
    budget: &'a Budget,
) -> Result<Begun<'a>, UploadError> {
    let (mut parts, mut reserved) = (Parts::new(body, boundary, bounds), Reserved::new(budget));
    let texts = async {
        let operations = parts.text("operations", &mut reserved).await?;
        Ok((operations, parts.text("map", &mut reserved).await?))
    };
    let (operations, map) = in_time(bounds, texts).await?;
    let places = Places::parse(map, bounds.files.files_max)?;
    let request = places.mark(operations, nonce).map_err(UploadError::Request)?;
    let mut files = Vec::with_capacity(places.0.len());
    let mut wanted = HashMap::with_capacity(places.0.len());
    for (name, _) in places.0 {
        let (pieces, arriving) = mpsc::channel(PIECES_MAX);
        files.push(file_stream(arriving));
        wanted.insert(name, pieces);
    }
    let uploads = Arc::new(Uploads::new(nonce, files));
    let mut source = Source { parts, wanted, current: None };
    let mut ahead = Ahead { pieces: VecDeque::new(), reserved: Some(reserved) };
    in_time(bounds, ahead.fill(&mut source)).await?;
    Ok(Begun { request, pump: Pump { fate: Fate(uploads.clone()), source, ahead }, uploads })
}

async fn in_time<T>(
    bounds: Bounds,
    reading: impl Future<Output = Result<T, UploadError>>,
) -> Result<T, UploadError> {
    let read = tokio::time::timeout(bounds.timeout, reading).await;
    read.unwrap_or(Err(UploadError::Body(BodyError::TooSlow)))
}

/// Brings files from the client to those who want them.
pub(super) struct Pump<'a> {
    /// Dropped before the files' channels close.
    fate: Fate,
    source: Source,
    ahead: Ahead<'a>,
}

/// Tells whoever carries the operation out that its files are broken, unless they have arrived by the time this is
/// dropped.
struct Fate(Arc<Uploads>);

impl Drop for Fate {
    fn drop(&mut self) {
        if !self.0.have_arrived() {
            self.0.broke();
        }
    }
}

impl Pump<'_> {
    /// Done when all of them are through.
    pub(super) async fn run(mut self) -> Result<(), UploadError> {
        while let Some(arrived) = self.ahead.pieces.pop_front() {
            arrived.hand_over().await;
        }
        self.ahead.reserved = None;
        while let Some(arrived) = self.source.next().await? {
            arrived.hand_over().await;
        }
        self.fate.0.arrived();
        Ok(())
    }
}

type Pieces = mpsc::Sender<Option<FilePiece>>;

/// What came of a file (`None`: its end), and who wants it.
struct Arrived {
    piece: Option<FilePiece>,
    to: Pieces,
}

impl Arrived {
    /// A receiver that is gone wants no more; the rest is read all the same.
    async fn hand_over(self) {
        _ = self.to.send(self.piece).await;
    }
}

/// The files of a body, piece by piece.
struct Source {
    parts: Parts,
    /// Files that have not begun, by the names of their parts.
    wanted: HashMap<String, Pieces>,
    current: Option<(Field<'static>, Pieces)>,
}

impl Source {
    /// The next piece; `None` when all files are here.
    async fn next(&mut self) -> Result<Option<Arrived>, UploadError> {
        if let Some((field, to)) = &mut self.current {
            let piece = self.parts.chunk(field).await?.map(FilePiece::Bytes);
            let arrived = Arrived { to: to.clone(), piece };
            if arrived.piece.is_none() {
                self.current = None;
            }
            return Ok(Some(arrived));
        }
        let Some(field) = self.parts.next().await? else { return self.end().map(|()| None) };
        let name = field.name().unwrap_or_default().to_owned();
        let Some(to) = self.wanted.remove(&name) else {
            let message = format!("The part `{name}` is not in `map`, or is there twice.");
            return Err(UploadError::Malformed(message));
        };
        let head = FilePiece::Head {
            file_name: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(ToString::to_string),
        };
        self.current = Some((field, to.clone()));
        Ok(Some(Arrived { piece: Some(head), to }))
    }

    fn end(&self) -> Result<(), UploadError> {
        match self.wanted.keys().next() {
            Some(name) => Err(UploadError::Malformed(format!("The file `{name}` of `map` is missing."))),
            None => Ok(()),
        }
    }
}

/// What is read before the operation begins: at least the head of a file, and the whole of a small body, so that
/// one that turns out to be no request has no effect.
struct Ahead<'a> {
    pieces: VecDeque<Arrived>,
    /// `None` once the pieces are handed over.
    reserved: Option<Reserved<'a>>,
}

impl Ahead<'_> {
    /// Takes in what there is room for.
    async fn fill(&mut self, source: &mut Source) -> Result<(), UploadError> {
        let mut bytes = 0;
        while bytes < AHEAD_BYTES_MAX
            && let Some(arrived) = source.next().await?
        {
            let len = if let Some(FilePiece::Bytes(it)) = &arrived.piece { it.len() } else { 0 };
            self.pieces.push_back(arrived);
            bytes += len;
            if !self.reserved.as_mut().is_some_and(|it| it.try_add(len)) {
                break;
            }
        }
        Ok(())
    }
}

/// What the other end of a pump's channel reads. A channel that closes before the end (`None`) was cut off.
fn file_stream(arriving: mpsc::Receiver<Option<FilePiece>>) -> FileStream {
    Box::pin(stream::unfold(Some(arriving), |arriving| async {
        let mut arriving = arriving?;
        match arriving.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(arriving))),
            Some(None) => None,
            None => Some((Err(FileBroken), None)),
        }
    }))
}

/// The parts of a body, one after the other.
struct Parts {
    multipart: Multipart<'static>,
    /// What the parser may still take in before it has to give something out.
    allowance: Arc<AtomicUsize>,
    bounds: Bounds,
}

impl Parts {
    fn new(body: Incoming, boundary: String, bounds: Bounds) -> Self {
        let allowance = Arc::new(AtomicUsize::new(0));
        let sizes = SizeLimit::new()
            .per_field(bounds.files.file_bytes_max as u64)
            .for_field("operations", bounds.bytes_max as u64)
            .for_field("map", bounds.bytes_max as u64);
        let constraints = Constraints::new().size_limit(sizes);
        let pieces = pieces(body, Arc::clone(&allowance));
        Self { multipart: Multipart::with_constraints(pieces, boundary, constraints), allowance, bounds }
    }

    async fn next(&mut self) -> Result<Option<Field<'static>>, UploadError> {
        self.allowance.store(HELD_BYTES_MAX, Ordering::Relaxed);
        let next = tokio::time::timeout(self.bounds.timeout, self.multipart.next_field());
        Ok(next.await.map_err(|_| UploadError::Body(BodyError::TooSlow))??)
    }

    async fn chunk(&self, field: &mut Field<'static>) -> Result<Option<Bytes>, UploadError> {
        self.allowance.store(HELD_BYTES_MAX, Ordering::Relaxed);
        let chunk = tokio::time::timeout(self.bounds.timeout, field.chunk());
        Ok(chunk.await.map_err(|_| UploadError::Body(BodyError::TooSlow))??)
    }

    /// The next part, which must have this name.
    async fn text(&mut self, name: &str, reserved: &mut Reserved<'_>) -> Result<Bytes, UploadError> {
        let Some(mut field) = self.next().await?.filter(|it| it.name() == Some(name)) else {
            let message = format!(
                "The part `{name}` is missing, or not in its place: first `operations`, then `map`, then files."
            );
            return Err(UploadError::Malformed(message));
        };
        let mut text = BytesMut::new();
        loop {
            match self.chunk(&mut field).await {
                Ok(Some(piece)) => {
                    reserved.add(piece.len()).map_err(UploadError::Body)?;
                    text.extend_from_slice(&piece);
                }
                Ok(None) => return Ok(text.freeze()),
                Err(UploadError::FileTooLarge(_)) => return Err(UploadError::Body(BodyError::TooLarge)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A body's pieces. The parser takes whatever is there, and holds what it cannot give out yet (heads of parts):
/// so pieces end in an error when it has taken more than it was allowed to.
fn pieces(body: Incoming, allowance: Arc<AtomicUsize>) -> impl Stream<Item = Result<Bytes, PieceError>> {
    stream::unfold((body, allowance), |(mut body, allowance)| async move {
        // One at a time: with a pause after each the parser gives out what it has.
        tokio::task::yield_now().await;
        let piece = loop {
            match body.frame().await?.map(hyper::body::Frame::into_data) {
                Ok(Ok(piece)) => break Ok(piece),
                // Trailers mean nothing here.
                Ok(Err(_)) => {}
                Err(_) => break Err(PieceError),
            }
        };
        let piece = piece.and_then(|piece| {
            let spend = |left: usize| left.checked_sub(piece.len());
            let spent = allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
            spent.map(|_| piece).map_err(|_| PieceError)
        });
        Some((piece, (body, allowance)))
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the body broke off, or the head of a part is too large")]
struct PieceError;

/// Where files belong: the parts' names and, for each, paths into the request.
#[derive(Debug, PartialEq, Eq)]
struct Places(Vec<(String, Vec<String>)>);

impl Places {
    fn parse(map: Bytes, files_max: usize) -> Result<Self, UploadError> {
        const SHAPE: &str = "`map` must be an object whose values are lists of paths.";
        let malformed = || UploadError::Malformed(SHAPE.to_owned());
        let mut document = Document::new();
        let root = document.parse(map).map_err(|_| malformed())?;
        if document.kind(root) != Kind::Object {
            return Err(malformed());
        }
        if document.len(root) > files_max {
            return Err(UploadError::TooManyFiles(files_max));
        }
        let paths = |list: NodeId| -> Option<Vec<String>> {
            let is_list = document.kind(list) == Kind::Array && !document.is_empty(list);
            let texts = document.children(list).map(|it| Some(document.as_str(it)?.into_owned()));
            if is_list { texts.collect() } else { None }
        };
        let entries = document.entries(root).map(|(name, list)| Some((name.to_owned(), paths(list)?)));
        entries.collect::<Option<_>>().map(Self).ok_or_else(malformed)
    }

    /// The request with a ticket in each place. Places must be null, so that no two files claim one.
    fn mark(&self, operations: Bytes, nonce: &str) -> Result<Request, Error> {
        let bad = |message: String| Error::new(message).with_code(crate::graphql::BAD_REQUEST);
        let mut document = Document::new();
        let root = Request::parse_json(operations, &mut document)?;
        if document.kind(root) == Kind::Array {
            return Err(bad("Files in batches of requests are not supported.".to_owned()));
        }
        for (index, (_, paths)) in self.0.iter().enumerate() {
            for path in paths {
                let place = path.starts_with("variables.").then(|| find(&document, root, path)).flatten();
                let Some(place) = place.filter(|it| document.is_null(*it)) else {
                    return Err(bad(format!("`map` names `{path}`, where there is no null in `variables`.")));
                };
                let ticket = document.new_string(&Uploads::ticket(nonce, index));
                document.replace(place, ticket);
            }
        }
        Request::from_node(&document, root)
    }
}

/// The node at a path of names and list positions, with dots between.
fn find(document: &Document, root: NodeId, path: &str) -> Option<NodeId> {
    path.split('.').try_fold(root, |node, step| match document.kind(node) {
        Kind::Object => document.get(node, step),
        Kind::Array => document.children(node).nth(step.parse().ok()?),
        _ => None,
    })
}

impl Context {
    /// The same request, with files.
    pub(super) fn with_uploads(&self, uploads: Arc<Uploads>) -> Self {
        Self { uploads: Some(uploads), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(operations: &'static str, map: &'static str) -> Result<String, String> {
        let places = Places::parse(map.into(), 2).map_err(|it| format!("{it:?}"))?;
        let request = places.mark(operations.into(), "n").map_err(|it| it.message)?;
        Ok(String::from_utf8(request.variables.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn tickets_stand_where_the_map_says() {
        let operations = r#"{"query":"m","variables":{"a":null,"b":{"c":[null,null]},"d":1}}"#;
        assert_eq!(
            mark(operations, r#"{"0":["variables.a","variables.b.c.1"],"x":["variables.b.c.0"]}"#).as_deref(),
            Ok(concat!(
                r#"{"a":"juga-upload:n:0","b":{"c":["juga-upload:n:1","juga-upload:n:0"]},"#,
                r#""d":1}"#
            ))
        );
    }

    #[test]
    fn maps_must_fit() {
        let operations = r#"{"query":"m","variables":{"a":null,"d":1}}"#;
        for (map, message) in [
            (r#"{"0":["variables.d"]}"#, "no null"),
            (r#"{"0":["variables.e"]}"#, "no null"),
            (r#"{"0":["query"]}"#, "no null"),
            (r#"{"0":["variables.a"],"1":["variables.a"]}"#, "no null"),
            (r#"{"0":"variables.a"}"#, "lists of paths"),
            (r#"{"0":[]}"#, "lists of paths"),
            (r#"{"0":[1]}"#, "lists of paths"),
            ("[]", "lists of paths"),
            ("", "lists of paths"),
            (r#"{"0":["a"],"1":["a"],"2":["a"]}"#, "TooManyFiles"),
        ] {
            let refused = mark(operations, map).expect_err(map);
            assert!(refused.contains(message), "{map}: {refused}");
        }
        let batch = mark(r#"[{"query":"m","variables":{"a":null}}]"#, r#"{"0":["0.variables.a"]}"#);
        assert!(batch.expect_err("a batch").contains("batches"));
    }

    #[test]
    fn only_form_data_has_files_and_only_with_a_header_that_forms_cannot_send() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(name.parse().expect("name"), value.parse().expect("value"))])
        };
        let boundary = |value| boundary(&with("content-type", value));
        assert_eq!(boundary("Multipart/Form-Data; boundary=x").as_deref(), Some("x"));
        assert_eq!(boundary("multipart/form-data").as_deref(), Some(""));
        assert_eq!(boundary("application/json"), None);
        assert!(is_vouched_for(&with("Apollo-Require-Preflight", "true")));
        assert!(is_vouched_for(&with("x-apollo-operation-name", "Q")));
        assert!(!is_vouched_for(&with("apollo-require-preflight", "")));
        assert!(!is_vouched_for(&with("x-requested-with", "x")));
    }
}
