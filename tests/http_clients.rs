//! HTTP clients that people use, against the quickstart: the audits of the specification's own reference
//! implementation, Apollo Client, urql and curl.

mod support;

use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
};
use support::quickstart::Quickstart;

/// The client libraries, each with a script of the same usage.
const LIBRARIES: [&str; 2] = ["apollo.mjs", "urql.mjs"];

/// Runs a script of `tests/clients` to its end.
fn npm(script: &str, arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(folder.join("node_modules").is_dir(), "the npm clients are not installed: run `make tools`");
    let run = Command::new("node").arg(folder.join(script)).args(arguments).output();
    run.expect("node is installed")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|it| serde_json::from_str(it).expect("a line of JSON")).collect()
}

/// The one line that a client's script prints, and its exit code.
fn ask(script: &str, url: &str, query: &str, variables: &Value) -> (Value, Option<i32>) {
    let output = npm(script, &[url, query, &variables.to_string()]);
    let [line] = &lines(&output)[..] else { panic!("{script} prints one line: {output:?}") };
    (line.clone(), output.status.code())
}

/// Every MUST and every SHOULD of GraphQL over HTTP holds.
#[test]
fn the_audits_of_graphql_over_http_pass() {
    let mut quickstart = Quickstart::start();
    let output = npm("audit.mjs", &[&quickstart.greeting().graphql()]);
    assert!(output.status.success(), "{output:?}");
    let audits = lines(&output);
    assert!(audits.len() >= 60, "the suite ran: {}", audits.len());
    let is_broken = |it: &&Value| it["status"] != "ok" && it["status"] != "notice";
    let broken: Vec<_> = audits.iter().filter(is_broken).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn libraries_query_mutate_and_see_errors() {
    let mut quickstart = Quickstart::start();
    let url = quickstart.greeting().graphql();
    for library in LIBRARIES {
        let (answer, code) = ask(
            library,
            &url,
            "query One($id: Int!) { employee(id: $id) { id details { forename } products { name } } }",
            &json!({ "id": 2 }),
        );
        assert_eq!(code, Some(0), "{library}: {answer}");
        let employee = &answer["data"]["employee"];
        assert_eq!((&employee["id"], &employee["__typename"]), (&json!(2), &json!("Employee")), "{library}");
        assert!(employee["products"].is_array(), "both subgraphs answered {library}: {answer}");

        let (answer, code) = ask(
            library,
            &url,
            "mutation Rename($to: String!) { renameEmployee(id: 3, forename: $to) { details { forename } } }",
            &json!({ "to": library }),
        );
        assert_eq!(code, Some(0), "{library}: {answer}");
        assert_eq!(answer["data"]["renameEmployee"]["details"]["forename"], library);

        let (answer, code) = ask(library, &url, "{ nothing }", &json!({}));
        assert_eq!(code, Some(1), "the library shows the server's errors {library}: {answer}");
        let error = &answer["errors"][0];
        assert!(error["message"].as_str().is_some_and(|it| it.contains("\"nothing\"")), "{answer}");
        assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{library}: {answer}");
    }
}

/// Libraries that would rather send a hash ask once, are told that they may not, and send texts from then on.
#[test]
fn libraries_switch_persisted_queries_off() {
    let mut quickstart = Quickstart::start();
    let url = quickstart.greeting().graphql();
    for (script, mode) in [
        ("persisted_apollo.mjs", "post"),
        ("persisted_apollo.mjs", "get"),
        ("persisted_urql.mjs", "post"),
        ("persisted_urql.mjs", "get"),
    ] {
        let output = npm(script, &[&url, mode, "{ employee(id: 1) { id } }", "{ employee(id: 2) { id } }"]);
        let [line] = &lines(&output)[..] else { panic!("{script} prints one line: {output:?}") };
        let ids: Vec<_> =
            line["data"].as_array().expect("answers").iter().map(|it| &it["employee"]["id"]).collect();
        assert_eq!(ids, [1, 2], "{script} {mode}: {line}");
        // The hash once, then the first text and the second.
        assert_eq!(line["hashesWithoutText"], 1, "{script} {mode}: {line}");
        assert_eq!(line["requests"], 3, "{script} {mode}: {line}");
    }
}

/// What one types to see whether it works.
#[test]
fn curl_gets_answers_by_get_and_post() {
    let mut quickstart = Quickstart::start();
    let url = quickstart.greeting().graphql();
    let expected = json!({ "data": { "employee": { "id": 1 } } });
    let body = r#"{"query": "{ employee(id: 1) { id } }"}"#;
    let json_type = "Content-Type: application/json";
    for arguments in [
        &[&url, "--json", body][..],
        &[&url, "--header", json_type, "--data", body],
        &[&url, "--header", json_type, "--header", "Transfer-Encoding: chunked", "--data", body],
        &[&url, "--get", "--data-urlencode", "query={ employee(id: 1) { id } }"],
        &[&url, "--compressed", "--json", body],
    ] {
        let common = ["--silent", "--show-error", "--fail-with-body"];
        let output = Command::new("curl").args(common).args(arguments).output().expect("curl is installed");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(serde_json::from_str::<Value>(&answer).ok(), Some(expected.clone()), "{answer}");
    }
}

/// Forty requests at a time on one connection.
#[test]
fn node_speaks_http2_without_tls() {
    let mut quickstart = Quickstart::start();
    let url = quickstart.greeting().graphql();
    let output = npm("http2.mjs", &[&url, "40", "{ employee(id: 1) { id products { name } } }"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answers = lines(&output);
    assert_eq!(answers.len(), 40);
    for answer in answers {
        assert_eq!(answer["status"], 200, "{answer}");
        assert!(answer["body"].as_str().is_some_and(|it| it.contains("Kettle")), "{answer}");
    }
}
