//! Subscriptions through nginx, with TLS and without, set up as `docs/clients.md` says: what
//! `tests/client_libraries.rs` shows of each client holds behind a proxy too.

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use certificates::Certificates;
use std::{path::Path, process::Command, sync::mpsc, thread};
use support::{
    browser::{self, Browser},
    http_stream::{EVENTS, End, HttpStream, MULTIPART},
    nginx::{self, Identity, Nginx},
    quickstart::{Greeting, Quickstart},
    subscribers::{self, Door, libraries_and_curls},
    ws::{Client, Said},
};

/// Shorter than the silence of the tests that use it, longer than the time between two heartbeats.
const IMPATIENT: &str = "proxy_read_timeout 2s;";

/// The quickstart behind nginx.
struct Stage {
    nginx: Nginx,
    greeting: Greeting,
    quickstart: Quickstart,
    _certificates: Certificates,
}

impl Stage {
    fn start(program: &Path) -> Self {
        Self::start_with(program, Quickstart::start_brisk(), "")
    }

    fn start_with(program: &Path, mut quickstart: Quickstart, more: &str) -> Self {
        let (greeting, certificates) = (quickstart.greeting(), Certificates::make());
        let identity = Identity {
            certificate: certificates.file("server.pem"),
            key: certificates.file("server.key"),
            authority: certificates.file("ca.pem"),
        };
        let nginx = Nginx::start(program, greeting.address(), &identity, more);
        Self { nginx, greeting, quickstart, _certificates: certificates }
    }
}

/// Each client through both doors.
fn check_all(check: impl Fn(subscribers::Library, &Greeting, &Door)) {
    let Some(program) = nginx::find_or_excuse() else { return };
    let stage = Stage::start(&program);
    for door in stage.nginx.doors() {
        for library in libraries_and_curls() {
            check(library, &stage.greeting, &door);
        }
    }
}

#[test]
fn every_library_gets_events_in_order_through_nginx_and_leaves_nothing_behind() {
    check_all(subscribers::gets_events_in_order_and_leaves_nothing_behind);
}

/// Buffering is nginx's default; the router's answers ask it not to.
#[test]
fn events_pass_nginx_at_once() {
    check_all(subscribers::gets_each_event_at_once);
}

#[test]
fn every_library_may_die_behind_nginx_without_leaving_anything_behind() {
    check_all(subscribers::dies_and_leaves_nothing_behind);
}

#[test]
fn every_library_sees_through_nginx_why_an_operation_is_refused() {
    check_all(subscribers::sees_why_an_operation_is_refused);
}

/// Meanwhile nginx answers 502.
#[test]
fn libraries_come_back_through_nginx_to_a_router_that_comes_back() {
    let Some(program) = nginx::find_or_excuse() else { return };
    let stage = Stage::start(&program);
    let door = stage.nginx.tls();
    subscribers::come_back_to_a_router_that_comes_back(stage.quickstart, &stage.greeting, &door);
}

#[test]
fn browsers_and_curl_speak_http2_with_nginx() {
    let Some(program) = nginx::find_or_excuse() else { return };
    let stage = Stage::start(&program);
    let door = stage.nginx.tls();
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_version}"])
        .arg("--cacert")
        .args(&door.authority)
        .args(["--json", r#"{"query": "{ employee(id: 1) { id } }"}"#, &door.http])
        .output()
        .expect("curl is installed");
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "2", "{curl:?}");

    let Some(program) = browser::find_or_excuse() else { return };
    let mut browser = Browser::start(&program);
    browser.trust_everyone();
    for (door, protocol) in [(stage.nginx.plain(), "http/1.1"), (door, "h2")] {
        browser.open(door.http.strip_suffix("graphql").expect("the endpoint"));
        let spoken = browser.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol");
        assert_eq!(spoken, protocol, "{}", door.http);
        subscribers::an_event_source_gets_events_in_order(&mut browser, &stage.greeting);
    }
    browser.close();
}

