//! Streams of a NATS server, managed and read by hand.

#![allow(dead_code, reason = "each test file uses its own part")]

use super::nats::{NatsClient, NatsServer};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

/// A server that keeps streams.
pub(crate) fn server() -> NatsServer {
    NatsServer::start_keeping(&["-js"])
}

/// A client of the test's own that asks the JetStream API.
pub(crate) struct Api(NatsClient);

impl Api {
    pub(crate) fn of(server: &NatsServer) -> Self {
        let mut client = server.client();
        client.subscribe("_INBOX.test");
        Self(client)
    }

    /// Asks `$JS.API.<what>`.
    pub(crate) fn ask(&mut self, what: &str, question: &Value) -> Value {
        self.0.publish_with_reply(&format!("$JS.API.{what}"), "_INBOX.test", question.to_string().as_bytes());
        serde_json::from_slice(&self.0.next_message().2).expect("JSON")
    }

    /// Makes a stream of these subjects; `more` are further settings.
    pub(crate) fn create(&mut self, stream: &str, subjects: &[&str], more: &Value) {
        let mut config =
            json!({ "name": stream, "subjects": subjects, "storage": "file", "retention": "limits" });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let answer = self.ask(&format!("STREAM.CREATE.{stream}"), &config);
        assert!(answer["error"].is_null(), "{answer}");
    }

    pub(crate) fn delete(&mut self, stream: &str) {
        let answer = self.ask(&format!("STREAM.DELETE.{stream}"), &json!({}));
        assert_eq!(answer["success"], true, "{answer}");
    }

    /// Publishes to a stream and returns the message's sequence.
    pub(crate) fn publish(&mut self, subject: &str, payload: &str) -> u64 {
        self.0.publish_with_reply(subject, "_INBOX.test", payload.as_bytes());
        let answer: Value = serde_json::from_slice(&self.0.next_message().2).expect("JSON");
        answer["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    /// Consumers of a stream, as the server describes them.
    pub(crate) fn consumers(&mut self, stream: &str) -> Vec<Value> {
        let answer = self.ask(&format!("CONSUMER.LIST.{stream}"), &json!({}));
        answer["consumers"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn messages(&mut self, stream: &str) -> u64 {
        let answer = self.ask(&format!("STREAM.INFO.{stream}"), &json!({}));
        answer["state"]["messages"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    /// A message of a stream by its sequence: subject and payload.
    pub(crate) fn message(&mut self, stream: &str, sequence: u64) -> Option<(String, String)> {
        let answer = self.ask(&format!("STREAM.MSG.GET.{stream}"), &json!({ "seq": sequence }));
        let message = answer["message"].as_object()?;
        let payload = message.get("data").and_then(Value::as_str).unwrap_or_default();
        let payload = BASE64_STANDARD.decode(payload).expect("base64");
        Some((message["subject"].as_str()?.to_owned(), String::from_utf8(payload).expect("UTF-8")))
    }
}
