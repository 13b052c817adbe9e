//! On the way back to the client.

use super::{
    is_of_answer, is_private,
    options::{Algorithm, ResponseRule},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

/// What the answers so far have come to.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) headers: HeaderMap,
}

/// Adds one subgraph's answer.
pub(super) fn apply(rules: &[ResponseRule], answer: &HeaderMap, out: &mut Merged) {
    let mut answer = Cow::Borrowed(answer);
    for rule in rules {
        match rule {
            ResponseRule::Set { name, value } => drop(answer.to_mut().insert(name, value.clone())),
            ResponseRule::Propagate { matcher, rename, default, algorithm } => {
                let mut found = false;
                for name in answer.keys().filter(|it| !is_private(it) && matcher.picks(it)) {
                    found = true;
                    let values = answer.get_all(name).iter();
                    out.write(rename.as_ref().unwrap_or(name), values, *algorithm);
                }
                if let (false, Some(value)) = (found, default)
                    && let Some(name) = rename.as_ref().or(matcher.name())
                {
                    out.write(name, [value].into_iter(), *algorithm);
                }
            }
        }
    }
}

impl Merged {
    fn write<'v>(
        &mut self,
        name: &HeaderName,
        values: impl Iterator<Item = &'v HeaderValue>,
        algorithm: Algorithm,
    ) {
        if is_private(name) || is_of_answer(name) {
            return;
        }
        match algorithm {
            // It names what the answer depends on: that of one subgraph does not undo that of another.
            _ if name == http::header::VARY => {}
            Algorithm::FirstWrite if self.headers.contains_key(name) => return,
            Algorithm::FirstWrite => {}
            Algorithm::LastWrite => drop(self.headers.remove(name)),
            // Cookies cannot share a line (RFC 9110, section 5.3).
            Algorithm::Append if name != http::header::SET_COOKIE => return self.join(name, values),
            Algorithm::Append => {}
        }
        for value in values {
            self.headers.append(name, value.clone());
        }
    }

    fn join<'v>(&mut self, name: &HeaderName, values: impl Iterator<Item = &'v HeaderValue>) {
        let all: Vec<HeaderValue> = self.headers.remove(name).into_iter().chain(values.cloned()).collect();
        let joined: Vec<&[u8]> = all.iter().map(HeaderValue::as_bytes).collect();
        // Valid values joined by commas are a valid value.
        if let Ok(value) = HeaderValue::from_bytes(&joined.join(&b","[..])) {
            self.headers.insert(name, value);
        }
    }
}
