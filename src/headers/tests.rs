//! Stories about rules, told in the spelling of curl.

use super::{options::Pattern, *};
use http::HeaderValue;
use regex::Regex;

fn name(text: &str) -> HeaderName {
    text.parse().expect("a header name")
}

fn value(text: &str) -> HeaderValue {
    text.parse().expect("a header value")
}

fn headers(lines: &[&str]) -> HeaderMap {
    let split = |line: &&str| line.split_once(": ").map(|(a, b)| (name(a), value(b))).expect("a line");
    lines.iter().map(split).collect()
}

fn lines<'h>(headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>) -> Vec<String> {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
    headers.into_iter().map(line).collect()
}

fn named(header: &str) -> Matcher {
    Matcher::Named(name(header))
}

fn matching(regex: &str, negate: bool) -> Matcher {
    Matcher::Matching(Pattern { regex: Regex::new(regex).expect("a regex"), negate })
}

fn propagate(matcher: Matcher) -> RequestRule {
    RequestRule::Propagate { matcher, rename: None, default: None }
}

fn set(header: &str, to: &str) -> RequestRule {
    RequestRule::Set { name: name(header), value: value(to) }
}

fn for_all(request: Vec<RequestRule>) -> Options {
    Options { all: Rules { request, response: vec![] }, ..Options::default() }
}

/// What reaches the subgraphs `a` and `b`.
fn forwarded(options: &Options, client: &[&str]) -> [Vec<String>; 2] {
    let rules = HeaderRules::new(options, ["a", "b"]);
    let forwarded = rules.forward(&[SubgraphId(0), SubgraphId(1)], &headers(client));
    [0, 1].map(|id| {
        let list = forwarded.headers(SubgraphId(id)).cloned().unwrap_or_default();
        lines(list.iter().map(|(name, value)| (name, value)))
    })
}

#[test]
fn nothing_passes_without_a_rule() {
    let client = ["authorization: me", "x-a: 1", "cookie: session=1"];
    assert_eq!(forwarded(&Options::default(), &client), [vec![] as Vec<String>, vec![]]);
    let rules = HeaderRules::new(&Options::default(), ["a"]);
    assert!(rules.relevant(&headers(&client)).is_empty());
}

#[test]
fn rules_name_match_rename_set_and_have_defaults() {
    let renamed = RequestRule::Propagate {
        matcher: named("x-old"),
        rename: Some(name("x-new")),
        default: Some(value("none")),
    };
    for (rule, client, expected) in [
        (propagate(named("Authorization")), vec!["authorization: me", "x-b: 2"], vec!["authorization: me"]),
        (
            propagate(matching("^X-Custom-.*", false)),
            vec!["x-custom-a: 1", "x-other: 2"],
            vec!["x-custom-a: 1"],
        ),
        (propagate(matching("(?i)^x-custom-", false)), vec!["x-custom-a: 1"], vec!["x-custom-a: 1"]),
        (propagate(matching("^X-Secret$", true)), vec!["x-secret: 1", "x-open: 2"], vec!["x-open: 2"]),
        (propagate(named("x-many")), vec!["x-many: 1", "x-many: 2"], vec!["x-many: 1", "x-many: 2"]),
        (renamed.clone(), vec!["x-old: 1"], vec!["x-new: 1"]),
        (renamed, vec!["x-new: mine"], vec!["x-new: none"]),
        (set("x-router", "juga"), vec!["x-router: faked"], vec!["x-router: juga"]),
    ] {
        assert_eq!(forwarded(&for_all(vec![rule.clone()]), &client)[0], expected, "{rule:?}");
    }
}

#[test]
fn later_rules_and_closer_scopes_win() {
    let mut options = for_all(vec![set("x", "all"), propagate(named("x"))]);
    let group = |subgraphs: &[&str], matching, to| Group {
        subgraphs: subgraphs.iter().map(|it| (*it).to_owned()).collect(),
        matching,
        rules: Rules { request: vec![set("x", to)], response: vec![] },
    };
    assert_eq!(forwarded(&options, &[]), [["x: all"], ["x: all"]]);
    assert_eq!(forwarded(&options, &["x: client"]), [["x: client"], ["x: client"]]);
    let pattern = Pattern { regex: Regex::new("^b").expect("a regex"), negate: false };
    options.groups = vec![group(&["a", "b"], None, "group"), group(&[], Some(pattern), "pattern")];
    assert_eq!(forwarded(&options, &["x: client"]), [["x: group"], ["x: pattern"]]);
    options.subgraphs.insert("a".into(), Rules { request: vec![set("x", "own")], response: vec![] });
    assert_eq!(forwarded(&options, &["x: client"]), [["x: own"], ["x: pattern"]]);
}

