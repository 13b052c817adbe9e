//! What the router lets be seen of itself, without knowing what it is that is seen.
//!
//! Nothing that watches makes the watched wait or end: where nobody takes what is told, it is dropped and counted.

pub mod logging;
