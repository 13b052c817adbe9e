//! What `bench_queries` is made of: `requests` are what clients ask, `stub` is every subgraph, `proxy` the
//! floor, `client` the load, `wire` their HTTP, `compare` the rounds.
#![allow(unreachable_pub, reason = "a bench has no outside")]

mod client;
pub mod compare;
pub mod proxy;
mod requests;
mod stub;
mod wire;

#[path = "../load/process.rs"]
#[allow(dead_code, reason = "the other bench uses all of it")]
pub mod process;
#[path = "../load/report.rs"]
pub mod report;
