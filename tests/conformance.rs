//! `docs/conformance.md` speaks of tests that exist, and of everything it has to.

use std::{collections::BTreeSet, fs, path::Path};

/// What the first version promises.
const IDS: &str = "
    C-NATS-1 C-NATS-2 C-NATS-7 C-NATS-9 C-NATS-23 C-NATS-24 C-CFG-1 C-CFG-3
    C-NTLS-1 C-NTLS-2 C-NTLS-3 C-NTLS-4 C-NTLS-5 C-NTLS-6 C-NATS-16 C-NATS-17 C-NATS-18 C-NATS-25 C-NATS-26 C-NATS-28 C-NATS-29
    C-TRG-1 C-TRG-2 C-TRG-3 C-CFG-2 C-NSK-1 C-NSK-2 C-NSK-3 C-NSK-4 C-WS-2 C-WS-25 C-WS-26 C-WS-27 C-WS-32 C-WS-33
    C-WS-11 C-WS-12 C-WS-13 C-WS-14 C-WS-15 C-WS-16 C-WS-17 C-WS-19 C-WS-20 C-WS-21 C-WS-22 C-WS-23 C-WS-24 C-WS-36
    C-WS-37 C-WS-38 C-WS-39 C-WS-41 C-WS-57 C-WS-58 C-WS-59 C-WS-60 C-WS-61 C-WS-62 C-WSS-1
    C-NATS-3 C-NATS-4 C-NATS-5 C-NATS-6 C-NATS-8 C-NATS-10 C-NATS-11 C-NATS-12 C-NATS-13 C-NATS-14 C-NATS-15 C-NATS-30
    C-PRO-1 C-PRO-2 C-PRO-3 C-HTTP-1 C-HTTP-2 C-HTTP-3 C-SEC-1 C-SEC-5 C-SEC-6 C-SEC-7 C-SEC-8
    C-TEL-15 C-TEL-16 C-TEL-17 C-TEL-18 C-WS-1 C-WS-30 C-WS-31 C-WS-34 C-WS-35
    C-KAF-1 C-KAF-2 C-KAF-3 C-KAF-4 C-KAF-5 C-KAF-6 C-KAF-7 C-KAF-8 C-KAF-9 C-KAF-10 C-KAF-11 C-KAF-12
    C-KAF-13 C-KAF-14 C-KAF-15 C-KAF-16 C-KAF-17 C-KAF-18 C-KAF-19 C-KAF-20 C-KAF-21 C-KAF-22 C-KAF-23
    C-KAF-24 C-KSK-1 C-KSK-2 C-KSK-3 C-KSK-4 C-KSK-5
    C-RED-1 C-RED-2 C-RED-3 C-RED-4 C-RED-5 C-RED-6 C-RED-7 C-RED-8 C-RED-9 C-RED-10 C-RED-11 C-RED-12 C-RED-13 C-RED-14
    C-RED-15 C-RED-16 C-RSK-1 C-RSK-2 C-RSK-3 C-RSK-4
    PS-02 PS-04 PS-05 PS-07 PS-23 PS-24 WG-01 WG-02 WG-03 WG-04 WG-05 WG-06 WG-13";

/// Ids that count from 1: the rules of event graphs, and what a running Cosmo Router was seen to do.
const COUNTED: [(&str, usize); 8] = [
    ("DIRECTIVE", 13),
    ("TEMPLATE", 8),
    ("PAYLOAD", 1),
    ("EDG", 10),
    ("EDFS", 10),
    ("FILTER", 14),
    ("EVENT", 13),
    ("REAL", 21),
];

/// What this version does not do, and says so. No other row may go without a test.
const NOT_YET: [&str; 2] = ["EVENT-7", "EVENT-8"];

/// Stands where a row has no test.
const NO_TEST: &str = "–";

struct Row {
    /// One, or several that the same tests hold.
    ids: Vec<String>,
    /// Function and file. None: what is not there yet.
    tests: Vec<(String, String)>,
    note: String,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(path("docs/conformance.md")).expect("the page");
    let is_head =
        |it: &&str| it.starts_with("|---") || it.split('|').nth(2).is_some_and(|it| it.trim() == "tests");
    page.lines().filter(|it| it.starts_with('|') && !is_head(it)).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 3, "{line}");
    let link = |it: &str| {
        let (name, file) = it.trim().strip_prefix('[')?.strip_suffix(')')?.split_once("](../")?;
        Some((name.to_owned(), file.to_owned()))
    };
    let tests = cells[1].split(',').filter(|it| *it != NO_TEST);
    let tests = tests.map(|it| link(it).unwrap_or_else(|| panic!("{it}: no link to a test")));
    let ids = cells[0].split(", ").map(str::to_owned).collect();
    Row { ids, tests: tests.collect(), note: cells[2].to_owned() }
}

fn path(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn every_test_that_the_page_names_exists() {
    let rows = rows();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for (name, file) in rows.iter().flat_map(|it| &it.tests) {
        let text = fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let at = ["fn", "async fn"].iter().find_map(|it| text.find(&format!("\n{it} {name}()")));
        let at = at.unwrap_or_else(|| panic!("{file} has no {name}"));
        let before = text[..at].rsplit("\n\n").next().unwrap_or_default();
        assert!(
            before.contains("#[test]") || before.contains("#[tokio::test]"),
            "{name} in {file} is no test"
        );
    }
}

#[test]
fn the_page_has_every_id_once() {
    let rows = rows();
    let all: Vec<&str> = rows.iter().flat_map(|it| &it.ids).map(String::as_str).collect();
    let ids: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(ids.len(), all.len(), "an id stands there twice");
    let counted = COUNTED.iter().flat_map(|(name, count)| (1..=*count).map(move |it| format!("{name}-{it}")));
    let expected = IDS.split_whitespace().map(str::to_owned).chain(counted);
    let missing: Vec<String> = expected.filter(|it| !ids.contains(&**it)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

/// A rule that nobody knows of is a slip of the pen.
#[test]
fn counted_ids_stay_within_their_range() {
    for id in rows().iter().flat_map(|it| &it.ids) {
        let Some((name, number)) = id.split_once('-') else { continue };
        let Some((_, count)) = COUNTED.iter().find(|it| it.0 == name) else { continue };
        assert!(number.parse().is_ok_and(|it: usize| (1..=*count).contains(&it)), "{id}");
    }
}

#[test]
fn only_what_is_not_there_yet_has_no_test() {
    let rows = rows();
    let (without, with): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|it| it.tests.is_empty());
    let ids = |rows: &[&Row]| rows.iter().flat_map(|it| it.ids.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&without), NOT_YET);
    assert!(without.iter().all(|it| it.note.len() > 20), "the reason is missing");
    assert!(!ids(&with).iter().any(|it| NOT_YET.contains(&&**it)));
}
