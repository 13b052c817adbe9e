//! Files of one request, on their way from the client to subgraphs.
//!
//! Nobody holds a whole file: it is read while it is sent on. Where a file belongs, a variable has a ticket, a
//! text that only this request's files answer to. The files travel with the operation; whoever sends such a
//! variable on redeems its ticket, once. A ticket itself is never sent anywhere.

use bytes::Bytes;
use futures_util::Stream;
use std::{
    hash::{Hash, Hasher},
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
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
    /// Nothing of them is with the client any more.
    have_arrived: AtomicBool,
    /// They will not arrive in full.
    are_broken: AtomicBool,
}

impl Uploads {
    /// `nonce` tells this request's tickets from texts that clients make up.
    pub fn new(nonce: &str, files: Vec<FileStream>) -> Self {
        let files = files.into_iter().map(Some).collect();
        let (nonce, prefix) = (nonce.to_owned(), prefix(nonce));
        let (have_arrived, are_broken) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { nonce, prefix, files: Mutex::new(files), have_arrived, are_broken }
    }

    /// The text that stands in variables for a file.
    pub fn ticket(nonce: &str, index: usize) -> String {
        format!("{}{index}", prefix(nonce))
    }

    /// What nobody but this request's files is named by.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The file that a text stands for, if any.
    pub fn index_of(&self, text: &str) -> Option<usize> {
        let number = text.strip_prefix(&self.prefix)?;
        let is_ticket = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
        is_ticket.then(|| number.parse().ok()).flatten()
    }

    /// The files that a JSON text has tickets for, in its order.
    pub fn named_in(&self, json: &[u8]) -> Vec<usize> {
        let text = String::from_utf8_lossy(json);
        text.split(&self.prefix).skip(1).filter_map(|rest| digits(rest).parse().ok()).collect()
    }

    /// A text for people, without tickets.
    pub fn hide(&self, text: &str) -> String {
        let mut pieces = text.split(&self.prefix);
        let mut shown = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            shown.push_str("a file");
            shown.push_str(&piece[digits(piece).len()..]);
        }
        shown
    }

    /// The client has sent all of them in full.
    pub fn arrived(&self) {
        self.have_arrived.store(true, Ordering::Release);
    }

    pub fn have_arrived(&self) -> bool {
        self.have_arrived.load(Ordering::Acquire)
    }

    /// The client left, or a limit was passed. To be called before anybody can see one of them end.
    pub fn broke(&self) {
        self.are_broken.store(true, Ordering::Release);
    }

    /// Whether their request is refused, and nothing more may be done for it.
    pub fn are_broken(&self) -> bool {
        self.are_broken.load(Ordering::Acquire)
    }

    /// The file, for the first who asks.
    pub fn redeem(&self, index: usize) -> Option<FileStream> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get_mut(index)?.take()
    }
}

/// Requests have the same files if they are the same request.
impl PartialEq for Uploads {
    fn eq(&self, other: &Self) -> bool {
        self.nonce == other.nonce
    }
}

impl Eq for Uploads {}

impl Hash for Uploads {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nonce.hash(state);
    }
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Uploads(…)")
    }
}

/// The digits that a text begins with.
fn digits(text: &str) -> &str {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
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
            [Uploads::ticket("n2", 1), "juga-upload:n1:".into(), "juga-upload:n1:+1".into(), "".into()]
        {
            assert_eq!(uploads.index_of(&other), None, "{other}");
        }
        assert!(uploads.redeem(1).is_some());
        assert!(uploads.redeem(1).is_none(), "it was redeemed");
        assert!(uploads.redeem(2).is_none(), "there is none");
    }

    #[test]
    fn tickets_are_found_in_json_and_taken_out_of_texts_for_people() {
        let uploads = Uploads::new("n1", Vec::new());
        let (first, other) = (Uploads::ticket("n1", 12), Uploads::ticket("n2", 0));
        let json = format!(r#"{{"a":"juga-upload:","b":["{first}",3],"c":"{other}","d":"{first}"}}"#);
        assert_eq!(uploads.named_in(json.as_bytes()), [12, 12]);
        let shown = uploads.hide(&format!("Int cannot represent \"{first}\", nor \"{other}\"."));
        assert_eq!(shown, format!("Int cannot represent \"a file\", nor \"{other}\"."));
    }
}
