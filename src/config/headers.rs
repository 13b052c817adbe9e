//! Header rules: keys, what ties them together, and what they come to.

use super::{
    finding::Findings,
    format::{
        Alike, FieldName, FieldValue, FilePath, Ignored, List, Map, Maybe, Merge, NamePattern, NoExpression,
        Operation, Text, Toggle,
    },
    keys::Fallback::{Absent, Required, Section, Text as Is},
    keys::settings,
    tree::Node,
};
use crate::headers::{self, Algorithm, Matcher, Pattern, RequestRule, ResponseRule};
use http::{HeaderName, HeaderValue};
use regex::Regex;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::format::HeaderOperation;

settings! {
    /// Which headers reach subgraphs, and which come back to clients. Nothing passes without a rule.
    pub struct Headers {
        /// Rules for every subgraph.
        all: HeaderRules as HeaderRules = Section;
        /// Rules for several subgraphs; they come after those for all.
        groups: Vec<HeaderGroup> as List<HeaderGroup> = Absent("");
        /// Rules for single subgraphs, by name; they come last.
        subgraphs: BTreeMap<String, HeaderRules> as Map<Alike<HeaderRules>> =
            Absent("deals: { request: [{ op: propagate, named: X-Deals-Token }] }");
        /// The router's own answers.
        router: RouterHeaders as RouterHeaders = Section;
        /// Cookies that may pass where a rule passes `Cookie` on. Empty: all of them.
        cookie_whitelist: Vec<String> as List<Text> = Absent("session");
    }
}

settings! {
    /// Header rules. Each list is worked off in its order; a later rule replaces what an earlier one said
    /// of the same header.
    pub struct HeaderRules {
        /// On the way to a subgraph.
        request: Vec<HeaderRule> as List<HeaderRule> = Absent("");
        /// On the way back to the client. What describes the answer itself (CORS, `ETag`, `Server`, `Date`,
        /// `Content-*` and their like) is the router's own and never passes; `Vary` is merged.
        response: Vec<ResponseHeaderRule> as List<ResponseHeaderRule> = Absent("");
    }
}

settings! {
    /// Rules for the subgraphs of a list and for those whose name a pattern picks.
    pub struct HeaderGroup {
        /// Its name, for messages.
        id: String as Text = Required("crm");
        /// Names of subgraphs.
        subgraphs: Vec<String> as List<Text> = Absent("deals");
        /// A regular expression over names of subgraphs.
        matching: Option<String> as Maybe<NamePattern> = Absent("^deals-.+");
        /// Picks the subgraphs whose names do not match.
        negate_match: bool as Toggle = Is("false");
        /// On the way to a subgraph.
        request: Vec<HeaderRule> as List<HeaderRule> = Absent("");
        /// On the way back to the client. What describes the answer itself (CORS, `ETag`, `Server`, `Date`,
        /// `Content-*` and their like) is the router's own and never passes; `Vary` is merged.
        response: Vec<ResponseHeaderRule> as List<ResponseHeaderRule> = Absent("");
    }
}

settings! {
    /// Headers of the router's own answers.
    pub struct RouterHeaders {
        /// Rules that set a header; there is nothing to propagate.
        response: Vec<RouterHeader> as List<RouterHeader> = Absent("");
    }
}

settings! {
    /// A header on every answer to a client.
    pub struct RouterHeader {
        /// `set`, the one thing there is to do.
        op: HeaderOperation as Operation = Is("set");
        /// The header.
        name: HeaderName as FieldName = Required("X-Served-By");
        /// Its value.
        value: HeaderValue as FieldValue = Required("juga");
        /// A value that is computed. Not supported; anything but an empty one is refused.
        expression: Option<()> as Maybe<NoExpression> = Absent("\"\"");
    }
}

