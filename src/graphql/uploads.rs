//! Files of one request, on their way from the client to subgraphs.
//!
//! Nobody holds a whole file: it is read while it is sent on. Where a file belongs, a variable has a ticket, a
//! text that only this request's files answer to. Whoever sends that variable on redeems it, once.

use bytes::Bytes;
use futures_util::Stream;
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What begins every ticket.
pub const TICKET: &str = "juga-upload:";

/// What arrives of a file, first its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilePiece {
    Head { file_name: Option<String>, content_type: Option<String> },
    Bytes(Bytes),
}

/// The file does not arrive in full: the client left, or a limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file did not arrive in full")]
pub struct FileBroken;

/// A file as it arrives. Files arrive one after the other: who waits for the second keeps the first waiting
/// if nobody reads that.
pub type FileStream = Pin<Box<dyn Stream<Item = Result<FilePiece, FileBroken>> + Send>>;

/// The files of one request.
pub struct Uploads {
    nonce: String,
    prefix: String,
    files: Mutex<Vec<Option<FileStream>>>,
}

impl Uploads {
    /// `nonce` tells this request's tickets from texts that clients make up.
    pub fn new(nonce: &str, files: Vec<FileStream>) -> Self {
        let files = files.into_iter().map(Some).collect();
        Self { nonce: nonce.to_owned(), prefix: prefix(nonce), files: Mutex::new(files) }
    }

    /// The text that stands in variables for a file.
    pub fn ticket(nonce: &str, index: usize) -> String {
        format!("{}{index}", prefix(nonce))
    }

    /// What nobody but this request's files is named by.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Which file a text stands for, if any.
    pub fn index_of(&self, text: &str) -> Option<usize> {
        text.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// The file, for the first who asks.
    pub fn redeem(&self, index: usize) -> Option<FileStream> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get_mut(index)?.take()
    }
}

/// Where tickets are redeemed: the files of all requests of the moment. Requests pass through planning and
/// sharing as if they had none.
#[derive(Debug, Default)]
pub struct UploadDesk {
    /// By nonce.
    open: Mutex<HashMap<String, Arc<Uploads>>>,
    /// As many, to be read without the lock: most of the time there are none.
    count: AtomicUsize,
}

/// Files that can be redeemed for as long as this lives.
#[derive(Debug)]
pub struct OpenUploads {
    desk: Arc<UploadDesk>,
    nonce: String,
}

impl UploadDesk {
    pub fn open(self: &Arc<Self>, uploads: Arc<Uploads>) -> OpenUploads {
        let nonce = uploads.nonce.clone();
        let mut open = self.lock();
        open.insert(nonce.clone(), uploads);
        self.count.store(open.len(), Ordering::Release);
        OpenUploads { desk: Arc::clone(self), nonce }
    }

    /// The files that a JSON text has tickets for.
    pub fn find(&self, json: &[u8]) -> Option<Arc<Uploads>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(json);
        let open = self.lock();
        let mut nonces = text.split(TICKET).skip(1).filter_map(|it| it.split_once(':'));
        nonces.find_map(|(nonce, _)| open.get(nonce).cloned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Uploads>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenUploads {
    fn drop(&mut self) {
        let mut open = self.desk.lock();
        open.remove(&self.nonce);
        self.desk.count.store(open.len(), Ordering::Release);
    }
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Uploads(…)")
    }
}

fn prefix(nonce: &str) -> String {
    format!("{TICKET}{nonce}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_its_request_only() {
        let file = || -> FileStream { Box::pin(futures_util::stream::empty()) };
        let uploads = Uploads::new("n1", vec![file(), file()]);
        assert_eq!(uploads.index_of(&Uploads::ticket("n1", 1)), Some(1));
        for other in
            [Uploads::ticket("n2", 1), "juga-upload:n1:".into(), "juga-upload:n1:-1".into(), "".into()]
        {
            assert_eq!(uploads.index_of(&other), None, "{other}");
        }
        assert!(uploads.redeem(1).is_some());
        assert!(uploads.redeem(1).is_none(), "it was redeemed");
        assert!(uploads.redeem(2).is_none(), "there is none");
    }

    #[test]
    fn the_desk_knows_files_while_their_request_lasts() {
        let desk = Arc::new(UploadDesk::default());
        let body = format!(r#"{{"variables":{{"a":"juga-upload:","b":"{}"}}}}"#, Uploads::ticket("n1", 0));
        assert!(desk.find(body.as_bytes()).is_none());
        let others = desk.open(Arc::new(Uploads::new("n2", Vec::new())));
        assert!(desk.find(body.as_bytes()).is_none());
        let open = desk.open(Arc::new(Uploads::new("n1", Vec::new())));
        assert_eq!(desk.find(body.as_bytes()).map(|it| it.nonce.clone()).as_deref(), Some("n1"));
        drop((open, others));
        assert!(desk.find(body.as_bytes()).is_none());
    }
}
