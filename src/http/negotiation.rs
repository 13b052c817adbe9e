//! Content negotiation of GraphQL over HTTP: which media type and which coding an answer has, and which a
//! body may have.

use crate::protocol::StreamFormat;
use hyper::{
    HeaderMap,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};

/// The media types a single response can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status code tells whether the request was well-formed.
    GraphqlResponse,
    /// `application/json`: what a well-formed GraphQL response says is in its body alone.
    Json,
}

impl Media {
    const ALL: [Self; 2] = [Self::GraphqlResponse, Self::Json];

    /// For `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
        }
    }
}

/// What an answer may look like, by its client's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// For a single response; `None` when the client takes none of ours.
    pub(super) single: Option<Media>,
    /// For the results of a subscription.
    pub(super) stream: Option<StreamFormat>,
    /// The client wants a stream even where there is one response only.
    pub(super) prefers_stream: bool,
}

impl Form {
    /// For what is said outside of any result.
    pub(super) fn media(self) -> Media {
        self.single.unwrap_or(Media::Json)
    }

    /// The stream in which a single response goes out, if it does.
    pub(super) fn stream_of_one(self) -> Option<StreamFormat> {
        self.stream.filter(|_| self.prefers_stream)
    }
}

/// Ways to compress a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

impl Coding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }
}

/// The coding of a request's body; `Err` for one that is not known here, or for several.
pub(super) fn body_coding(headers: &HeaderMap) -> Result<Option<Coding>, ()> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().map_err(|_| ())?.split(',') {
            let coding = match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                _ => return Err(()),
            };
            if found.replace(coding).is_some() {
                return Err(());
            }
        }
    }
    Ok(found)
}

/// The coding the client likes best for an answer, brotli where it has no preference; `None` for none.
pub(super) fn response_coding(headers: &HeaderMap) -> Option<Coding> {
    let ranges = ranges(headers.get_all(ACCEPT_ENCODING).iter());
    let weight = |coding: Coding| {
        let of = |name: &str| ranges.iter().find(|it| it.name == name).map(|it| it.weight);
        of(coding.name()).or_else(|| of("*")).unwrap_or(0)
    };
    let (gzip, brotli) = (weight(Coding::Gzip), weight(Coding::Brotli));
    match (gzip, brotli) {
        (0, 0) => None,
        (gzip, brotli) if gzip > brotli => Some(Coding::Gzip),
        _ => Some(Coding::Brotli),
    }
}

/// How the client wants to be answered; `None` when it takes nothing that we have.
///
/// A stream has to be named: `*/*` does not ask for one. Of the streams the one with more weight is taken, or
/// that which comes first. A single response goes out alone unless the client likes a stream better.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    let ranges = ranges(headers.get_all(ACCEPT).iter());
    let single = single(&ranges);
    let stream = stream(&ranges);
    let weight_of_single = single.map_or(0, |(_, weight)| weight);
    let prefers_stream = stream.is_some_and(|(_, weight)| weight > weight_of_single);
    let form = Form { single: single.map(|it| it.0), stream: stream.map(|it| it.0), prefers_stream };
    (single.is_some() || stream.is_some()).then_some(form)
}

fn stream(ranges: &[Range]) -> Option<(StreamFormat, u16)> {
    let named = ranges.iter().filter(|it| it.weight > 0).filter_map(|range| {
        let format = StreamFormat::ALL.into_iter().find(|it| it.media_type() == range.name)?;
        Some((format, range.weight))
    });
    named.reduce(|best, it| if it.1 > best.1 { it } else { best })
}

/// The media type of a single response, and its weight.
///
/// Who says nothing, or `*/*`, gets `application/json`: so do clients older than the newer type. Who
/// names the newer type gets it, unless another one has more weight.
fn single(ranges: &[Range]) -> Option<(Media, u16)> {
    if ranges.is_empty() {
        return Some((Media::Json, WEIGHT_MAX));
    }
    let best = |media: Media| {
        let name = media.name();
        ranges.iter().filter_map(|range| Some((range.specificity(name)?, range.weight))).max_by_key(|it| it.0)
    };
    let [newer, json] = Media::ALL.map(best);
    let weight = |it: Option<(u8, u16)>| it.map_or(0, |(_, weight)| weight);
    let named = newer.is_some_and(|(specificity, _)| specificity == EXACT);
    match (weight(newer), weight(json)) {
        (0, 0) => None,
        (newer, json) if newer > json || (newer == json && named) => Some((Media::GraphqlResponse, newer)),
        (_, json) => Some((Media::Json, json)),
    }
}

/// Whether the client named `text/html`: browsers do, programs do not.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    ranges(headers.get_all(ACCEPT).iter())
        .iter()
        .any(|it| it.specificity("text/html") == Some(EXACT) && it.weight > 0)
}

/// Whether a body is declared as JSON in UTF-8.
pub(super) fn has_json_body(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|it| it.eq_ignore_ascii_case("application/json"));
    is_json && parts.all(is_utf8_if_charset)
}

/// Ranges of an `Accept…` header that are looked at; real ones have about ten.
const RANGES_MAX: usize = 64;
const EXACT: u8 = 2;
/// Of a range that says nothing about its weight, in thousandths.
const WEIGHT_MAX: u16 = 1000;

struct Range {
    name: String,
    /// In thousandths.
    weight: u16,
}

impl Range {
    /// How closely the range fits a media type; `None` when it does not.
    fn specificity(&self, media: &str) -> Option<u8> {
        if self.name == media {
            return Some(EXACT);
        }
        let (kind, _) = media.split_once('/')?;
        match self.name.strip_suffix("/*")? {
            "*" => Some(0),
            it => (it == kind).then_some(1),
        }
    }
}

