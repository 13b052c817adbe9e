//! Queries in flight that others may wait for instead of sending the same request again.
//!
//! A flight is found by everything that its subgraph sees of it, so an answer never reaches somebody on
//! whose behalf it was not asked. It ends early only when nobody waits for it any more.

use super::{BoxFuture, FetchAnswer, FetchError, FetchRequest};
use crate::plan::{HeaderList, SubgraphId};
use bytes::Bytes;
use foldhash::fast::RandomState;
use futures_util::future::{FutureExt, Shared, WeakShared};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(super) type Outcome = Result<FetchAnswer, FetchError>;

/// A request under way; each clone waits for the same answer.
pub(super) type Flight = Shared<BoxFuture<Outcome>>;

/// All of them. Bounded by the operations in flight: a flight goes when it lands.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    by_key: HashMap<Key, (u64, WeakShared<BoxFuture<Outcome>>), RandomState>,
    /// Numbers flights, so that one that ends late does not take its successor off the list.
    next: u64,
}

/// All that a subgraph sees.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    subgraph: SubgraphId,
    headers: Option<HeaderList>,
    body: Bytes,
}

impl Flights {
    /// The flight of an equal request, or the one that `start` makes. Tells whether it was there already.
    pub(super) fn join(
        self: &Arc<Self>,
        request: FetchRequest,
        start: impl FnOnce(FetchRequest) -> BoxFuture<Outcome>,
    ) -> (Flight, bool) {
        let key =
            Key { subgraph: request.subgraph, headers: request.headers.clone(), body: request.body.clone() };
        let mut under_way = self.under_way();
        if let Some(flight) = under_way.by_key.get(&key).and_then(|(_, it)| it.upgrade()) {
            return (flight, true);
        }
        let number = under_way.next;
        under_way.next += 1;
        let listed = Listed { flights: self.clone(), key: key.clone(), number };
        let exchange = start(request);
        let flight: BoxFuture<Outcome> = Box::pin(async move {
            let _listed = listed;
            exchange.await
        });
        let flight = flight.shared();
        let weak = flight.downgrade().expect("not polled yet");
        under_way.by_key.insert(key, (number, weak));
        (flight, false)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list once it has landed or been given up.
struct Listed {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        if under_way.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            under_way.by_key.remove(&self.key);
        }
    }
}