/// A page has to open another one then, as `docs/clients.md` says.
#[test]
fn an_event_source_gives_up_when_nginx_says_that_the_router_is_away() {
    let Some(program) = nginx::find_or_excuse() else { return };
    let Some(browser) = browser::find_or_excuse() else { return };
    let mut stage = Stage::start(&program);
    let mut browser = Browser::start(&browser);
    browser.open(stage.nginx.plain().http.strip_suffix("graphql").expect("the endpoint"));
    browser.evaluate(&subscribers::event_source(&subscribers::subscription(&stage.greeting)));
    stage.greeting.wait_until_live(1);
    stage.quickstart.interrupt();
    assert!(stage.quickstart.ended(subscribers::PATIENCE).success());
    browser.wait_until("source.readyState === EventSource.CLOSED");
    assert_eq!(browser.evaluate("opened"), 1);
    browser.close();
}

/// So many heartbeats take twice as long as nginx waits, or longer.
#[test]
fn heartbeats_keep_nginx_from_cutting_a_silent_subscription() {
    let Some(program) = nginx::find_or_excuse() else { return };
    let quickstart = quickstart_with(&[
        ("HTTP_STREAMS_HEARTBEAT_INTERVAL", "200ms"),
        ("WEBSOCKET_PING_INTERVAL", "700ms"),
        ("WEBSOCKET_LEGACY_KEEP_ALIVE_INTERVAL", "700ms"),
    ]);
    let stage = Stage::start_with(&program, quickstart, IMPATIENT);
    let (url, query) = (stage.nginx.plain().http, subscribers::subscription(&stage.greeting));
    let websocket = url.replacen("http", "ws", 1);
    let (ready, waited) = mpsc::channel();
    // All at once, because each must take what comes, and answer it.
    thread::scope(|scope| {
        let stream = |accept, heartbeat: &'static str| {
            let (mut stream, ready) = (HttpStream::post(&url, accept, &query), ready.clone());
            scope.spawn(move || {
                for _ in 0..20 {
                    stream.until(heartbeat);
                }
                ready.send(()).expect("the test waits");
                stream.result()
            })
        };
        let socket = |mut client: Client, is_sign: fn(&Said) -> bool| {
            client.subscribe("1", &query);
            let ready = ready.clone();
            scope.spawn(move || {
                let mut signs = 0;
                while signs < 6 {
                    let said = client.hear(subscribers::PATIENCE).expect("a sign of life");
                    assert_ne!(said, Said::Gone);
                    signs += u32::from(is_sign(&said));
                }
                ready.send(()).expect("the test waits");
                client.next("1")
            })
        };
        let results = [
            stream(EVENTS, ":heartbeat\n\n"),
            stream(MULTIPART, "{}\r\n--graphql"),
            socket(Client::connect(&websocket), |it| matches!(it, Said::Ping(_))),
            socket(
                Client::connect_legacy(&websocket),
                |it| matches!(it, Said::Message(message) if message["type"] == "ka"),
            ),
        ];
        for _ in &results {
            waited.recv_timeout(subscribers::PATIENCE).expect("every client has waited");
        }
        subscribers::publish(&stage.greeting, 5);
        for result in results {
            subscribers::assert_event("after a silence", &result.join().expect("a result"), 5);
        }
    });
}

/// The same without heartbeats, to show that the test above would notice.
#[test]
fn without_heartbeats_nginx_cuts_a_silent_subscription() {
    let Some(program) = nginx::find_or_excuse() else { return };
    let quickstart = quickstart_with(&[("HTTP_STREAMS_HEARTBEAT_INTERVAL", "0s")]);
    let stage = Stage::start_with(&program, quickstart, IMPATIENT);
    let (url, query) = (stage.nginx.plain().http, subscribers::subscription(&stage.greeting));
    for accept in [EVENTS, MULTIPART] {
        let mut stream = HttpStream::post(&url, accept, &query);
        assert_eq!(stream.rest().1, End::BrokenOff, "{accept}");
        stage.greeting.wait_until_idle();
    }
}

fn quickstart_with(variables: &[(&str, &str)]) -> Quickstart {
    let all: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let linger = ("EVENTS_TRIGGER_LINGER", "0s".to_owned());
    let all: Vec<_> = all.iter().chain([&linger]).map(|(name, value)| (*name, value)).collect();
    Quickstart::start_with(&all)
}
