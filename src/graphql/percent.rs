//! Parts of URLs: what `%` and two digits stand for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
};

/// All but the characters that RFC 3986 has nobody escape.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a part of a URL stands for no text. Reads as the end of a sentence about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPart {
    Escape,
    NoText,
}

impl Display for BadPart {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Escape => "has a broken `%` escape",
            Self::NoText => "is not UTF-8",
        })
    }
}

/// Decodes a part of a URL, in which every `%` has to begin an escape.
pub fn percent_decoded(text: &str) -> Result<Cow<'_, str>, BadPart> {
    let is_escape = |after: &str| {
        after.as_bytes().first_chunk().is_some_and(|it: &[u8; 2]| it.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err(BadPart::Escape);
    }
    percent_decode_str(text).decode_utf8().map_err(|_| BadPart::NoText)
}

/// Decodes one name or value of a query string (application/x-www-form-urlencoded).
pub fn decode_query_part(text: &str) -> Result<Cow<'_, str>, BadPart> {
    if !text.contains('+') {
        return percent_decoded(text);
    }
    let spaced = text.replace('+', " ");
    percent_decoded(&spaced).map(|it| Cow::Owned(it.into_owned()))
}

/// Bytes as a value of a query string, which everything that reads URLs takes for those bytes.
pub fn encode_query_part(bytes: &[u8]) -> impl Display + '_ {
    percent_encode(bytes, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_decoded_or_refused() {
        for (text, decoded, of_query) in [
            ("", Ok(""), Ok("")),
            ("a+b", Ok("a+b"), Ok("a b")),
            ("a%2Bb+%c3%B5", Ok("a+b+õ"), Ok("a+b õ")),
            ("%25zz", Ok("%zz"), Ok("%zz")),
            ("%", Err(BadPart::Escape), Err(BadPart::Escape)),
            ("%4", Err(BadPart::Escape), Err(BadPart::Escape)),
            ("%+1", Err(BadPart::Escape), Err(BadPart::Escape)),
            ("%%41", Err(BadPart::Escape), Err(BadPart::Escape)),
            ("%ff", Err(BadPart::NoText), Err(BadPart::NoText)),
        ] {
            assert_eq!(percent_decoded(text), decoded.map(Cow::Borrowed), "{text}");
            assert_eq!(decode_query_part(text), of_query.map(Cow::Borrowed), "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        let text: String = (0..0x80).map(char::from).chain("õ€😀".chars()).collect();
        let encoded = encode_query_part(text.as_bytes()).to_string();
        assert!(encoded.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~%".contains(&it)), "{encoded}");
        assert_eq!(decode_query_part(&encoded).as_deref(), Ok(&*text));
    }
}