settings! {
    /// A rule for a header on its way to a subgraph.
    pub struct HeaderRule {
        /// `propagate` passes a client's headers on, `set` makes one.
        op: HeaderOperation as Operation = Required("propagate");
        /// `propagate`: the header with this name.
        named: Option<HeaderName> as Maybe<FieldName> = Absent("Authorization");
        /// `propagate`: every header whose name (written `X-Like-This`) this regular expression matches.
        matching: Option<String> as Maybe<NamePattern> = Absent("(?i)^X-Custom-.*");
        /// `propagate`: every header whose name `matching` does not match.
        negate_match: bool as Toggle = Is("false");
        /// `propagate`: the name it goes out under.
        rename: Option<HeaderName> as Maybe<FieldName> = Absent("X-Token");
        /// `propagate`: the value where the client sends none.
        default: Option<HeaderValue> as Maybe<FieldValue> = Absent("none");
        /// `set`: the header.
        name: Option<HeaderName> as Maybe<FieldName> = Absent("X-Router");
        /// `set`: its value.
        value: Option<HeaderValue> as Maybe<FieldValue> = Absent("juga");
        /// `set`: a file that holds its value, in place of `value`; read at the start.
        from_file: Option<PathBuf> as Maybe<FilePath> = Absent("./token");
        /// `set`: without effect. Accepted so that existing files keep working; such a rule sets nothing.
        value_from: Option<()> as Maybe<Ignored> = Absent("{ context_field: operation_name }");
        /// `set`: a value that is computed. Not supported; anything but an empty one is refused.
        expression: Option<()> as Maybe<NoExpression> = Absent("\"\"");
    }
}

settings! {
    /// A rule for a header on its way back to the client.
    pub struct ResponseHeaderRule {
        /// `propagate` passes a subgraph's headers back; `set` puts one into the subgraph's answer, where
        /// the rules behind it see it.
        op: HeaderOperation as Operation = Required("propagate");
        /// `propagate`: the header with this name.
        named: Option<HeaderName> as Maybe<FieldName> = Absent("X-Cost");
        /// `propagate`: every header whose name (written `X-Like-This`) this regular expression matches.
        matching: Option<String> as Maybe<NamePattern> = Absent("(?i)^X-Custom-.*");
        /// `propagate`: every header whose name `matching` does not match.
        negate_match: bool as Toggle = Is("false");
        /// `propagate`: the name it goes out under.
        rename: Option<HeaderName> as Maybe<FieldName> = Absent("X-Total-Cost");
        /// `propagate`: the value where the subgraph sends none.
        default: Option<HeaderValue> as Maybe<FieldValue> = Absent("0");
        /// `propagate`: what several subgraphs' headers come to: `first_write`, `last_write` or `append`.
        algorithm: Option<Algorithm> as Maybe<Merge> = Absent("last_write");
        /// `set`: the header.
        name: Option<HeaderName> as Maybe<FieldName> = Absent("Cache-Control");
        /// `set`: its value.
        value: Option<HeaderValue> as Maybe<FieldValue> = Absent("max-age=60");
        /// `set`: a file that holds its value, in place of `value`; read at the start.
        from_file: Option<PathBuf> as Maybe<FilePath> = Absent("./token");
        /// `set`: a value that is computed. Not supported; anything but an empty one is refused.
        expression: Option<()> as Maybe<NoExpression> = Absent("\"\"");
    }
}

const PRIVATE_HELP: &str = "it belongs to one connection, body or handshake";

/// What a rule says, whichever way it looks.
struct RuleKeys<'a> {
    op: HeaderOperation,
    named: Option<&'a HeaderName>,
    matching: Option<&'a str>,
    rename: Option<&'a HeaderName>,
    default: bool,
    algorithm: Option<bool>,
    name: Option<&'a HeaderName>,
    /// `value` and its like that are given.
    values: usize,
}

impl<'a> RuleKeys<'a> {
    fn of_request(rule: &'a HeaderRule) -> Self {
        Self {
            op: rule.op,
            named: rule.named.as_ref(),
            matching: rule.matching.as_deref(),
            rename: rule.rename.as_ref(),
            default: rule.default.is_some(),
            algorithm: None,
            name: rule.name.as_ref(),
            values: count([rule.value.is_some(), rule.from_file.is_some(), rule.value_from.is_some()]),
        }
    }

    fn of_response(rule: &'a ResponseHeaderRule) -> Self {
        Self {
            op: rule.op,
            named: rule.named.as_ref(),
            matching: rule.matching.as_deref(),
            rename: rule.rename.as_ref(),
            default: rule.default.is_some(),
            algorithm: Some(rule.algorithm.is_some()),
            name: rule.name.as_ref(),
            values: count([rule.value.is_some(), rule.from_file.is_some()]),
        }
    }

