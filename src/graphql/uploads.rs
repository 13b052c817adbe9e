//! Files of one request, on their way from the client to subgraphs.
//!
//! Nobody holds a whole file: it is read while it is sent on. Where a file belongs, a variable has a ticket, a
//! text that only this request's files answer to. Whoever sends that variable on redeems it, once.

use bytes::Bytes;
use futures_util::Stream;
use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
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
    prefix: String,
    files: Mutex<Vec<Option<FileStream>>>,
}

impl Uploads {
    /// `nonce` tells this request's tickets from texts that clients make up.
    pub fn new(nonce: &str, files: Vec<FileStream>) -> Self {
        let files = files.into_iter().map(Some).collect();
        Self { prefix: prefix(nonce), files: Mutex::new(files) }
    }

    /// The text that stands in variables for a file.
    pub fn ticket(nonce: &str, index: usize) -> String {
        format!("{}{index}", prefix(nonce))
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
}
