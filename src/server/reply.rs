//! Answers that cannot be forgotten.

use crate::graphql::{self, Error};
use bytes::Bytes;
use std::marker::PhantomData;

/// Answers exactly once: with what it is given, or with `None` when it is dropped, be it that a job
/// panicked or that it was thrown away.
pub(super) struct Reply<T, F: FnOnce(Option<T>)> {
    answer: Option<F>,
    of: PhantomData<fn(T)>,
}

impl<T, F: FnOnce(Option<T>)> Reply<T, F> {
    pub(super) fn new(answer: F) -> Self {
        Self { answer: Some(answer), of: PhantomData }
    }

    pub(super) fn give(mut self, value: T) {
        if let Some(answer) = self.answer.take() {
            answer(Some(value));
        }
    }
}

impl<T, F: FnOnce(Option<T>)> Drop for Reply<T, F> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(None);
        }
    }
}

/// The response for an operation that the router itself failed.
pub(super) fn internal_error() -> Bytes {
    graphql::null_data_response(&[Error::internal()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn it_answers_once_whatever_happens() {
        let answers = RefCell::new(Vec::new());
        Reply::new(|answer: Option<u8>| answers.borrow_mut().push(answer)).give(1);
        drop(Reply::new(|answer: Option<u8>| answers.borrow_mut().push(answer)));
        assert_eq!(*answers.borrow(), [Some(1), None]);
    }
}
