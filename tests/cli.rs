//! The built binary: exit codes, and what goes to which stream.

mod support;

use std::{fs, path::Path};
use support::cli::Folder;

const GOOD: &str = "supergraph: { file: supergraph.graphql }\n";

/// A composed graph with one field.
const SUPERGRAPH: &str = include_str!("fixtures/supergraph.graphql");

fn good(name: &str) -> Folder {
    Folder::new(name).with("juga.yaml", GOOD).with("supergraph.graphql", SUPERGRAPH)
}

#[test]
fn version() {
    for flag in ["--version", "-V", "-version"] {
        let answer = Folder::new("version").juga(&[flag]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(answer.stdout, concat!("juga ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn help_shows_the_way() {
    let answer = Folder::new("help").juga(&["--help"]);
    assert_eq!(answer.code, Some(0));
    for word in ["juga config validate router.yaml", "--listen <ADDR>", "--dev", "Exit codes", "CONFIG_PATH"]
    {
        assert!(answer.stdout.contains(word), "{word}:\n{}", answer.stdout);
    }
}

#[test]
fn arguments_that_make_no_sense() {
    for arguments in [&["--colour"] as &[_], &["dance"], &["config"], &["serve", "--listen"]] {
        let answer = Folder::new("usage").juga(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert!(answer.stderr.contains("--help"), "{answer:?}");
        assert!(answer.stdout.is_empty(), "{answer:?}");
    }
}

#[test]
fn a_valid_file() {
    let folder = good("valid");
    for arguments in [&["config", "validate", "juga.yaml"] as &[_], &["config", "validate"]] {
        let answer = folder.juga(arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("juga.yaml: valid\n", ""));
    }
}

#[test]
fn notes_are_shown_beside_the_verdict() {
    let folder = good("notes").with("juga.yaml", &format!("{GOOD}engine: {{ enable_net_poll: true }}\n"));
    let answer = folder.juga(&["config", "validate", "juga.yaml"]);
    assert_eq!(answer.code, Some(0));
    assert_eq!(answer.stderr, "note: `engine.enable_net_poll` has no effect: the poller is always on\n");
}

#[test]
fn findings_are_printed() {
    let folder = good("findings").with("juga.yaml", &format!("{GOOD}listen_adr: x\n"));
    let answer = folder.juga(&["config", "validate", "juga.yaml"]);
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.stdout, "");
    assert_eq!(
        answer.stderr,
        "\
juga.yaml:2:1: listen_adr: unknown key
    2 | listen_adr: x
      | ^^^^^^^^^^
  help: did you mean `listen_addr`?

juga: 1 problem in the configuration
"
    );
}

#[test]
fn files_that_are_not_there_are_findings() {
    let folder = Folder::new("missing").with("juga.yaml", GOOD);
    let answer = folder.juga(&["config", "validate", "juga.yaml"]);
    assert_eq!(answer.code, Some(1));
    let file = folder.0.join("supergraph.graphql");
    assert!(
        answer.stderr.starts_with(&format!(
            "juga.yaml:1:21: supergraph.file: {} cannot be read: No such file",
            file.display()
        )),
        "{answer:?}"
    );
    let answer = folder.juga(&["config", "validate", "nowhere.yaml"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.starts_with("nowhere.yaml: cannot be read: No such file"), "{answer:?}");
}

#[test]
fn serving_with_a_bad_configuration() {
    let folder = good("bad").with("bad.yaml", "grace_period: soon\n");
    for arguments in [
        &["-c", "bad.yaml"] as &[_],
        &["--config", "bad.yaml"],
        &["-config", "bad.yaml"],
        &["-config=bad.yaml"],
        &["serve", "-c", "bad.yaml"],
    ] {
        let answer = folder.juga(arguments);
        assert_eq!(answer.code, Some(78), "{arguments:?}: {answer:?}");
        assert!(answer.stderr.starts_with("bad.yaml:1:15: grace_period: expected a duration"), "{answer:?}");
    }
}

#[test]
fn serving_without_a_configuration() {
    let answer = Folder::new("none").juga(&[]);
    assert_eq!(answer.code, Some(78));
    assert!(answer.stderr.starts_with("no configuration: there is neither `juga.yaml`"), "{answer:?}");
    assert!(answer.stderr.contains("juga -c FILE"), "{answer:?}");
}

#[test]
fn a_configuration_is_found_by_variable_and_by_name() {
    let bad = "dev_mode: perhaps\n";
    let folder = Folder::new("found").with("config.yaml", bad).with("other.yaml", bad);
    assert!(folder.juga(&[]).stderr.starts_with("config.yaml:1:11"));
    let answer = folder.juga_with(&["serve"], &[("CONFIG_PATH", "other.yaml")]);
    assert!(answer.stderr.starts_with("other.yaml:1:11"), "{answer:?}");
    let answer = folder.juga_with(&["-c", "config.yaml"], &[("CONFIG_PATH", "other.yaml")]);
    assert!(answer.stderr.starts_with("config.yaml:1:11"), "{answer:?}");
    let folder = folder.with("juga.yaml", bad);
    assert!(folder.juga(&[]).stderr.starts_with("juga.yaml:1:11"));
}

#[test]
fn flags_and_variables_that_are_wrong_are_named() {
    let folder = good("named");
    let answer = folder.juga(&["--listen", "somewhere", "--log", "loud", "--admin-listen", "x"]);
    assert_eq!(answer.code, Some(78));
    for flag in [
        "flag --listen: listen_addr: ",
        "flag --log: log_level: ",
        "flag --admin-listen: admin.listen_addr: ",
    ] {
        assert!(answer.stderr.contains(flag), "{flag}: {answer:?}");
    }
    let answer = folder.juga_with(&["config", "validate"], &[("GRACE_PERIOD", "soon")]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.starts_with("environment variable GRACE_PERIOD: grace_period: "), "{answer:?}");
}

#[test]
fn the_reference_file_is_valid_beside_a_graph() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/juga.yaml")).expect("there");
    let folder = good("reference").with("juga.yaml", &text);
    let answer = folder.juga(&["config", "validate", "juga.yaml"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_graph_that_does_not_compose_is_a_finding() {
    let folder = good("graph")
        .with("events.graphql", "type Subscription { a: Int }")
        .with("juga.yaml", "supergraph: { file: supergraph.graphql, event_graphs: [events.graphql] }\n");
    let answer = folder.juga(&["config", "validate", "juga.yaml"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("events.graphql:1:21: "), "{answer:?}");
    assert_eq!(folder.juga(&["serve", "-c", "juga.yaml"]).code, Some(78));
}

#[test]
fn files_for_tls_that_are_none_stop_the_start() {
    let folder = good("tls").with("ca.pem", "not a certificate").with(
        "juga.yaml",
        "supergraph: { file: supergraph.graphql }\ntls: { client: { all: { ca_file: ca.pem } } }\n",
    );
    let answer = folder.juga(&["serve", "-c", "juga.yaml"]);
    assert_eq!(answer.code, Some(78), "{answer:?}");
    assert!(answer.stdout.contains("ca.pem holds no certificate"), "{answer:?}");
}
