//! Requests with files.

use super::*;
use crate::graphql::{FilePiece, Request, TICKET};
use futures_util::StreamExt;

/// Redeems the tickets in the order in which they stand in the variables, and answers with what came. Tells
/// the test when the first bytes are here.
pub(super) async fn receive(request: &Request, context: &Context, arrived: &tokio::sync::Notify) -> Answer {
    let uploads = context.uploads.as_ref().expect("the request has files");
    let variables = text(&request.variables);
    let mut said = String::new();
    for ticket in variables.split('"').filter(|it| it.starts_with(TICKET)) {
        let index = uploads.index_of(ticket).expect("a ticket of this request");
        let mut file = uploads.redeem(index).expect("nobody else has it");
        let (mut bytes, mut sum) = (0, 0_u64);
        while let Some(piece) = file.next().await {
            match piece {
                Ok(FilePiece::Head { file_name, content_type }) => {
                    said += &format!("{:?} {:?} ", file_name.as_deref(), content_type.as_deref());
                }
                Ok(FilePiece::Bytes(piece)) => {
                    arrived.notify_one();
                    bytes += piece.len();
                    sum += piece.iter().map(|it| u64::from(*it)).sum::<u64>();
                }
                Err(_) => return executed(b"broken"),
            }
        }
        said += &format!("{bytes} {sum};");
    }
    executed(said)
}

const OPERATIONS: &str = r#"{"query":"upload","variables":{"a":null,"b":[null]}}"#;
const MAP: &str = r#"{"0":["variables.a"],"1":["variables.b.0"]}"#;
const VOUCHED: &str = "Apollo-Require-Preflight: true\r\n";

fn options() -> Options {
    let files = FileUpload { file_bytes_max: 3_000_000, files_max: 2 };
    Options { file_upload: Some(files), max_request_body_size: 10_000, ..Options::default() }
}

fn part(name: &str, head: &str, content: &str) -> String {
    format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{head}\r\n\r\n{content}\r\n")
}

fn body(operations: &str, map: &str, files: &[(&str, &str)]) -> String {
    let mut body = part("operations", "", operations) + &part("map", "", map);
    for (name, content) in files {
        let head = format!("; filename=\"{name}.txt\"\r\nContent-Type: text/plain");
        body += &part(name, &head, content);
    }
    body + "--xyz--\r\n"
}

fn send(front: &Running, headers: &str, body: &str) -> Reply {
    front.post(&format!("Content-Type: multipart/form-data; boundary=xyz\r\n{headers}"), body)
}

#[test]
fn files_arrive_with_their_names_and_types() {
    let front = Running::start(options());
    let large = "b".repeat(2_500_000);
    let reply = send(&front, VOUCHED, &body(OPERATIONS, MAP, &[("0", "aaa"), ("1", &large)]));
    let expected = format!(
        "Some(\"0.txt\") Some(\"text/plain\") 3 291;Some(\"1.txt\") Some(\"text/plain\") 2500000 {};",
        98 * 2_500_000_u64
    );
    assert_eq!((reply.status, reply.body.as_str()), (200, expected.as_str()));
    let none = body(r#"{"query":"{a}"}"#, "{}", &[]);
    assert_eq!(send(&front, VOUCHED, &none).body, "{a}|{}|", "no files are no mistake");
}

/// Whoever wants the file has its first bytes before the client has sent the last.
#[test]
fn files_are_handed_on_while_they_arrive() {
    let front = Running::start(options());
    let whole = body(OPERATIONS, MAP, &[("0", &"a".repeat(200_000)), ("1", "b")]);
    let (first, rest) = whole.split_at(100_000);
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{VOUCHED}Content-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=xyz\r\n\r\n",
        whole.len()
    );
    let mut client = front.connect();
    client.write_all(format!("{head}{first}").as_bytes()).expect("sent");
    let entered = Arc::clone(&front.fake.entered);
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(entered.notified());
    client.write_all(rest.as_bytes()).expect("sent");
    let reply = Reply::read(&mut client);
    assert!(reply.body.contains(" 200000 "), "{reply:?}");
}

