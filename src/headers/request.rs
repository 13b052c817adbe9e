//! On the way to a subgraph.

use super::{is_private, options::RequestRule};
use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};

/// What a client's headers come to. Later rules replace what earlier ones said of the same header.
pub(super) fn apply(
    rules: &[RequestRule],
    client: &HeaderMap,
    cookies: Option<&[String]>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut out = Vec::new();
    for rule in rules {
        match rule {
            RequestRule::Set { name, value } => replace(&mut out, name, vec![value.clone()]),
            RequestRule::Propagate { matcher, rename, default } => {
                let picked = client.keys().filter(|it| !is_private(it) && matcher.picks(it));
                let mut found = false;
                for name in picked {
                    let values = values_of(client, name, cookies);
                    found |= !values.is_empty();
                    replace(&mut out, rename.as_ref().unwrap_or(name), values);
                }
                if let (false, Some(value)) = (found, default)
                    && let Some(name) = rename.as_ref().or(matcher.name())
                {
                    replace(&mut out, name, vec![value.clone()]);
                }
            }
        }
    }
    out
}

/// A client's values of one header; of cookies, those that may pass.
fn values_of(client: &HeaderMap, name: &HeaderName, cookies: Option<&[String]>) -> Vec<HeaderValue> {
    let values: Vec<HeaderValue> = client.get_all(name).iter().cloned().collect();
    match cookies {
        Some(allowed) if name == COOKIE => allowed_cookies(&values, allowed).into_iter().collect(),
        _ => values,
    }
}

fn replace(out: &mut Vec<(HeaderName, HeaderValue)>, name: &HeaderName, values: Vec<HeaderValue>) {
    if !values.is_empty() {
        out.retain(|(it, _)| it != name);
        out.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
}

/// The cookies of these headers that may pass, as one header (RFC 6265, section 5.4).
fn allowed_cookies(values: &[HeaderValue], allowed: &[String]) -> Option<HeaderValue> {
    let texts = values.iter().filter_map(|it| it.to_str().ok());
    let cookies = texts.flat_map(|it| it.split(';')).map(str::trim);
    let may_pass = |cookie: &&str| {
        let name = cookie.split_once('=').map_or(*cookie, |(name, _)| name);
        allowed.iter().any(|it| it == name)
    };
    let kept: Vec<&str> = cookies.filter(may_pass).collect();
    if kept.is_empty() { None } else { HeaderValue::from_str(&kept.join("; ")).ok() }
}
