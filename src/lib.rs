//! Juga, a federated GraphQL router whose subscriptions are driven by event streams.
//!
//! In reading order: what flows through (`graphql`, `language`, `plan`), the cores that decide (`federation`,
//! `protocol`, `hub`, `resolve`), the edges that act (`sources`, `net`, `http`, `admin`), and the room
//! where threads and wires meet (`server`). ARCHITECTURE.md says what each must not know.

// What tests of both kinds share names the crate as tests outside of it do.
#[cfg(test)]
extern crate self as juga;

pub mod graphql;
pub mod language;
pub mod plan;

pub mod federation;
pub mod headers;
pub mod hub;
pub mod protocol;
pub mod resolve;

pub mod admin;
pub mod http;
pub mod net;
pub mod sources;

pub mod telemetry;

pub mod server;

pub mod cli;
pub mod config;
