//! Stories about plans being carried out, told against scripted subgraphs.

mod entities;
mod error_modes;
mod events;
mod failures;
mod limits;
mod pool;
mod projection;
mod sharing;
mod steps;
mod support;
