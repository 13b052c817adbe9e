//! Conversations as tests, in any dialect.
//!
//! `client >` is a message to the session, `server <` what must be written next, `close` the end.
//! `(…)` is what the session asks of its caller, who does what his lines say: `accept`, `refuse`,
//! `init timeout`, `result <id> <json>`, `errors <id> <json>` (it cannot be begun), `fails <id> <json>` (it
//! had begun), `done <id>`, `keep alive`.

use super::{Close, Dialect, Operation, Reaction, Session, graphql_transport_ws, graphql_ws};

/// The caller's side: writes answers, keeps the ids that are live.
struct Caller {
    session: Session,
    live: Vec<String>,
    said: Vec<String>,
}

impl Caller {
    fn new(dialect: Dialect) -> Self {
        Self { session: Session::new(dialect), live: Vec::new(), said: Vec::new() }
    }

    fn client(&mut self, text: &str) {
        let Self { session, live, .. } = self;
        match session.receive(text, |id| live.iter().any(|it| it == id)) {
            Reaction::Nothing => {}
            Reaction::Initialise { payload } => {
                self.say(format!("(initialise {})", payload.unwrap_or("-")));
            }
            Reaction::Subscribe { id, operation } => {
                self.live.push(id.as_str().to_owned());
                self.say(format!("(subscribe {} {})", id.as_str(), describe(&operation)));
            }
            Reaction::Decline { id, reason } => self.say(format!("(decline {} {reason})", id.as_str())),
            Reaction::Unsubscribe { id } => {
                self.live.retain(|it| it != id.as_str());
                self.say(format!("(unsubscribe {})", id.as_str()));
                if self.dialect().confirms_stop() {
                    self.server(|out| Dialect::GraphqlWs.write_complete(id.as_str(), out));
                }
            }
            Reaction::Pong { payload } => self.server(|out| graphql_transport_ws::write_pong(payload, out)),
            Reaction::Refuse(close) => self.refuse(&close),
            Reaction::Close(close) => self.close(&close),
        }
    }

    fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    fn act(&mut self, line: &str) {
        let dialect = self.dialect();
        let mut words = line.splitn(3, ' ');
        let (verb, id, rest) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
        match verb.expect("splitn gives one") {
            "accept" => {
                self.session.acknowledge();
                let payload = (!id.is_empty()).then_some(id);
                self.server(|out| dialect.write_ack(payload, out));
            }
            "refuse" => self.refuse(&self.session.refuse()),
            "init" => {
                if let Some(close) = self.session.init_timed_out() {
                    self.close(&close);
                }
            }
            "result" => self.server(|out| dialect.write_result(id, rest.as_bytes(), out)),
            "errors" => self.end(id, |out| dialect.write_error(id, rest.as_bytes(), out)),
            "fails" => self.fail(id, rest),
            "done" => self.end(id, |out| dialect.write_complete(id, out)),
            "keep" => self.server(graphql_ws::write_keep_alive),
            other => panic!("unknown line: {other}"),
        }
    }

    fn end(&mut self, id: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.live.retain(|it| it != id);
        self.server(write);
    }

    fn fail(&mut self, id: &str, errors: &str) {
        let dialect = self.dialect();
        self.end(id, |out| dialect.write_failure(id, errors.as_bytes(), out));
        if !dialect.failure_is_terminal() {
            self.server(|out| dialect.write_complete(id, out));
        }
    }

    fn refuse(&mut self, close: &Close) {
        if self.dialect() == Dialect::GraphqlWs {
            self.server(|out| graphql_ws::write_connection_error(&close.reason, out));
        }
        self.close(close);
    }

    fn server(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        self.say(format!("server < {}", String::from_utf8(out).expect("UTF-8")));
    }

    fn close(&mut self, close: &Close) {
        assert!(close.reason.len() <= 123, "does not fit a close frame: {}", close.reason);
        self.say(format!("close {} {}", close.code.get(), close.reason));
    }

    fn say(&mut self, line: String) {
        self.said.push(line);
    }
}

fn describe(operation: &Operation<'_>) -> String {
    let parts = [
        operation.query.as_deref(),
        operation.operation_name.as_deref(),
        operation.variables,
        operation.extensions,
    ];
    parts.map(|it| it.unwrap_or("-")).join(" | ")
}

/// Plays a conversation: every line that is said must be the transcript's next, and none may be left.
#[track_caller]
pub(super) fn check(dialect: Dialect, transcript: &str) {
    let mut caller = Caller::new(dialect);
    let mut expected = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|it| !it.is_empty()) {
        if let Some(text) = line.strip_prefix("client >") {
            caller.client(text.trim_start());
        } else if line.starts_with("server <") || line.starts_with("close ") || line.starts_with('(') {
            expected.push(line.to_owned());
        } else {
            caller.act(line);
        }
        let said = caller.said.len().min(expected.len());
        assert_eq!(caller.said[..said], expected[..said], "at: {line}");
    }
    assert_eq!(caller.said, expected);
}
