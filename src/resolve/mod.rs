//! Carries out plans: fetches, merges, projects; on a bounded pool of threads that never wait.
//!
//! In reading order: `pool` has the threads (`prepare` those that plan), `executor` takes one operation or one event from plan to
//! response, `job` walks the steps, `fetch` is the one door to subgraphs, `represent`, `rewrite` and
//! `paths` move data between them, `answer` reads what came back, `project` writes the response.
//!
//! It plans nothing, opens no socket and knows no subscriber: who gets a response is for its callers.

mod answer;
mod broker;
mod buffers;
mod counters;
mod errors;
mod event;
mod executor;
mod fetch;
mod flights;
mod job;
mod lacking;
mod leaf;
mod options;
mod paths;
mod pool;
mod ports;
mod prepare;
mod project;
mod represent;
mod rewrite;
mod upstream;

#[cfg(test)]
mod tests;

pub use counters::{Counters, SubgraphCounters};
pub use executor::{Executed, Executor, RefusedEvent, Workspace};
pub use options::{ErrorMode, ErrorPropagation, Options};
pub use pool::{Pool, PoolCounters, Work};
pub use ports::{
    BoxFuture, BrokerError, BrokerMessage, Brokers, FetchAnswer, FetchError, FetchRequest, SubgraphHeaders,
    Subgraphs,
};
pub use upstream::{UpstreamLoss, refusal_errors, terminal_errors};