    /// What is wrong with it, and what to do.
    fn fault(&self) -> Option<(String, &'static str)> {
        let private =
            [self.named, self.rename, self.name].into_iter().flatten().find(|it| headers::is_private(it));
        if let Some(name) = private {
            let message = format!("`{name}` is never passed on or set");
            return Some((message, PRIVATE_HELP));
        }
        let propagates =
            self.named.is_some() || self.matching.is_some() || self.rename.is_some() || self.default;
        match self.op {
            HeaderOperation::Set if propagates || self.algorithm == Some(true) => {
                Some(("`set` goes with `name` and `value` alone".into(), "remove the other keys"))
            }
            HeaderOperation::Set if self.name.is_none() || self.values == 0 => {
                Some(("`set` needs `name` and `value`".into(), "for example `name: X-Router`, `value: juga`"))
            }
            HeaderOperation::Set if self.values > 1 => {
                Some(("`set` needs one value".into(), "give either `value` or `from_file`"))
            }
            HeaderOperation::Propagate if self.name.is_some() || self.values > 0 => Some((
                "`name` and `value` go with `op: set`".into(),
                "`propagate` takes `named` or `matching`",
            )),
            HeaderOperation::Propagate if self.named.is_some() == self.matching.is_some() => Some((
                "`propagate` needs either `named` or `matching`".into(),
                "for example `named: Authorization`",
            )),
            HeaderOperation::Propagate if self.algorithm == Some(false) => Some((
                "`algorithm` is missing".into(),
                "say what several subgraphs' headers come to: `first_write`, `last_write` or `append`",
            )),
            _ => None,
        }
    }
}

fn count<const N: usize>(given: [bool; N]) -> usize {
    given.into_iter().filter(|it| *it).count()
}

impl Headers {
    /// All lists of rules, with their section's path: those for requests, and those for responses.
    pub(super) fn rules(&self) -> impl Iterator<Item = (String, &[HeaderRule], &[ResponseHeaderRule])> {
        let all = ("headers.all".to_owned(), &self.all.request[..], &self.all.response[..]);
        let named = self
            .subgraphs
            .iter()
            .map(|(name, it)| (format!("headers.subgraphs.{name}"), &it.request[..], &it.response[..]));
        let grouped = self
            .groups
            .iter()
            .enumerate()
            .map(|(index, it)| (format!("headers.groups[{index}]"), &it.request[..], &it.response[..]));
        std::iter::once(all).chain(named).chain(grouped)
    }
}

/// Adds a finding for each rule that makes no sense.
pub(super) fn check(headers: &Headers, root: &Node, findings: &mut Findings) {
    let mut broken = |path: &str, message: String, help: &str| {
        findings.add(root.nearest_origin(path), path, message).help(help);
    };
    for (path, request, response) in headers.rules() {
        let request = request.iter().map(RuleKeys::of_request).map(|it| ("request", it)).enumerate();
        let response = response.iter().map(RuleKeys::of_response).map(|it| ("response", it)).enumerate();
        for (index, (list, rule)) in request.chain(response) {
            if let Some((message, help)) = rule.fault() {
                broken(&format!("{path}.{list}[{index}]"), message, help);
            }
        }
    }
    for (index, group) in headers.groups.iter().enumerate() {
        if group.subgraphs.is_empty() && group.matching.is_none() {
            let message = format!("the group `{}` is for no subgraph", group.id);
            broken(&format!("headers.groups[{index}]"), message, "give `subgraphs`, `matching` or both");
        }
    }
    for (index, header) in headers.router.response.iter().enumerate() {
        if header.op != HeaderOperation::Set {
            let message = "the router's own answers have nothing to propagate".to_owned();
            broken(&format!("headers.router.response[{index}].op"), message, "use `op: set`");
        }
        if headers::is_private(&header.name) {
            let message = format!("`{}` is never set", header.name);
            broken(&format!("headers.router.response[{index}].name"), message, PRIVATE_HELP);
        }
    }
    note_own_headers(headers, findings);
}

/// Says which rules have no effect because the router says these headers itself.
fn note_own_headers(headers: &Headers, findings: &mut Findings) {
    let lists = [&headers.all.response]
        .into_iter()
        .chain(headers.groups.iter().map(|it| &it.response))
        .chain(headers.subgraphs.values().map(|it| &it.response));
    let passed = lists.flatten().filter_map(|it| it.rename.as_ref().or(it.named.as_ref()));
    for name in passed.filter(|it| headers::is_of_answer(it)) {
        let why = "it says something of the subgraph's answer, not of the router's";
        findings.note(format!("`{name}` is not passed back to clients: {why}"));
    }
    for header in headers.router.response.iter().filter(|it| headers::is_granted(&it.name)) {
        findings.note(format!("`{}` is not set: the section `cors` says it", header.name));
    }
}

