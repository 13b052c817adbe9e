//! Composition held against its reference implementation: small graphs of `tests/fixtures/composition`, most in
//! pairs of one that breaks a rule and one that just does not, judged by both.
//!
//! A world is a file. It opens with the verdict of the reference, `# composes` or `# refused: CODE CODE`, and with
//! Juga's where that differs on purpose (`# juga composes`, `# juga refuses: CODE`; `docs/conformance.md` has the
//! reasons). Then come its graphs, each under a line `# graph NAME`, perhaps with `: federation VERSION @import …`,
//! which stands for the link that says so.
//!
//! The reference, npm `@apollo/composition`, is under Elastic-2.0: npm installs it where the tests run
//! (`tests/composition`), and no more than its verdicts comes from it.

use juga::federation::{Graphs, Schema, SubgraphSource};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// The codes of what is wrong with a world; none, and it composes.
type Verdict = BTreeSet<String>;

struct World {
    /// `area/name`.
    name: String,
    reference: Verdict,
    /// Where it is not the reference's.
    juga: Option<Verdict>,
    /// Names with SDL.
    graphs: Vec<(String, String)>,
}

impl World {
    fn expected_of_juga(&self) -> &Verdict {
        self.juga.as_ref().unwrap_or(&self.reference)
    }

    fn read(name: String, text: &str) -> Self {
        let mut parts = text.split("# graph ");
        let head = parts.next().expect("a first part");
        let verdict = |composes: &str, refuses: &str| {
            head.lines().find_map(|it| {
                let codes = it.strip_prefix(refuses).or_else(|| (it == composes).then_some(""))?;
                Some(codes.split_whitespace().map(str::to_owned).collect())
            })
        };
        let reference = verdict("# composes", "# refused:");
        Self {
            reference: reference.unwrap_or_else(|| panic!("{name}: no verdict")),
            juga: verdict("# juga composes", "# juga refuses:"),
            graphs: parts.map(graph).collect(),
            name,
        }
    }
}

/// A graph's name and SDL, of the rest of its heading and what stands below.
fn graph(part: &str) -> (String, String) {
    let (heading, sdl) = part.split_once('\n').expect("a heading");
    let Some((name, link)) = heading.split_once(": federation ") else {
        return (heading.to_owned(), format!("\n{sdl}"));
    };
    let (version, imports) = link.split_once(' ').unwrap_or((link, ""));
    let imports: Vec<String> = imports.split_whitespace().map(|it| format!("\"{it}\"")).collect();
    let url = format!("https://specs.apollo.dev/federation/{version}");
    let link = format!("extend schema @link(url: \"{url}\", import: [{}])", imports.join(", "));
    (name.to_owned(), format!("{link}\n{sdl}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn worlds() -> Vec<World> {
    let folder = root().join("tests/fixtures/composition");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        read.map(|it| it.expect("an entry").path()).collect()
    };
    let mut files: Vec<PathBuf> = entries(&folder).iter().flat_map(|it| entries(it)).collect();
    files.sort();
    let name = |file: &Path| {
        let name = file.strip_prefix(&folder).expect("within the folder").with_extension("");
        name.to_str().expect("ASCII").to_owned()
    };
    let read = |it: &PathBuf| World::read(name(it), &fs::read_to_string(it).expect("UTF-8"));
    files.iter().map(read).collect()
}

#[derive(Deserialize)]
struct Judged {
    name: String,
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
    message: String,
}

/// What the reference makes of the worlds, by their names.
fn ask_reference(worlds: &[World]) -> BTreeMap<String, Vec<Fault>> {
    let folder = root().join("tests/composition");
    assert!(folder.join("node_modules").is_dir(), "the reference is not installed: run `make tools`");
    let of = |(name, sdl): &(String, String)| json!({ "name": name, "sdl": sdl });
    let asked: Vec<_> = worlds
        .iter()
        .map(|it| json!({ "name": it.name, "graphs": it.graphs.iter().map(of).collect::<Vec<_>>() }))
        .collect();
    let mut node = Command::new("node")
        .arg(folder.join("judge.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    let mut stdin = node.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(json!(asked).to_string().as_bytes()));
    let output = node.wait_with_output().expect("node ends");
    writer.join().expect("no panic").expect("node reads the worlds");
    let judged: Vec<Judged> = serde_json::from_slice(&output.stdout).expect("the verdicts");
    judged.into_iter().map(|it| (it.name, it.errors)).collect()
}

/// What protects is composed and not enforced yet: a start would refuse it (`UNPROTECTED`), which is no verdict on
/// composition.
fn ask_juga(world: &World) -> Vec<Fault> {
    let subgraph = |(name, sdl): &(String, String)| SubgraphSource {
        name: name.clone(),
        routing_url: format!("http://{name}"),
        sdl: sdl.clone(),
        file: None,
        subscription: None,
    };
    let subgraphs = world.graphs.iter().map(subgraph).collect();
    let graphs = Graphs { subgraphs, serve_unprotected: true, ..Graphs::default() };
    match Schema::load(&graphs) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            errors.0.iter().map(|it| Fault { code: it.rule.clone(), message: it.to_string() }).collect()
        }
    }
}

fn verdict(faults: &[Fault]) -> Verdict {
    faults.iter().map(|it| it.code.clone()).collect()
}

/// Puts down a verdict that is not what was expected.
fn compare(found: &mut String, world: &World, expected: &Verdict, faults: &[Fault]) {
    if verdict(faults) != *expected {
        writeln!(found, "{}: {expected:?} is expected, not", world.name).expect("a String");
        let told: BTreeSet<String> =
            faults.iter().map(|it| format!("  {}: {}", it.code, it.message)).collect();
        let told =
            if told.is_empty() { "  that it composes".to_owned() } else { Vec::from_iter(told).join("\n") };
        writeln!(found, "{told}").expect("a String");
    }
}

#[test]
fn juga_judges_as_the_reference_does() {
    let (mut found, worlds) = (String::new(), worlds());
    for world in &worlds {
        compare(&mut found, world, world.expected_of_juga(), &ask_juga(world));
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn the_worlds_say_what_the_reference_says() {
    let (mut found, worlds) = (String::new(), worlds());
    let reference = ask_reference(&worlds);
    for world in &worlds {
        compare(&mut found, world, &world.reference, &reference[&world.name]);
    }
    assert!(found.is_empty(), "{found}");
    let refused = worlds.iter().filter(|it| !it.reference.is_empty()).count();
    assert!(refused >= 150 && worlds.len() - refused >= 150, "{refused} of {} are refused", worlds.len());
}

/// Names of worlds stand in backticks on the page, where the reason is told.
#[test]
fn differences_are_told_with_their_reasons() {
    let page = fs::read_to_string(root().join("docs/conformance.md")).expect("the page");
    let (_, section) = page.split_once("\n### Composition beside its reference\n").expect("the section");
    let section = section.split("\n#").next().expect("a first part");
    let rows = section.lines().filter(|it| it.starts_with("| `"));
    let cells = rows.filter_map(|it| it.split('|').nth(1));
    let told: BTreeSet<&str> = cells.flat_map(|it| it.split('`').skip(1).step_by(2)).collect();
    let worlds = worlds();
    let differ = worlds.iter().filter(|it| it.juga.as_ref().is_some_and(|juga| *juga != it.reference));
    assert_eq!(told, differ.map(|it| it.name.as_str()).collect());
}
