//! Tokens of a text (GraphQL specification, section 2.1), one at a time.
//!
//! Every lexical rule is enforced here. The text is UTF-8, so that it holds no lone surrogates; those that escapes
//! would make are refused.

use super::{
    ast::Place,
    block_string,
    error::{Error, offset},
};
use std::{borrow::Cow, fmt, ops::Range};

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end of the text.
    End,
    Bang,
    Dollar,
    Ampersand,
    ParenOpen,
    ParenClose,
    Spread,
    Colon,
    Equals,
    At,
    BracketOpen,
    BracketClose,
    BraceOpen,
    Pipe,
    BraceClose,
    Name,
    Int,
    Float,
    String,
    BlockString,
}

impl fmt::Display for Kind {
    /// As messages name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::End => "<EOF>",
            Self::Bang => "\"!\"",
            Self::Dollar => "\"$\"",
            Self::Ampersand => "\"&\"",
            Self::ParenOpen => "\"(\"",
            Self::ParenClose => "\")\"",
            Self::Spread => "\"...\"",
            Self::Colon => "\":\"",
            Self::Equals => "\"=\"",
            Self::At => "\"@\"",
            Self::BracketOpen => "\"[\"",
            Self::BracketClose => "\"]\"",
            Self::BraceOpen => "\"{\"",
            Self::Pipe => "\"|\"",
            Self::BraceClose => "\"}\"",
            Self::Name => "Name",
            Self::Int => "Int",
            Self::Float => "Float",
            Self::String => "String",
            Self::BlockString => "BlockString",
        })
    }
}

/// A token: its kind, where it begins, and its value. Names and numbers have their text, strings what they stand
/// for, all others nothing.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) value: Cow<'a, str>,
}

impl fmt::Display for Token<'_> {
    /// As messages describe it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Name | Kind::Int | Kind::Float | Kind::String | Kind::BlockString => {
                write!(f, "{} \"{}\"", self.kind, self.value)
            }
            kind => kind.fmt(f),
        }
    }
}

