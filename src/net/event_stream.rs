//! Takes a stream of Server-Sent Events apart (HTML Living Standard, section 9.2.6), over bytes that come
//! in any pieces.

/// Bytes of an event that is not finished, and what of it has been read.
#[derive(Debug)]
pub struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last line ended with a carriage return: a line feed right behind it belongs to that end.
    after_return: bool,
    bytes_max: usize,
}

/// An event. Fields that it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
}

/// An event, or a line of one, is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is too long")]
pub struct TooLong;

impl Parser {
    /// Events are at most `bytes_max` long.
    pub fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), event: Event::default(), has_data: false, after_return: false, bytes_max }
    }

    /// Takes in the next piece; the events that it finishes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            let is_second_half = *byte == b'\n' && std::mem::take(&mut self.after_return);
            match byte {
                _ if is_second_half => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                other => {
                    self.after_return = false;
                    self.line.push(*other);
                }
            }
            if self.line.len() + self.event.data.len() > self.bytes_max {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let is_event = std::mem::take(&mut self.has_data) || !event.name.is_empty();
            return is_event.then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.to_owned(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments (no field at all), ids, retry times and what is not known yet.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_come_out_whole_however_their_bytes_come_in() {
        let stream = "\u{feff}: comment\n\nevent: next\ndata: {\"a\":\ndata:  1}\n\n:heartbeat\n\n\
                      event:next\r\ndata:õ\r\n\r\nid: 7\nretry: 100\ndata\n\nevent: complete\ndata:\n\n";
        let expected =
            [event("next", "{\"a\":\n 1}"), event("next", "õ"), event("", ""), event("complete", "")];
        for size in [1, 2, 3, 7, 1000] {
            let mut parser = Parser::new(1000);
            let pieces = stream.as_bytes().chunks(size);
            let events: Vec<_> = pieces.flat_map(|it| parser.push(it).expect("short enough")).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_end_without_data_counts() {
        let mut parser = Parser::new(100);
        assert_eq!(parser.push(b"event: complete\n\n"), Ok(vec![event("complete", "")]));
    }

    #[test]
    fn what_is_not_finished_is_no_event() {
        let mut parser = Parser::new(100);
        assert_eq!(parser.push(b"event: next\ndata: 1\n"), Ok(vec![]));
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(Parser::new(10).push(b"data: 0123456789"), Err(TooLong));
        let mut parser = Parser::new(10);
        for _ in 0..100 {
            assert!(parser.push(b": ping\n\ndata: 1\n\n").is_ok(), "each by itself is short");
        }
        assert_eq!(Parser::new(10).push(b"data:01234\ndata:56789\n"), Err(TooLong));
    }
}
