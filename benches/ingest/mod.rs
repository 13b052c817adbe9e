//! What events cost on their way in: `listener` is who reads a broker beside the router, and counts with `goal`;
//! `compare` has them take turns with the router.
#![allow(unreachable_pub, reason = "a bench has no outside")]

pub mod compare;
mod goal;
pub mod listener;
