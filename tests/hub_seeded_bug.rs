//! Proves that `hub_simulation` can fail: built without the generation check of the hub's slots, it must
//! notice that late answers reach whoever moved in.
//!
//! `rustc` builds `seeded_bug/root.rs` (graphql, plan, hub and the simulation, by path) against the
//! dependencies that Cargo has built already. Cargo itself is only asked where these lie: a build by
//! Cargo with other flags would compile every dependency again, or replace the real test's binary.

#[path = "support/cargo.rs"]
mod cargo;

use serde_json::Value;
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
};

#[test]
fn the_simulation_notices_a_missing_generation_check() {
    let crates = dependencies();
    let (sound, buggy) = std::thread::scope(|scope| {
        let sound = scope.spawn(|| build("sound", &crates, &[]));
        let buggy = build("buggy", &crates, &["--cfg", "seeded_bug"]);
        (sound.join().expect("it builds"), buggy)
    });

    let life = run(&sound, "1");
    assert!(life.status.success(), "the copy is not sound without the bug:\n{}", text(&life));

    let life = run(&buggy, "");
    assert!(!life.status.success(), "nobody noticed the bug");
    let told = text(&life);
    let by_assertion = told.contains("hub_simulation.rs:") && told.contains("replay with HUB_SEED=");
    assert!(by_assertion, "it failed, but not by what the simulation asserts:\n{told}");
}

/// Runs the simulation, one seed or all.
fn run(binary: &Path, seed: &str) -> Output {
    let mut command = Command::new(binary);
    command.arg("lives_are_sound_and_replay").env_remove("HUB_SEED");
    if !seed.is_empty() {
        command.env("HUB_SEED", seed);
    }
    command.output().expect("the simulation runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Builds the simulation with more flags and returns the binary.
fn build(name: &str, crates: &[(String, PathBuf)], flags: &[&str]) -> PathBuf {
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hub_simulation_{name}"));
    let mut rustc = Command::new(rustc());
    rustc
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--edition=2024", "--test", "--cap-lints=allow", "tests/seeded_bug/root.rs", "-o"])
        .arg(&binary)
        .args(flags);
    for (krate, file) in crates {
        let folder = file.parent().expect("a file in a folder");
        rustc.arg("-L").arg(format!("dependency={}", folder.display()));
        rustc.arg("--extern").arg(format!("{krate}={}", file.display()));
    }
    let built = rustc.output().expect("rustc runs");
    assert!(built.status.success(), "{}", text(&built));
    binary
}

/// The crates that this package depends on, and where Cargo has put them.
fn dependencies() -> Vec<(String, PathBuf)> {
    // For this platform alone: Cargo has downloaded no other platform's crates, and `metadata` opens each that it lists.
    let platform = host_platform();
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform", &platform]);
    let resolve = &serde_json::from_str::<Value>(&metadata).expect("JSON")["resolve"];
    let nodes = resolve["nodes"].as_array().expect("packages");
    let us = nodes.iter().find(|it| it["id"] == resolve["root"]).expect("this package");
    let names: HashMap<&str, &str> = us["deps"]
        .as_array()
        .expect("its dependencies")
        .iter()
        .filter_map(|it| Some((it["pkg"].as_str()?, it["name"].as_str()?)))
        .collect();
    let artifacts = cargo(&["test", "--no-run", "--test=hub_simulation", "--message-format=json"]);
    artifacts
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|it| it["reason"] == "compiler-artifact" && it["target"]["kind"][0] == "lib")
        .filter_map(|it| {
            let name = names.get(it["package_id"].as_str()?)?;
            let files = it["filenames"].as_array()?;
            let file = files.iter().filter_map(Value::as_str).find(|it| it.ends_with(".rlib"))?;
            Some(((*name).to_owned(), PathBuf::from(file)))
        })
        .collect()
}

/// The platform that `rustc` builds for, such as `x86_64-unknown-linux-gnu`.
fn host_platform() -> String {
    let version = Command::new(rustc()).arg("-vV").output().expect("rustc runs");
    let version = text(&version);
    let host = version.lines().find_map(|it| it.strip_prefix("host: "));
    host.unwrap_or_else(|| panic!("rustc names no host: {version}")).to_owned()
}

fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// What Cargo writes. It is to download nothing: what the test needs is there since Cargo has built it.
fn cargo(arguments: &[&str]) -> String {
    let ran = cargo::cargo().args(arguments).arg("--offline").output().expect("cargo runs");
    assert!(ran.status.success(), "cargo {arguments:?}: {}", text(&ran));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}
