//! The admin listener: health, metrics, profiles, state, and publishing into memory providers.
//!
//! Has a thread and a runtime of its own, so that neither a scrape nor the symbols of a profile delay
//! traffic; what is slow even so (building a profile) is done on a second, also constant thread, and
//! health keeps answering. It knows nothing of the router but what [`State`] tells it. It has no
//! authentication: it listens where the operator says, by default on loopback, never on the public port.

mod histogram;
mod metrics;
mod process;
mod profile;
mod publish;
mod reply;
mod server;
mod state;

pub use histogram::Histogram;
pub use server::{Admin, Options};
pub use state::{
    BoxFuture, Labelled, Lag, Loop, Provider, PublishError, Published, Queue, Snapshot, State, Subgraph,
    Unavailable,
};

#[cfg(test)]
mod tests;