#[test]
fn what_belongs_to_a_connection_a_body_or_a_handshake_never_passes() {
    let client = [
        "connection: upgrade",
        "keep-alive: 5",
        "proxy-authorization: x",
        "te: trailers",
        "upgrade: websocket",
        "transfer-encoding: chunked",
        "sec-websocket-key: k",
        "sec-websocket-protocol: p",
        "host: h",
        "content-length: 5",
        "content-type: text/plain",
        "accept-encoding: gzip",
        "x-fine: 1",
    ];
    let options = for_all(vec![propagate(matching(".*", false)), propagate(named("upgrade"))]);
    assert_eq!(forwarded(&options, &client)[0], ["x-fine: 1"]);
}

#[test]
fn cookies_pass_by_name_where_a_list_says_so() {
    let mut options = for_all(vec![propagate(named("cookie"))]);
    let client = ["cookie: a=1; session=2", "cookie: b=3"];
    assert_eq!(forwarded(&options, &client)[0], ["cookie: a=1; session=2", "cookie: b=3"]);
    options.cookie_whitelist = vec!["a".into(), "b".into()];
    assert_eq!(forwarded(&options, &client)[0], ["cookie: a=1; b=3"]);
    options.cookie_whitelist = vec!["other".into()];
    assert!(forwarded(&options, &client)[0].is_empty());
}

#[test]
fn equal_headers_are_equal_on_whose_behalf_ever() {
    let rules = HeaderRules::new(&for_all(vec![propagate(named("x"))]), ["a"]);
    let of = |lines: &[&str]| rules.forward(&[SubgraphId(0)], &headers(lines));
    assert_eq!(of(&["x: 1", "y: 2"]), of(&["x: 1", "y: 3"]));
    assert_ne!(of(&["x: 1"]), of(&["x: 2"]));
    assert_eq!(of(&["y: 1"]), Forwarded::default());
    assert_eq!(lines(&rules.relevant(&headers(&["x: 1", "y: 2"]))), ["x: 1"]);
}

fn respond(rules: Vec<ResponseRule>, answers: &[&[&str]]) -> Vec<String> {
    let options = Options { all: Rules { request: vec![], response: rules }, ..Options::default() };
    let rules = HeaderRules::new(&options, ["a"]);
    let answers: Vec<HeaderMap> = answers.iter().map(|it| headers(it)).collect();
    lines(&rules.respond(answers.iter().map(|it| (SubgraphId(0), it))))
}

#[test]
fn answers_come_to_one_header() {
    let rule =
        |algorithm| ResponseRule::Propagate { matcher: named("x"), rename: None, default: None, algorithm };
    let answers: [&[&str]; 3] = [&["x: 1", "y: a"], &[], &["x: 2", "x: 3"]];
    assert_eq!(respond(vec![], &answers), [] as [&str; 0]);
    assert_eq!(respond(vec![rule(Algorithm::FirstWrite)], &answers), ["x: 1"]);
    assert_eq!(respond(vec![rule(Algorithm::LastWrite)], &answers), ["x: 2", "x: 3"]);
    assert_eq!(respond(vec![rule(Algorithm::Append)], &answers), ["x: 1,2,3"]);
    let default = ResponseRule::Propagate {
        matcher: named("x"),
        rename: Some(name("z")),
        default: Some(value("0")),
        algorithm: Algorithm::Append,
    };
    assert_eq!(respond(vec![default], &answers), ["z: 1,0,2,3"]);
}

#[test]
fn what_is_set_on_an_answer_reaches_the_client_only_by_a_further_rule() {
    let set = ResponseRule::Set { name: name("x"), value: value("set") };
    let propagate = ResponseRule::Propagate {
        matcher: named("x"),
        rename: None,
        default: None,
        algorithm: Algorithm::LastWrite,
    };
    assert_eq!(respond(vec![set.clone()], &[&["x: 1"]]), [] as [&str; 0]);
    assert_eq!(respond(vec![set.clone(), propagate.clone()], &[&["x: 1"]]), ["x: set"]);
    assert_eq!(respond(vec![propagate, set], &[&["x: 1"]]), ["x: 1"]);
}

#[test]
fn cookies_of_several_answers_keep_their_lines() {
    let rule = ResponseRule::Propagate {
        matcher: named("set-cookie"),
        rename: None,
        default: None,
        algorithm: Algorithm::Append,
    };
    let answers: [&[&str]; 2] = [&["set-cookie: a=1"], &["set-cookie: b=2"]];
    assert_eq!(respond(vec![rule], &answers), ["set-cookie: a=1", "set-cookie: b=2"]);
}