fn ranges<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> Vec<Range> {
    let values = values.filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).filter_map(range).take(RANGES_MAX).collect()
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|it| !it.is_empty())?.to_ascii_lowercase();
    let mut weight = WEIGHT_MAX;
    for parameter in parts {
        match parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) {
            Some(q) => weight = q.parse::<f32>().map_or(0, |it| (it.clamp(0.0, 1.0) * 1000.0).round() as u16),
            // A client that wants another character set cannot be served by this range.
            None if !is_utf8_if_charset(parameter) => weight = 0,
            None => {}
        }
    }
    Some(Range { name, weight })
}

fn is_utf8_if_charset(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("header value"))])
    }

    fn media(headers: &HeaderMap) -> Option<Media> {
        form(headers).and_then(|it| it.single)
    }

    #[test]
    fn accept_headers_choose_the_media_type() {
        use Media::{GraphqlResponse, Json};
        for (accept, wanted) in [
            ("", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json", Some(Json)),
            ("application/json; charset=utf-8", Some(Json)),
            ("application/json; charset=latin1", None),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            ("Application/GraphQL-Response+JSON;charset=UTF-8", Some(GraphqlResponse)),
            ("application/json, application/graphql-response+json", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.9, application/json;q=0.8", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.5, application/json", Some(Json)),
            ("application/graphql-response+json, */*;q=0.1", Some(GraphqlResponse)),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("application/json;q=nonsense", None),
            ("text/html", None),
            ("text/event-stream, multipart/mixed", None),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Json)),
            ("nonsense", None),
        ] {
            assert_eq!(media(&with(ACCEPT, accept)), wanted, "{accept}");
        }
        assert_eq!(media(&HeaderMap::new()), Some(Json));
    }

    /// `Accept` headers as clients send them: graphql-sse and `EventSource`, Apollo Client, urql.
    #[test]
    fn streams_are_for_those_who_name_them() {
        use StreamFormat::{Multipart, ServerSentEvents};
        for (accept, stream, prefers_stream) in [
            ("", None, false),
            ("*/*", None, false),
            ("text/event-stream", Some(ServerSentEvents), true),
            ("Text/Event-Stream", Some(ServerSentEvents), true),
            ("text/event-stream, application/json", Some(ServerSentEvents), false),
            ("text/event-stream, application/json;q=0.9", Some(ServerSentEvents), true),
            (
                "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json",
                Some(Multipart),
                false,
            ),
            ("multipart/mixed;subscriptionSpec=1.0", Some(Multipart), true),
            ("text/event-stream, multipart/mixed", Some(ServerSentEvents), true),
            ("multipart/mixed, text/event-stream", Some(Multipart), true),
            ("multipart/mixed;q=0.5, text/event-stream;q=0.6", Some(ServerSentEvents), true),
            ("multipart/mixed;q=0, application/json", None, false),
            (
                "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
                Some(ServerSentEvents),
                false,
            ),
        ] {
            let form = form(&with(ACCEPT, accept)).expect("something is taken");
            assert_eq!((form.stream, form.prefers_stream), (stream, prefers_stream), "{accept}");
        }
        for accept in ["text/event-stream;q=0", "text/*, multipart/*"] {
            assert_eq!(form(&with(ACCEPT, accept)), None, "{accept}");
        }
    }

    #[test]
    fn repeated_accept_headers_count_as_one() {
        let mut headers = with(ACCEPT, "text/html");
        headers.append(ACCEPT, "application/graphql-response+json".parse().expect("header value"));
        assert_eq!(media(&headers), Some(Media::GraphqlResponse));
        assert!(names_html(&headers));
        assert!(!names_html(&with(ACCEPT, "*/*")));
    }

    #[test]
    fn codings_are_negotiated() {
        use Coding::{Brotli, Gzip};
        for (accept, wanted) in [
            ("", None),
            ("gzip", Some(Gzip)),
            ("GZip, deflate, BR", Some(Brotli)),
            ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
            ("br;q=0, gzip", Some(Gzip)),
            ("gzip;q=0, *", Some(Brotli)),
            ("*;q=0", None),
            ("identity", None),
            ("deflate, zstd", None),
            ("*", Some(Brotli)),
        ] {
            assert_eq!(response_coding(&with(ACCEPT_ENCODING, accept)), wanted, "{accept}");
        }
        assert_eq!(response_coding(&HeaderMap::new()), None);
        for (value, wanted) in [
            ("identity", Ok(None)),
            ("X-GZIP", Ok(Some(Gzip))),
            ("br", Ok(Some(Brotli))),
            ("deflate", Ok(Some(Coding::Deflate))),
            ("gzip, identity", Ok(Some(Gzip))),
            ("gzip, gzip", Err(())),
            ("zstd", Err(())),
        ] {
            assert_eq!(body_coding(&with(CONTENT_ENCODING, value)), wanted, "{value}");
        }
        assert_eq!(body_coding(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn only_json_in_utf8_is_a_body() {
        for (value, wanted) in [
            ("application/json", true),
            ("Application/JSON ; Charset=\"UTF-8\"", true),
            ("application/json; charset=utf-16", false),
            ("application/jsonp", false),
            ("text/plain", false),
            ("application/graphql", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            assert_eq!(has_json_body(&with(CONTENT_TYPE, value)), wanted, "{value}");
        }
        assert!(!has_json_body(&HeaderMap::new()));
    }
}
