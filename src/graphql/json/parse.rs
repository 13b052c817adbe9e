//! From bytes to nodes (RFC 8259).

use super::{
    DEPTH_MAX, Kind, LEAF, NONE, Node, NodeId, ParseError, Slice, TOO_DEEP, own_slice, push,
    strings::unescape,
};

/// Reads one value into a document's tables. `text` must be UTF-8.
pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) buffer: u32,
    pub(super) nodes: &'a mut Vec<Node>,
    pub(super) own: &'a mut Vec<u8>,
}

impl Parser<'_> {
    pub(super) fn document(&mut self) -> Result<NodeId, ParseError> {
        self.skip_blanks();
        let root = self.value(0)?;
        self.skip_blanks();
        if self.at < self.text.len() { Err(self.error("unexpected text after the value")) } else { Ok(root) }
    }

    fn value(&mut self, depth: usize) -> Result<NodeId, ParseError> {
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(self.error(TOO_DEEP)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                self.string()?;
                Ok(self.leaf(Kind::String, start))
            }
            Some(b't') => self.word(b"true", Kind::Bool),
            Some(b'f') => self.word(b"false", Kind::Bool),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(self.leaf(Kind::Number, start))
            }
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("unexpected end, expected a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<NodeId, ParseError> {
        let object = self.open(Kind::Object);
        self.skip_blanks();
        if !self.take(b'}') {
            loop {
                self.skip_blanks();
                let key = self.key()?;
                self.skip_blanks();
                if !self.take(b':') {
                    return Err(self.error("expected ':'"));
                }
                self.skip_blanks();
                let value = self.value(depth + 1)?;
                self.nodes[value.0 as usize].key = key;
                self.link(object, value);
                self.skip_blanks();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.error("expected ',' or '}'"));
                }
            }
        }
        Ok(object)
    }

    fn array(&mut self, depth: usize) -> Result<NodeId, ParseError> {
        let array = self.open(Kind::Array);
        self.skip_blanks();
        if !self.take(b']') {
            loop {
                self.skip_blanks();
                let value = self.value(depth + 1)?;
                self.link(array, value);
                self.skip_blanks();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.error("expected ',' or ']'"));
                }
            }
        }
        Ok(array)
    }

    fn open(&mut self, kind: Kind) -> NodeId {
        self.at += 1;
        push(self.nodes, Node { kind, ..LEAF })
    }

    fn leaf(&mut self, kind: Kind, start: usize) -> NodeId {
        let text = self.slice(start, self.at);
        push(self.nodes, Node { kind, text, ..LEAF })
    }

    /// A name; one that holds escapes is decoded, so that names compare as bytes.
    fn key(&mut self) -> Result<Slice, ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a name in double quotes"));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        if !escaped {
            return Ok(self.slice(start, end));
        }
        let name = unescape(std::str::from_utf8(&self.text[start..end]).expect("checked"));
        let own_start = self.own.len();
        self.own.extend_from_slice(name.as_bytes());
        Ok(own_slice(own_start, self.own.len()))
    }

    /// Steps over a string; tells whether it holds an escape.
    fn string(&mut self) -> Result<bool, ParseError> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_len(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.error("control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.error("unexpected end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let hex = self.text.get(self.at + 1..self.at + 5);
                if !hex.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.error("expected four hexadecimal digits"));
                }
                self.at += 5;
            }
            _ => return Err(self.error("unknown escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), ParseError> {
        self.take(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.error("expected a digit")),
        }
        if self.take(b'.') {
            self.digits_required()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits_required()?;
        }
        Ok(())
    }

    fn digits_required(&mut self) -> Result<(), ParseError> {
        if !self.peek().is_some_and(|it| it.is_ascii_digit()) {
            return Err(self.error("expected a digit"));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|it| it.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<NodeId, ParseError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("expected a value"));
        }
        let start = self.at;
        self.at += word.len();
        Ok(self.leaf(kind, start))
    }

    fn link(&mut self, parent: NodeId, child: NodeId) {
        match self.nodes[parent.0 as usize].last {
            NONE => self.nodes[parent.0 as usize].first = child.0,
            last => self.nodes[last as usize].next = child.0,
        }
        self.nodes[parent.0 as usize].last = child.0;
    }

    fn slice(&self, start: usize, end: usize) -> Slice {
        Slice { buffer: self.buffer, start: start as u32, end: end as u32 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, reason: &'static str) -> ParseError {
        ParseError { offset: self.at, reason }
    }
}

/// So many bytes, as far as whole words tell, mean nothing within a string but themselves. Most of a payload is such
/// text, and looking at its bytes one by one is what parsing would spend its time with.
fn plain_len(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return at * WORD + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * WORD
}

const WORD: usize = size_of::<u64>();

/// The highest bit of the first byte that is a quote, a backslash or a control character; perhaps bits above it.
///
/// All bytes are looked at side by side: taking away a bound from one that is smaller borrows from its highest bit, and
/// maybe from the bytes above.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; WORD]);
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(ONES * bound as u64) & !word
    }
    let quotes = below(word ^ (ONES * b'"' as u64), 1);
    let backslashes = below(word ^ (ONES * b'\\' as u64), 1);
    (below(word, b' ') | quotes | backslashes) & (ONES << 7)
}
