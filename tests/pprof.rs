//! A CPU profile over HTTP: the format that `go tool pprof` reads, with our functions' names in it.
//!
//! In a process of its own, because the profiler interrupts every thread of its process.

use bytes::Bytes;
use juga::admin::{Admin, BoxFuture, Options, PublishError, Published, Snapshot, State, Unavailable};
use std::{
    hint::black_box,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

struct Idle;

impl State for Idle {
    fn is_live(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Snapshot {
        Snapshot::default()
    }

    fn debug_state(&self) -> BoxFuture<Result<Bytes, Unavailable>> {
        Box::pin(async { Err(Unavailable) })
    }

    fn publish(&self, _: &str, _: &str, _: Bytes) -> BoxFuture<Result<Published, PublishError>> {
        Box::pin(async { Err(PublishError::Unavailable) })
    }
}

#[inline(never)]
fn burn_cpu_for_the_profile(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
    sum
}

/// Asks until nobody else is making a profile.
fn profile_when_free(agent: &ureq::Agent, url: &str) -> Vec<u8> {
    for _ in 0..100_000 {
        let mut answer = agent.get(url).call().expect("answer");
        match answer.status().as_u16() {
            409 => continue,
            200 => return answer.body_mut().read_to_vec().expect("body"),
            other => panic!("status {other}: {:?}", answer.body_mut().read_to_string()),
        }
    }
    panic!("never free");
}

#[test]
fn a_cpu_profile_names_our_functions_and_keeps_others_out_meanwhile() {
    let options = Options { listen_addr: "127.0.0.1:0".into() };
    let (_admin, address) = Admin::start(&options, Arc::new(Idle)).expect("started");
    let stop = Arc::new(AtomicBool::new(false));
    let burner = thread::spawn({
        let stop = Arc::clone(&stop);
        move || burn_cpu_for_the_profile(&stop)
    });
    let url = format!("http://{address}/debug/pprof/profile?seconds=1&frequency=250");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let first = thread::spawn({
        let (agent, url) = (agent.clone(), url.clone());
        move || profile_when_free(&agent, &url)
    });
    // The two take turns until the long one has it; then the other one is refused.
    let mut refused = false;
    while !refused && !first.is_finished() {
        refused =
            agent.get(format!("http://{address}/debug/pprof/heap")).call().expect("answer").status() == 409;
    }
    assert!(refused, "the second profile waited");
    let health = agent.get(format!("http://{address}/health")).call().expect("answer").status();
    assert_eq!(health, 200);
    let profile = first.join().expect("profile");
    stop.store(true, Ordering::Relaxed);
    black_box(burner.join().expect("burner"));

    let plain = unzipped(&profile);
    // The first field of a profile is its sample types: field 1, length-delimited.
    assert_eq!(plain.first(), Some(&0x0a));
    let name = b"burn_cpu_for_the_profile";
    assert!(plain.windows(name.len()).any(|it| it == name), "{} bytes without the name", plain.len());
}

#[test]
fn heap_sampling_is_switched_on_and_off_over_http() {
    let options = Options { listen_addr: "127.0.0.1:0".into() };
    let (_admin, address) = Admin::start(&options, Arc::new(Idle)).expect("started");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let heap = format!("http://{address}/debug/pprof/heap");
    // The other test's profile may have the turn.
    let post = |what: &str| {
        let url = format!("{heap}/{what}");
        (0..100_000)
            .map(|_| agent.post(&url).send_empty().expect("answer").status().as_u16())
            .find(|it| *it != 409)
    };
    assert_eq!(post("activate"), Some(200));
    assert!(!unzipped(&profile_when_free(&agent, &heap)).is_empty());
    assert_eq!(post("deactivate"), Some(200));
}

fn unzipped(profile: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(profile).read_to_end(&mut plain).expect("gzip");
    plain
}
