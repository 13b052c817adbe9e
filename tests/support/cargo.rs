//! Cargo, from within a test.
#![allow(unreachable_pub, reason = "one of the tests has this file to itself")]

use std::{env, process::Command};

/// A call of Cargo in this package, without what Cargo tells a test about its package: dependencies that look at it would be
/// built anew, and once more by whoever builds next.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let is_about_us = |it: &str| it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(it, _)| it.to_str().is_some_and(is_about_us)) {
        cargo.env_remove(name);
    }
    cargo
}
