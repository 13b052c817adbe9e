//! What lies around the operations of a request: batches, compression, ids, caching headers.

use super::*;
use flate2::{read::GzDecoder, write::GzEncoder};
use std::io::Read;

/// An answer that is worth compressing.
pub(super) fn large() -> String {
    format!("{{\"data\":\"{}\"}}", "large ".repeat(20_000))
}

/// An outcome about which caches are told; the second word of the query is what a subgraph said.
pub(super) fn cached(query: &str) -> Outcome {
    let said = query.strip_prefix("cached ").map(|it| it.parse().expect("header value"));
    Outcome {
        answer: executed(b"{\"data\":{}}"),
        operation: Some(Operation { kind: Kind::Query, name: None }),
        freshness: Some(Freshness { has_errors: false, said: vec![("a".into(), said)] }),
    }
}

fn batch(queries: &[&str]) -> String {
    let entries: Vec<_> = queries.iter().map(|it| format!("{{\"query\":\"{it}\"}}")).collect();
    format!("[{}]", entries.join(","))
}

fn batching(concurrency_max: usize) -> Options {
    let batching = Batching { concurrency_max, entries_max: 20, omit_extensions: false };
    Options { batching: Some(batching), ..Options::default() }
}

/// The first entry ends only once the second has run.
#[test]
fn batches_are_answered_in_order_whatever_ends_first() {
    let front = Running::start(batching(2));
    let reply = front.post(JSON, &batch(&["wait", "notify", "invalid"]));
    let expected = r#"[{"data":"waited"},{"data":"notified"},{"errors":[]}]"#;
    assert_eq!((reply.status, reply.body.as_str()), (200, expected));
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    let newer = front.post(&format!("{JSON}{NEWER}"), &batch(&["invalid"]));
    assert_eq!((newer.status, newer.body.as_str()), (200, r#"[{"errors":[]}]"#));
}

#[test]
fn no_more_entries_run_at_a_time_than_allowed() {
    for allowed in [1, 3] {
        let front = Running::start(batching(allowed));
        assert_eq!(front.post(JSON, &batch(&["work"; 20])).status, 200);
        assert_eq!(front.fake.working_max.load(Ordering::Relaxed), allowed as u64);
    }
}

#[test]
fn entries_fail_alone_and_batches_as_a_whole() {
    let front = Running::start(batching(10));
    let reply = front.post(JSON, &batch(&["subscription", "{a}", "busy", " "]));
    assert_eq!(reply.status, 200);
    for code in ["BATCHING_SUBSCRIPTION_UNSUPPORTED", "SERVICE_UNAVAILABLE", "BAD_REQUEST"] {
        assert!(reply.body.contains(&format!("\"code\":\"{code}\"")), "{code}: {reply:?}");
    }
    assert!(reply.body.contains(",{a}|{}|,"), "{reply:?}");
    let reply = front.post(JSON, &batch(&["work"; 21]));
    assert!(reply.status == 400 && reply.body.contains("BATCH_LIMIT_EXCEEDED"), "{reply:?}");
    assert_eq!(front.fake.working_max.load(Ordering::Relaxed), 0, "nothing was carried out");
}

#[test]
fn omitted_extensions_leave_the_message() {
    let batching = Batching { concurrency_max: 1, entries_max: 1, omit_extensions: true };
    let front = Running::start(Options { batching: Some(batching), ..Options::default() });
    for (queries, message) in
        [(&["subscription"][..], "Subscriptions aren't supported"), (&["a", "b"], "the limit is 1")]
    {
        let reply = front.post(JSON, &batch(queries));
        assert!(reply.body.contains(message) && !reply.body.contains("extensions"), "{reply:?}");
    }
}

/// One exchange whose answer may be anything but text.
fn exchange_bytes(front: &Running, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut socket = front.connect();
    let length = body.len();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{JSON}Content-Length: {length}\r\n{head}\r\n"
    );
    // The front may answer and close before it has read all of a body that it refuses.
    _ = socket.write_all(&[head.as_bytes(), body].concat());
    let mut all = Vec::new();
    // A reset after the answer is as good an end as any.
    _ = socket.read_to_end(&mut all);
    let end = all.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    (text(&all[..end]).to_ascii_lowercase(), all[end + 4..].to_vec())
}

#[test]
fn large_answers_are_compressed_for_those_who_take_it() {
    let front = Running::start(Options::default());
    let ask = |accept: &str| exchange_bytes(&front, accept, br#"{"query":"large"}"#);
    let (head, body) = ask("Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let mut unpacked = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut unpacked).expect("gzip");
    assert!(unpacked == large() && body.len() < unpacked.len() / 10);

    let (head, body) = ask("Accept-Encoding: gzip, br\r\n");
    assert!(head.contains("content-encoding: br"), "{head}");
    let mut unpacked = String::new();
    brotli::Decompressor::new(&body[..], 4096).read_to_string(&mut unpacked).expect("brotli");
    assert!(unpacked == large());

    for accept in ["", "Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0\r\n"] {
        let (head, body) = ask(accept);
        assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
        assert_eq!(body.len(), large().len(), "{accept}");
    }
    let small = exchange_bytes(&front, "Accept-Encoding: gzip\r\n", br#"{"query":"{a}"}"#);
    assert!(!small.0.contains("content-encoding"), "{small:?}");
    let never = Running::start(Options { compression_bytes_min: usize::MAX, ..Options::default() });
    let (head, _) = exchange_bytes(&never, "Accept-Encoding: gzip\r\n", br#"{"query":"large"}"#);
    assert!(!head.contains("content-encoding") && !head.contains("accept-encoding"), "{head}");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compressed_bodies_are_taken_up_to_the_limit_they_unfold_to() {
    let front = Running::start(Options { max_request_body_size: 100_000, ..Options::default() });
    let coded = |coding: &str, body: &[u8]| {
        let (head, body) = exchange_bytes(&front, &format!("Content-Encoding: {coding}\r\n"), body);
        (head.split(' ').nth(1).unwrap_or_default().to_owned(), head, text(&body))
    };
    let request = format!("{{\"query\":\"{{a}}\"{}}}", " ".repeat(50_000));
    let (status, _, body) = coded("gzip", &gzip(request.as_bytes()));
    assert_eq!((status.as_str(), body.as_str()), ("200", "{a}|{}|"));
    let mut brotlied = Vec::new();
    brotli::CompressorWriter::new(&mut brotlied, 4096, 4, 19).write_all(request.as_bytes()).expect("memory");
    assert_eq!(coded("br", &brotlied).2, "{a}|{}|");

    // A hundred megabytes in a hundred kilobytes.
    let bomb = gzip(&vec![b' '; 90_000_000]);
    assert!(bomb.len() < 100_000, "the bomb itself is small enough: {}", bomb.len());
    assert_eq!(coded("gzip", &bomb).0, "413");
    assert_eq!(coded("gzip", request.as_bytes()).0, "400");
    assert_eq!(coded("gzip", &gzip(request.as_bytes())[..40]).0, "400");
    let (status, head, _) = coded("zstd", request.as_bytes());
    assert!(status == "415" && head.contains("accept-encoding: gzip, deflate, br"), "{head}");
}

/// The room that all bodies share counts what they unfold to.
#[test]
fn unfolded_bodies_count_and_decompression_can_be_turned_off() {
    let front = Running::start(Options { request_bodies_bytes_max: 10_000, ..Options::default() });
    let body = gzip(format!("{{\"query\":\"{{a}}\"{}}}", " ".repeat(50_000)).as_bytes());
    let (head, _) = exchange_bytes(&front, "Content-Encoding: gzip\r\n", &body);
    assert!(head.starts_with("http/1.1 503"), "{head}");
    let front = Running::start(Options { decompression_enabled: false, ..Options::default() });
    let (head, _) = exchange_bytes(&front, "Content-Encoding: gzip\r\n", &body);
    assert!(head.starts_with("http/1.1 415") && head.contains("accept-encoding: identity"), "{head}");
    let (head, _) = exchange_bytes(&front, "Content-Encoding: identity\r\n", br#"{"query":"{a}"}"#);
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[test]
fn a_client_may_ask_before_it_sends_its_body() {
    let front = Running::start(Options { max_request_body_size: 100, ..Options::default() });
    let head = |length: usize| {
        format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{JSON}Expect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let body = r#"{"query":"{a}"}"#;
    let mut socket = front.connect();
    socket.write_all(head(body.len()).as_bytes()).expect("sent");
    let mut go_ahead = [0; 25];
    socket.read_exact(&mut go_ahead).expect("an answer before the body");
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).expect("sent");
    assert_eq!(Reply::read(&mut socket).body, "{a}|{}|");
    // Too large: told without having sent it.
    assert_eq!(front.exchange(&head(101)).status, 413);
}

#[test]
fn requests_have_ids() {
    let front = Running::start(Options::default());
    let id = |headers: &str| {
        let reply = front.post(&format!("{JSON}{headers}"), r#"{"query":"{a}"}"#);
        reply.header("x-request-id").to_owned()
    };
    assert_eq!(id("X-Request-Id: abc-1\r\n"), "abc-1");
    let (one, two) = (id(""), id("X-Request-Id: not usable\r\n"));
    assert!(one.len() == 32 && two.len() == 32 && one != two, "{one} {two}");
    let refused = front.post("X-Request-Id: abc-2\r\n", "");
    assert_eq!((refused.status, refused.header("x-request-id")), (415, "abc-2"));
}

#[test]
fn caches_are_told_what_the_policy_and_the_subgraphs_say() {
    let policy = CachePolicy { value: "max-age=60, public".into(), ..CachePolicy::default() };
    let front = Running::start(Options { cache_policy: Some(policy), ..Options::default() });
    let told = |front: &Running, query: &str| {
        front.post(JSON, &format!("{{\"query\":\"{query}\"}}")).header("cache-control").to_owned()
    };
    assert_eq!(told(&front, "cached"), "max-age=60, public");
    assert_eq!(told(&front, "cached max-age=5"), "max-age=5");
    assert_eq!(told(&front, "{a}"), "", "nothing is known of it");
    let silent = Running::start(Options::default());
    assert_eq!(told(&silent, "cached max-age=5"), "");
}

/// What an HTTP/2 client says first, and a frame of settings without any.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Frame types that the front sends until it closes.
fn http2_frames(socket: &mut TcpStream) -> Vec<u8> {
    let (mut frames, mut head) = (Vec::new(), [0; 9]);
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        socket.read_exact(&mut vec![0; length]).expect("a whole frame");
        frames.push(head[3]);
    }
    frames
}

const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;

#[test]
fn http2_clients_that_do_nothing_are_sent_away() {
    // Long enough that a busy machine sends its first bytes within it.
    let patient = Duration::from_millis(300);
    let front = Running::start(Options { head_read_timeout: patient, ..Options::default() });
    let mut socket = front.connect();
    socket.write_all(HTTP2).expect("sent");
    let frames = http2_frames(&mut socket);
    assert_eq!(frames.first(), Some(&SETTINGS), "{frames:?}");
    assert!(frames.contains(&GO_AWAY), "{frames:?}");
}

#[test]
fn http2_clients_are_sent_away_when_the_front_stops() {
    let patient =
        Options { head_read_timeout: PATIENCE * 10, stop_timeout: PATIENCE * 10, ..Options::default() };
    let mut front = Running::start(patient);
    let mut socket = front.connect();
    socket.write_all(HTTP2).expect("sent");
    let mut settings = [0; 9];
    socket.read_exact(&mut settings).expect("an answer");
    let length = u32::from_be_bytes([0, settings[0], settings[1], settings[2]]) as usize;
    socket.read_exact(&mut vec![0; length]).expect("settings");
    front.stop();
    let frames = http2_frames(&mut socket);
    assert!(frames.contains(&GO_AWAY), "{frames:?}");
}
