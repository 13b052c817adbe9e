//! A WebSocket that is spoken byte for byte, over whatever carries it.

use super::frame;
use serde_json::Value;
use std::io::{Read, Write};

/// A connection that says what it is told.
pub struct Raw<S> {
    pub stream: S,
    /// What has arrived and was not asked for yet.
    pub read: Vec<u8>,
}

impl<S: Read + Write> Raw<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the router reads");
    }

    /// Reads the answer to the handshake.
    #[track_caller]
    pub fn upgraded(&mut self) {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill();
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    }

    /// Reads the next frame: its opcode and payload.
    #[track_caller]
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some(frame) = frame::first_frame(&self.read) {
                let (found, len) = ((frame.opcode, frame.payload.to_vec()), frame.bytes.len());
                self.read.drain(..len);
                return found;
            }
            self.fill();
        }
    }

    #[track_caller]
    pub fn message(&mut self) -> Value {
        let (opcode, payload) = self.frame();
        assert_eq!(opcode, frame::TEXT, "{payload:?}");
        serde_json::from_slice(&payload).expect("JSON")
    }

    #[track_caller]
    pub fn fill(&mut self) {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).expect("bytes in time");
        assert!(read > 0, "the connection ended");
        self.read.extend_from_slice(&buffer[..read]);
    }
}
