//! Transcripts of the client's side.

use super::*;
use Dialect::{GraphqlTransportWs, GraphqlWs};

fn acknowledged(dialect: Dialect) -> Session {
    let mut session = Session::new(dialect);
    assert!(!session.is_acknowledged());
    assert_eq!(session.receive(r#"{"type":"connection_ack","payload":{"a":1}}"#), Heard::Acknowledged);
    assert!(session.is_acknowledged());
    session
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn what_we_say_in_either_dialect() {
    let subscribe = Subscribe {
        document: "subscription{a(x:\"y\")}",
        variables: br#"{"v":1.50}"#,
        extensions: br#"{"e":{}}"#,
    };
    let bare = Subscribe { document: "subscription{a}", variables: b"", extensions: b"" };
    for (dialect, start, stop) in
        [(GraphqlTransportWs, "subscribe", "complete"), (GraphqlWs, "start", "stop")]
    {
        let session = Session::new(dialect);
        assert_eq!(written(|out| session.write_init(None, out)), r#"{"type":"connection_init"}"#);
        assert_eq!(
            written(|out| session.write_init(Some(br#"{"t":1}"#), out)),
            r#"{"type":"connection_init","payload":{"t":1}}"#
        );
        assert_eq!(
            written(|out| session.write_subscribe(7, subscribe, out)),
            format!(
                r#"{{"id":"7","type":"{start}","payload":{{"query":"subscription{{a(x:\"y\")}}","variables":{{"v":1.50}},"extensions":{{"e":{{}}}}}}}}"#
            )
        );
        assert_eq!(
            written(|out| session.write_subscribe(8, bare, out)),
            format!(r#"{{"id":"8","type":"{start}","payload":{{"query":"subscription{{a}}"}}}}"#)
        );
        assert_eq!(
            written(|out| session.write_unsubscribe(7, out)),
            format!(r#"{{"id":"7","type":"{stop}"}}"#)
        );
    }
}

#[test]
fn pings_are_the_newer_dialects_own() {
    let mut out = Vec::new();
    assert!(Session::new(GraphqlTransportWs).write_ping(&mut out));
    assert_eq!(out, br#"{"type":"ping"}"#);
    assert!(!Session::new(GraphqlWs).write_ping(&mut out));
    let pong = written(|out| Session::new(GraphqlTransportWs).write_pong(Some(r#"{"a":1}"#), out));
    assert_eq!(pong, r#"{"type":"pong","payload":{"a":1}}"#);
}

#[test]
fn what_servers_say() {
    let mut newer = acknowledged(GraphqlTransportWs);
    for (text, heard) in [
        (
            r#"{"id":"1","type":"next","payload":{"data":{"a":1}}}"#,
            Heard::Next { id: 1, response: r#"{"data":{"a":1}}"# },
        ),
        (
            r#"{"type":"error","id":"2","payload":[{"message":"m"}]}"#,
            Heard::Failed { id: 2, errors: r#"[{"message":"m"}]"# },
        ),
        (r#"{"id":"3","type":"complete"}"#, Heard::Completed { id: 3 }),
        (r#"{"type":"ping"}"#, Heard::Ping { payload: None }),
        (r#"{"type":"ping","payload":{"p":[1]}}"#, Heard::Ping { payload: Some(r#"{"p":[1]}"#) }),
        (r#"{"type":"pong"}"#, Heard::Nothing),
    ] {
        assert_eq!(newer.receive(text), heard, "{text}");
    }
    let mut older = acknowledged(GraphqlWs);
    for (text, heard) in [
        (
            r#"{"id":"1","type":"data","payload":{"errors":[]}}"#,
            Heard::Next { id: 1, response: r#"{"errors":[]}"# },
        ),
        (
            r#"{"type":"error","id":"2","payload":{"message":"m"}}"#,
            Heard::Failed { id: 2, errors: r#"{"message":"m"}"# },
        ),
        (r#"{"id":"3","type":"complete","payload":null}"#, Heard::Completed { id: 3 }),
        (r#"{"type":"ka"}"#, Heard::Nothing),
        (
            r#"{"type":"connection_error","payload":{"message":"no"}}"#,
            Heard::Refused { reason: r#"{"message":"no"}"# },
        ),
    ] {
        assert_eq!(older.receive(text), heard, "{text}");
    }
}

#[test]
fn servers_that_do_not_keep_to_the_dialect_are_noticed() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"type\":7}",
        r#"{"type":"hello"}"#,
        r#"{"type":"data","id":"1","payload":{}}"#,
        r#"{"type":"next","payload":{}}"#,
        r#"{"type":"next","id":"x","payload":{}}"#,
        r#"{"type":"next","id":"1","payload":[]}"#,
        r#"{"type":"next","id":"1"}"#,
        r#"{"type":"connection_ack"}"#,
    ] {
        let heard = acknowledged(GraphqlTransportWs).receive(text);
        assert!(matches!(heard, Heard::Violation(_)), "{text}: {heard:?}");
    }
    for text in [r#"{"type":"next","id":"1","payload":{}}"#, r#"{"type":"ping"}"#] {
        let heard = acknowledged(GraphqlWs).receive(text);
        assert!(matches!(heard, Heard::Violation(_)), "{text}: {heard:?}");
    }
}

#[test]
fn the_id_of_a_message_is_read_from_its_beginning() {
    let session = acknowledged(GraphqlTransportWs);
    for (start, id) in [
        (r#"{"id":"7","type":"next","payload":{"data":{"text":"xx"#, Some(7)),
        (r#" { "type" : "data" , "id" : "7" , "pay"#, Some(7)),
        (r#"{"type":"next","extra":{"id":"8","a":["}"]},"id":"7","payload":"#, Some(7)),
        (r#"{"id":7,"payload":[""#, Some(7)),
        (r#"{"id":"7"}"#, Some(7)),
        (r#"{"id":"7"#, None),
        (r#"{"id":7"#, None),
        (r#"{"id":"mine","type":"next","payload":{"#, None),
        (r#"{"type":"next","payload":{"id":"8","data":{"text":"xx"#, None),
        (r#"{"payload":{"id":"8"#, None),
        (r#"["id","7"]"#, None),
        ("", None),
    ] {
        assert_eq!(session.id_at_start(start.as_bytes()), id, "{start}");
    }
    let cut = [r#"{"id":"7","type":"next","payload":"#.as_bytes(), b"\"gr\xc3"].concat();
    assert_eq!(session.id_at_start(&cut), Some(7), "within a character");
}
