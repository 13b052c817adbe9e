//! The hub and its simulation as one crate of their own, so that `hub_seeded_bug` can build both with
//! `--cfg seeded_bug` in seconds, without touching the artifacts of the real build.

#![expect(dead_code, unused_imports, reason = "only what the hub needs is used here")]

extern crate self as juga;

#[path = "../../src/graphql/mod.rs"]
pub mod graphql;
#[path = "../../src/hub/mod.rs"]
pub mod hub;
#[path = "../../src/plan/mod.rs"]
pub mod plan;

#[path = "../hub_simulation.rs"]
mod hub_simulation;