#[test]
fn files_are_bounded_in_size_and_number() {
    let front = Running::start(options());
    let large = "b".repeat(3_000_001);
    for (operations, map, files, message) in [
        (OPERATIONS, MAP, &[("0", large.as_str()), ("1", "b")][..], "limit of 3000000 bytes"),
        (OPERATIONS, r#"{"0":["variables.a"],"1":["variables.a"],"2":["variables.a"]}"#, &[], "limit of 2"),
        (&format!("{OPERATIONS}{}", " ".repeat(10_000)), MAP, &[], "limit of 10000 bytes"),
    ] {
        let reply = send(&front, VOUCHED, &body(operations, map, files));
        assert_eq!(reply.status, 413, "{message}: {reply:?}");
        assert!(reply.body.contains(message) && reply.body.contains("PAYLOAD_TOO_LARGE"), "{reply:?}");
    }
}

#[test]
fn broken_uploads_are_refused() {
    let front = Running::start(options());
    let head = "x".repeat(3 << 20);
    for (body, message) in [
        (body(OPERATIONS, MAP, &[("0", "a")]), "is missing"),
        (body(OPERATIONS, MAP, &[("0", "a"), ("0", "a")]), "there twice"),
        (body(OPERATIONS, MAP, &[("0", "a"), ("other", "a")]), "not in `map`"),
        (part("map", "", MAP) + &part("operations", "", OPERATIONS) + "--xyz--", "first `operations`"),
        (body(OPERATIONS, r#"{"0":["variables.c"]}"#, &[("0", "a")]), "no null"),
        (body("[]", MAP, &[("0", "a")]), "batches"),
        (body("{", MAP, &[("0", "a")]), "not valid JSON"),
        ("nonsense".to_owned(), "cannot be read"),
        (part("operations", &format!("\r\nX: {head}"), OPERATIONS), "broke off"),
    ] {
        let reply = send(&front, VOUCHED, &body);
        assert_eq!(reply.status, 400, "{message}: {reply:?}");
        assert!(reply.body.contains(message), "{message}: {reply:?}");
    }
}

/// The texts of forms count like other bodies; files, which pass through, do not.
#[test]
fn the_room_for_bodies_is_for_forms_too() {
    let whole = body(OPERATIONS, MAP, &[("0", &"a".repeat(100_000)), ("1", "b")]);
    for (request_bodies_bytes_max, status) in [(10, 503), (1000, 200)] {
        let front = Running::start(Options { request_bodies_bytes_max, ..options() });
        for _ in 0..3 {
            assert_eq!(send(&front, VOUCHED, &whole).status, status, "{request_bodies_bytes_max}");
        }
    }
}

/// A form of a foreign page could send all of it but the header.
#[test]
fn uploads_need_a_header_and_leave() {
    let front = Running::start(options());
    let body = body(OPERATIONS, MAP, &[("0", "a"), ("1", "b")]);
    let reply = send(&front, "", &body);
    assert!(reply.status == 400 && reply.body.contains("CSRF_PREVENTION"), "{reply:?}");
    for header in ["X-Apollo-Operation-Name: Q\r\n", "GraphQL-Preflight: 1\r\n"] {
        assert_eq!(send(&front, header, &body).status, 200, "{header}");
    }
    let packed = send(&front, &format!("{VOUCHED}Content-Encoding: gzip\r\n"), &body);
    assert_eq!((packed.status, packed.header("accept-encoding")), (415, "identity"));
    let front = Running::start(Options { file_upload: None, ..Options::default() });
    assert_eq!(send(&front, VOUCHED, &body).status, 415);
}

/// A client that leaves in the middle of a file is not taken for one that has sent all.
#[test]
fn a_file_that_breaks_off_is_told() {
    let front = Running::start(options());
    let whole = body(OPERATIONS, MAP, &[("0", "aaaa")]);
    let (first, _) = whole.split_at(whole.find("aaaa").expect("the file") + 2);
    let reply = send(&front, VOUCHED, &format!("{first}\r\n--xyz--\r\n"));
    assert_eq!(reply.status, 400, "the second file never came: {reply:?}");
    let reply = send(&front, VOUCHED, first);
    assert_eq!(reply.status, 400, "the first one has no end: {reply:?}");
}