/// Reads tokens from a text of less than 4 GiB.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; at the end of the text, its end again and again.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Error> {
        self.skip_ignored();
        let start = self.at;
        let Some(byte) = self.byte(start) else { return Ok(self.token(Kind::End, start, "".into())) };
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return Ok(self.name()),
            b'0'..=b'9' | b'-' => return self.number(),
            b'"' if self.text[start..].starts_with("\"\"\"") => return self.block_string(),
            b'"' => return self.string(),
            b'.' if self.text[start..].starts_with("...") => Kind::Spread,
            _ => punctuator(byte).ok_or_else(|| self.unexpected())?,
        };
        self.at += if kind == Kind::Spread { 3 } else { 1 };
        Ok(self.token(kind, start, "".into()))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn token(&self, kind: Kind, start: usize, value: Cow<'a, str>) -> Token<'a> {
        Token { kind, place: Place(offset(start)), value }
    }

    /// White space, line ends, commas, byte order marks and comments.
    fn skip_ignored(&mut self) {
        loop {
            match self.byte(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => self.at += 1,
                Some(b'#') => {
                    let rest = &self.text.as_bytes()[self.at..];
                    let length = rest.iter().position(|it| matches!(it, b'\n' | b'\r'));
                    self.at += length.unwrap_or(rest.len());
                }
                Some(0xEF) if self.text[self.at..].starts_with('\u{FEFF}') => self.at += 3,
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Token<'a> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|it| !is_name_continue(*it)).unwrap_or(rest.len());
        self.at += length;
        self.token(Kind::Name, start, self.text[start..self.at].into())
    }

    fn unexpected(&self) -> Error {
        let message = match self.byte(self.at) {
            Some(b'\'') => {
                "Unexpected single quote character ('), did you mean to use a double quote (\")?".to_owned()
            }
            _ => format!("Unexpected character: {}.", self.character_at(self.at)),
        };
        self.error(self.at, message)
    }

    fn error(&self, at: usize, message: impl fmt::Display) -> Error {
        Error::syntax(message, Place(offset(at)))
    }

    /// A character as messages show it.
    fn character_at(&self, at: usize) -> String {
        match self.text[at..].chars().next() {
            None => "<EOF>".to_owned(),
            Some('"') => "'\"'".to_owned(),
            Some(it @ ' '..='~') => format!("\"{it}\""),
            Some(it) => format!("U+{:04X}", u32::from(it)),
        }
    }

    fn number(&mut self) -> Result<Token<'a>, Error> {
        let start = self.at;
        let mut kind = Kind::Int;
        self.skip_byte(b"-");
        if self.skip_byte(b"0") {
            if self.byte(self.at).is_some_and(|it| it.is_ascii_digit()) {
                let found = self.character_at(self.at);
                return Err(
                    self.error(self.at, format!("Invalid number, unexpected digit after 0: {found}."))
                );
            }
        } else {
            self.digits()?;
        }
        if self.skip_byte(b".") {
            kind = Kind::Float;
            self.digits()?;
        }
        if self.skip_byte(b"eE") {
            kind = Kind::Float;
            self.skip_byte(b"+-");
            self.digits()?;
        }
        match self.byte(self.at) {
            Some(it) if it == b'.' || is_name_start(it) => Err(self.no_digit()),
            _ => Ok(self.token(kind, start, self.text[start..self.at].into())),
        }
    }

    fn skip_byte(&mut self, any: &[u8]) -> bool {
        let found = self.byte(self.at).is_some_and(|it| any.contains(&it));
        self.at += usize::from(found);
        found
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Error> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|it| !it.is_ascii_digit()).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.no_digit());
        }
        self.at += length;
        Ok(())
    }

    fn no_digit(&self) -> Error {
        let found = self.character_at(self.at);
        self.error(self.at, format!("Invalid number, expected digit but got: {found}."))
    }

    fn string(&mut self) -> Result<Token<'a>, Error> {
        let start = self.at;
        self.at += 1;
        let mut piece = self.at;
        let mut value = String::new();
        loop {
            match self.byte(self.at) {
                None | Some(b'\n' | b'\r') => return Err(self.error(self.at, "Unterminated string.")),
                Some(b'"') => break,
                Some(b'\\') => {
                    value.push_str(&self.text[piece..self.at]);
                    value.push(self.escape()?);
                    piece = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
        let last = &self.text[piece..self.at];
        self.at += 1;
        let whole = piece == start + 1;
        Ok(self.token(Kind::String, start, if whole { last.into() } else { (value + last).into() }))
    }

    /// The character that an escape stands for; goes past it.
    fn escape(&mut self) -> Result<char, Error> {
        let character = match self.byte(self.at + 1) {
            Some(b'u') if self.byte(self.at + 2) == Some(b'{') => return self.braced_escape(),
            Some(b'u') => return self.four_digit_escape(),
            Some(it @ (b'"' | b'\\' | b'/')) => char::from(it),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.bad_escape("character escape", 2)),
        };
        self.at += 2;
        Ok(character)
    }

    fn bad_escape(&self, kind: &str, units: usize) -> Error {
        let found = first_units(&self.text[self.at..], units);
        self.error(self.at, format!("Invalid {kind} sequence: \"{found}\"."))
    }

    /// `\u{…}`, of at most eight digits.
    fn braced_escape(&mut self) -> Result<char, Error> {
        const LENGTH_MAX: usize = "\\u{00000000}".len();
        let (mut point, mut length) = (0u32, "\\u{".len());
        while length < LENGTH_MAX {
            let byte = self.byte(self.at + length);
            length += 1;
            if byte == Some(b'}') {
                let Some(character) = char::from_u32(point).filter(|_| length > "\\u{}".len()) else { break };
                self.at += length;
                return Ok(character);
            }
            let Some(digit) = byte.and_then(hex_digit) else { break };
            point = (point << 4) | digit;
            if point > i32::MAX as u32 {
                break;
            }
        }
        Err(self.bad_escape("Unicode escape", length))
    }

    /// `\u` with four digits, or two of them that make a surrogate pair.
    fn four_digit_escape(&mut self) -> Result<char, Error> {
        const LENGTH: usize = "\\u0000".len();
        let first = self.four_digits(self.at + 2);
        if let Some(character) = first.and_then(char::from_u32) {
            self.at += LENGTH;
            return Ok(character);
        }
        if let Some(high @ 0xD800..=0xDBFF) = first
            && self.text[self.at + LENGTH..].starts_with("\\u")
            && let Some(low @ 0xDC00..=0xDFFF) = self.four_digits(self.at + LENGTH + 2)
            && let Some(character) = char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        {
            self.at += 2 * LENGTH;
            return Ok(character);
        }
        Err(self.bad_escape("Unicode escape", LENGTH))
    }

    fn four_digits(&self, at: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(at..at + 4)?;
        digits.iter().try_fold(0, |all, it| Some((all << 4) | hex_digit(*it)?))
    }

    fn block_string(&mut self) -> Result<Token<'a>, Error> {
        let start = self.at;
        let content = start + 3;
        self.at = content;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'"' if self.text[self.at..].starts_with("\"\"\"") => {
                    let value = block_string::value(&self.text[content..self.at]);
                    self.at += 3;
                    return Ok(self.token(Kind::BlockString, start, value));
                }
                b'\\' if self.text[self.at..].starts_with("\\\"\"\"") => self.at += 4,
                _ => self.at += 1,
            }
        }
        Err(self.error(self.at, "Unterminated string."))
    }
}

fn punctuator(byte: u8) -> Option<Kind> {
    Some(match byte {
        b'!' => Kind::Bang,
        b'$' => Kind::Dollar,
        b'&' => Kind::Ampersand,
        b'(' => Kind::ParenOpen,
        b')' => Kind::ParenClose,
        b':' => Kind::Colon,
        b'=' => Kind::Equals,
        b'@' => Kind::At,
        b'[' => Kind::BracketOpen,
        b']' => Kind::BracketClose,
        b'{' => Kind::BraceOpen,
        b'|' => Kind::Pipe,
        b'}' => Kind::BraceClose,
        _ => return None,
    })
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_name_continue(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn hex_digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// The beginning of a text, in UTF-16 code units. Half a surrogate pair is shown as U+FFFD.
fn first_units(text: &str, units: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().take(units).collect();
    String::from_utf16_lossy(&units)
}
/// A token as it stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whether it is a name, keywords among them.
    pub is_name: bool,
    /// Its bytes.
    pub range: Range<usize>,
}

/// The tokens of a text, comments aside, whatever grammar it follows.
///
/// # Errors
/// The first place that begins no token.
pub fn spans(text: &str) -> Result<Vec<Span>, Error> {
    let (mut lexer, mut spans) = (Lexer::new(text), Vec::new());
    loop {
        let token = lexer.next()?;
        if token.kind == Kind::End {
            return Ok(spans);
        }
        let start = token.place.0 as usize;
        spans.push(Span { is_name: token.kind == Kind::Name, range: start..lexer.at });
    }
}
