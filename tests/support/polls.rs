//! A future that is dropped after so many polls, as a task is that is aborted at any point where it waits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pub(crate) struct DropAfter<T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    polls: usize,
}

impl<T> DropAfter<T> {
    pub(crate) fn new(polls: usize, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), polls }
    }
}

impl<T> Future for DropAfter<T> {
    /// `None`: it was dropped before it was done.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let polls = self.polls;
        let Some(future) = self.future.as_mut().filter(|_| polls > 0) else { return Poll::Ready(None) };
        if let Poll::Ready(done) = future.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        self.polls -= 1;
        if self.polls > 0 {
            return Poll::Pending;
        }
        self.future = None;
        Poll::Ready(None)
    }
}
