//! A load generator of our own: thousands of WebSocket clients on one thread, every message checked.
//!
//! `fleet` holds connections, `frame` reads and writes their bytes, `ledger` keeps the account of what
//! was delivered, `floor` is the cheapest possible server to compare with, `process` looks at CPU and
//! memory of another process, `scenarios` tells the stories, `report` prints them.
#![allow(unreachable_pub, reason = "a bench has no outside")]

mod fleet;
pub mod floor;
mod frame;
mod ledger;
mod process;
pub mod report;
pub mod scenarios;

pub use process::Pinning;