/// Fills in the values that stand in files. Messages never repeat what a file holds.
pub(super) fn read_header_values(headers: &mut Headers, root: &Node, findings: &mut Findings) {
    let mut value = |path: String, file: &Path| {
        let problem = match fs::read_to_string(file).map(|it| it.trim_end_matches(['\n', '\r']).parse()) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(_)) => "holds no value of a header".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let message = format!("{} {problem}", file.display());
        let help = "relative names count from the configuration file's folder";
        findings.add(root.nearest_origin(&path), path, message).help(help);
        None
    };
    let mut fill = |path: &str, request: &mut [HeaderRule], response: &mut [ResponseHeaderRule]| {
        for (index, it) in request.iter_mut().enumerate() {
            if let Some(file) = &it.from_file {
                it.value = value(format!("{path}.request[{index}].from_file"), file);
            }
        }
        for (index, it) in response.iter_mut().enumerate() {
            if let Some(file) = &it.from_file {
                it.value = value(format!("{path}.response[{index}].from_file"), file);
            }
        }
    };
    fill("headers.all", &mut headers.all.request, &mut headers.all.response);
    for (name, it) in &mut headers.subgraphs {
        fill(&format!("headers.subgraphs.{name}"), &mut it.request, &mut it.response);
    }
    for (index, it) in headers.groups.iter_mut().enumerate() {
        fill(&format!("headers.groups[{index}]"), &mut it.request, &mut it.response);
    }
}

/// The rules for execution. The configuration has been checked.
pub(super) fn options(headers: &Headers) -> headers::Options {
    headers::Options {
        all: rules(&headers.all.request, &headers.all.response),
        groups: headers.groups.iter().map(group).collect(),
        subgraphs: headers
            .subgraphs
            .iter()
            .map(|(name, it)| (name.clone(), rules(&it.request, &it.response)))
            .collect(),
        router: headers.router.response.iter().map(|it| (it.name.clone(), it.value.clone())).collect(),
        cookie_whitelist: headers.cookie_whitelist.clone(),
    }
}

fn group(group: &HeaderGroup) -> headers::Group {
    headers::Group {
        subgraphs: group.subgraphs.clone(),
        matching: group.matching.as_deref().map(|it| pattern(it, group.negate_match)),
        rules: rules(&group.request, &group.response),
    }
}

fn rules(request: &[HeaderRule], response: &[ResponseHeaderRule]) -> headers::Rules {
    headers::Rules {
        request: request.iter().filter_map(request_rule).collect(),
        response: response.iter().filter_map(response_rule).collect(),
    }
}

fn request_rule(rule: &HeaderRule) -> Option<RequestRule> {
    Some(match rule.op {
        HeaderOperation::Set => RequestRule::Set { name: rule.name.clone()?, value: rule.value.clone()? },
        HeaderOperation::Propagate => RequestRule::Propagate {
            matcher: matcher(rule.named.as_ref(), rule.matching.as_deref(), rule.negate_match)?,
            rename: rule.rename.clone(),
            default: rule.default.clone(),
        },
    })
}

fn response_rule(rule: &ResponseHeaderRule) -> Option<ResponseRule> {
    Some(match rule.op {
        HeaderOperation::Set => ResponseRule::Set { name: rule.name.clone()?, value: rule.value.clone()? },
        HeaderOperation::Propagate => ResponseRule::Propagate {
            matcher: matcher(rule.named.as_ref(), rule.matching.as_deref(), rule.negate_match)?,
            rename: rule.rename.clone(),
            default: rule.default.clone(),
            algorithm: rule.algorithm?,
        },
    })
}

fn matcher(named: Option<&HeaderName>, matching: Option<&str>, negate: bool) -> Option<Matcher> {
    named.cloned().map(Matcher::Named).or_else(|| Some(Matcher::Matching(pattern(matching?, negate))))
}

fn pattern(text: &str, negate: bool) -> Pattern {
    Pattern { regex: Regex::new(text).expect("read as a pattern"), negate }
}
